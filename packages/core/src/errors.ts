import type { CoreErrorCode } from './types.ts';

const CODES: ReadonlySet<string> = new Set<CoreErrorCode>([
  'wrong-passphrase',
  'passphrase-needed',
  'unsupported',
  'malformed',
  'weak-key',
  'self-check-failed',
  'aborted',
  'internal',
]);

/** A failure of the core. The message says what is wrong and never holds a secret. */
export class CoreError extends Error {
  override readonly name = 'CoreError';
  readonly code: CoreErrorCode;

  constructor(code: CoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Wraps what should not happen. */
export function internalError(message: string, cause?: unknown): never {
  throw new CoreError('internal', message, { cause });
}

/** The CoreError in what WebAssembly threw: its messages are `code: text`, a trap is `internal`. */
export function coreError(thrown: unknown): CoreError {
  if (thrown instanceof CoreError) {
    return thrown;
  }
  const message = thrown instanceof Error ? thrown.message : '';
  const colon = message.indexOf(': ');
  const code = message.slice(0, colon);
  if (colon > 0 && CODES.has(code)) {
    return new CoreError(code as CoreErrorCode, message.slice(colon + 2));
  }
  return new CoreError('internal', 'the WebAssembly core stopped unexpectedly', { cause: thrown });
}
