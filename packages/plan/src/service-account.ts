import type { KeyFacts, KeyType, PemBlock } from '@k3s-pki/core';
import { distinctServiceKeys, mode, whyServiceKeyFails } from '@k3s-pki/k3s';
import { deepFreeze } from './freeze.ts';
import type { SnapshotFile } from './snapshot.ts';

/** Options of `service-account rotate`, checked one by one. Paths are absolute. */
export interface ServiceAccountOptions {
  /** The `service.key` that the cluster uses. */
  readonly source: string;
  /** Folder for `rotate-ca --path`. */
  readonly stage: string;
  readonly keyType: KeyType;
  /** How many of the old keys stay at the most, the newest first; all of them when absent. At least 1: rotate-ca asks
   *  for the key that signs now. */
  readonly keep?: number;
}

/** What was found where the plan looks. */
export interface ServiceAccountSnapshot {
  /** `source`; undefined when there is no such file. */
  readonly source: SnapshotFile | undefined;
  /** `tls/service.key` of the stage. */
  readonly target: SnapshotFile | undefined;
  /** Source and target are one file. */
  readonly sameFile: boolean;
  /** What tells that a server has started on the data dir of the source; absolute paths. */
  readonly inUse: readonly string[];
  /** Modification time of the source, milliseconds since 1970. */
  readonly modified: number;
}

/** What stands in the plan's way, or is worth a warning; the words are the catalogue's. */
export interface ServiceAccountProblemValues {
  absent: Record<never, never>;
  unreadable: { readonly why: 'permission' | 'not-a-file' | 'too-large' | 'io' };
  empty: Record<never, never>;
  'broken-pem': { readonly line: number; readonly reason: string };
  encrypted: { readonly line: number; readonly legacy: boolean };
  /** K3s does not start on it; `reason` is whyServiceKeyFails's. */
  unusable: { readonly reason: string };
  /** The stage holds another service.key, such as that of an earlier run. */
  'staged-already': Record<never, never>;
  /** The stage is the data dir of a server that has started. */
  'in-use': { readonly signs: readonly string[] };
  'loose-mode': { readonly mode: number };
  'repeats-dropped': { readonly count: number };
  /** Blocks that the API server passes over, by label. */
  'unread-dropped': { readonly labels: readonly string[] };
  /** Keys beyond `keep`: no token that one of them signed is accepted any more. */
  'keys-dropped': { readonly kids: readonly string[] };
  /** The source is of `modified`, seconds since 1970, later than the clock: K3s compares these times. */
  'from-the-future': { readonly modified: number };
}

export type ServiceAccountProblemCode = keyof ServiceAccountProblemValues;

/** One problem. `file` is absolute. */
export type ServiceAccountProblem = {
  [Code in ServiceAccountProblemCode]: {
    readonly severity: 'error' | 'warning';
    readonly code: Code;
    readonly file: string;
    readonly values: ServiceAccountProblemValues[Code];
  };
}[ServiceAccountProblemCode];

/** An old key: the block of the source that holds it. */
export interface PlannedServiceKey {
  readonly block: number;
  readonly line: number;
  readonly kid: string;
  readonly key: KeyFacts;
}

/** What will be made of what. Frozen, printable as JSON, without a secret. */
export interface ServiceAccountPlan {
  readonly verb: 'service-account rotate';
  readonly source: string;
  readonly stage: string;
  /** Relative to the stage. */
  readonly file: string;
  readonly mode: number;
  readonly directories: readonly { readonly path: string; readonly mode: number }[];
  readonly newKey: KeyType;
  /** After the new key, in this order. */
  readonly kept: readonly PlannedServiceKey[];
  readonly dropped: readonly PlannedServiceKey[];
  /** SHA-256 of what stands in the stage now. */
  readonly replaces: string | 'absent';
  readonly warnings: readonly ServiceAccountProblem[];
}

export type PlannedServiceAccount =
  | { readonly ok: true; readonly plan: ServiceAccountPlan }
  | { readonly ok: false; readonly problems: readonly ServiceAccountProblem[] };

/** Path of the key in a stage, which has K3s's layout below `server`. */
export const stagedServiceKey = 'tls/service.key';

/**
 * Plans a `service.key` whose first key is new and that keeps every key the cluster accepts tokens of, once each.
 * `now` is seconds since 1970. Never throws on what it finds. Source: K3s `contrib/util/generate-custom-ca-certs.sh`
 * (the new key first), `pkg/server/handlers/cert.go`, `validateServiceKey` (the old first key must be among them).
 */
