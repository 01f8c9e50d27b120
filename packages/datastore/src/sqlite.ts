import { accessSync, constants, existsSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { type Limits, pause } from './deadline.ts';
import { codeOf, DatastoreError, firstLine } from './error.ts';
import { entryOf, kineStatements, prefixEnd } from './kine-rows.ts';
import type { Datastore, Entry, Swapped } from './types.ts';

/** Milliseconds that one try waits inside SQLite, where no signal is heard. */
const oneTry = 50;
/** Milliseconds between two tries. */
const betweenTries = 25;

/**
 * kine's SQLite file. A K3s that runs beside us goes on: its database is in WAL mode, so readers and the writer don't
 * wait for each other, and its poll loop finds our row within a second. Every call opens the file anew and leaves none
 * of SQLite's own behind, so that a look at a stopped server's data dir changes nothing in it. Source: kine
 * `pkg/drivers/sqlite`.
 */
export function openSqlite(path: string, limits: Limits): Datastore {
  const read = <T>(query: (database: DatabaseSync) => T) => patiently(path, limits, () => reading(path, query));
  const write = (query: (database: DatabaseSync) => unknown): Promise<Swapped> =>
    patiently(path, limits, () => writing(path, query));
  return {
    description: `sqlite at ${path}`,
    list: (prefix) =>
      read((database) => rows(database, statements.list, prefix, prefixEnd(prefix)).map((row) => entryOf(row))),
    read: (key) => read((database): Entry | undefined => rows(database, statements.read, key).map(entryOf)[0]),
    swap: (key, expected, value) =>
      write((database) =>
        expected === 'absent'
          ? database.prepare(statements.create).run(key, value, key)
          : database.prepare(statements.update).run(value, BigInt(expected), key),
      ),
    remove: (key, revision) => write((database) => database.prepare(statements.remove).run(BigInt(revision), key)),
    close: async () => {},
  };

  function rows(database: DatabaseSync, sql: string, ...parameters: string[]) {
    const statement = database.prepare(sql);
    // An id beyond 2^53 is an error otherwise.
    statement.setReadBigInts(true);
    return statement.all(...parameters) as { id: unknown; name: unknown; value: unknown }[];
  }

  function reading<T>(file: string, query: (database: DatabaseSync) => T): T {
    refuseNoFile(file);
    // A database in WAL mode that nobody has open has no -wal file, and a read-only connection would make one and
    // leave it there. Immutable means: no locks, no new files.
    const idle = !existsSync(`${file}-wal`) && !existsSync(`${file}-journal`);
    const url = `${pathToFileURL(file).href}?mode=ro${idle ? '&immutable=1' : ''}`;
    const database = new DatabaseSync(url, { readOnly: true, timeout: oneTry });
    try {
      const result = query(database);
      // A server that started meanwhile may have changed pages under us.
      return idle && existsSync(`${file}-wal`) ? reading(file, query) : result;
    } finally {
      database.close();
    }
  }

  function writing(file: string, query: (database: DatabaseSync) => unknown): Swapped {
    refuseNoFile(file);
    const database = new DatabaseSync(file, { timeout: oneTry });
    try {
      // kine itself runs with NORMAL, under which the last changes may be gone after a power cut.
      database.exec('PRAGMA synchronous = FULL');
      const { changes, lastInsertRowid } = query(database) as { changes: number | bigint; lastInsertRowid: unknown };
      return Number(changes) === 1 ? { kind: 'swapped', revision: String(lastInsertRowid) } : { kind: 'conflict' };
    } catch (error) {
      if (resultCode(error) === sqlite.constraint) return { kind: 'conflict' };
      throw error;
    } finally {
      database.close();
    }
  }
}

const statements = kineStatements({ parameter: () => '?', typed: (parameter) => parameter });

/** Tries again while another connection holds the file: nothing has happened then. */
async function patiently<T>(path: string, { signal, timeout }: Limits, attempt: () => T): Promise<T> {
  const end = performance.now() + timeout;
  for (;;) {
    signal.throwIfAborted();
    try {
      return attempt();
    } catch (error) {
      const code = resultCode(error);
      if (code !== sqlite.busy && code !== sqlite.locked) throw failure(path, error);
      if (performance.now() > end) {
        throw new DatastoreError(
          'busy',
          path,
          `another program holds the database since ${timeout / 1000} s`,
          'see who does: fuser -v on the file; a backup or a sqlite3 shell may keep it locked',
          error,
        );
      }
    }
    await pause(betweenTries, signal);
  }
}

/** Primary result codes. Source: sqlite.org/rescode.html. */
const sqlite = {
  perm: 3,
  busy: 5,
  locked: 6,
  readonly: 8,
  corrupt: 11,
  full: 13,
  cantOpen: 14,
  tooBig: 18,
  constraint: 19,
  auth: 23,
  notDatabase: 26,
} as const;

function resultCode(error: unknown): number | undefined {
  const { errcode } = (error ?? {}) as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}

function failure(path: string, error: unknown): unknown {
  if (error instanceof DatastoreError) return error;
  const wrap = (code: DatastoreError['code'], what: string, mend: string) =>
    new DatastoreError(code, path, what, mend, error);
  switch (resultCode(error)) {
    case undefined:
      return error;
    case sqlite.readonly:
    case sqlite.perm:
    case sqlite.auth:
    case sqlite.cantOpen:
      return closed(path, error);
    case sqlite.full:
      return wrap('failed', 'no space is left on the file system', 'free some space (df -h), then run again');
    case sqlite.tooBig:
      return wrap('too-large', 'the record is larger than SQLite takes', 'look at what the bootstrap data holds');
    case sqlite.corrupt:
    case sqlite.notDatabase:
      return wrap(
        'failed',
        'not an SQLite database, or damaged',
        'restore server/db from a backup; look with: sqlite3 FILE "pragma integrity_check"',
      );
  }
  if (/no such table: kine/.test(firstLine(error))) return absentTable(path, error);
  return wrap('failed', firstLine(error), 'look with: sqlite3 FILE .schema');
}

/** Why the system lets SQLite not open or write a database: it needs its folder too, for -wal and -journal. */
function closed(path: string, cause: unknown): DatastoreError {
  const folder = dirname(path);
  const hindrance = [path, folder].map(writable).find((code) => code !== undefined);
  if (hindrance === 'EROFS') {
    return existsSync(`${path}-wal`)
      ? new DatastoreError(
          'read-only',
          path,
          'the file system is read-only, and the latest changes are still in the file -wal beside the database',
          'make it writable, or copy state.db and state.db-wal to a folder that is and name the copy with --datastore-endpoint sqlite:///FOLDER/state.db',
          cause,
        )
      : new DatastoreError(
          'read-only',
          path,
          'the file system is read-only',
          'make it writable: mount -o remount,rw; when the kernel made it read-only, look at dmesg first',
          cause,
        );
  }
  if (hindrance === 'EACCES') {
    const what = `no permission to write to it or to ${folder}, where SQLite needs files of its own`;
    return new DatastoreError('denied', path, what, 'run as the user that owns it, usually root', cause);
  }
  return new DatastoreError(
    'denied',
    path,
    'the database cannot be opened or written',
    'see what protects it: lsattr (chattr -i takes the mark away), a security module, a full table of inodes (df -i)',
    cause,
  );
}

function writable(path: string): string | undefined {
  try {
    accessSync(path, constants.W_OK);
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

/** Before SQLite makes an empty database of that name. */
function refuseNoFile(path: string): void {
  let found: Stats | undefined;
  try {
    found = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const what = `cannot be looked at (${firstLine(error)})`;
    throw new DatastoreError('denied', path, what, 'run as the user that owns it, usually root', error);
  }
  if (found?.isFile()) return;
  throw new DatastoreError(
    'absent',
    path,
    found === undefined ? 'there is no such file' : 'not a regular file',
    'name the data dir with --data-dir, or the datastore with --datastore-endpoint',
  );
}

function absentTable(path: string, cause: unknown): DatastoreError {
  return new DatastoreError(
    'absent',
    path,
    'there is no table kine in it, so K3s has not used it as its datastore',
    'look whether the cluster uses another datastore: datastore-endpoint in config.yaml, or server/db/etcd',
    cause,
  );
}
