import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, folder, k3sPki, startK3sPki, tree } from './program.ts';

const test = suite('key generate');

for (const [type, label, facts] of [
  ['rsa:2048', 'RSA PRIVATE KEY', { modulusLength: 2048, publicExponent: 65537n }],
  ['rsa:3072', 'RSA PRIVATE KEY', { modulusLength: 3072, publicExponent: 65537n }],
  ['ec:p256', 'EC PRIVATE KEY', { namedCurve: 'prime256v1' }],
  ['ec:p384', 'EC PRIVATE KEY', { namedCurve: 'secp384r1' }],
  ['ec:p521', 'EC PRIVATE KEY', { namedCurve: 'secp521r1' }],
  ['ed25519', 'PRIVATE KEY', {}],
] as const) {
  test(`${type} on standard output: Node's OpenSSL reads it, signs and verifies with it`, () => {
    const run = k3sPki(['key', 'generate', '--type', type, '--count', '3']);
    assert.is(run.code, 0, run.stderr);
    assert.is(run.stderr, '');
    const keys = blocks(run.stdout);
    assert.is(keys.join(''), run.stdout);
    assert.is(new Set(keys).size, 3);
    for (const pem of keys) {
      assert.ok(pem.startsWith(`-----BEGIN ${label}-----\n`));
      const key = createPrivateKey(pem);
      assert.equal({ ...key.asymmetricKeyDetails }, facts);
      const data = Buffer.from('a message');
      const hash = type === 'ed25519' ? null : 'sha256';
      assert.ok(verify(hash, data, createPublicKey(key), sign(hash, data, key)));
    }
  });
}

test('a folder: one file a key, mode 0600, none replaced', () => {
  const cwd = folder();
  const args = ['key', 'generate', '--type', 'ec:p256', '--count', '130', '--out', 'keys'];
  const run = k3sPki(args, { cwd });
  assert.is(run.code, 0, run.stderr);
  assert.is(run.stdout, `✔ 130 keys (ec:p256) in ${join(cwd, 'keys')}\n`);
  const files = Object.entries(tree(join(cwd, 'keys')));
  assert.equal(
    files.map(([name]) => name),
    Array.from({ length: 130 }, (_, index) => `key-${String(index + 1).padStart(5, '0')}.key`),
  );
  assert.ok(files.every(([, entry]) => entry.startsWith('0600 ')));
  assert.is(new Set(files.map(([, entry]) => entry)).size, 130);
  for (const [name] of files.slice(0, 5)) createPrivateKey(readFileSync(join(cwd, 'keys', name)));
  const before = tree(cwd);
  const again = k3sPki(args, { cwd });
  assert.is(again.code, 1);
  assert.match(again.stderr, 'keys/key-00001.key: it exists already, and a key is never replaced');
  assert.equal(tree(cwd), before);
});

test('the last of the names taken: nothing is made', () => {
  const cwd = folder();
  writeFileSync(join(cwd, 'key-00003.key'), 'mine');
  const before = tree(cwd);
  const run = k3sPki(['key', 'generate', '--type', 'ed25519', '--count', '3', '--out', '.'], { cwd });
  assert.is(run.code, 1);
  assert.match(run.stderr, 'key-00003.key: it exists already');
  assert.equal(tree(cwd), before);
});

test('workers and a report in JSON', () => {
  const cwd = folder();
  const args = ['--type', 'rsa:2048', '--count', '4', '--workers', '1', '--out', 'keys', '--output', 'json'];
  const run = k3sPki(['key', 'generate', ...args], { cwd });
  assert.is(run.code, 0, run.stderr);
  const { type, count, out, first, last } = JSON.parse(run.stdout);
  const keys = join(cwd, 'keys');
  assert.equal(
    { type, count, out, first, last },
    { type: 'rsa:2048', count: 4, out: keys, first: join(keys, 'key-00001.key'), last: join(keys, 'key-00004.key') },
  );
});

test('Ctrl-C: whole keys, exit 130', async () => {
  const cwd = folder();
  const run = startK3sPki(['key', 'generate', '--type', 'ec:p256', '--count', '1000000', '--out', 'keys'], { cwd });
  let stderr = '';
  run.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = once(run, 'close');
  try {
    while (Object.keys(tree(cwd)).length < 10 && run.exitCode === null) await sleep(10);
  } finally {
    run.kill('SIGINT');
  }
  const [code] = await ended;
  assert.is(code, 130);
  assert.match(stderr, /^k3s-pki: error: interrupted: [\d,]+ of 1,000,000 keys were made\n$/);
  for (const name of Object.keys(tree(join(cwd, 'keys')))) {
    assert.match(readFileSync(join(cwd, 'keys', name), 'utf8'), /-----END EC PRIVATE KEY-----\n$/);
  }
});

test('wrong usage', () => {
  const run = k3sPki(['key', 'generate', '--type', 'rsa:1024']);
  assert.is(run.code, 2);
  assert.match(run.stderr, 'invalid value for --type: expected rsa:2048 to rsa:8192');
});

test('the examples of the help run', () => {
  const { stdout } = k3sPki(['key', 'generate', '--help']);
  const examples = [...stdout.matchAll(/^ {2}k3s-pki (key generate --.*)$/gm)].map(([, line = '']) => line.split(' '));
  assert.is(examples.length, 2);
  for (const words of examples) assert.is(k3sPki(words, { cwd: folder() }).code, 0, words.join(' '));
});

test.run();
