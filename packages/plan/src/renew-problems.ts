/** What stands in the way of renewing leaves, or is worth a warning; the words are the catalogue's. */
export interface RenewProblemValues {
  /** Leaves that need renewal lie on a machine without CA keys, whose start fetches them from the server. */
  'agent-machine': { readonly leaves: readonly string[] };
  /** The CA that would sign these leaves can't. */
  'ca-unusable': { readonly reason: string; readonly leaves: readonly string[] };
  /** The certificate can't be read, and no other one has the names that it must hold. */
  'names-unknown': { readonly service: string };
  /** An agent's leaf whose names are not known: its own start fetches it from the server. */
  'left-to-start': Record<never, never>;
  /** What lies in the place of the file cannot be read; `special` is no regular file. */
  'unusable-file': { readonly why: 'permission' | 'too-large' | 'io' | 'special' };
  /** The leaf will be valid longer than its CA. Times are seconds since 1970. */
  'outlives-ca': { readonly subject: string; readonly notAfter: number; readonly until: number };
  /** Leaves of this lifetime are inside K3s's renewal window from the beginning. */
  'short-lived': { readonly days: number; readonly window: number };
  /** A key that others may read; the new one gets 0600. */
  'loose-key': { readonly mode: number };
}

export type RenewProblemCode = keyof RenewProblemValues;

/** One problem. `file` is relative to the data dir. */
export type RenewProblem = {
  [Code in RenewProblemCode]: {
    readonly severity: 'error' | 'warning';
    readonly code: Code;
    readonly file: string;
    readonly values: RenewProblemValues[Code];
  };
}[RenewProblemCode];

/** Collects every problem of a run. */
export class RenewProblems {
  readonly list: RenewProblem[] = [];

  error<Code extends RenewProblemCode>(code: Code, file: string, values: RenewProblemValues[Code]): void {
    this.list.push({ severity: 'error', code, file, values } as RenewProblem);
  }

  warn<Code extends RenewProblemCode>(code: Code, file: string, values: RenewProblemValues[Code]): void {
    this.list.push({ severity: 'warning', code, file, values } as RenewProblem);
  }

  get refused(): boolean {
    return this.list.some(({ severity }) => severity === 'error');
  }
}
