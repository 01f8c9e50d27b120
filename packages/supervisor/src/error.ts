/**
 * Why a supervisor was not of use.
 * `address`: not an https URL. `unreachable`: no connection, nothing was sent. `silent`: no answer in time. `cut`: the
 * connection ended early. `untrusted`: its certificate does not verify. `wrong-hash`: its CAs are not the ones of the
 * CA hash. `credentials`: the password is wrong. `forbidden`: right, but not for this. `refused`: K3s said no.
 * `stranger`: the answer is not a supervisor's. `too-large`: more than it could sensibly be. `aborted`: by the signal.
 */
export type SupervisorErrorCode =
  | 'address'
  | 'unreachable'
  | 'silent'
  | 'cut'
  | 'untrusted'
  | 'wrong-hash'
  | 'credentials'
  | 'forbidden'
  | 'refused'
  | 'stranger'
  | 'too-large'
  | 'aborted';

/** A failure for people: `message` says what is wrong, `mend` what to do. Neither holds a secret. */
export class SupervisorError extends Error {
  readonly code: SupervisorErrorCode;
  readonly mend: string | undefined;
  /** Whether a change was asked for and the server may have made it: look before you try again. */
  readonly inDoubt: boolean;

  constructor(
    code: SupervisorErrorCode,
    message: string,
    options: { mend?: string; inDoubt?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'SupervisorError';
    this.code = code;
    this.mend = options.mend;
    this.inDoubt = options.inDoubt ?? false;
  }
}
