/** Exit codes. Source: `docs` of the program: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted. */
export const exitCode = { done: 0, refused: 1, usage: 2, interrupted: 130 } as const;

/** One line of what went wrong and one of how to mend it, both without a final stop, never with a secret. */
export interface Message {
  readonly error: string;
  readonly hint?: string;
}

/** A failure for people: ends a command with `code`, without a stack trace. Several messages are printed in order. */
export class Failure extends Error {
  readonly messages: readonly Message[];
  readonly code: number;
  /** What `--output json` prints on stdout instead of the result. */
  readonly report: Record<string, unknown> | undefined;

  constructor(
    messages: readonly Message[],
    options: { code?: number; cause?: unknown; report?: Record<string, unknown> } = {},
  ) {
    super(messages.map(({ error }) => error).join('; '), { cause: options.cause });
    this.name = 'Failure';
    this.messages = messages;
    this.code = options.code ?? exitCode.refused;
    this.report = options.report;
  }
}

/** Wraps what should not happen; the user sees one line, and the stack with K3S_PKI_DEBUG=1. */
export function internalError(what: string, cause?: unknown): never {
  throw new Error(`internal error: ${what}`, { cause });
}
