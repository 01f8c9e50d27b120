import { copyFileSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { findSettings, type TlsFiles } from '@k3s-pki/datastore';
import { type AbsentServer, startEtcd, startEtcdCluster, type TestServer } from '@k3s-pki/testkit/servers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder } from '../cli/program.ts';
import { openssl, present } from './judge.ts';
import { bounded, datastoreContract, failsWith } from './kine/contract.ts';
import { faultContract } from './kine/faults.ts';
import { storesAt } from './kine/harness.ts';
import { type KineClient, kineJudge } from './kine/judge.ts';
import { issueTls, type TlsPair, type TlsSet } from './kine/tls.ts';

/** Where K3s has its own etcd listen for its clients. Source: K3s `pkg/etcd`. */
const embeddedPort = 2379;

const judges = present('interop/datastore-etcd', kineJudge());
const ssl = present('interop/datastore-etcd', openssl());
const probe = present('interop/datastore-etcd', await startEtcd());

if (judges && ssl && probe && !('absent' in probe)) {
  const test = suite('interop/datastore-etcd');
  const plain: TestServer = probe;
  const set: TlsSet = issueTls(ssl, folder());
  const secure = there(await startEtcd({ tls: { ...set.server, ca: set.ca } }));
  const clientOf = ({ certificate, key }: TlsPair): TlsFiles => ({
    caFile: set.ca,
    certFile: certificate,
    keyFile: key,
  });
  const good = clientOf(set.client);
  const at = (port: number) => `https://127.0.0.1:${port}`;
  const httpAt = (port: number) => `http://127.0.0.1:${port}`;
  const { open, list } = storesAt('/nowhere');
  const one = new Uint8Array([1]);
  const judgeAt = (endpoint: string) =>
    judges.client(endpoint, [
      `--ca-file=${set.ca}`,
      `--cert-file=${set.client.certificate}`,
      `--key-file=${set.client.key}`,
    ]);
  let client: KineClient;

  test.before(() => {
    client = judgeAt(at(secure.port));
  });

  test.after(async () => {
    client.stop();
    await Promise.all([plain.kill(), secure.kill()]);
  });

  datastoreContract(test, {
    open: () => open(at(secure.port), { tls: good }),
    judge: () => client,
    record: { size: 1 << 20, refusal: /larger than etcd or kine takes/ },
    readOnly: async (work) => {
      await client.users(true);
      try {
        await work(await open(at(secure.port), { tls: clientOf(set.reader) }));
      } finally {
        await client.users(false);
      }
    },
    refusesWrites: ['denied', /permission denied/],
  });

  faultContract(test, {
    server: secure,
    open: (port, options) => open(at(port), { ...options, tls: good }),
    judge: () => client,
  });

  test(
    'certificates that do not fit: the reason is named',
    bounded(async () => {
      const { ca: caFile, stranger, expired, client: own } = set;
      const endpoint = at(secure.port);
      const refused = (words: RegExp, tls: TlsFiles) => failsWith('tls', words, () => list(endpoint, { tls }));
      await refused(/./, clientOf(stranger));
      await refused(/has expired/, clientOf(expired));
      await refused(/not the key of/, { caFile, certFile: own.certificate, keyFile: stranger.key });
      await refused(/certificate/, { ...good, caFile: set.otherCa });
      await failsWith('settings', /no such file/, () =>
        list(endpoint, { tls: { ...good, caFile: join('/nowhere', 'ca.crt') } }),
      );
      await failsWith('settings', /half a client certificate/, () =>
        list(endpoint, { tls: { caFile, certFile: own.certificate } }),
      );
    }),
  );

  test(
    'of several endpoints one that answers is enough; when none does, what says most is said',
    bounded(async () => {
      const dead = httpAt(1);
      const alive = httpAt(plain.port);
      assert.equal(await list(`${dead},${alive}`), []);
      const store = await open(`${dead},${alive}`);
      assert.is((await store.swap('/bootstrap/x', 'absent', one)).kind, 'swapped');
      assert.is(
        (await store.remove('/bootstrap/x', (await store.read('/bootstrap/x'))?.revision ?? '')).kind,
        'swapped',
      );
      await store.close();
      await failsWith('unreachable', /refused/, () => list(dead));

      const stale = there(await startEtcd({ tls: set.expiredServer }));
      for (const endpoints of [at(stale.port), `${at(stale.port)},${at(1)}`, `${at(1)},${at(stale.port)}`]) {
        await failsWith('tls', /the certificate of the server has expired/, () => list(endpoints, { tls: good }));
      }
      assert.equal(await list(`${at(stale.port)},${at(secure.port)}`, { tls: good }), []);
      await stale.kill();
    }),
  );

  test(
    'users: who has no name is refused; a password, which K3s would drop, is refused before anything is asked',
    bounded(async () => {
      // Without --client-cert-auth etcd takes no name from a certificate.
      const server = there(await startEtcd({ tls: set.server }));
      const root = judgeAt(at(server.port));
      await root.users(true);
      for (const tls of [{ caFile: set.ca }, good]) {
        const store = await open(at(server.port), { tls });
        await failsWith('denied', /user name is empty/, () => store.read('/bootstrap/x'));
        await failsWith('denied', /user name is empty/, () => store.swap('/bootstrap/x', 'absent', one));
        await store.close();
      }
      root.stop();
      await server.kill();
      await failsWith('settings', /which K3s would drop in silence/, () =>
        list(`https://root:secret@127.0.0.1:${server.port}`),
      );
    }),
  );

  if (await isFree(embeddedPort)) {
    test(
      'embedded etcd: what the data dir alone says leads to it',
      bounded(async () => {
        const dataDir = folder();
        const server = join(dataDir, 'server');
        const tls = join(server, 'tls/etcd');
        mkdirSync(tls, { recursive: true });
        mkdirSync(join(server, 'db/etcd'), { recursive: true });
        const settings = await findSettings({ product: 'k3s', dataDir, env: {}, configFile: undefined, given: {} });
        await failsWith('settings', /server-ca\.crt: there is no such file/, () =>
          list(settings.endpoint, { tls: settings.tls }),
        );
        for (const [from, to] of [
          [set.ca, 'server-ca.crt'],
          [set.client.certificate, 'client.crt'],
          [set.client.key, 'client.key'],
          [set.server.certificate, 'server-client.crt'],
          [set.server.key, 'server-client.key'],
        ] as const) {
          copyFileSync(from, join(tls, to));
        }
        const file = (name: string) => join(tls, name);
        await failsWith('unreachable', /refused/, () => list(settings.endpoint, { tls: settings.tls }));
        const etcd = there(
          await startEtcd({
            port: embeddedPort,
            tls: { certificate: file('server-client.crt'), key: file('server-client.key'), ca: file('server-ca.crt') },
          }),
        );
        const store = await open(settings.endpoint, { tls: settings.tls });
        assert.is((await store.swap('/bootstrap/x', 'absent', one)).kind, 'swapped');
        assert.equal(
          (await store.list('/bootstrap')).map(({ key }) => key),
          ['/bootstrap/x'],
        );
        await store.close();
        await failsWith('tls', /./, () => list(settings.endpoint, { tls: { caFile: file('server-ca.crt') } }));
        await etcd.kill();
      }),
    );
  } else console.log(`not run: interop/datastore-etcd as embedded, port ${embeddedPort} is in use`);

  test(
    'a cluster that has lost most of its members: nothing is read or written, and the reason is named',
    bounded(async () => {
      const members = await startEtcdCluster(3);
      if ('absent' in members) throw new Error(members.absent);
      const endpoints = members.map(({ port }) => httpAt(port)).join(',');
      const store = await open(endpoints);
      const created = await store.swap('/bootstrap/x', 'absent', one);
      assert.is(created.kind, 'swapped');
      const [first, second, last] = members;
      await first?.kill();
      assert.is((await store.read('/bootstrap/x'))?.value.length, 1);
      await second?.kill();
      const revision = created.kind === 'swapped' ? created.revision : '';
      const hasty = await open(endpoints, { timeout: 3000 });
      // The last member believes for a second or two that it has a leader.
      let said = '';
      while (said !== 'no-quorum') {
        said = await hasty.list('/bootstrap').then(
          () => 'answered',
          ({ code }) => code,
        );
        assert.ok(['timeout', 'no-quorum'].includes(said), said);
      }
      await failsWith('no-quorum', /most members of the cluster do not run/, () => hasty.list('/bootstrap'));
      await failsWith('no-quorum', /no leader/, () => hasty.swap('/bootstrap/x', revision, new Uint8Array([2])));
      await failsWith('no-quorum', /no leader/, () => list(httpAt(last?.port ?? 0)));
      await second?.restart();
      const entry = await store.read('/bootstrap/x');
      assert.equal([entry?.revision, entry?.value[0]], [revision, 1]);
      await Promise.all([store.close(), hasty.close(), ...members.map((member) => member.kill())]);
    }),
  );

  test(
    'a server that has used up its space takes no writes, and says what makes room',
    bounded(async () => {
      const small = there(await startEtcd({ flags: ['--quota-backend-bytes=262144'] }));
      const store = await open(httpAt(small.port));
      const block = new Uint8Array(64 << 10);
      const written: string[] = [];
      await failsWith('read-only', /used up its space .*NOSPACE/, async () => {
        for (let count = 0; count < 500; count++) {
          const key = `/bootstrap/${count}`;
          await store.swap(key, 'absent', block);
          written.push(key);
        }
      });
      // The alarm refuses small writes too; reading goes on.
      await failsWith('read-only', /NOSPACE/, () => store.swap('/bootstrap/small', 'absent', one));
      assert.equal(
        (await store.list('/bootstrap')).map(({ key }) => key),
        written.sort(),
      );
      await store.close();
      await small.kill();
    }),
  );

  test.run();
}

function there(server: TestServer | AbsentServer): TestServer {
  if ('absent' in server) throw new Error(server.absent);
  return server;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  return promise;
}
