import { setTimeout as sleep } from 'node:timers/promises';
import { DatastoreError } from './error.ts';

/** What bounds every step: `signal` ends it at once, `timeout` is in milliseconds. */
export interface Limits {
  readonly signal: AbortSignal;
  readonly timeout: number;
}

export interface Step {
  /** Which datastore, for messages. */
  readonly where: string;
  /** A write that may have arrived although nobody heard of it. */
  readonly writes: boolean;
  /** Ends the step: closes its connection. */
  readonly abandon: () => void;
}

/** The result of `work`, unless the signal or the time limit comes first: then the step is abandoned and what it still
 *  answers is dropped. Rejects with the signal's reason or DatastoreError `timeout`; for a write with
 *  `outcome-unknown`. */
export async function within<T>({ signal, timeout }: Limits, step: Step, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => {
    step.abandon();
    reject(step.writes ? outcomeUnknown(step.where, 'interrupted', signal.reason) : signal.reason);
  };
  const expire = () => {
    step.abandon();
    const seconds = timeout / 1000;
    reject(
      step.writes
        ? outcomeUnknown(step.where, `no answer within ${seconds} s`)
        : new DatastoreError(
            'timeout',
            step.where,
            `no answer within ${seconds} s`,
            'check the network and the load of the server, or allow more with --timeout',
          ),
    );
  };
  const timer = setTimeout(expire, timeout);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work(), promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

/** Milliseconds after which a server shall give a statement up: earlier than we give the server up. */
export function serverPatience({ timeout }: Limits): number {
  return Math.max(1, Math.floor(timeout * 0.8));
}

/** A write whose answer never came. */
export function outcomeUnknown(where: string, what: string, cause?: unknown): DatastoreError {
  return new DatastoreError(
    'outcome-unknown',
    where,
    `${what} while the record was being written, so it may or may not be in place`,
    'look with k3s-pki bootstrap doctor before anything else: it says what is there and what to do',
    cause,
  );
}

/** Waits, unless the signal comes first: then it rejects with the signal's reason. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    // Node's own AbortError wraps the reason.
    throw signal.aborted ? signal.reason : error;
  }
}