export function planServiceAccountRotate(
  options: ServiceAccountOptions,
  snapshot: ServiceAccountSnapshot,
  now: number,
): PlannedServiceAccount {
  const { source, stage, keyType, keep = Number.POSITIVE_INFINITY } = options;
  const problems: ServiceAccountProblem[] = [];
  const note: Note = (severity, code, file, values) =>
    problems.push({ severity, code, file, values } as ServiceAccountProblem);
  const target = `${stage}/${stagedServiceKey}`;
  const blocks = readSource(source, snapshot.source, note);
  checkTarget(target, snapshot, note);
  if (Math.floor(snapshot.modified / 1000) > now + clockSkew) {
    note('warning', 'from-the-future', source, { modified: Math.floor(snapshot.modified / 1000) });
  }
  const keys = distinctKeys(source, blocks, note);
  const [kept, dropped] = [keys.slice(0, keep), keys.slice(keep)];
  if (dropped.length > 0) note('warning', 'keys-dropped', source, { kids: dropped.map(({ kid }) => kid) });
  if (problems.some(({ severity }) => severity === 'error')) return { ok: false, problems };
  return {
    ok: true,
    plan: deepFreeze({
      verb: 'service-account rotate',
      source,
      stage,
      file: stagedServiceKey,
      mode: mode.key,
      directories: [{ path: 'tls', mode: mode.directory }],
      newKey: keyType,
      kept,
      dropped,
      replaces: snapshot.target?.kind === 'file' ? snapshot.target.sha256 : 'absent',
      warnings: problems,
    }),
  };
}

/** Seconds that K3s lets a file be newer than the datastore. Source: `pkg/cluster/bootstrap.go`, `systemTimeSkew`. */
const clockSkew = 3;

type Note = <Code extends ServiceAccountProblemCode>(
  severity: 'error' | 'warning',
  code: Code,
  file: string,
  values: ServiceAccountProblemValues[Code],
) => void;

function readSource(path: string, file: SnapshotFile | undefined, note: Note): readonly PemBlock[] {
  if (file === undefined) note('error', 'absent', path, {});
  else if (file.kind === 'unreadable') note('error', 'unreadable', path, { why: file.why });
  else if (file.size === 0) note('error', 'empty', path, {});
  else {
    if ((file.mode & 0o077) !== 0) note('warning', 'loose-mode', path, { mode: file.mode });
    let whole = true;
    for (const block of file.blocks) {
      if (block.kind === 'broken') note('error', 'broken-pem', path, { line: block.line, reason: block.reason });
      else if (block.kind === 'encrypted-private-key') {
        note('error', 'encrypted', path, { line: block.line, legacy: block.scheme === 'legacy' });
      } else continue;
      whole = false;
    }
    const reason = whole ? whyServiceKeyFails(file.blocks) : undefined;
    if (reason !== undefined) note('error', 'unusable', path, { reason });
    return file.blocks;
  }
  return [];
}

function checkTarget(path: string, { source, target, sameFile, inUse }: ServiceAccountSnapshot, note: Note): void {
  if (sameFile) {
    if (inUse.length > 0) note('error', 'in-use', path, { signs: inUse });
  } else if (target?.kind === 'unreadable') note('error', 'unreadable', path, { why: target.why });
  else if (target !== undefined && !(source?.kind === 'file' && source.sha256 === target.sha256)) {
    note('error', 'staged-already', path, {});
  }
}

/** As `distinctServiceKeys`; what is left out is noted. */
function distinctKeys(path: string, blocks: readonly PemBlock[], note: Note): PlannedServiceKey[] {
  const { keys, repeats, unread } = distinctServiceKeys(blocks);
  const labels = unread.flatMap(({ block, label }) => {
    const { kind } = blocks[block] ?? {};
    // A broken or encrypted block was named as an error already; OpenSSL writes EC PARAMETERS before an EC key.
    return kind !== 'broken' && kind !== 'encrypted-private-key' && label !== 'EC PARAMETERS' ? [label] : [];
  });
  if (repeats > 0) note('warning', 'repeats-dropped', path, { count: repeats });
  if (labels.length > 0) note('warning', 'unread-dropped', path, { labels });
  return keys.map(({ block, line, kid, key }) => ({ block, line, kid, key }));
}
