import type { CaSetProblemValues } from './ca-set-problem.ts';

/**
 * What stands in a plan's way, or is worth a warning: a code and the values a person needs. The words are the
 * catalogue's (`cli/src/messages`), so that another language can stand beside English.
 */
export interface ProblemValues extends CaSetProblemValues {
  /** The data dir belongs to a server that was started; `signs` are paths relative to it. */
  'in-use': { readonly signs: readonly string[] };
  unreadable: { readonly why: 'permission' | 'not-a-file' | 'too-large' | 'io' };
  empty: Record<never, never>;
  /** `line` is 1-based. */
  'broken-pem': { readonly line: number; readonly reason: string };
  'no-certificate': { readonly der: boolean; readonly trusted: boolean };
  'no-key': { readonly der: boolean; readonly publicOnly: boolean };
  'legacy-encryption': Record<never, never>;
  'passphrase-needed': Record<never, never>;
  'wrong-passphrase': Record<never, never>;
  /** Two different files offer the same input. */
  'two-inputs': { readonly other: string };
  'copy-left-behind': Record<never, never>;
  /** One half of a pair; `missing` is the other half. */
  'half-pair': { readonly missing: string };
  /** The intermediate is there, its root is not. */
  'root-missing': { readonly missing: string };
  'root-key-needed': { readonly missing: string; readonly intermediate: string; readonly intermediateKey: string };
  'key-mismatch': { readonly key: string; readonly subject: string; readonly count: number };
  'not-a-ca': { readonly subject: string };
  expired: { readonly subject: string; readonly notAfter: number };
  'not-yet-valid': { readonly subject: string; readonly notBefore: number };
  /** `signs` will be valid until `until`, longer than the CA itself. */
  'outlived-issuer': {
    readonly subject: string;
    readonly notAfter: number;
    readonly signs: string;
    readonly until: number;
  };
  'path-length': { readonly subject: string; readonly pathLength: number; readonly needed: number };
  'no-cert-sign': { readonly subject: string };
  'usage-without-server-auth': { readonly subject: string; readonly usages: readonly string[] };
  'usage-without-client-auth': { readonly subject: string; readonly usages: readonly string[] };
  'weak-key': { readonly subject: string; readonly bits: number };
  'weak-signature': { readonly subject: string; readonly algorithm: string };
  'unsupported-key': { readonly subject: string; readonly algorithm: string };
  /** The chain from `subject` does not go on: no issuer of that name, another key id, or a bad signature. */
  'not-issued-by': {
    readonly subject: string;
    readonly issuer: string;
    readonly why: 'name' | 'key-id' | 'signature';
    readonly roots: string;
  };
  /** Go's crypto/x509 finds no chain although every certificate looks right, such as over an unknown critical extension. */
  'chain-refused': { readonly subject: string; readonly detail: string };
  'root-not-self-signed': { readonly subject: string; readonly issuer: string };
  'several-certificates': { readonly count: number };
  'service-key': { readonly reason: string };
  'service-key-dropped': { readonly count: number };
  /** A file of the CA that a profile needs is absent. */
  'no-ca-file': { readonly ca: string };
  /** Leaves would be valid until `until`, after the CA; `most` days would not. */
  'leaf-outlives-ca': {
    readonly subject: string;
    readonly notAfter: number;
    readonly until: number;
    readonly most: number;
  };
  'loose-mode': { readonly mode: number };
}

export type ProblemCode = keyof ProblemValues;

/** One problem. `file` is relative to the data dir. */
export type Problem = {
  [Code in ProblemCode]: {
    readonly severity: 'error' | 'warning';
    readonly code: Code;
    readonly file: string;
    readonly values: ProblemValues[Code];
  };
}[ProblemCode];

/** Collects every problem of a run, so that the user sees them all at once. */
export class Problems {
  readonly list: Problem[] = [];

  error<Code extends ProblemCode>(code: Code, file: string, values: ProblemValues[Code]): void {
    this.add({ severity: 'error', code, file, values } as Problem);
  }

  warn<Code extends ProblemCode>(code: Code, file: string, values: ProblemValues[Code]): void {
    this.add({ severity: 'warning', code, file, values } as Problem);
  }

  get refused(): boolean {
    return this.list.some((problem) => problem.severity === 'error');
  }

  private add(problem: Problem): void {
    const same = JSON.stringify(problem);
    if (!this.list.some((known) => JSON.stringify(known) === same)) this.list.push(problem);
  }
}
