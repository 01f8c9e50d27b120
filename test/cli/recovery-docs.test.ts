import { copyFileSync, cpSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCore } from '@k3s-pki/core';
import { caNames, tlsFile } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cluster, password } from './bootstrap-cluster.ts';
import { testExamples } from './examples.ts';
import { rootHash } from './healthy-server.ts';
import { fastKeys, folder, k3sPki, put } from './program.ts';

const test = suite('recovery-docs');
const commands = testExamples(test, 'docs/recovery.md', async (sandbox) => {
  const at = (name: string) => join(sandbox, 'opt', name);
  for (const name of ['lost', 'wrong', 'stray']) await cluster(undefined, at(name));
  await cluster(undefined, at('expired'), await expiredCas());
  await threeServers(at, join(sandbox, 'etc/rancher/k3s'));
  // What another server of the same cluster still has.
  mkdirSync(at('from-server-2'), { recursive: true });
  copyFileSync(join(at('stray'), 'server/token'), join(at('from-server-2'), 'token'));
  writeFileSync(join(at('stray'), 'server/token'), 'not-the-token\n', { mode: 0o600 });
});

test('each drill is there', () => {
  for (const words of [
    'token rotate',
    'bootstrap restore',
    'bootstrap undo',
    'rotate-ca --offline',
    'bootstrap doctor',
    'doctor',
  ]) {
    assert.ok(
      commands.some((command) => command.includes(words)),
      words,
    );
  }
  assert.not.ok(commands.join('\n').includes(password));
});

test.run();

/** Three servers on one datastore, which their configuration names; for want of a database server a file of SQLite. */
async function threeServers(at: (name: string) => string, etc: string): Promise<void> {
  const cas = folder();
  assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', cas, ...fastKeys]).code, 0);
  await cluster(undefined, at('server-1'), cas);
  const own = join(at('server-1'), 'server/token');
  writeFileSync(own, `K10${rootHash(at('server-1'))}::server:${password}\n`, { mode: 0o600 });
  mkdirSync(at('secure-copy'));
  for (const name of ['root-ca.pem', 'root-ca.key', 'intermediate-ca.pem', 'intermediate-ca.key']) {
    copyFileSync(join(cas, 'server/tls', name), join(at('secure-copy'), name));
  }
  mkdirSync(at('datastore'));
  renameSync(join(at('server-1'), 'server/db'), join(at('datastore'), 'db'));
  for (const name of ['server-2', 'server-3']) {
    cpSync(at('server-1'), at(name), { recursive: true, preserveTimestamps: true });
  }
  put(etc, {
    'config.yaml': `datastore-endpoint: sqlite://${join(at('datastore'), 'db/state.db')}\nhttps-listen-port: 1\n`,
  });
}

/** The CAs that a server made for itself, eleven years ago. */
async function expiredCas(): Promise<string> {
  const core = await createCore();
  const dir = folder();
  const year = 365 * 86_400;
  const notBefore = Math.floor(Date.now() / 1000) - 11 * year;
  const keys = await core.generateKeys([...caNames.map(() => 'ec:p256' as const), 'rsa:2048']);
  for (const [index, ca] of caNames.entries()) {
    const key = keys[index];
    if (key === undefined) throw new Error('no key');
    const certificate = core.issue(
      {
        subject: [['CN', `k3s-${ca.replace('/', '-')}-ca@${notBefore}`]],
        notBefore,
        notAfter: notBefore + 10 * year,
        serial: `0${index + 1}`,
        ca: {},
        keyUsage: ['digitalSignature', 'keyEncipherment', 'keyCertSign'],
        authorityKeyId: false,
      },
      key,
      key,
    );
    put(dir, { [tlsFile.caBundle(ca)]: core.toPem(certificate), [tlsFile.caKey(ca)]: key.toPem() });
  }
  put(dir, { [tlsFile.serviceKey]: keys.at(-1)?.toPem() ?? '' });
  await core.close();
  return dir;
}
