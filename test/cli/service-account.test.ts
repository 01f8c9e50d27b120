import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, folder, k3sPki, put, tree } from './program.ts';

const test = suite('service-account');
const path = 'server/tls/service.key';

const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ec = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const pkcs1 = (key: KeyObject) => key.export({ type: 'pkcs1', format: 'pem' }) as string;
const sec1 = (key: KeyObject) => key.export({ type: 'sec1', format: 'pem' }) as string;
const pkcs8 = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }) as string;
const spki = (key: KeyObject) => createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string;
const [first, second, third] = [rsa(), ec(), rsa()];

/** As Kubernetes computes it, by Node's own crypto. */
function kid(key: string | KeyObject): string {
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('base64url');
}

function dataDir(serviceKey: string): string {
  const dir = folder();
  put(dir, { [path]: serviceKey });
  return dir;
}

test('rotate: the new key first, every old key once after it, byte for byte; no key leaves the files', () => {
  const old = `a comment\r\n${pkcs1(first).replaceAll('\n', '\r\n')}${sec1(second)}${pkcs1(first)}${spki(third)}${spki(second)}`;
  const dir = dataDir(old);
  const before = tree(dir);
  const run = k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', 'stage', '--output', 'json'], {
    cwd: dir,
  });
  assert.is(run.code, 0, run.stderr);
  const staged = join(dir, 'stage/tls/service.key');
  const pem = readFileSync(staged, 'utf8');
  const [made = '', ...kept] = blocks(pem);
  assert.equal(kept, [pkcs1(first), sec1(second), spki(third)]);
  assert.is(made + kept.join(''), pem, 'nothing between the blocks');
  assert.equal(createPrivateKey(made).asymmetricKeyDetails, { modulusLength: 2048, publicExponent: 65537n });
  assert.match(made, /^-----BEGIN RSA PRIVATE KEY-----\n/);
  assert.is(statSync(staged).mode & 0o777, 0o600);
  const report = JSON.parse(run.stdout);
  assert.equal(
    report.keys.map((key: { kid: string; role: string }) => [key.kid, key.role]),
    [
      [kid(made), 'signs'],
      [kid(first), 'verifies'],
      [kid(second), 'verifies'],
      [kid(third), 'verifies'],
    ],
  );
  assert.is(report.rotateCa, `k3s certificate rotate-ca --path=${join(dir, 'stage')}`);
  assert.match(run.stderr, 'service.key: 2 repeated keys left out');
  assert.not.match(run.stdout + run.stderr, /BEGIN|MII/);
  const { stage, 'stage/tls': tls, 'stage/tls/service.key': file, ...rest } = tree(dir);
  assert.equal(rest, before);
  assert.equal([stage, tls], ['0750 /', '0750 /']);
});

test('rotate: the staged file is dated now', () => {
  const dir = dataDir(pkcs1(first));
  utimesSync(join(dir, path), 1_000_000_000, 1_000_000_000);
  const start = Math.floor(Date.now() / 1000);
  assert.is(k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 's')]).code, 0);
  assert.ok(statSync(join(dir, 's/tls/service.key')).mtimeMs / 1000 >= start);
});

test('rotate: a source that is dated later than now', () => {
  const dir = dataDir(pkcs1(first));
  const later = Date.now() / 1000 + 3600;
  utimesSync(join(dir, path), later, later);
  const run = k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 's')]);
  assert.is(run.code, 0);
  assert.match(run.stderr, /warning: .*service\.key: it is dated \d{4}-.* UTC, later than now/);
});

test('rotate --keep: the oldest are left out, and the warning names them', () => {
  const dir = dataDir(pkcs1(first) + sec1(second) + pkcs1(third));
  const run = k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 's'), '--keep', '1']);
  assert.is(run.code, 0, run.stderr);
  assert.equal(blocks(readFileSync(join(dir, 's/tls/service.key'), 'utf8')).slice(1), [pkcs1(first)]);
  assert.match(run.stderr, 'warning: ');
  assert.match(
    run.stderr,
    `--keep leaves out 2 old keys: as soon as this is loaded, every token that one of them signed is refused (key id ${kid(second)}, ${kid(third)})`,
  );
});

