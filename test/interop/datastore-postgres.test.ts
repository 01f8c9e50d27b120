import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { serverPassword, startPostgres, type TestServer } from '@k3s-pki/testkit/servers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder } from '../cli/program.ts';
import { openssl, present } from './judge.ts';
import { bounded, datastoreContract, failsWith } from './kine/contract.ts';
import { faultContract } from './kine/faults.ts';
import { kineOn, type ServedKine, storesAt } from './kine/harness.ts';
import { kineJudge } from './kine/judge.ts';
import { issueTls } from './kine/tls.ts';

const judges = present('interop/datastore-postgres', kineJudge());
const ssl = present('interop/datastore-postgres', openssl());
const started = present('interop/datastore-postgres', await startPostgres());

if (judges && ssl && started && !('absent' in started)) {
  const test = suite('interop/datastore-postgres');
  const server: TestServer = started;
  const password = encodeURIComponent(serverPassword);
  const endpointOf = (port: number, rest = '') => `postgres://kine:${password}@127.0.0.1:${port}/${rest}`;
  const endpoint = endpointOf(server.port);
  const { open, list } = storesAt('/nowhere');
  let kine: ServedKine;
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
    kine = await kineOn(judges, endpoint);
  });

  test.after(async () => {
    await kine.stop();
    await server.kill();
  });

  datastoreContract(test, {
    open: () => open(endpoint),
    judge: () => kine.client,
    record: { size: 40 << 20 },
    // It counts for connections that are made from now on, so not for kine's.
    readOnly: async (work) => {
      sql('ALTER DATABASE kubernetes SET default_transaction_read_only = on', 'postgres');
      try {
        await work(await open(endpoint));
      } finally {
        sql('ALTER DATABASE kubernetes RESET default_transaction_read_only', 'postgres');
      }
    },
    refusesWrites: ['read-only', /read-only transaction/],
  });

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
      await failsWith('settings', /sslmode is not one of/, () => list(endpointOf(server.port, '?sslmode=sometimes')));
      assert.equal(await list(`postgres://kine:${password}@127.0.0.1:1,127.0.0.1:${server.port}/KUBERNETES`), []);
    }),
  );

  test(
    'a user who may only read is told so',
    bounded(async () => {
      sql("CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT SELECT ON kine TO reader");
      const store = await open(`postgres://reader:reader@127.0.0.1:${server.port}/`);
      assert.equal(await store.list('/bootstrap'), []);
      await failsWith('denied', /permission denied/, () => store.swap('/bootstrap/r', 'absent', new Uint8Array([1])));
      await store.close();
    }),
  );

  test(
    'a row that another transaction holds: the server gives the write up, and nothing is written',
    bounded(async () => {
      const store = await open(endpoint, { timeout: 700 });
      const { client } = kine;
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
    'an idle connection that was ended is opened anew',
    bounded(async () => {
      const store = await open(endpoint);
      assert.equal(await store.list('/bootstrap'), []);
      sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '' AND client_port > 0`);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(await store.list('/bootstrap'), []);
      await store.close();
    }),
  );

  faultContract(test, {
    server,
    open: (port, options) => open(endpointOf(port), options),
    judge: () => kine.client,
  });

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
      await failsWith('absent', /no table kine/, () => list(there, { tls: own }));
      await failsWith('tls', /self-signed|unable to|local issuer/, () =>
        list(there, { tls: { ...own, caFile: set.otherCa } }),
      );
      await failsWith('tls', /has expired/, () =>
        list(there, { tls: { caFile: set.ca, certFile: set.expired.certificate, keyFile: set.expired.key } }),
      );
      await failsWith('denied', /certificate/, () => list(there, { tls: { caFile: set.ca } }));
      await mutual.kill();
      const elsewhere = await served(set.elsewhere);
      const other = endpointOf(elsewhere.port, 'postgres');
      await failsWith('tls', /altnames/, () => list(other, { tls: { caFile: set.ca } }));
      await failsWith('absent', /no table kine/, () => list(`${other}?sslmode=verify-ca`, { tls: { caFile: set.ca } }));
      await failsWith('absent', /no table kine/, () => list(`${other}?sslmode=require`));
      await elsewhere.kill();
      const stale = await served(set.expiredServer);
      await failsWith('tls', /the certificate of the server has expired/, () =>
        list(endpointOf(stale.port, 'postgres'), { tls: { caFile: set.ca } }),
      );
      await stale.kill();
    }),
  );

  test.run();
}
