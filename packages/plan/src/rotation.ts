import { judgeRotation, type Rotation, rotationFields, tlsFile } from '@k3s-pki/k3s';
import type { CaSet } from './ca-set.ts';
import type { X509 } from './inputs.ts';

/** What a rotation means for those who hold the old set. */
export interface RotationConsequenceValues {
  /** Always: what was loaded takes effect at a restart. `agents` need one only when a CA changes, `pods` when
   *  what they hold is refused. */
  restart: { readonly agents: boolean; readonly pods: boolean };
  /** Join tokens with a CA hash are refused; `before` and `after` are hashes. */
  'new-token': { readonly before: string; readonly after: string };
  /** Whoever has the old server CA refuses the API server: pods, agents, kubeconfigs. */
  'server-untrusted': Record<never, never>;
  /** The supervisor's own certificate is not remade by itself. */
  'supervisor-certificate': Record<never, never>;
  /** Client certificates of the old CA are refused: copied kubeconfigs, what the certificates API signed. */
  'clients-refused': Record<never, never>;
  /** etcd members of before and after the restart refuse each other. */
  'etcd-split': Record<never, never>;
  /** Aggregated API servers refuse the proxy until they have read the new CA. */
  'aggregation-refused': Record<never, never>;
  /** Tokens of pods, signed by keys that are no longer in the file, are refused; `signing`: those of all pods. */
  'tokens-refused': { readonly count: number; readonly signing: boolean };
}
export type RotationConsequenceCode = keyof RotationConsequenceValues;
export type RotationConsequence = {
  [Code in RotationConsequenceCode]: { readonly code: Code; readonly values: RotationConsequenceValues[Code] };
}[RotationConsequenceCode];

/** `nothing`: no file differs. `non-disruptive`: K3s accepts it, and a restart is all. `disruptive`: K3s accepts it, and
 *  something has to be done besides. `needs-force`: K3s refuses it otherwise. */
export type RotationVerdict = 'nothing' | 'non-disruptive' | 'disruptive' | 'needs-force';

export interface RotationReport {
  readonly verdict: RotationVerdict;
  readonly rotation: Rotation;
  readonly consequences: readonly RotationConsequence[];
}

/** `rotate-ca` with `proposed` where `current` is in use, and what would come of it. `at` is seconds since 1970. Pure. */
export function reportRotation(current: CaSet, proposed: CaSet, x509: X509, at: number): RotationReport {
  const rotation = judgeRotation(current.files, proposed.files, (request) => x509.chains(request), at);
  const consequences = consequencesOf(rotation);
  return { verdict: verdictOf(rotation, consequences), rotation, consequences };
}

/** The set that a server would have after the rotation: what is proposed, and what K3s keeps. */
export function setAfterRotation(current: CaSet, proposed: CaSet): CaSet {
  const rotated = new Set<string>(rotationFields.map(({ file }) => file));
  const given = (file: string) => (proposed.files(file)?.bytes.length ?? 0) > 0 || !rotated.has(file);
  return { ...proposed, files: (file) => (given(file) ? proposed : current).files(file) };
}

function verdictOf(rotation: Rotation, consequences: readonly RotationConsequence[]): RotationVerdict {
  if (rotation.findings.some(({ code }) => code === 'nothing-proposed')) return 'nothing';
  if (!rotation.accepted) return 'needs-force';
  return consequences.every(({ code }) => code === 'restart') ? 'non-disruptive' : 'disruptive';
}

function consequencesOf({ fields, caHash, trust, serviceKeysLost }: Rotation): RotationConsequence[] {
  const changed = fields.filter((field) => field.changed);
  if (changed.length === 0) return [];
  const found: RotationConsequence[] = [];
  const of = (...cas: string[]) => trust.filter(({ ca }) => cas.includes(ca));
  const { before, after, kept } = caHash;
  if (!kept && before !== undefined && after !== undefined) {
    found.push({ code: 'new-token', values: { before: before.hash, after: after.hash } });
  }
  if (of('server').some(({ oldTrustsNew }) => !oldTrustsNew)) {
    found.push({ code: 'server-untrusted', values: {} }, { code: 'supervisor-certificate', values: {} });
  }
  if (of('client').some(({ newTrustsOld }) => !newTrustsOld)) found.push({ code: 'clients-refused', values: {} });
  if (of('etcd/peer', 'etcd/server').some(({ oldTrustsNew, newTrustsOld }) => !oldTrustsNew || !newTrustsOld)) {
    found.push({ code: 'etcd-split', values: {} });
  }
  if (of('request-header').some(({ oldTrustsNew }) => !oldTrustsNew)) {
    found.push({ code: 'aggregation-refused', values: {} });
  }
  if (serviceKeysLost.count > 0) found.push({ code: 'tokens-refused', values: serviceKeysLost });
  const agents = changed.some(({ file }) => file !== tlsFile.serviceKey);
  const pods = serviceKeysLost.signing || found.some(({ code }) => code === 'server-untrusted');
  return [...found, { code: 'restart', values: { agents, pods } }];
}
