import type { Limits } from './deadline.ts';
import { DatastoreError } from './error.ts';
import type { Datastore, Entry, Swapped } from './types.ts';

/** Milliseconds for the second look, at most. */
const secondLook = 5000;

/**
 * Looks again, over a connection of its own, when a write's answer never came. A record that is in place then has been
 * written. One that is not may still be under way, so the error stays what it was and says what was seen. After Ctrl-C
 * nothing more is asked.
 */
export function confirmed(store: Datastore, limits: Limits, open: (limits: Limits) => Promise<Datastore>): Datastore {
  return {
    ...store,
    swap: (key, expected, value) =>
      sure(key, store.swap(key, expected, value), (now) =>
        now !== undefined && now.revision !== expected && Buffer.from(now.value).equals(value)
          ? now.revision
          : expected === (now?.revision ?? 'absent'),
      ),
    remove: (key, revision) =>
      sure(key, store.remove(key, revision), (now) => (now === undefined ? '0' : now.revision === revision)),
  };

  /** `judge` answers the new revision, or whether the key is as it was. */
  async function sure(
    key: string,
    write: Promise<Swapped>,
    judge: (now: Entry | undefined) => string | boolean,
  ): Promise<Swapped> {
    try {
      return await write;
    } catch (error) {
      if (!(error instanceof DatastoreError) || error.code !== 'outcome-unknown' || limits.signal.aborted) throw error;
      const verdict = judge(await look(key, error));
      if (typeof verdict === 'string') return { kind: 'swapped', revision: verdict };
      throw and(error, verdict ? 'a second look found it as it was, but the change may still be under way' : changed);
    }
  }

  async function look(key: string, error: DatastoreError): Promise<Entry | undefined> {
    let again: Datastore | undefined;
    try {
      again = await open({ signal: limits.signal, timeout: Math.min(limits.timeout, secondLook) });
      return await again.read(key);
    } catch (failure) {
      const why = failure instanceof DatastoreError ? failure.what : 'interrupted';
      throw and(error, `a second look failed: ${why}`);
    } finally {
      await again?.close();
    }
  }
}

const changed = 'a second look found what another writer has put there since';

function and({ code, where, what, mend, cause }: DatastoreError, more: string): DatastoreError {
  return new DatastoreError(code, where, `${what}; ${more}`, mend, cause);
}
