import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { bootstrapFields } from '@k3s-pki/k3s';
import { serverPassword, startPostgres, type TestServer } from '@k3s-pki/testkit/servers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { changeRecords, openRecord, replaceRecord } from '../../packages/cli/src/bootstrap-record.ts';
import type { Context } from '../../packages/cli/src/context.ts';
import { fastKeys, folder, k3sPki, startK3sPki } from '../cli/program.ts';
import { present } from './judge.ts';
import { bounded, rejects } from './kine/contract.ts';
import { kineOn } from './kine/harness.ts';
import { type KineClient, type KineJudge, kineJudge } from './kine/judge.ts';

const judges = present('interop/bootstrap', kineJudge());
const postgres = present('interop/bootstrap', await startPostgres());

if (judges && postgres && !('absent' in postgres)) {
  const test = suite('interop/bootstrap');
  const token = 'f00dfacef00dfacef00dfacef00dface';

  const server: TestServer = postgres;
  test.after(() => server.kill());

  /** A data dir whose bootstrap data K3s's way, Go and kine have put into the datastore. */
  const clusterOn = async (dir: string, client: KineClient) => {
    assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', dir, ...fastKeys]).code, 0);
    const document: Record<string, unknown> = {};
    for (const { name, file } of bootstrapFields) {
      if (!file.includes('/tls/')) continue;
      document[name] = { Timestamp: '2026-01-01T00:00:00Z', Content: readFileSync(join(dir, file)).toString('base64') };
    }
    const Content = Buffer.from(`${token},server,server,k3s:server\n`).toString('base64');
    document.PasswdFile = { Timestamp: '2026-01-01T00:00:00Z', Content };
    mkdirSync(join(dir, 'server/cred'));
    writeFileSync(join(dir, 'server/token'), `K10${'a'.repeat(64)}::server:${token}\n`, { mode: 0o600 });
    const text = Buffer.from(`${JSON.stringify(document)}\n`);
    await client.create(await client.storageKey(token), await client.seal(token, text));
  };

  /** What the program makes of it while kine runs, and what Go makes of what the program wrote. */
  const moves = async (dir: string, client: KineClient, options: readonly string[]) => {
    const run = (...words: string[]) => {
      const result = k3sPki(['bootstrap', ...words, '--data-dir', dir, ...options]);
      assert.is(result.code, 0, `${words[0]}: ${result.stderr}${result.stdout}`);
      assert.not.ok(`${result.stdout}${result.stderr}`.includes(serverPassword));
      return result.stdout;
    };
    const shown = JSON.parse(run('show', '--output', 'json'));
    assert.is(shown.key, await client.storageKey(token));
    assert.is(shown.fields.find(({ name }: { name: string }) => name === 'ServerCA').certificates.length, 3);
    writeFileSync(join(dir, 'new-token'), 'cafe0123456789\n', { mode: 0o600 });
    const watch = await client.watch('/bootstrap');
    const before = Buffer.from(await client.unseal(token, (await client.list('/bootstrap'))[0]?.value ?? Buffer.of()));
    run('reseal', '--new-token-file', join(dir, 'new-token'));
    const [made, gone] = [await watch.next(), await watch.next()];
    const key = await client.storageKey('cafe0123456789');
    assert.equal([made.key, made.deleted, gone.key, gone.deleted], [key, false, await client.storageKey(token), true]);
    const after = JSON.parse((await client.unseal('cafe0123456789', made.value)).toString());
    const passwd = Buffer.from(after.PasswdFile.Content, 'base64').toString();
    assert.is(passwd, 'cafe0123456789,server,server,k3s:server\n');
    const old = JSON.parse(before.toString());
    assert.equal({ ...after, PasswdFile: undefined }, { ...old, PasswdFile: undefined });
    run('undo');
    const back = await client.list('/bootstrap');
    assert.is(back.length, 1);
    assert.ok((await client.unseal(token, back[0]?.value ?? Buffer.of())).equals(before));
    assert.match(run('doctor'), /in order|warning/);
  };

  test(
    'on SQLite, beside a kine that runs',
    bounded(async () => {
      const { dir, client, listener, stop } = await sqliteCluster();
      await moves(dir, client, []);
      // kine's socket speaks etcd's protocol, so it is an endpoint too.
      const shown = k3sPki(['bootstrap', 'show', '--data-dir', dir, '--datastore-endpoint', listener]);
      assert.is(shown.code, 0, shown.stderr);
      assert.match(shown.stdout, /etcd at unix:\/\//);
      await stop();
    }),
  );

  test(
    'on PostgreSQL, named with its password by the configuration of the server',
    bounded(async () => {
      const { dir, client, config, stop } = await postgresCluster('k3s');
      await moves(dir, client, ['--config', config]);
      await stop();
    }),
  );

  /** Kills `bootstrap reseal` as a power cut would, after the record of the new token is in place and before that of the
   *  old one has gone: `hold` keeps the datastore from taking removals, `release` ends that. What stays is found, and
   *  the same command finishes it. */
  const killedBetween = async (
    { dir, client }: { readonly dir: string; readonly client: KineClient },
    options: readonly string[],
    { hold, release }: { readonly hold: () => void; readonly release: () => void },
  ) => {
    const newToken = 'cafe0123456789';
    writeFileSync(join(dir, 'new-token'), `${newToken}\n`, { mode: 0o600 });
    const words = (...more: string[]) => ['bootstrap', ...more, '--data-dir', dir, ...options];
    const reseal = words('reseal', '--new-token-file', join(dir, 'new-token'));
    const [made, old] = [await client.storageKey(newToken), await client.storageKey(token)];
    const before = await client.get(old);
    const watch = await client.watch('/bootstrap');
    hold();
    const running = startK3sPki(reseal);
    const gone = new Promise<string | null>((resolve) => running.on('exit', (_, signal) => resolve(signal)));
    assert.is((await watch.next()).key, made);
    running.kill('SIGKILL');
    assert.is(await gone, 'SIGKILL');
    release();
    const keys = async () => (await client.list('/bootstrap')).map(({ key }) => key);
    assert.equal(await keys(), [made, old].sort());
    assert.ok((await client.get(old)).value.equals(before.value));

    const found = k3sPki(words('doctor'));
    assert.is(found.code, 1, found.stderr);
    assert.match(found.stdout, /found multiple bootstrap keys in storage/);
    assert.ok(found.stdout.includes(made) && found.stdout.includes(old));
    const again = k3sPki(reseal);
    assert.is(again.code, 0, again.stderr);
    assert.equal(await keys(), [made]);
    const document = JSON.parse((await client.unseal(newToken, (await client.get(made)).value)).toString());
    const { PasswdFile, ...rest } = JSON.parse((await client.unseal(token, before.value)).toString());
    assert.equal({ ...document, PasswdFile: undefined }, { ...rest, PasswdFile: undefined });
    assert.not.equal(document.PasswdFile, PasswdFile);
    const mended = k3sPki(words('doctor', '--token-file', join(dir, 'new-token')));
    assert.is(mended.code, 0, mended.stdout);
  };

  test(
    'reseal, killed between its two steps, on SQLite',
    bounded(async () => {
      const cluster = await sqliteCluster();
      const database = () => new DatabaseSync(join(cluster.dir, 'server/db/state.db'), { timeout: 30_000 });
      const run = (sql: string) => {
        const opened = database();
        opened.exec(sql);
        opened.close();
      };
      await killedBetween(cluster, [], {
        // The statement counts for hours, and what is killed in it is rolled back.
        hold: () =>
          run(`CREATE VIEW ages AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000000000) SELECT i FROM n;
            CREATE TRIGGER hold BEFORE INSERT ON kine WHEN NEW.deleted <> 0 BEGIN SELECT count(*) FROM ages; END`),
        release: () => run('DROP TRIGGER hold; DROP VIEW ages'),
      });
      await cluster.stop();
    }),
  );

  test(
    'reseal, killed between its two steps, on PostgreSQL',
    bounded(async () => {
      const cluster = await postgresCluster('killed');
      const run = (sql: string) => psql('killed', sql);
      await killedBetween(cluster, ['--config', cluster.config], {
        hold: () =>
          run(`CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3600); RETURN NEW; END';
            CREATE TRIGGER hold BEFORE INSERT ON kine FOR EACH ROW WHEN (NEW.deleted <> 0) EXECUTE FUNCTION hold()`),
        // The server would finish a statement whose client is gone.
        release: () =>
          run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep';
            DROP TRIGGER hold ON kine; DROP FUNCTION hold()`),
      });
      await cluster.stop();
    }),
  );

  test(
    'a datastore that takes no writes: the record is shown, and a change is refused with nothing changed',
    bounded(async () => {
      const cluster = await postgresCluster('fixed');
      const { dir, config, client } = cluster;
      writeFileSync(join(dir, 'new-token'), 'cafe0123456789\n', { mode: 0o600 });
      const run = (...words: string[]) => k3sPki(['bootstrap', ...words, '--data-dir', dir, '--config', config]);
      const before = await client.list('/bootstrap');
      psql('fixed', 'ALTER DATABASE fixed SET default_transaction_read_only = on');
      assert.is(run('show').code, 0);
      const refused = run('reseal', '--new-token-file', join(dir, 'new-token'));
      assert.is(refused.code, 1);
      assert.match(refused.stderr, /error: postgres at .*: cannot execute INSERT in a read-only transaction/);
      assert.match(refused.stderr, /hint: name the primary server/);
      assert.equal(await client.list('/bootstrap'), before);
      assert.equal(readdirSync(join(dir, 'server/bootstrap-backups')), []);
      await cluster.stop();
    }),
  );

  test(
    'a change that is neither finished nor taken back says what it has left',
    bounded(async () => {
      const cluster = await postgresCluster('half');
      const { dir, config, client } = cluster;
      writeFileSync(join(dir, 'new-token'), 'cafe0123456789\n', { mode: 0o600 });
      const args = ['reseal', '--new-token-file', join(dir, 'new-token'), '--timeout', '3'];
      const run = () => k3sPki(['bootstrap', ...args, '--data-dir', dir, '--config', config]);
      psql(
        'half',
        `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3600); RETURN NEW; END';
        CREATE TRIGGER hold BEFORE INSERT ON kine FOR EACH ROW WHEN (NEW.deleted <> 0) EXECUTE FUNCTION hold()`,
      );
      const stuck = run();
      assert.is(stuck.code, 1);
      assert.match(stuck.stderr, /error: .*: canceling statement due to statement timeout/);
      const made = await client.storageKey('cafe0123456789');
      assert.match(stuck.stderr, `${made} was written before that and could not be taken back`);
      assert.match(stuck.stderr, /hint: k3s-pki bootstrap doctor tells what is there now/);
      assert.is(readdirSync(join(dir, 'server/bootstrap-backups')).length, 1);
      psql('half', 'DROP TRIGGER hold ON kine');
      assert.is(run().code, 0);
      assert.equal(
        (await client.list('/bootstrap')).map(({ key }) => key),
        [made],
      );
      await cluster.stop();
    }),
  );

  test(
    'a record that K3s changes between reading and writing: nothing is written, what was written is taken back',
    bounded(async () => {
      const { dir, client, stop } = await sqliteCluster();
      const context = {
        env: {},
        cwd: dir,
        clock: Date.now,
        random: randomBytes,
        signal: new AbortController().signal,
      } as unknown as Context;
      const source = {
        product: 'k3s',
        dataDir: dir,
        tokenFile: undefined,
        configFile: undefined,
        given: {},
        timeout: 20,
      } as const;
      const record = await openRecord(source, context);
      const key = await client.storageKey(token);
      const theirs = await client.seal(token, record.document);
      await client.update(key, record.entry.revision, theirs);
      await rejects(replaceRecord(record, record.document, 'test', context), /the record was changed meanwhile/);
      const fresh = { key: '/bootstrap/new', before: undefined, after: new Uint8Array([1]) };
      const stale = { key, before: record.entry, after: undefined };
      await rejects(changeRecords(record, 'test', [fresh, stale], context), /the record was changed meanwhile/);
      const left = await client.list('/bootstrap');
      assert.equal(
        left.map((each) => each.key),
        [key],
      );
      assert.ok(left[0]?.value.equals(theirs));
      assert.equal(readdirSync(join(dir, 'server/bootstrap-backups')), []);
      const now = await openRecord(source, context);
      const { backup } = await replaceRecord(now, now.document, 'test', context);
      assert.is(readdirSync(join(dir, 'server/bootstrap-backups')).length, 1);
      assert.match(readFileSync(backup, 'utf8'), Buffer.from(theirs).toString('base64'));
      await Promise.all([record.close(), now.close()]);
      await stop();
    }),
  );

  test(
    "exported files are opened by Go's age, and its own are imported",
    bounded(async () => {
      const { dir, client, stop } = await sqliteCluster();
      const { identity, recipient } = await client.age.keys();
      const other = await client.age.keys();
      const run = (code: number, ...words: string[]) => {
        const result = k3sPki(['bootstrap', ...words, '--data-dir', dir], { cwd: dir });
        assert.is(result.code, code, `${words.join(' ')}: ${result.stderr}${result.stdout}`);
        return result;
      };
      run(0, 'export', '--to', 'a.age', '--recipient', other.recipient, '--recipient', recipient);
      const [record] = await client.list('/bootstrap');
      const document = await client.unseal(token, record?.value ?? Buffer.of());
      assert.ok((await client.age.open(identity, readFileSync(join(dir, 'a.age')))).equals(document));
      assert.is(statSync(join(dir, 'a.age')).mode & 0o7777, 0o600);
      writeFileSync(join(dir, 'passphrase'), 'correct horse\n');
      run(0, 'export', '--to', 'b.age', '--passphrase-file', 'passphrase');
      assert.ok((await client.age.openWith('correct horse', readFileSync(join(dir, 'b.age')))).equals(document));

      writeFileSync(join(dir, 'c.age'), await client.age.seal(recipient, document));
      writeFileSync(join(dir, 'key'), `# a comment\n${identity}\n`, { mode: 0o600 });
      await client.delete(record?.key ?? '', record?.revision ?? '');
      run(0, 'import', '--from', 'c.age', '--identity', 'key', '--dry-run');
      assert.equal(await client.list('/bootstrap'), []);
      run(0, 'import', '--from', 'c.age', '--identity', 'key');
      const [imported] = await client.list('/bootstrap');
      assert.is(imported?.key, record?.key);
      const now = JSON.parse((await client.unseal(token, imported?.value ?? Buffer.of())).toString());
      for (const [name, file] of Object.entries(JSON.parse(document.toString()))) {
        assert.is(now[name].Content, (file as { Content: string }).Content, name);
        assert.ok(Math.abs(Date.parse(now[name].Timestamp) - Date.now()) < 60_000);
      }
      await stop();
    }),
  );

  /** A data dir with SQLite in it, beside a kine that runs. */
  async function sqliteCluster() {
    const dir = folder();
    mkdirSync(join(dir, 'server/db'), { recursive: true });
    const served = await kineOn(judges as KineJudge, '', join(dir, 'server'));
    await clusterOnFresh(dir, served.client);
    return { dir, ...served };
  }

  /** A data dir whose datastore is a database of PostgreSQL, named with its password by the server's configuration. */
  async function postgresCluster(database: string) {
    const dir = folder();
    const config = join(dir, 'etc/config.yaml');
    mkdirSync(dirname(config));
    const endpoint = `postgres://kine:${encodeURIComponent(serverPassword)}@127.0.0.1:${server.port}/${database}`;
    writeFileSync(config, `datastore-endpoint: "${endpoint}"\n`, { mode: 0o600 });
    const served = await kineOn(judges as KineJudge, endpoint, dir);
    await clusterOnFresh(dir, served.client);
    return { dir, config, ...served };
  }

  function psql(database: string, sql: string): void {
    const args = [
      '-h',
      server.folder,
      '-p',
      String(server.port),
      '-U',
      'kine',
      '-d',
      database,
      '-v',
      'ON_ERROR_STOP=1',
    ];
    const { status, stderr } = spawnSync('psql', [...args, '-Atc', sql], {
      encoding: 'utf8',
      env: { ...process.env, PGPASSWORD: serverPassword },
    });
    assert.is(status, 0, stderr);
  }

  /** The CAs are made elsewhere: the program refuses a data dir that a server uses. */
  async function clusterOnFresh(dir: string, client: KineClient): Promise<void> {
    const made = folder();
    await clusterOn(made, client);
    for (const { file } of bootstrapFields.filter(({ file }) => file.includes('/tls/'))) {
      mkdirSync(dirname(join(dir, file)), { recursive: true });
      writeFileSync(join(dir, file), readFileSync(join(made, file)), { mode: 0o600 });
    }
    mkdirSync(join(dir, 'server/cred'), { recursive: true });
    writeFileSync(join(dir, 'server/cred/passwd'), `${token},server,server,k3s:server\n`, { mode: 0o600 });
    writeFileSync(join(dir, 'server/token'), readFileSync(join(made, 'server/token')), { mode: 0o600 });
  }

  test.run();
}
