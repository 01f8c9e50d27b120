import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCore } from '@k3s-pki/core';
import { caNames, tlsFile } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cluster, password } from './bootstrap-cluster.ts';
import { testExamples } from './examples.ts';
import { folder, put } from './program.ts';

const test = suite('recovery-docs');
const commands = testExamples(test, 'docs/recovery.md', async (sandbox) => {
  const at = (name: string) => join(sandbox, 'opt', name);
  for (const name of ['lost', 'wrong', 'stray']) await cluster(undefined, at(name));
  await cluster(undefined, at('expired'), await expiredCas());
  // What another server of the same cluster still has.
  mkdirSync(at('from-server-2'), { recursive: true });
  copyFileSync(join(at('stray'), 'server/token'), join(at('from-server-2'), 'token'));
  writeFileSync(join(at('stray'), 'server/token'), 'not-the-token\n', { mode: 0o600 });
});

test('each drill is there', () => {
  for (const words of ['bootstrap restore', 'bootstrap undo', 'rotate-ca --offline', 'bootstrap doctor', 'doctor']) {
    assert.ok(
      commands.some((command) => command.includes(words)),
      words,
    );
  }
  assert.not.ok(commands.join('\n').includes(password));
});

test.run();

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
