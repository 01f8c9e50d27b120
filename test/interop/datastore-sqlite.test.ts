import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openDatastore } from '@k3s-pki/datastore';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder, tree } from '../cli/program.ts';
import { present } from './judge.ts';
import { bounded, datastoreContract, failsWith, rejects } from './kine/contract.ts';
import { type Kine, type KineClient, kineJudge } from './kine/judge.ts';

const judges = present('interop/datastore-sqlite', kineJudge());

if (judges) {
  const test = suite('interop/datastore-sqlite');
  const server = folder();
  const path = join(server, 'db/state.db');
  let kine: Kine;
  let client: KineClient;
  const open = (endpoint = 'sqlite://', timeout = 20_000, signal = new AbortController().signal) =>
    openDatastore({ endpoint, tls: {}, server, signal, timeout, clock: Date.now });
  const start = async () => {
    kine = await judges.serve({ listener: `unix://${join(server, 'kine.sock')}`, endpoint: '', cwd: server });
    client = judges.client(`unix://${join(server, 'kine.sock')}`);
  };
  const stop = async () => {
    client.stop();
    await kine.stop();
  };

  test.before(async () => {
    mkdirSync(join(server, 'db'), { mode: 0o700 });
    await start();
  });

  test.after(() => stop());

  datastoreContract(test, { open, judge: () => client });

  test(
    'our rows are those of kine, column for column',
    bounded(async () => {
      const store = await open();
      const bytes = (text: string) => new TextEncoder().encode(text);
      const revision = async (key: string) => (await client.get(key)).revision;
      const [theirs, ours] = ['/bootstrap/theirs', '/bootstrap/ours'];
      await client.create(theirs, bytes('one'));
      await client.update(theirs, await revision(theirs), bytes('two'));
      await client.delete(theirs, await revision(theirs));
      await client.create(theirs, bytes('three'));
      await client.update(theirs, await revision(theirs), bytes('four'));
      await store.swap(ours, 'absent', bytes('one'));
      await store.swap(ours, await revision(ours), bytes('two'));
      await store.remove(ours, await revision(ours));
      await store.swap(ours, 'absent', bytes('three'));
      await store.swap(ours, await revision(ours), bytes('four'));
      const database = new DatabaseSync(path, { readOnly: true });
      // Ids count from the first row of the name. A row that creates has no create_revision: 0 in older versions of
      // kine, NULL in newer ones, and both read both.
      const rows = (name: string) =>
        database
          .prepare(
            `SELECT id - base AS id, created, deleted, max(coalesce(create_revision, 0) - base, -1) AS first,
             max(prev_revision - base, -1) AS previous, lease, value, old_value
             FROM kine, (SELECT min(id) AS base FROM kine WHERE name = ?) WHERE name = ? ORDER BY id`,
          )
          .all(name, name);
      assert.is(rows(theirs).length, 5);
      assert.equal(rows(ours), rows(theirs));
      database.close();
    }),
  );

  test(
    'a record of 40 MB goes both ways',
    bounded(async () => {
      const store = await open();
      const record = randomBytes(40 << 20);
      const key = '/bootstrap/large';
      assert.is((await store.swap(key, 'absent', record)).kind, 'swapped');
      const read = await client.get(key);
      assert.ok(read.value.equals(record));
      assert.ok(Buffer.from((await store.read(key))?.value ?? []).equals(record));
      assert.is((await store.remove(key, read.revision)).kind, 'swapped');
    }),
  );

  test(
    'a lock that is held: reading goes on, writing says who is in the way and leaves all as it was',
    bounded(async () => {
      const store = await open('sqlite://', 200);
      const holder = new DatabaseSync(path);
      holder.exec('BEGIN IMMEDIATE');
      try {
        assert.is(await store.read('/bootstrap/none'), undefined);
        await failsWith('busy', /another program holds the database/, () =>
          store.swap('/bootstrap/none', 'absent', new Uint8Array(1)),
        );
        const abort = new AbortController();
        const patient = await open('sqlite://', 20_000, abort.signal);
        const writing = patient.swap('/bootstrap/none', 'absent', new Uint8Array(1));
        abort.abort(new Error('stop'));
        await rejects(writing, /stop|abort/);
      } finally {
        holder.exec('ROLLBACK');
        holder.close();
      }
      assert.is(await store.read('/bootstrap/none'), undefined);
    }),
  );

  test(
    'a look at a stopped server changes nothing in its folder',
    bounded(async () => {
      await stop();
      const before = tree(server);
      assert.not.ok('db/state.db-wal' in before);
      const store = await open();
      await store.list('/bootstrap');
      assert.is(await store.read('/bootstrap/none'), undefined);
      assert.equal(await store.swap('/bootstrap/none', '1', new Uint8Array(1)), { kind: 'conflict' });
      assert.equal(Object.keys(tree(server)), Object.keys(before));
      await start();
    }),
  );

  test(
    'a file that is no datastore',
    bounded(async () => {
      const at = (name: string) => open(`sqlite://${join(server, name)}`);
      await failsWith('absent', /missing\.db: there is no such file/, async () => (await at('missing.db')).list('/'));
      writeFileSync(join(server, 'text.db'), 'no database\n'.repeat(100));
      await failsWith('failed', /not an SQLite database/, async () => (await at('text.db')).list('/'));
      new DatabaseSync(join(server, 'other.db')).exec('CREATE TABLE other(id)');
      await failsWith('absent', /no table kine/, async () => (await at('other.db')).list('/'));
      await failsWith('absent', /no table kine/, async () =>
        (await at('other.db')).swap('/a', 'absent', new Uint8Array()),
      );
      await failsWith('absent', /not a regular file/, async () => (await at('db')).list('/'));
    }),
  );

  test.run();
}
