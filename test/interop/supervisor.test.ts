import { cpSync, readFileSync } from 'node:fs';
import { createServer as createTcpServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createCore } from '@k3s-pki/core';
import { caHash, certificatesOf, rotationFields } from '@k3s-pki/k3s';
import {
  openSupervisor,
  type Pin,
  readCaCerts,
  type Supervisor,
  SupervisorError,
  type SupervisorErrorCode,
} from '@k3s-pki/supervisor';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder } from '../cli/program.ts';
import { goJudge, present } from './judge.ts';
import { makeCluster, passwords, stageNew, startSupervisor } from './supervisor-server.ts';

const judge = present('interop/supervisor', goJudge());
const core = await createCore();
const test = suite('supervisor');

if (judge !== undefined) {
  const dataDir = makeCluster();
  const pin = pinOf(dataDir);

  test('the CA bundle is read as the server has it', async () => {
    const server = await startSupervisor(judge, dataDir);
    const read = await readCaCerts(server.url);
    await server.stop();
    assert.equal(Buffer.from(read), readFileSync(join(dataDir, 'server/tls/server-ca.crt')));
  });

  test('another hash is refused in the words of K3s, and nothing more is asked', async () => {
    const server = await startSupervisor(judge, dataDir);
    const other = 'ab'.repeat(32);
    const error = await failure(openSupervisor(server.url, { ...pin, caHash: other }));
    await server.stop();
    assert.is(error.code, 'wrong-hash');
    assert.match(
      error.message,
      `token CA hash does not match the Cluster CA certificate hash: ${other} != ${pin.caHash}`,
    );
    assert.equal(server.requests, ['GET /cacerts']);
  });

  test('a certificate of other CAs is refused, though the hash is right', async () => {
    // The files change under a running server, as after a forced rotation.
    const moved = folder();
    cpSync(dataDir, moved, { recursive: true });
    const server = await startSupervisor(judge, moved);
    const other = makeCluster();
    cpSync(join(other, 'server/tls'), join(moved, 'server/tls'), { recursive: true });
    const error = await failure(openSupervisor(server.url, pinOf(other)));
    await server.stop();
    assert.is(error.code, 'untrusted');
    assert.match(error.message, 'CA cert validation failed');
    assert.match(error.mend ?? '', '--service k3s-server');
  });

  test('bootstrap data is given with embedded etcd alone', async () => {
    const without = await startSupervisor(judge, dataDir);
    assert.is(await (await openSupervisor(without.url, pin)).serverBootstrap(passwords.server), undefined);
    await without.stop();
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    const given = await (await openSupervisor(server.url, pin)).serverBootstrap(passwords.server);
    await server.stop();
    const data = JSON.parse(Buffer.from(given ?? []).toString()) as Record<string, { Content: string }>;
    for (const { field, file } of rotationFields) {
      assert.is(data[field]?.Content, readFileSync(join(dataDir, file)).toString('base64'), field);
    }
  });

  test('new CAs under the same root are saved', async () => {
    const staged = stageNew(dataDir);
    const server = await startSupervisor(judge, dataDir);
    await (await openSupervisor(server.url, pin)).replaceCas(passwords.server, bootstrapData(staged), false);
    await server.stop();
    const record = server.record();
    for (const { field, file } of rotationFields) {
      assert.is(record?.[field]?.Content, readFileSync(join(staged, file)).toString('base64'), field);
    }
    // The password file is the server's own.
    assert.is(record?.PasswdFile?.Content, readFileSync(join(dataDir, 'server/cred/passwd')).toString('base64'));
  });

  test('other roots are refused with the number of the line in the log; forced they are saved', async () => {
    const other = makeCluster();
    const server = await startSupervisor(judge, dataDir);
    const supervisor = await openSupervisor(server.url, pin);
    const error = await failure(supervisor.replaceCas(passwords.server, bootstrapData(other), false));
    assert.is(error.code, 'refused');
    assert.is(error.inDoubt, false);
    const id = /certificate error ID \d{5}/.exec(error.message)?.[0] ?? 'none';
    assert.match(error.mend ?? '', id);
    assert.is(server.record(), undefined);
    await supervisor.replaceCas(passwords.server, bootstrapData(other), true);
    assert.ok(server.record() !== undefined);
    await server.stop();
    assert.ok(server.log.some((line) => line.startsWith(`${id}: failed to validate new CA certificates and keys`)));
  });

  test('wrong, foreign and missing credentials', async () => {
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    const supervisor = await openSupervisor(server.url, pin);
    const wrong = await failure(supervisor.serverBootstrap('ffffffffffffffffffffffffffffffff'));
    assert.is(wrong.code, 'credentials');
    assert.match(wrong.message, 'not authorized');
    const told = JSON.stringify([wrong.message, wrong.mend, String(wrong.cause)]);
    assert.not.match(told, 'ffffffff');
    // The agent's password is known, but not under the name that a server's client uses.
    assert.is((await failure(supervisor.serverBootstrap(passwords.node))).code, 'credentials');
    await server.stop();
  });

  test('the token is rotated', async () => {
    const copy = folder();
    cpSync(dataDir, copy, { recursive: true });
    const server = await startSupervisor(judge, copy);
    await (await openSupervisor(server.url, pin)).rotateToken(passwords.server, 'new-password');
    await server.stop();
    assert.is(readFileSync(join(copy, 'server/token'), 'utf8'), `K10${pin.caHash}::server:new-password\n`);
  });

  const put = '/v1-k3s/cert/cacerts';
  const troubles: readonly [string, SupervisorErrorCode, boolean][] = [
    ['cut-headers:/cacerts', 'cut', false],
    ['cut-answer:/cacerts', 'cut', false],
    ['hang:/cacerts', 'silent', false],
    ['endless:/cacerts', 'too-large', false],
    ['html:/cacerts', 'stranger', false],
    ['empty:/cacerts', 'stranger', false],
    ['500:/cacerts', 'stranger', false],
    [`cut-headers:${put}`, 'cut', true],
    [`cut-body:${put}`, 'cut', true],
    [`cut-applied:${put}`, 'cut', true],
    [`cut-answer:${put}`, 'cut', true],
    [`hang:${put}`, 'silent', true],
    [`endless:${put}`, 'too-large', true],
    [`html:${put}`, 'stranger', true],
    [`500:${put}`, 'stranger', true],
  ];
  for (const [trouble, code, inDoubt] of troubles) {
    test(`a server in trouble: ${trouble}`, async () => {
      const server = await startSupervisor(judge, dataDir, { trouble });
      const ask = async (): Promise<void> => {
        const supervisor: Supervisor = await openSupervisor(server.url, pin, { patience: 400 });
        await supervisor.replaceCas(passwords.server, bootstrapData(stageNew(dataDir)), false);
      };
      const error = await failure(ask());
      await server.stop();
      assert.is(error.code, code);
      assert.is(error.inDoubt, inDoubt);
      assert.is(server.record() !== undefined, trouble.startsWith('cut-applied'));
      assert.not.match(JSON.stringify([error.message, error.mend, String(error.cause)]), passwords.server);
      // No retry: what may have been done is not done twice.
      assert.ok(server.requests.filter((line) => line === `PUT ${put}`).length <= 1);
    });
  }

  test('an interruption ends a request', async () => {
    const server = await startSupervisor(judge, dataDir, { trouble: 'hang:/cacerts' });
    const interruption = new AbortController();
    const asked = failure(readCaCerts(server.url, { signal: interruption.signal }));
    interruption.abort();
    assert.is((await asked).code, 'aborted');
    await server.stop();
  });
}

