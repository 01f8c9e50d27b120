import type { Core } from '@k3s-pki/core';
import {
  consequencesOf,
  type FileSet,
  judgeRotation,
  type Product,
  type Rotation,
  type RotationConsequence,
  type RotationField,
} from '@k3s-pki/k3s';
import { deepFreeze } from './freeze.ts';

/** Options of `certificate rotate-ca`. */
export interface RotateCaOptions {
  readonly product: Product;
  /** Load what K3s refuses, but never what it can't start on. */
  readonly force: boolean;
  /** How the set gets there: over the wire as K3s's own client does it, or straight into the datastore. */
  readonly via: 'supervisor' | 'datastore';
}

/** One field that is replaced. SHA-256 in hex, of the file's bytes. */
export interface RotatedField {
  readonly field: RotationField;
  /** Relative to the data dir; below `tls` it is the same in the staging folder. */
  readonly file: string;
}

/** What people do after the new set is in the datastore, in order. Every step names the machines that it is for. */
export type RolloutStep =
  /** Before their restart: all nodes that joined with a token that carries the old CA hash, servers included. */
  | { readonly step: 'new-tokens'; readonly on: 'nodes'; readonly caHash: string }
  /** Before its restart, on each server: the supervisor's own certificate is not remade by itself. */
  | { readonly step: 'supervisor-certificate'; readonly on: 'servers' }
  /** One by one, beginning with the server that the others name in `--server`: theirs come from its disk. */
  | { readonly step: 'restart-servers'; readonly on: 'servers' }
  | { readonly step: 'restart-agents'; readonly on: 'agents' }
  /** Pods have the old server CA, or tokens that are refused. */
  | { readonly step: 'restart-pods'; readonly on: 'cluster' }
  | { readonly step: 'kubeconfigs'; readonly on: 'administrators' };

/** What will be loaded, and what it means. Frozen, printable as JSON, without a secret. */
export interface RotateCaPlan {
  readonly verb: 'certificate rotate-ca';
  readonly product: Product;
  readonly via: RotateCaOptions['via'];
  /** Whether K3s has to be told to ignore its own checks. */
  readonly force: boolean;
  /** Seconds since 1970: the time stamp of every replaced field. */
  readonly timestamp: number;
  readonly fields: readonly RotatedField[];
  readonly rotation: Rotation;
  readonly consequences: readonly RotationConsequence[];
  readonly rollout: readonly RolloutStep[];
}

export type PlannedRotation =
  | { readonly ok: true; readonly plan: RotateCaPlan }
  /** `refused`: K3s would, and `force` was not given. `unfit`: force or not. */
  | { readonly ok: false; readonly why: 'refused' | 'unfit'; readonly rotation: Rotation };

/**
 * Plans the load of `proposed` into a cluster whose set is `current`. The proposed files get the time of the rotation, so
 * their own ages do not count. `now` is seconds since 1970. Source: K3s `pkg/cli/cert/cert.go`, `rotateCA`.
 */
export function planRotateCa(
  { product, force, via }: RotateCaOptions,
  current: FileSet,
  proposed: FileSet,
  chains: Core['chains'],
  now: number,
): PlannedRotation {
  const stamped: FileSet = (path) => {
    const file = proposed(path);
    return file === undefined ? undefined : { ...file, modified: now };
  };
  const rotation = judgeRotation(current, stamped, chains, now);
  if (rotation.unfit) return { ok: false, why: 'unfit', rotation };
  if (!rotation.accepted && !force) return { ok: false, why: 'refused', rotation };
  const consequences = consequencesOf(rotation);
  const fields = rotation.fields.flatMap(({ field, file, from }) => (from === 'proposed' ? [{ field, file }] : []));
  const plan: RotateCaPlan = {
    verb: 'certificate rotate-ca',
    product,
    via,
    force: !rotation.accepted,
    timestamp: now,
    fields,
    rotation,
    consequences,
    rollout: rolloutOf(consequences, rotation),
  };
  return { ok: true, plan: deepFreeze(plan) };
}

function rolloutOf(consequences: readonly RotationConsequence[], { caHash }: Rotation): RolloutStep[] {
  const has = (...codes: RotationConsequence['code'][]) => consequences.some(({ code }) => codes.includes(code));
  const signing = consequences.some(({ code, values }) => code === 'service-tokens-refused' && values.signing);
  const steps: RolloutStep[] = [];
  if (has('tokens-refused')) steps.push({ step: 'new-tokens', on: 'nodes', caHash: caHash.after?.hash ?? '' });
  if (has('supervisor-certificate')) steps.push({ step: 'supervisor-certificate', on: 'servers' });
  steps.push({ step: 'restart-servers', on: 'servers' }, { step: 'restart-agents', on: 'agents' });
  if (has('server-distrusted') || signing) steps.push({ step: 'restart-pods', on: 'cluster' });
  if (has('server-distrusted', 'clients-refused')) steps.push({ step: 'kubeconfigs', on: 'administrators' });
  return steps;
}
