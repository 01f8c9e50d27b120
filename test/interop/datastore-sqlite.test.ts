import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { reachableByAll, readOnlyView } from '@k3s-pki/testkit';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder, tree } from '../cli/program.ts';
import { present } from './judge.ts';
import { bounded, datastoreContract, failsWith, rejects } from './kine/contract.ts';
import { kineOn, type ServedKine, storesAt } from './kine/harness.ts';
import { kineJudge } from './kine/judge.ts';

const judges = present('interop/datastore-sqlite', kineJudge());

if (judges) {
  const test = suite('interop/datastore-sqlite');
  const server = folder();
  const path = join(server, 'db/state.db');
  const view = readOnlyView(server);
  if (view === undefined) console.log('not run: interop/datastore-sqlite on a read-only file system, no mount --bind');
  let kine: ServedKine;
  const { open } = storesAt(server);
  const start = async () => {
    kine = await kineOn(judges, '', server);
  };

  test.before(async () => {
    mkdirSync(join(server, 'db'), { mode: 0o700 });
    await start();
  });

  test.after(() => kine.stop());

  datastoreContract(test, {
    open: () => open('sqlite://'),
    judge: () => kine.client,
    record: { size: 40 << 20 },
    ...(view && {
      readOnly: async (work) => work(await open(`sqlite://${join(view, 'db/state.db')}`)),
    }),
    refusesWrites: ['read-only', /state\.db: the file system is read-only/],
  });

  test(
    'our rows are those of kine, column for column',
    bounded(async () => {
      const store = await open('sqlite://');
      const { client } = kine;
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
    'a lock that is held: reading goes on, writing says who is in the way and leaves all as it was',
    bounded(async () => {
      const store = await open('sqlite://', { timeout: 200 });
      const holder = new DatabaseSync(path);
      holder.exec('BEGIN IMMEDIATE');
      try {
        assert.is(await store.read('/bootstrap/none'), undefined);
        await failsWith('busy', /another program holds the database/, () =>
          store.swap('/bootstrap/none', 'absent', new Uint8Array(1)),
        );
        const abort = new AbortController();
        const patient = await open('sqlite://', { signal: abort.signal });
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
      await kine.stop();
      const before = tree(server);
      assert.not.ok('db/state.db-wal' in before);
      const store = await open('sqlite://');
      await store.list('/bootstrap');
      assert.is(await store.read('/bootstrap/none'), undefined);
      assert.equal(await store.swap('/bootstrap/none', '1', new Uint8Array(1)), { kind: 'conflict' });
      assert.equal(Object.keys(tree(server)), Object.keys(before));
      await start();
    }),
  );

  const other = someoneElse();
  if (typeof other !== 'string') {
    test('a user who may not write is told so, and nothing is changed', () => {
      const at = folder();
      const copy = join(at, 'state.db');
      copyFileSync(path, copy);
      copyFileSync(`${path}-wal`, `${copy}-wal`);
      const database = new DatabaseSync(copy);
      // With the last connection to it -wal goes.
      database.exec('SELECT count(*) FROM kine');
      database.close();
      const before = tree(at);
      const modes = (dir: number, file: number) => {
        chmodSync(at, dir);
        chmodSync(copy, file);
      };
      const said = (step: 'list' | 'create') => JSON.parse(other(copy, step)) as { code?: string; message: string };
      modes(0o700, 0o600);
      assert.equal(said('list').code, 'denied');
      assert.match(said('list').message, /state\.db: cannot be looked at \(EACCES/);
      modes(0o755, 0o600);
      for (const step of ['list', 'create'] as const) {
        assert.equal(said(step).code, 'denied');
        assert.match(said(step).message, /no permission to write to it or to/);
      }
      modes(0o755, 0o644);
      assert.is(said('list').message, 'done');
      assert.equal(said('create').code, 'denied');
      modes(0o755, 0o666);
      assert.is(said('list').message, 'done');
      assert.equal(said('create').code, 'denied');
      assert.match(
        said('create').message,
        /no permission to write to it or to .*, where SQLite needs files of its own/,
      );
      modes(0o700, 0o644);
      assert.equal(tree(at), before);
    });
  } else console.log(`not run: interop/datastore-sqlite as another user, ${other}`);

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

/** Runs a step on a database as the user nobody: answers `done` or the error, JSON. A reason where that can't be. */
function someoneElse(): string | ((database: string, step: 'list' | 'create') => string) {
  if (process.getuid?.() !== 0) return 'not root';
  if (spawnSync('setpriv', ['--version']).status !== 0) return 'no setpriv';
  let datastore: string;
  try {
    datastore = reachableByAll(join(import.meta.dirname, '../../packages/datastore/src/datastore.ts'));
  } catch {
    return 'no mount --bind';
  }
  const node = reachableByAll(process.execPath);
  const script = `
    const { openDatastore } = await import(${JSON.stringify(datastore)});
    const [database, step] = process.argv.slice(1);
    const store = await openDatastore({
      endpoint: 'sqlite://' + database, tls: {}, server: '/', signal: new AbortController().signal, timeout: 5000, clock: Date.now,
    });
    try {
      if (step === 'list') await store.list('/bootstrap');
      else await store.swap('/bootstrap/other', 'absent', new Uint8Array([1]));
      console.log(JSON.stringify({ message: 'done' }));
    } catch ({ code, message }) {
      console.log(JSON.stringify({ code, message }));
    }`;
  return (database, step) => {
    const args = ['--reuid=nobody', '--clear-groups', '--', node, '--input-type=module', '-e', script, database, step];
    const { stdout, stderr } = spawnSync('setpriv', args, { encoding: 'utf8', cwd: '/' });
    if (stdout === '') throw new Error(stderr);
    return stdout;
  };
}