test('nothing listens, no TLS, no answer at all, not an address', async () => {
  const tcp = await listen((socket) => socket.end('220 mail ready\r\n'));
  assert.is((await failure(readCaCerts(`https://127.0.0.1:${tcp.port}`))).code, 'unreachable');
  tcp.server.close();
  assert.is((await failure(readCaCerts(`https://127.0.0.1:${tcp.port}`))).code, 'unreachable');
  const mute = await listen(() => {});
  assert.is((await failure(readCaCerts(`https://127.0.0.1:${mute.port}`, { patience: 300 }))).code, 'silent');
  mute.server.close();
  for (const address of ['server', 'http://127.0.0.1:6443', 'https://a:b@127.0.0.1', 'https://127.0.0.1/v1-k3s']) {
    const error = await failure(readCaCerts(address));
    assert.is(error.code, 'address', address);
    assert.not.match(error.message, 'a:b');
  }
});

test.after(() => core.close());
test.run();

async function failure(promise: Promise<unknown>): Promise<SupervisorError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof SupervisorError) return error;
  throw error ?? new Error('no failure');
}

function pinOf(dataDir: string): Pin {
  const hashOf = (bytes: Uint8Array): string => {
    const bundle = certificatesOf({ bytes, blocks: core.inspect(bytes) });
    return caHash(bytes, bundle, (request) => core.chains(request), Math.floor(Date.now() / 1000)).hash;
  };
  return { caHash: hashOf(readFileSync(join(dataDir, 'server/tls/server-ca.crt'))), hashOf };
}

/** What K3s's client sends: the eleven fields with the files' times. */
function bootstrapData(dataDir: string): Uint8Array {
  const fields = rotationFields.map(({ field, file }) => [
    field,
    { Timestamp: new Date().toISOString(), Content: readFileSync(join(dataDir, file)).toString('base64') },
  ]);
  return new TextEncoder().encode(JSON.stringify(Object.fromEntries(fields)));
}

async function listen(greet: (socket: import('node:net').Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    greet(socket);
  });
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, port: address.port };
}
