import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openDatastore, type TlsFiles } from '@k3s-pki/datastore';
import { serverPassword, startPostgres, type TestServer } from '@k3s-pki/testkit/servers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder } from '../cli/program.ts';
import { openssl, present } from './judge.ts';
import { bounded, datastoreContract, failsWith } from './kine/contract.ts';
import { type Kine, type KineClient, kineJudge } from './kine/judge.ts';
import { slowLink } from './kine/slow-link.ts';
import { issueTls } from './kine/tls.ts';

const judges = present('interop/datastore-postgres', kineJudge());
const ssl = present('interop/datastore-postgres', openssl());
const started = present('interop/datastore-postgres', await startPostgres());

if (judges && ssl && started && !('absent' in started)) {
  const test = suite('interop/datastore-postgres');
  const server: TestServer = started;
  const at = folder();
  const password = encodeURIComponent(serverPassword);
  const endpointOf = (port: number, rest = '') => `postgres://kine:${password}@127.0.0.1:${port}/${rest}`;
  const endpoint = endpointOf(server.port);
  let kine: Kine;
  let client: KineClient;
  const open = (where = endpoint, tls: TlsFiles = {}, timeout = 20_000, signal = new AbortController().signal) =>
    openDatastore({ endpoint: where, tls, server: at, signal, timeout, clock: Date.now });
  const list = async (where: string, tls: TlsFiles = {}, timeout?: number) => {
    const store = await open(where, tls, timeout);
    try {
      return await store.list('/bootstrap');
    } finally {
      await store.close();
    }
  };
  const sql = (text: string, database = 'kubernetes') => {
    const run = spawnSync(
      'psql',
      ['-h', server.folder, '-p', String(server.port), '-U', 'kine', '-d', database, '-Atc', text],
      {
        encoding: 'utf8',
        env: { ...process.env, PGPASSWORD: serverPassword },
      },
    );
    if (run.status !== 0) throw new Error(run.stderr);
    return run.stdout.trim();
  };

  test.before(async () => {
    const listener = `unix://${join(at, 'kine.sock')}`;
    kine = await judges.serve({ listener, endpoint });
    client = judges.client(listener);
  });

  test.after(async () => {
    client.stop();
    await kine.stop();
    await server.kill();
  });

  datastoreContract(test, { open: () => open(), judge: () => client });

  test('the writes of this suite have left no gap for kine to fill that it could not fill', () => {
    assert.is(sql(`SELECT max(id) - count(*) FROM kine`), '0');
  });

  test(
    'who is not let in, and what is not there, is named',
    bounded(async () => {
      await failsWith('denied', /password authentication failed/, () =>
        list(`postgres://kine:wrong@127.0.0.1:${server.port}/`),
      );
      await failsWith('denied', /asks for a password/, () => list(`postgres://kine@127.0.0.1:${server.port}/`));
      await failsWith('absent', /database "nowhere" does not exist/, () => list(endpointOf(server.port, 'nowhere')));
      sql('CREATE DATABASE empty', 'postgres');
      await failsWith('absent', /no table kine/, () => list(endpointOf(server.port, 'empty')));
      await failsWith('unreachable', /refused/, () => list(endpointOf(1)));
      await failsWith('tls', /takes no TLS/, () => list(endpointOf(server.port, '?sslmode=require')));
      await failsWith('settings', /sslmode=sometimes/, () => list(endpointOf(server.port, '?sslmode=sometimes')));
      assert.equal(await list(`postgres://kine:${password}@127.0.0.1:1,127.0.0.1:${server.port}/KUBERNETES`), []);
    }),
  );

  test(
    'a server that is read-only refuses, and says why',
    bounded(async () => {
      const store = await open(endpointOf(server.port, '?default_transaction_read_only=on'));
      assert.equal(await store.list('/bootstrap'), []);
      await failsWith('read-only', /read-only transaction/, () =>
        store.swap('/bootstrap/r', 'absent', new Uint8Array([1])),
      );
      await store.close();
    }),
  );

  test(
    'a record of 40 MB goes both ways',
    bounded(async () => {
      const store = await open();
      const record = Buffer.alloc(40 << 20, 'k3s-pki ');
      assert.is((await store.swap('/bootstrap/large', 'absent', record)).kind, 'swapped');
      const read = await client.get('/bootstrap/large');
      assert.ok(read.value.equals(record));
      assert.ok(Buffer.from((await store.read('/bootstrap/large'))?.value ?? []).equals(record));
      assert.is((await store.remove('/bootstrap/large', read.revision)).kind, 'swapped');
      await store.close();
    }),
  );

  test(
    'a row that another transaction holds: the server gives the write up, and nothing is written',
    bounded(async () => {
      const store = await open(endpoint, {}, 700);
      await client.create('/bootstrap/held', new Uint8Array([1]));
      const { revision } = await client.get('/bootstrap/held');
      const holder = spawn(
        'psql',
        ['-h', server.folder, '-p', String(server.port), '-U', 'kine', '-d', 'kubernetes', '-At'],
        {
          stdio: ['pipe', 'pipe', 'inherit'],
          env: { ...process.env, PGPASSWORD: serverPassword },
        },
      );
      holder.stdin.write("BEGIN; LOCK TABLE kine IN ACCESS EXCLUSIVE MODE; SELECT 'held';\n");
      for await (const line of createInterface(holder.stdout)) if (line === 'held') break;
      await failsWith('busy', /statement timeout/, () => store.swap('/bootstrap/held', revision, new Uint8Array([2])));
      await failsWith('busy', /statement timeout/, () => store.read('/bootstrap/held'));
      holder.stdin.end('ROLLBACK;\n');
      const now = await client.get('/bootstrap/held');
      assert.equal([now.revision, [...now.value]], [revision, [1]]);
      await client.delete('/bootstrap/held', revision);
      await store.close();
    }),
  );

  test(
    'a server that does not answer: reading ends in time, writing says that nobody knows',
    bounded(async () => {
      const store = await open(endpoint, {}, 700);
      assert.equal(await store.list('/bootstrap'), []);
      server.pause();
      try {
        await failsWith('outcome-unknown', /no answer within 0.7 s/, () =>
          store.swap('/bootstrap/p', 'absent', new Uint8Array([1])),
        );
        await failsWith('timeout', /no answer/, () => store.list('/bootstrap'));
      } finally {
        server.resume();
      }
      const entry = await (await open()).read('/bootstrap/p');
      if (entry !== undefined) await client.delete('/bootstrap/p', entry.revision);
      await store.close();
    }),
  );

  test(
    'a slow link: large records take their time, and a limit that is too short ends it with nothing half-written',
    bounded(async () => {
      const link = await slowLink(server.port, 4 << 20);
      const there = endpointOf(link.port);
      const record = Buffer.alloc(4 << 20, 'k3s-pki ');
      const patient = await open(there);
      assert.is((await patient.swap('/bootstrap/slow', 'absent', record)).kind, 'swapped');
      const { revision } = await client.get('/bootstrap/slow');
      const hasty = await open(there, {}, 500);
      await failsWith('timeout', /no answer within 0.5 s/, () => hasty.read('/bootstrap/slow'));
      await failsWith('outcome-unknown', /no answer within 0.5 s/, () =>
        hasty.swap('/bootstrap/slow', revision, Buffer.alloc(4 << 20, 'other')),
      );
      const read = await patient.read('/bootstrap/slow');
      assert.is(read?.revision, revision);
      assert.ok(Buffer.from(read?.value ?? []).equals(record));
      await client.delete('/bootstrap/slow', revision);
      await Promise.all([patient.close(), hasty.close()]);
      link.close();
    }),
  );

  test(
    'a server that dies and comes back; an idle connection that was ended is opened anew',
    bounded(async () => {
      const store = await open();
      assert.equal(await store.list('/bootstrap'), []);
      await server.kill();
      await failsWith('unreachable', /refused|ended|reset/, () => store.list('/bootstrap'));
      await failsWith('unreachable', /refused/, () => store.swap('/bootstrap/d', 'absent', new Uint8Array([1])));
      await server.restart();
      assert.equal(await store.list('/bootstrap'), []);
      sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '' AND client_port > 0`);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(await store.list('/bootstrap'), []);
      await store.close();
    }),
  );

  test(
    'TLS as K3s is given it: a CA means that the certificate is verified, names included',
    bounded(async () => {
      const set = issueTls(ssl, folder());
      const served = async (pair: { certificate: string; key: string }, ca?: string) => {
        // PostgreSQL takes no key that others may read and that is not its own.
        const key = join(server.folder, `${Date.now()}.key`);
        copyFileSync(pair.key, key);
        spawnSync('chown', ['postgres', key]);
        spawnSync('chmod', ['600', key]);
        const certificate = key.replace('.key', '.crt');
        copyFileSync(pair.certificate, certificate);
        const cas = ca && key.replace('.key', '.ca');
        if (ca && cas) copyFileSync(ca, cas);
        const tls = await startPostgres({ tls: { certificate, key, ...(cas ? { ca: cas } : {}) } });
        if ('absent' in tls) throw new Error(tls.absent);
        return tls;
      };
      const mutual = await served(set.server, set.ca);
      const own = { caFile: set.ca, certFile: set.client.certificate, keyFile: set.client.key };
      const there = endpointOf(mutual.port, 'postgres');
      await failsWith('absent', /no table kine/, () => list(there, own));
      await failsWith('tls', /self-signed|unable to|local issuer/, () => list(there, { ...own, caFile: set.otherCa }));
      await failsWith('tls', /has expired/, () =>
        list(there, { caFile: set.ca, certFile: set.expired.certificate, keyFile: set.expired.key }),
      );
      await failsWith('denied', /certificate/, () => list(there, { caFile: set.ca }));
      await mutual.kill();
      const elsewhere = await served(set.elsewhere);
      const other = endpointOf(elsewhere.port, 'postgres');
      await failsWith('tls', /altnames/, () => list(other, { caFile: set.ca }));
      await failsWith('absent', /no table kine/, () => list(`${other}?sslmode=verify-ca`, { caFile: set.ca }));
      await failsWith('absent', /no table kine/, () => list(`${other}?sslmode=require`));
      await elsewhere.kill();
    }),
  );

  test.run();
}