test('rotate --key-type', () => {
  const dir = dataDir(pkcs1(first));
  for (const [type, label] of [
    ['ec:p384', 'EC PRIVATE KEY'],
    ['rsa:3072', 'RSA PRIVATE KEY'],
  ] as const) {
    const run = k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, label), '--key-type', type]);
    assert.is(run.code, 0, run.stderr);
    assert.match(readFileSync(join(dir, label, 'tls/service.key'), 'utf8'), `-----BEGIN ${label}-----`);
  }
});

test('rotate --dry-run: the plan, nothing written', () => {
  const dir = dataDir(pkcs1(first) + sec1(second));
  const before = tree(dir);
  const args = ['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 's'), '--dry-run'];
  const run = k3sPki([...args, '--output', 'json']);
  assert.is(run.code, 0, run.stderr);
  const plan = JSON.parse(run.stdout);
  assert.is(plan.dryRun, true);
  assert.equal(
    plan.kept.map((key: { kid: string }) => key.kid),
    [kid(first), kid(second)],
  );
  assert.match(k3sPki(args).stdout, /nothing is written\n/);
  assert.equal(tree(dir), before);
});

test('rotate: blocks that the API server does not read are left out', () => {
  const edwards = generateKeyPairSync('ed25519').privateKey;
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
  const dir = dataDir(pkcs1(first) + pkcs8(edwards) + parameters + sec1(second) + pkcs8(ec()));
  const run = k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 's')]);
  assert.is(run.code, 0, run.stderr);
  assert.equal(blocks(readFileSync(join(dir, 's/tls/service.key'), 'utf8')).slice(1), [pkcs1(first), sec1(second)]);
  assert.match(run.stderr, 'service.key: 2 blocks left out that the API server does not read (PRIVATE KEY)');
});

const encrypted = first.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'geheim' }) as string;
for (const [label, content, error] of [
  ['empty', '', 'the file is empty'],
  ['no key in it', 'hello\n', 'holds no key'],
  ['cut off', pkcs1(first).slice(0, 400), 'line 1: '],
  [
    'a broken key behind a good one',
    `${pkcs1(first)}-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n`,
    'line 28: ',
  ],
  ['encrypted', encrypted, 'line 1: the key is encrypted, and K3s has no passphrase for it'],
  [
    'encrypted behind a good one',
    pkcs1(first) + encrypted,
    'line 28: the key is encrypted, and K3s has no passphrase for it',
  ],
  ['Ed25519', pkcs8(generateKeyPairSync('ed25519').privateKey), 'the first key is Ed25519'],
  ['public', spki(first), 'the first key is a public key'],
] as const) {
  test(`rotate refuses a service.key: ${label}`, () => {
    const dir = dataDir(content);
    const before = tree(dir);
    const run = k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 's'), '--output', 'json']);
    assert.is(run.code, 1);
    assert.match(run.stderr, `k3s-pki: error: ${join(dir, path)}: ${error}`);
    assert.match(run.stderr, /^k3s-pki: hint: /m);
    assert.not.match(run.stdout + run.stderr, /MII|geheim/);
    assert.is(JSON.parse(run.stdout).ok, false);
    assert.equal(tree(dir), before);
  });
}

test('rotate refuses an absent file and one that may not be read', () => {
  const dir = folder();
  const absent = k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 's')]);
  assert.is(absent.code, 1);
  assert.match(absent.stderr, `error: ${join(dir, path)}: there is no such file`);
  mkdirSync(join(dir, path), { recursive: true });
  const before = tree(dir);
  const run = k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 's')]);
  assert.is(run.code, 1);
  assert.match(run.stderr, 'not a regular file');
  assert.equal(tree(dir), before);
});

