import { join } from 'node:path';
import { openDatastore, type TlsFiles } from '@k3s-pki/datastore';
import { startEtcd, type TestServer } from '@k3s-pki/testkit/servers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder } from '../cli/program.ts';
import { openssl, present } from './judge.ts';
import { bounded, datastoreContract, failsWith, rejects } from './kine/contract.ts';
import { type KineClient, kineJudge } from './kine/judge.ts';
import { issueTls, type TlsSet } from './kine/tls.ts';

const judges = present('interop/datastore-etcd', kineJudge());
const ssl = present('interop/datastore-etcd', openssl());
const probe = present('interop/datastore-etcd', await startEtcd());

if (judges && ssl && probe && !('absent' in probe)) {
  const test = suite('interop/datastore-etcd');
  const plain: TestServer = probe;
  const set: TlsSet = issueTls(ssl, folder());
  let secure: TestServer;
  let client: KineClient;
  const httpEndpoint = `http://127.0.0.1:${plain.port}`;
  const open = (endpoint: string, tls: TlsFiles = {}, timeout = 20_000, signal = new AbortController().signal) =>
    openDatastore({ endpoint, tls, server: '/nowhere', signal, timeout, clock: Date.now });
  const good = { caFile: set.ca, certFile: set.client.certificate, keyFile: set.client.key };
  const secureEndpoint = () => `https://127.0.0.1:${secure.port}`;

  test.before(async () => {
    const started = await startEtcd({ tls: { ...set.server, ca: set.ca } });
    if ('absent' in started) throw new Error(started.absent);
    secure = started;
    client = judges.client(secureEndpoint(), [
      `--ca-file=${set.ca}`,
      `--cert-file=${set.client.certificate}`,
      `--key-file=${set.client.key}`,
    ]);
  });

  test.after(async () => {
    client.stop();
    await Promise.all([plain.kill(), secure.kill()]);
  });

  datastoreContract(test, { open: () => open(secureEndpoint(), good), judge: () => client });

  const list = async (endpoint: string, tls: TlsFiles = {}, timeout?: number) => {
    const store = await open(endpoint, tls, timeout);
    try {
      return await store.list('/bootstrap');
    } finally {
      await store.close();
    }
  };

  test(
    'certificates that do not fit: the reason is named',
    bounded(async () => {
      const { ca: caFile, stranger, expired, client: own } = set;
      const wrong = { caFile, certFile: stranger.certificate, keyFile: stranger.key };
      await failsWith('tls', /./, () => list(secureEndpoint(), wrong));
      await failsWith('tls', /has expired/, () =>
        list(secureEndpoint(), { caFile, certFile: expired.certificate, keyFile: expired.key }),
      );
      await failsWith('tls', /not the key of/, () =>
        list(secureEndpoint(), { caFile, certFile: own.certificate, keyFile: stranger.key }),
      );
      await failsWith('tls', /certificate/, () => list(secureEndpoint(), { ...good, caFile: set.otherCa }));
      await failsWith('settings', /no such file/, () =>
        list(secureEndpoint(), { ...good, caFile: join('/nowhere', 'ca.crt') }),
      );
      await failsWith('settings', /half a client certificate/, () =>
        list(secureEndpoint(), { caFile, certFile: own.certificate }),
      );
    }),
  );

  test(
    'of several endpoints one that answers is enough',
    bounded(async () => {
      const dead = `http://127.0.0.1:1`;
      assert.equal(await list(`${dead},${httpEndpoint}`), []);
      const store = await open(`${dead},${httpEndpoint}`);
      assert.is((await store.swap('/bootstrap/x', 'absent', new Uint8Array([1]))).kind, 'swapped');
      await store.close();
      await failsWith('unreachable', /refused/, () => list(dead));
    }),
  );

  test(
    'a server that dies and comes back',
    bounded(async () => {
      const store = await open(httpEndpoint);
      const entry = await store.read('/bootstrap/x');
      await plain.kill();
      await failsWith('unreachable', /refused|no answer|reset/, () => store.read('/bootstrap/x'));
      await failsWith('unreachable', /refused|no answer|reset/, () =>
        store.swap('/bootstrap/x', entry?.revision ?? '', new Uint8Array([2])),
      );
      await plain.restart();
      const again = await store.read('/bootstrap/x');
      assert.equal(again?.value.length, 1);
      assert.is(again?.revision, entry?.revision);
      await store.close();
    }),
  );

  test(
    'a server that does not answer: reading ends in time, writing says that nobody knows',
    bounded(async () => {
      const store = await open(httpEndpoint, {}, 700);
      const entry = await store.read('/bootstrap/x');
      plain.pause();
      try {
        await failsWith('outcome-unknown', /no answer within 0.7 s/, () =>
          store.swap('/bootstrap/x', entry?.revision ?? '', new Uint8Array([3])),
        );
        await failsWith('timeout', /no answer in time/, () => store.read('/bootstrap/x'));
        const abort = new AbortController();
        const other = await open(httpEndpoint, {}, 60_000, abort.signal);
        const reading = other.read('/bootstrap/x');
        abort.abort(new Error('stop'));
        await rejects(reading, /stop/);
        await other.close();
      } finally {
        plain.resume();
      }
      await store.close();
    }),
  );

  test(
    'a record that is too large is refused, and the old one stays',
    bounded(async () => {
      const store = await open(httpEndpoint);
      const entry = await store.read('/bootstrap/x');
      await failsWith('too-large', /larger than etcd takes/, () =>
        store.swap('/bootstrap/x', entry?.revision ?? '', new Uint8Array(40 << 20)),
      );
      assert.is((await store.read('/bootstrap/x'))?.revision, entry?.revision);
      await store.close();
    }),
  );

  test.run();
}
