import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { seal } from '@k3s-pki/datastore';
import { bootstrapFields, bootstrapKey, formatBootstrapData } from '@k3s-pki/k3s';
import * as assert from 'uvu/assert';
import { fastKeys, folder, k3sPki, put } from './program.ts';

/** The server password, what the whole token is, and when the data was saved. */
export const password = 'f00dfacef00dfacef00dfacef00dface';
export const token = `K10${'ab'.repeat(32)}::server:${password}`;
export const stored = new Date('2026-01-01T00:00:00Z');

// kine's own table and rows. Source: kine pkg/drivers/sqlite; test/interop shows that these are kine's.
const schema = `CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created INTEGER, deleted INTEGER,
  create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB);
  CREATE UNIQUE INDEX kine_name_prev_revision_uindex ON kine (name, prev_revision);
  INSERT INTO kine VALUES (1, 'compact_rev_key', 1, 0, 0, 0, 0, '', NULL);`;

export interface Cluster {
  readonly dir: string;
  /** What is in the datastore now. */
  readonly records: () => Record<string, Buffer>;
  /** The bootstrap data before it was sealed. */
  readonly document: Uint8Array;
}

const made = folder();
assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', made, ...fastKeys]).code, 0);

/** A data dir as K3s with SQLite leaves it. `records` are put in instead of the one that belongs there; the CAs are those of
 *  the data dir `cas`. */
export async function cluster(
  records?: (document: Uint8Array) => Promise<Record<string, Uint8Array>>,
  dir = folder(),
  cas = made,
): Promise<Cluster> {
  const files = new Map<string, { content: Uint8Array; timestamp: string }>();
  const passwd = `${password},server,server,k3s:server\n${password},node,node,k3s:agent\n`;
  const other: Record<string, string> = {
    PasswdFile: passwd,
    IPSECKey: 'psk',
    EncryptionConfig: '{}',
    EncryptionHash: '{}',
  };
  for (const { name, file } of bootstrapFields) {
    const content = other[name] === undefined ? readFileSync(join(cas, file)) : Buffer.from(other[name]);
    mkdirSync(dirname(join(dir, file)), { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, file), content, { mode: 0o600 });
    utimesSync(join(dir, file), stored, stored);
    files.set(name, { content, timestamp: stored.toISOString() });
  }
  files.set('Future', { content: Buffer.from('kept'), timestamp: stored.toISOString() });
  const document = formatBootstrapData(files);
  put(dir, { 'server/token': `${token}\n` });
  mkdirSync(join(dir, 'server/db'), { mode: 0o700 });
  const database = new DatabaseSync(join(dir, 'server/db/state.db'));
  database.exec('PRAGMA journal_mode = WAL');
  database.exec(schema);
  const rows = (await records?.(document)) ?? { [bootstrapKey(password)]: await seal(document, password, randomBytes) };
  for (const [key, value] of Object.entries(rows)) {
    database
      .prepare(
        'INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value) VALUES (?, 1, 0, 0, 0, 0, ?)',
      )
      .run(key, value);
  }
  database.close();
  return {
    dir,
    document,
    records: () => {
      const opened = new DatabaseSync(join(dir, 'server/db/state.db'));
      const found = opened
        .prepare(
          "SELECT name, value FROM kine WHERE id IN (SELECT max(id) FROM kine WHERE name LIKE '/bootstrap%' GROUP BY name) AND deleted = 0",
        )
        .all() as { name: string; value: Uint8Array }[];
      opened.close();
      return Object.fromEntries(found.map(({ name, value }) => [name, Buffer.from(value)]));
    },
  };
}
