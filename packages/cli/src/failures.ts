import { CoreError } from '@k3s-pki/core';
import { StageError } from '@k3s-pki/stage';
import { SupervisorError } from '@k3s-pki/supervisor';
import { exitCode, Failure } from './failure.ts';

/** Turns what the packages throw into a failure for people; anything else passes through as it is. */
export function asFailure(error: unknown): unknown {
  if (error instanceof StageError) {
    return new Failure([{ error: error.message, hint: error.mend }], { cause: error });
  }
  if (error instanceof SupervisorError && error.code !== 'aborted') {
    const { message, mend } = error;
    return new Failure([mend === undefined ? { error: message } : { error: message, hint: mend }], { cause: error });
  }
  if (isAbort(error)) {
    return new Failure([{ error: 'interrupted, nothing was changed' }], { code: exitCode.interrupted, cause: error });
  }
  if (error instanceof CoreError && error.code !== 'internal') {
    return new Failure([{ error: error.message }], { cause: error });
  }
  return error;
}

/** The failure with a report of its messages for `--output json|yaml`, unless it has one. */
export function withReport(command: string, error: unknown): unknown {
  if (!(error instanceof Failure) || error.report !== undefined) return error;
  const { messages, code, cause } = error;
  const problems = messages.map(({ error: message, hint }) => ({ severity: 'error', message, hint }));
  return new Failure(messages, { code, cause, report: { command, ok: false, problems } });
}

function isAbort(error: unknown): boolean {
  return (
    (error instanceof CoreError && error.code === 'aborted') ||
    (error instanceof SupervisorError && error.code === 'aborted' && !error.inDoubt) ||
    (error instanceof Error && error.name === 'AbortError')
  );
}
