import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { serverPassword, startMariadb, type TestServer } from '@k3s-pki/testkit/servers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder } from '../cli/program.ts';
import { openssl, present } from './judge.ts';
import { bounded, datastoreContract, failsWith } from './kine/contract.ts';
import { faultContract } from './kine/faults.ts';
import { kineOn, type ServedKine, storesAt } from './kine/harness.ts';
import { kineJudge } from './kine/judge.ts';
import { issueTls } from './kine/tls.ts';

const judges = present('interop/datastore-mysql', kineJudge());
const ssl = present('interop/datastore-mysql', openssl());
const started = present('interop/datastore-mysql', await startMariadb());

if (judges && ssl && started && !('absent' in started)) {
  const test = suite('interop/datastore-mysql');
  const server: TestServer = started;
  const endpointOf = (port: number, rest = '', password = serverPassword) =>
    `mysql://kine:${password}@tcp(127.0.0.1:${port})/${rest}`;
  const endpoint = endpointOf(server.port);
  const { open, list } = storesAt('/nowhere');
  let kine: ServedKine;
  const sql = (text: string) => {
    const run = spawnSync('mariadb', ['--no-defaults', '-h127.0.0.1', `-P${server.port}`, '-ukine', '-BNe', text], {
      encoding: 'utf8',
      env: { ...process.env, MYSQL_PWD: serverPassword },
    });
    if (run.status !== 0) throw new Error(run.stderr);
    return run.stdout.trim();
  };

  test.before(async () => {
    kine = await kineOn(judges, endpoint);
  });

  test.after(async () => {
    await kine?.stop();
    await server.kill();
  });

  datastoreContract(test, {
    open: () => open(endpoint),
    judge: () => kine.client,
    record: { size: 12 << 20, refusal: /more than the server takes: the column value holds 16777215/ },
    // kine's own user may write all the same: it has the right READ_ONLY ADMIN.
    readOnly: async (work) => {
      sql(`CREATE USER reader IDENTIFIED BY 'reader'; GRANT SELECT, INSERT ON kubernetes.* TO reader`);
      sql('SET GLOBAL read_only = 1');
      try {
        await work(await open(`mysql://reader:reader@tcp(127.0.0.1:${server.port})/kubernetes`));
      } finally {
        sql('SET GLOBAL read_only = 0');
      }
    },
    refusesWrites: ['read-only', /read-only/],
  });

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
    'a user who may only read is told so',
    bounded(async () => {
      sql('REVOKE INSERT ON kubernetes.* FROM reader');
      const store = await open(`mysql://reader:reader@tcp(127.0.0.1:${server.port})/kubernetes`);
      assert.equal(await store.list('/bootstrap'), []);
      await failsWith('denied', /denied/, () => store.swap('/bootstrap/r', 'absent', new Uint8Array([1])));
      await store.close();
    }),
  );

  test(
    'a server that takes smaller packets: a record is refused before it is sent',
    bounded(async () => {
      const before = sql('SELECT @@max_allowed_packet');
      sql('SET GLOBAL max_allowed_packet = 1048576');
      const store = await open(endpoint);
      await failsWith('too-large', /has 1048000 bytes, more than the server takes: max_allowed_packet is 1048576/, () =>
        store.swap('/bootstrap/packet', 'absent', new Uint8Array(1048000)),
      );
      const fits = await store.swap('/bootstrap/packet', 'absent', new Uint8Array(1 << 19));
      assert.is(fits.kind, 'swapped');
      await store.remove('/bootstrap/packet', fits.kind === 'swapped' ? fits.revision : '');
      await store.close();
      sql(`SET GLOBAL max_allowed_packet = ${before}`);
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
      const at = folder();
      chmodSync(at, 0o755);
      const set = issueTls(ssl, at);
      for (const { key } of [set.server, set.elsewhere, set.expiredServer]) chmodSync(key, 0o644);
      const served = async (pair: { certificate: string; key: string }, flags: string[] = []) => {
        const tls = await startMariadb({ tls: { ...pair, ca: set.ca }, flags });
        if ('absent' in tls) throw new Error(tls.absent);
        return tls;
      };
      const mutual = await served(set.server);
      const own = { caFile: set.ca, certFile: set.client.certificate, keyFile: set.client.key };
      await failsWith('absent', /no table kine/, () => list(endpointOf(mutual.port, 'mysql'), { tls: own }));
      await failsWith('tls', /certificate|issuer/, () =>
        list(endpointOf(mutual.port, 'mysql'), { tls: { caFile: set.otherCa } }),
      );
      await failsWith('tls', /has expired/, () =>
        list(endpointOf(mutual.port, 'mysql'), {
          tls: { caFile: set.ca, certFile: set.expired.certificate, keyFile: set.expired.key },
        }),
      );
      await mutual.kill();
      const elsewhere = await served(set.elsewhere);
      await failsWith('tls', /altnames/, () => list(endpointOf(elsewhere.port, 'mysql'), { tls: { caFile: set.ca } }));
      await failsWith('absent', /no table kine/, () => list(endpointOf(elsewhere.port, 'mysql?tls=skip-verify')));
      await elsewhere.kill();
      const stale = await served(set.expiredServer);
      await failsWith('tls', /the certificate of the server has expired/, () =>
        list(endpointOf(stale.port, 'mysql'), { tls: { caFile: set.ca } }),
      );
      await stale.kill();
    }),
  );

  test.run();
}
