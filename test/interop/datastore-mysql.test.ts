import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { openDatastore, type TlsFiles } from '@k3s-pki/datastore';
import { serverPassword, startMariadb, type TestServer } from '@k3s-pki/testkit/servers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder } from '../cli/program.ts';
import { openssl, present } from './judge.ts';
import { bounded, datastoreContract, failsWith } from './kine/contract.ts';
import { type Kine, type KineClient, kineJudge } from './kine/judge.ts';
import { issueTls } from './kine/tls.ts';

const judges = present('interop/datastore-mysql', kineJudge());
const ssl = present('interop/datastore-mysql', openssl());
const started = present('interop/datastore-mysql', await startMariadb());

if (judges && ssl && started && !('absent' in started)) {
  const test = suite('interop/datastore-mysql');
  const server: TestServer = started;
  const at = folder();
  const endpointOf = (port: number, rest = '', password = serverPassword) =>
    `mysql://kine:${password}@tcp(127.0.0.1:${port})/${rest}`;
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
  const sql = (text: string) => {
    const run = spawnSync('mariadb', ['--no-defaults', '-h127.0.0.1', `-P${server.port}`, '-ukine', '-BNe', text], {
      encoding: 'utf8',
      env: { ...process.env, MYSQL_PWD: serverPassword },
    });
    if (run.status !== 0) throw new Error(run.stderr);
    return run.stdout.trim();
  };

  test.before(async () => {
    const listener = `unix://${join(at, 'kine.sock')}`;
    kine = await judges.serve({ listener, endpoint });
    client = judges.client(listener);
  });

  test.after(async () => {
    client?.stop();
    await kine?.stop();
    await server.kill();
  });

  datastoreContract(test, { open: () => open(), judge: () => client });

  test(
    'who is not let in, and what is not there, is named',
    bounded(async () => {
      await failsWith('denied', /Access denied/, () => list(endpointOf(server.port, '', 'wrong')));
      await failsWith('absent', /Unknown database/, () => list(endpointOf(server.port, 'nowhere')));
      sql('CREATE DATABASE empty');
      await failsWith('absent', /no table kine/, () => list(endpointOf(server.port, 'empty')));
      await failsWith('unreachable', /refused/, () => list(endpointOf(1)));
      await failsWith('tls', /./, () => list(endpointOf(server.port, '?tls=true')));
      await failsWith('settings', /parameter tls/, () => list(endpointOf(server.port, '?tls=sometimes')));
      assert.equal(await list(endpointOf(server.port, 'kubernetes?tls=preferred')), []);
      const socket = `mysql://kine:${serverPassword}@unix(${join(server.folder, 'mysqld.sock')})/kubernetes`;
      assert.equal(await list(socket), []);
    }),
  );

  test(
    'a server that is read-only refuses, and says why',
    bounded(async () => {
      sql(
        `CREATE USER reader IDENTIFIED BY 'reader'; GRANT SELECT, INSERT ON kubernetes.* TO reader; SET GLOBAL read_only = 1`,
      );
      const store = await open(`mysql://reader:reader@tcp(127.0.0.1:${server.port})/kubernetes`);
      assert.equal(await store.list('/bootstrap'), []);
      await failsWith('read-only', /read-only/, () => store.swap('/bootstrap/r', 'absent', new Uint8Array([1])));
      sql('SET GLOBAL read_only = 0; REVOKE INSERT ON kubernetes.* FROM reader');
      await store.close();
      await failsWith('denied', /denied/, () => store.swap('/bootstrap/r', 'absent', new Uint8Array([1])));
      await store.close();
    }),
  );

  test(
    'a record that the column has no room for is refused, and the old one stays',
    bounded(async () => {
      const store = await open();
      await client.create('/bootstrap/large', new Uint8Array([1]));
      const { revision } = await client.get('/bootstrap/large');
      await failsWith('too-large', /more than the server takes/, () =>
        store.swap('/bootstrap/large', revision, new Uint8Array(40 << 20)),
      );
      const record = Buffer.alloc(12 << 20, 'k3s-pki ');
      assert.is((await store.swap('/bootstrap/large', revision, record)).kind, 'swapped');
      const read = await client.get('/bootstrap/large');
      assert.ok(read.value.equals(record));
      assert.is((await store.remove('/bootstrap/large', read.revision)).kind, 'swapped');
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
        await failsWith('timeout', /no answer within/, () => store.list('/bootstrap'));
      } finally {
        server.resume();
      }
      // The server still had the statement.
      const entry = await (await open()).read('/bootstrap/p');
      if (entry !== undefined) await client.delete('/bootstrap/p', entry.revision);
      await store.close();
    }),
  );

  test(
    'a server that dies and comes back',
    bounded(async () => {
      const store = await open();
      assert.equal(await store.list('/bootstrap'), []);
      await server.kill();
      await failsWith('unreachable', /refused|ended|reset/, () => store.list('/bootstrap'));
      await failsWith('unreachable', /refused/, () => store.swap('/bootstrap/d', 'absent', new Uint8Array([1])));
      await server.restart();
      assert.equal(await store.list('/bootstrap'), []);
      await store.close();
    }),
  );

  test(
    'TLS as K3s is given it: a CA means that the certificate is verified, names included',
    bounded(async () => {
      const at = folder();
      chmodSync(at, 0o755);
      const set = issueTls(ssl, at);
      for (const { key } of [set.server, set.elsewhere]) chmodSync(key, 0o644);
      const served = async (pair: { certificate: string; key: string }, flags: string[] = []) => {
        const tls = await startMariadb({ tls: { ...pair, ca: set.ca }, flags });
        if ('absent' in tls) throw new Error(tls.absent);
        return tls;
      };
      const mutual = await served(set.server);
      const own = { caFile: set.ca, certFile: set.client.certificate, keyFile: set.client.key };
      await failsWith('absent', /no table kine/, () => list(endpointOf(mutual.port, 'mysql'), own));
      await failsWith('tls', /certificate|issuer/, () =>
        list(endpointOf(mutual.port, 'mysql'), { caFile: set.otherCa }),
      );
      await failsWith('tls', /has expired/, () =>
        list(endpointOf(mutual.port, 'mysql'), {
          caFile: set.ca,
          certFile: set.expired.certificate,
          keyFile: set.expired.key,
        }),
      );
      await mutual.kill();
      const elsewhere = await served(set.elsewhere);
      await failsWith('tls', /altnames/, () => list(endpointOf(elsewhere.port, 'mysql'), { caFile: set.ca }));
      await failsWith('absent', /no table kine/, () => list(endpointOf(elsewhere.port, 'mysql?tls=skip-verify')));
      await elsewhere.kill();
    }),
  );

  test.run();
}
