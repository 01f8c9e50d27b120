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

function isAbort(error: unknown): boolean {
  return (
    (error instanceof CoreError && error.code === 'aborted') ||
    (error instanceof SupervisorError && error.code === 'aborted' && !error.inDoubt) ||
    (error instanceof Error && error.name === 'AbortError')
  );
}
