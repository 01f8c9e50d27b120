import type { Finding, RenewalReason } from '@k3s-pki/k3s';
import type { Holder } from './rotate-snapshot.ts';

/** What stands in the way of rotating or restoring leaves, or is worth a warning; the words are the catalogue's. */
export interface LeafProblemValues {
  /** There is no `server` and no `agent` below the data dir. */
  'no-data-dir': Record<never, never>;
  'unknown-service': { readonly service: string; readonly known: readonly string[] };
  /** A server's service, on a machine that is none. */
  'server-service': { readonly service: string };
  running: { readonly holders: readonly Holder[]; readonly role: 'server' | 'agent' };
  unreadable: { readonly why: 'permission' | 'too-large' | 'io' };
  'not-copied': Record<never, never>;
  /** K3s would not come up on the CAs that sign the new leaves. */
  'cas-unfit': { readonly reason: string; readonly effect: Finding['effect'] };
  /** Not one leaf of the chosen services is there. */
  'nothing-to-rotate': Record<never, never>;
  'no-backup': { readonly backup: string; readonly known: readonly string[] };
  'two-backups': { readonly paths: readonly string[] };
  /** A backup has nothing of the chosen services. */
  'nothing-to-restore': { readonly services: readonly string[] };
  'broken-file': { readonly reason: string };
  /** A certificate of a backup and the key beside it do not belong together. */
  'pair-mismatch': { readonly key: string };
  /** A backup has one half of a pair; `removed` stands in place and goes, because it belongs to another half. */
  'half-pair': { readonly missing: string; readonly removed: boolean };
  'loose-mode': { readonly mode: number };
  /** A CA file of a backup differs from the one in use, at `used`. */
  'ca-differs': { readonly used: string };
  'ca-replaced': { readonly backup: string };
  /** It was missing in a data dir that a server has used; the datastore may have another one. */
  'ca-returned': { readonly backup: string };
  /** K3s makes these leaves anew at its next start. */
  'leaves-renewed': { readonly why: RenewalReason; readonly files: readonly string[] };
  /** K3s would keep this leaf, and nobody would accept it. */
  'bad-signature': { readonly ca: string };
  /** K3s put agent files over the server's copies of these. */
  'flat-backup': { readonly files: readonly string[] };
}

export type LeafProblemCode = keyof LeafProblemValues;

/** One problem. `file` is relative to the data dir. */
export type LeafProblem = {
  [Code in LeafProblemCode]: {
    readonly severity: 'error' | 'warning';
    readonly code: Code;
    readonly file: string;
    readonly values: LeafProblemValues[Code];
  };
}[LeafProblemCode];

/** Collects every problem of a run. */
export class LeafProblems {
  readonly list: LeafProblem[] = [];

  error<Code extends LeafProblemCode>(code: Code, file: string, values: LeafProblemValues[Code]): void {
    this.list.push({ severity: 'error', code, file, values } as LeafProblem);
  }

  warn<Code extends LeafProblemCode>(code: Code, file: string, values: LeafProblemValues[Code]): void {
    this.list.push({ severity: 'warning', code, file, values } as LeafProblem);
  }

  /** An error that `--force` turns into a warning. */
  unlessForced<Code extends LeafProblemCode>(
    force: boolean,
    code: Code,
    file: string,
    values: LeafProblemValues[Code],
  ): void {
    if (force) this.warn(code, file, values);
    else this.error(code, file, values);
  }

  get refused(): boolean {
    return this.list.some(({ severity }) => severity === 'error');
  }
}
