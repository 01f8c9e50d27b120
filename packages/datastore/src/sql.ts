import { setTimeout as sleep } from 'node:timers/promises';
import { type Limits, outcomeUnknown, pause, within } from './deadline.ts';
import { connectionFailure, DatastoreError, firstLine } from './error.ts';
import { entryOf, kineStatements, prefixEnd, type SqlDialect } from './kine-rows.ts';
import type { Datastore, Swapped } from './types.ts';

/** A connection to a database server. */
export interface SqlConnection {
  rows(sql: string, parameters: readonly unknown[]): Promise<{ id: unknown; name: unknown; value: unknown }[]>;
  /** Runs an INSERT in a transaction of its own. Answers the new row's id, undefined when it inserted none. */
  insert(sql: string, parameters: readonly unknown[]): Promise<string | undefined>;
  /** Resolves when the server has taken leave, or is past it. */
  end(): Promise<void>;
  /** Closes the socket at once. */
  destroy(): void;
}

/** What a failed statement means. `again`: it was rolled back and may be repeated. `conflict`: another row came first.
 *  `lost`: the connection is gone. */
export type Verdict = 'again' | 'conflict' | 'lost' | DatastoreError;

export interface SqlDriver {
  /** For people, without credentials. */
  readonly where: string;
  readonly dialect: SqlDialect;
  /** Opens a connection; `ended` is called when it ends by itself. */
  connect(ended: () => void): Promise<SqlConnection>;
  verdict(error: unknown): Verdict;
}

/** Milliseconds before a statement that was rolled back is repeated. */
const betweenTries = 20;

/** kine's table on a database server. One connection, opened when it is needed; calls go one after the other. */
export function openSql(driver: SqlDriver, limits: Limits): Datastore {
  const { where } = driver;
  const statements = kineStatements(driver.dialect);
  let live: Promise<SqlConnection> | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  return {
    description: where,
    list: (prefix) =>
      read(async (connection) =>
        (await connection.rows(statements.list, [prefix, prefixEnd(prefix)])).map((row) => entryOf(row)),
      ),
    read: (key) => read(async (connection) => (await connection.rows(statements.read, [key])).map(entryOf)[0]),
    swap: (key, expected, value) =>
      expected === 'absent'
        ? write(statements.create, [key, value, key])
        : write(statements.update, [value, expected, key]),
    remove: (key, revision) => write(statements.remove, [revision, key]),
    async close() {
      const connection = await live?.catch(() => undefined);
      live = undefined;
      if (connection === undefined) return;
      // A server that no longer answers must not hold us up.
      await Promise.race([connection.end().catch(() => {}), sleep(1000, undefined, { ref: false })]);
      connection.destroy();
    },
  };

  function read<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T> {
    return inTurn(() => repeated(false, work)) as Promise<T>;
  }

  function write(sql: string, parameters: readonly unknown[]): Promise<Swapped> {
    return inTurn(() =>
      repeated(true, async (connection): Promise<Swapped> => {
        const revision = await connection.insert(sql, parameters);
        return revision === undefined ? { kind: 'conflict' } : { kind: 'swapped', revision };
      }),
    ) as Promise<Swapped>;
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = queue.then(work);
    queue = mine.catch(() => {});
    return mine;
  }

  async function repeated<T>(writes: boolean, work: (connection: SqlConnection) => Promise<T>): Promise<T | Swapped> {
    const end = performance.now() + limits.timeout;
    let reopened = false;
    for (;;) {
      const connection = await connected();
      try {
        const step = { where, writes, abandon: () => drop(connection) };
        return await within(limits, step, () => work(connection));
      } catch (error) {
        if (error instanceof DatastoreError || limits.signal.aborted) throw error;
        const verdict = driver.verdict(error);
        if (verdict === 'conflict') return { kind: 'conflict' };
        if (verdict === 'again') {
          if (performance.now() > end) throw busy(error);
          await pause(betweenTries, limits.signal);
          continue;
        }
        if (verdict !== 'lost') throw verdict;
        drop(connection);
        if (writes) throw outcomeUnknown(where, 'the connection ended', error);
        if (reopened) throw connectionFailure(where, error) ?? ended(error);
        reopened = true;
      }
    }
  }

  function connected(): Promise<SqlConnection> {
    live ??= open();
    return live;
  }

  function open(): Promise<SqlConnection> {
    let late = false;
    const opening: Promise<SqlConnection> = within(
      limits,
      { where, writes: false, abandon: () => (late = true) },
      async () => {
        const connection = await driver.connect(() => {
          if (live === opening) live = undefined;
        });
        if (late) connection.destroy();
        return connection;
      },
    ).catch((error: unknown) => {
      live = undefined;
      if (error instanceof DatastoreError || limits.signal.aborted) throw error;
      const verdict = driver.verdict(error);
      throw verdict instanceof DatastoreError ? verdict : (connectionFailure(where, error) ?? ended(error));
    });
    return opening;
  }

  function drop(connection: SqlConnection): void {
    live = undefined;
    connection.destroy();
  }

  function busy(cause: unknown): DatastoreError {
    const what = `other writers came first for ${limits.timeout / 1000} s`;
    return new DatastoreError('busy', where, what, 'see what locks the table kine, then run again', cause);
  }

  function ended(cause: unknown): DatastoreError {
    return new DatastoreError(
      'unreachable',
      where,
      `the connection ended (${firstLine(cause)})`,
      'look at the log of the server',
      cause,
    );
  }
}

/** A table that K3s would have made. */
export function noTable(where: string, cause: unknown): DatastoreError {
  return new DatastoreError(
    'absent',
    where,
    'there is no table kine in it, so K3s has not used it as its datastore',
    'check the name of the database in the endpoint; without one K3s uses "kubernetes"',
    cause,
  );
}