test('rotate refuses a stage with another service.key, and replaces a copy of the one that was read', () => {
  const dir = dataDir(pkcs1(first));
  put(dir, { 's/tls/service.key': pkcs1(third), 'copy/tls/service.key': pkcs1(first), 'copy/tls/server-ca.crt': 'x' });
  const before = tree(dir);
  const refused = k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 's')]);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, `${join(dir, 's/tls/service.key')}: another service.key is staged there`);
  assert.equal(tree(dir), before);
  const run = k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 'copy')]);
  assert.is(run.code, 0, run.stderr);
  assert.is(blocks(readFileSync(join(dir, 'copy/tls/service.key'), 'utf8')).length, 2);
  assert.is(readFileSync(join(dir, 'copy/tls/server-ca.crt'), 'utf8'), 'x');
});

test('rotate refuses to write into the data dir of a server, by any path, and not into one that no server has used', () => {
  const dir = dataDir(pkcs1(first));
  const args = ['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 'server/tls/..')];
  put(dir, { 'server/token': 'x' });
  const before = tree(dir);
  const refused = k3sPki(args);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, 'this is the file of a server that has been started');
  assert.equal(tree(dir), before);
  const unused = dataDir(pkcs1(first));
  const run = k3sPki(['service-account', 'rotate', '--data-dir', unused, '--out', join(unused, 'server')]);
  assert.is(run.code, 0, run.stderr);
  assert.is(blocks(readFileSync(join(unused, path), 'utf8')).length, 2);
});

test('wrong usage', () => {
  for (const [args, error] of [
    [[], 'service-account rotate needs a folder: --out STAGE'],
    [['--out', 's', '--keep', '0'], 'invalid value for --keep: expected'],
    [['--out', 's', '--key-type', 'ed25519'], 'invalid value for --key-type: expected rsa:2048 to rsa:8192, ec:p256'],
  ] as const) {
    const run = k3sPki(['service-account', 'rotate', ...args], { cwd: folder() });
    assert.is(run.code, 2);
    assert.match(run.stderr, `k3s-pki: error: ${error}`);
  }
});

test('list: what each block does, in file order', () => {
  const content =
    pkcs1(first) + sec1(second) + pkcs1(first) + spki(third) + pkcs8(generateKeyPairSync('ed25519').privateKey);
  const dir = dataDir(content);
  const run = k3sPki(['service-account', 'list', '--data-dir', dir, '--output', 'json']);
  assert.is(run.code, 0, run.stderr);
  const { file, ok, keys } = JSON.parse(run.stdout);
  assert.equal({ file, ok }, { file: join(dir, path), ok: true });
  assert.equal(
    keys.map((key: { role: string }) => key.role),
    ['signs', 'verifies', 'repeats', 'verifies', 'unread'],
  );
  assert.equal(
    keys.slice(0, 4).map((key: { kid: string }) => key.kid),
    [first, second, first, third].map(kid),
  );
  const text = k3sPki(['service-account', 'list', join(dir, path)]);
  assert.is(text.code, 0);
  assert.match(text.stdout, new RegExp(`1  signs     RSA 2048  ${kid(first)}  RSA PRIVATE KEY\n`));
  assert.match(text.stdout, new RegExp(`2  verifies  P-256     ${kid(second)}`));
});

test('list: a file that K3s does not start on is shown, exit 1', () => {
  const dir = dataDir(spki(first));
  const run = k3sPki(['service-account', 'list', '--data-dir', dir]);
  assert.is(run.code, 1);
  assert.match(run.stdout, kid(first));
  assert.match(run.stderr, 'the first key is a public key');
  assert.is(k3sPki(['service-account', 'list', join(dir, 'nothing')]).code, 1);
});

test('the examples of the help run', () => {
  for (const command of ['rotate', 'list']) {
    const { stdout } = k3sPki(['service-account', command, '--help']);
    const examples = [...stdout.matchAll(/^ {2}k3s-pki (service-account \w+ .*\.\/.*)$/gm)].map(
      ([, line = '']) => line,
    );
    assert.ok(examples.length > 0);
    for (const line of examples) {
      const cwd = folder();
      put(cwd, { [`demo/${path}`]: pkcs1(first) + sec1(second), 'stage/tls/service.key': pkcs1(first) + sec1(second) });
      const run = k3sPki(line.split(' '), { cwd });
      assert.is(run.code, 0, `${line}: ${run.stderr}`);
    }
  }
});

test.run();
