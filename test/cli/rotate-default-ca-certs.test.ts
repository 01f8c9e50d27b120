import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';
import { chmodSync, cpSync, existsSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, fastKeys, folder, k3sPki, put, type Run, tree } from './program.ts';

const command = 'rotate-default-ca-certs';
const cas = ['client', 'server', 'request-header', 'etcd/peer', 'etcd/server'] as const;
const password = 'c0ffee00c0ffee00c0ffee00c0ffee00';
const agentPassword = 'decade00decade00decade00decade00';
const oldHash = 'ab'.repeat(32);

/** A data dir as a server leaves it: its own CAs, its tokens. */
const server = folder();
const made = k3sPki(['generate-default-ca-certs', '--data-dir', server]);
put(server, { 'server/token': `K10${oldHash}::server:${password}\n` });
chmodSync(join(server, 'server/token'), 0o600);
symlinkSync('token', join(server, 'server/agent-token'));

const custom = folder();
k3sPki(['generate-custom-ca-certs', '--data-dir', custom, ...fastKeys]);

const test = suite(command);

test('the files, modes, order and subjects of the script, without copies of the old keys', () => {
  const dir = copyOf(server);
  const before = tree(dir);
  const run = rotate(dir);
  assert.is(run.code, 0, run.stderr);
  assert.is(run.stderr, '');
  const files = tree(dir);
  for (const [path, entry] of Object.entries(before)) assert.is(files[path], entry, `${path} is as it was`);
  const names = ['root.key', 'root-ssigned.pem', 'root-xsigned.pem', 'root-old.pem', 'ca.key', 'ca.pem', 'ca.crt'];
  assert.equal(
    Object.keys(files)
      .filter((path) => !(path in before))
      .sort(),
    [
      'server/rotate-ca',
      'server/rotate-ca/tls',
      'server/rotate-ca/tls/etcd',
      'server/rotate-ca/tls/service.key',
      'server/rotate-ca/token',
      'server/rotate-ca/agent-token',
      ...cas.flatMap((ca) => names.map((name) => `server/rotate-ca/tls/${ca}-${name}`)),
    ].sort(),
  );
  for (const path of Object.keys(files).filter((each) => each.startsWith('server/rotate-ca'))) {
    const expected = files[path]?.endsWith('/') ? '0750' : /\.key$|token$/.test(path) ? '0600' : '0640';
    assert.is(files[path]?.slice(0, 4), expected, path);
  }
  for (const ca of cas) {
    const at = (name: string) => readFileSync(join(dir, 'server/rotate-ca/tls', `${ca}-${name}`), 'utf8');
    const old = readFileSync(join(dir, 'server/tls', `${ca}-ca.crt`), 'utf8');
    assert.is(at('ca.crt'), at('ca.pem') + at('root-ssigned.pem') + at('root-xsigned.pem') + old);
    assert.is(at('root-old.pem'), old);
    const [mine, root, crossed, oldRoot] = certificatesOf(at('ca.crt')) as Four;
    assert.ok(mine.verify(root.publicKey) && mine.checkIssued(root) && mine.ca);
    assert.ok(root.verify(root.publicKey) && root.issuer === root.subject);
    assert.ok(crossed.verify(oldRoot.publicKey) && crossed.checkIssued(oldRoot));
    assert.is(crossed.subject, root.subject);
    assert.equal(der(crossed), der(root), 'the same key');
    const name = ca.replace('/', '-');
    assert.match(root.subject, new RegExp(`^CN=k3s-${name}-root@\\d{10}$`));
    assert.match(mine.subject, new RegExp(`^CN=k3s-${name}-ca@\\d{10}$`));
    assert.equal([root, mine].map(days), [7300, 7300]);
    assert.is(crossed.validTo, oldRoot.validTo, 'what crosses to the old root ends with it');
    const keys = blocks(at('ca.key'));
    assert.is(keys.length, 2);
    assert.is(keys[1], at('root.key'));
    for (const [index, certificate] of [mine, root].entries()) {
      assert.match(keys[index] ?? '', /^-----BEGIN EC PRIVATE KEY-----\n/);
      assert.ok(certificate.checkPrivateKey(createPrivateKey(keys[index] ?? '')));
    }
  }
  const service = blocks(readFileSync(join(dir, 'server/rotate-ca/tls/service.key'), 'utf8'));
  assert.is(service.length, 2);
  assert.is(service[1], readFileSync(join(dir, 'server/tls/service.key'), 'utf8'));
  assert.match(run.stdout, `k3s certificate rotate-ca --path=${dir}/server/rotate-ca`);
  assert.not.match(run.stdout, 'PRIVATE KEY');
  for (const line of run.stdout.split('\n')) {
    if (!line.includes(dir) && !line.includes('K10')) assert.ok(line.length <= 80, line);
  }
});

test('tokens: the hash of the new self-signed root, in files; the password is shown with --reveal only', () => {
  const dir = copyOf(server);
  unlinkSync(join(dir, 'server/agent-token'));
  put(dir, { 'server/agent-token': `K10${oldHash}::node:${agentPassword}\n` });
  const run = rotate(dir);
  assert.is(run.code, 0, run.stderr);
  const prefix = `K10${hashOfRoot(dir)}`;
  const token = (name: string) => readFileSync(join(dir, 'server/rotate-ca', name), 'utf8');
  assert.is(token('token'), `${prefix}::server:${password}\n`);
  assert.is(token('agent-token'), `${prefix}::node:${agentPassword}\n`);
  assert.match(run.stdout, `${prefix}::server:********`);
  assert.match(run.stdout, `${prefix}::node:********`);
  for (const secret of [password, agentPassword]) assert.not.match(run.stdout + run.stderr, secret);
  const revealed = rotate(dir, '--reveal', '--force');
  assert.match(revealed.stdout, `K10${hashOfRoot(dir)}::server:${password}\n`);
  const json = JSON.parse(rotate(dir, '--force', '--output', 'json').stdout);
  assert.is(json.caHash, hashOfRoot(dir));
  assert.equal(
    json.tokens.map(({ user, masked }: { user: string; masked: boolean }) => [user, masked]),
    [
      ['server', true],
      ['agent', true],
    ],
  );
  assert.is(json.tokens[0].token, `K10${hashOfRoot(dir)}::server:********`);
  assert.is(JSON.parse(rotate(dir, '--force', '--reveal', '--output', 'json').stdout).tokens[1].masked, false);
});

for (const [label, text, expected] of [
  ['a bare password', `${password}\n`, `::server:${password}`],
  ['a password with colons', `K10${oldHash}::server:a::b:c`, '::server:a::b:c'],
  ['K10 without a hash', `K10::server:${password}`, `::server:${password}`],
] as const) {
  test(`tokens: ${label}`, () => {
    const dir = copyOf(server);
    put(dir, { 'server/token': text });
    assert.is(rotate(dir).code, 0);
    assert.is(readFileSync(join(dir, 'server/rotate-ca/token'), 'utf8'), `K10${hashOfRoot(dir)}${expected}\n`);
  });
}

test('without a token the hash is shown, with a warning', () => {
  const dir = copyOf(server);
  for (const name of ['agent-token', 'token']) unlinkSync(join(dir, 'server', name));
  const run = rotate(dir);
  assert.is(run.code, 0);
  assert.match(run.stderr, /warning: .*server\/token: there is no such file/);
  assert.match(run.stdout, `K10${hashOfRoot(dir)}\n`);
  assert.not.ok(existsSync(join(dir, 'server/rotate-ca/token')));
});

test('the program of that name is a drop-in: DATA_DIR, PRODUCT, exit code 1', () => {
  const dir = copyOf(server);
  const run = k3sPki([], { name: command, env: { DATA_DIR: dir, PRODUCT: 'rke2' } });
  assert.is(run.code, 0, run.stderr);
  assert.match(new X509Certificate(read(dir, 'rotate-ca/tls/client-ca.pem')).subject, /^CN=rke2-client-ca@/);
  assert.match(run.stdout, `rke2 certificate rotate-ca --path=${dir}/server/rotate-ca`);
  const nowhere = k3sPki([], { name: command, env: { DATA_DIR: folder() } });
  assert.is(nowhere.code, 1);
  assert.match(nowhere.stderr, /^rotate-default-ca-certs: error: \/.*server\/tls: there are no CAs\n.*hint: .*\n$/);
});

test('three rotations: each bundle begins as the script has it and keeps what still has a chain', () => {
  const dir = copyOf(server);
  let before: string[] = [];
  for (const [round, count] of [4, 7, 10].entries()) {
    const inUse = blocks(read(dir, 'tls/client-ca.crt'));
    const run = rotate(dir);
    assert.is(run.code, 0, run.stderr);
    const bundle = blocks(read(dir, 'rotate-ca/tls/client-ca.crt'));
    assert.is(bundle.length, count);
    assert.is(new Set(bundle).size, count, 'once each');
    assert.is(bundle[3], inUse[round === 0 ? 0 : 1], 'the old root');
    for (const certificate of inUse) assert.ok(bundle.includes(certificate));
    assert.is(blocks(read(dir, 'rotate-ca/tls/client-ca.key')).length, 2);
    assert.is(blocks(read(dir, 'rotate-ca/tls/service.key')).length, round + 2);
    const subjects = certificatesOf(bundle.join('')).map(({ subject }) => subject);
    assert.not.ok(
      before.some((subject) => subjects.slice(0, 2).includes(subject)),
      'names are new, in one second too',
    );
    before = subjects;
    load(dir);
  }
});

test('old CAs of any key type and form', () => {
  for (const [index, [generate, form]] of (
    [
      [() => generateKeyPairSync('rsa', { modulusLength: 2048 }), 'pkcs1'],
      [() => generateKeyPairSync('rsa', { modulusLength: 3072 }), 'pkcs8'],
      [() => generateKeyPairSync('ec', { namedCurve: 'secp384r1' }), 'sec1'],
      [() => generateKeyPairSync('ec', { namedCurve: 'secp521r1' }), 'pkcs8'],
      [() => generateKeyPairSync('ed25519'), 'pkcs8'],
    ] as ReadonlyArray<[() => { privateKey: KeyObject }, 'pkcs1' | 'pkcs8' | 'sec1']>
  ).entries()) {
    const dir = copyOf(server);
    const ca = cas[index] ?? 'client';
    // A CA with a key of that type: a root that was made for it.
    const type = ['rsa:2048', 'rsa:3072', 'ec:p384', 'ec:p521', 'ed25519'][index] ?? '';
    const other = folder();
    assert.is(
      k3sPki(['generate-custom-ca-certs', '--data-dir', other, '--root-key', type, '--intermediate-key', 'ec:p256'])
        .code,
      0,
    );
    const key = createPrivateKey(read(other, 'tls/root-ca.key'));
    assert.is(key.asymmetricKeyType, generate().privateKey.asymmetricKeyType);
    put(join(dir, 'server/tls'), {
      [`${ca}-ca.crt`]: read(other, 'tls/root-ca.pem').replaceAll('\n', '\r\n'),
      [`${ca}-ca.key`]: String(key.export({ type: form, format: 'pem' })),
    });
    const run = rotate(dir);
    assert.is(run.code, 0, run.stderr);
    const [mine, root, crossed, old] = certificatesOf(read(dir, `rotate-ca/tls/${ca}-ca.crt`)) as Four;
    assert.ok(mine.verify(root.publicKey) && crossed.verify(old.publicKey));
    assert.is(old.fingerprint256, new X509Certificate(read(other, 'tls/root-ca.pem')).fingerprint256);
  }
});

test('new key types and lifetimes are options', () => {
  const dir = copyOf(server);
  const run = rotate(dir, '--root-key', 'ed25519', '--ca-key', 'ec:p384', '--root-days', '3000', '--days', '1000');
  assert.is(run.code, 0, run.stderr);
  const [mine, root, crossed] = certificatesOf(read(dir, 'rotate-ca/tls/etcd/peer-ca.crt')) as Four;
  assert.is(root.publicKey.asymmetricKeyType, 'ed25519');
  assert.is(mine.publicKey.asymmetricKeyDetails?.namedCurve, 'secp384r1');
  assert.equal([mine, root, crossed].map(days), [1000, 3000, 3000]);
});

test('a staged set that is not in use is replaced with --force only; one that is in use is replaced', () => {
  const dir = copyOf(server);
  assert.is(rotate(dir).code, 0);
  const before = tree(dir);
  const refused = rotate(dir);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /error: .*server\/rotate-ca: a set is staged there that is not in use yet/);
  assert.match(refused.stderr, /hint: if it was loaded with rotate-ca, restart the servers/);
  assert.equal(tree(dir), before);
  assert.is(rotate(dir, '--force').code, 0);
  assert.is.not(tree(dir)['server/rotate-ca/tls/client-ca.key'], before['server/rotate-ca/tls/client-ca.key']);
  load(dir);
  const again = rotate(dir);
  assert.is(again.code, 0, again.stderr);
});

test('what an unfinished run of the script left is replaced, and its copies of the old keys are gone', () => {
  const dir = copyOf(server);
  const left = Object.fromEntries(cas.map((ca) => [`${ca}-root-old.key`, read(dir, `tls/${ca}-ca.key`)]));
  put(join(dir, 'server/rotate-ca/tls'), { ...left, 'client-root.key': read(dir, 'tls/client-ca.key') });
  for (const name of Object.keys(left)) chmodSync(join(dir, 'server/rotate-ca/tls', name), 0o640);
  const run = rotate(dir);
  assert.is(run.code, 0, run.stderr);
  for (const name of Object.keys(left)) assert.not.ok(existsSync(join(dir, 'server/rotate-ca/tls', name)), name);
  for (const ca of cas) {
    const old = read(dir, `tls/${ca}-ca.key`);
    for (const [path, entry] of Object.entries(tree(join(dir, 'server/rotate-ca')))) {
      if (!entry.endsWith('/')) assert.not.ok(read(dir, `rotate-ca/${path}`).includes(old), path);
    }
  }
});

test('--dry-run prints the plan without a secret and writes nothing', () => {
  const dir = copyOf(server);
  const before = tree(dir);
  const run = rotate(dir, '--dry-run');
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stdout, /0600 {2}server\/rotate-ca\/tls\/server-ca\.key/);
  const json = rotate(dir, '--dry-run', '--output', 'json');
  const plan = JSON.parse(json.stdout);
  assert.is(plan.certificates.length, 15);
  assert.is(plan.files.length, 1 + 5 * 7 + 2);
  assert.not.match(run.stdout + json.stdout, new RegExp(`${password}|PRIVATE KEY`));
  assert.equal(tree(dir), before);
});

test('refused: custom CAs, with the reason and the right verb, in one line', () => {
  const dir = copyOf(custom);
  put(dir, { 'server/token': `K10${oldHash}::server:${password}\n` });
  const before = tree(dir);
  const run = rotate(dir);
  assert.is(run.code, 1);
  assert.is(run.stderr.match(/error:/g)?.length, 1, run.stderr);
  assert.match(run.stderr, /server\/tls: custom CAs \(client, server, .*\), issued by CN=k3s-intermediate-ca@\d+/);
  assert.match(run.stderr, `generate-custom-ca-certs --from ${dir} --data-dir`);
  assert.equal(tree(dir), before);
  const isolated = folder();
  k3sPki(['generate-custom-ca-certs', '--data-dir', isolated, '--topology', 'isolated', ...fastKeys]);
  const each = rotate(isolated);
  assert.is(each.code, 1);
  assert.match(each.stderr, /custom CAs \(.*\), issued by a root each/);
  assert.match(each.stderr, '--data-dir /opt/k3s --topology isolated\n');
});

const stray = String(
  generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({ type: 'sec1', format: 'pem' }),
);
for (const [label, change, line] of [
  [
    'a missing CA',
    (dir: string) => rmSync(join(dir, 'server/tls/etcd/peer-ca.crt')),
    /etcd\/peer-ca\.crt: current etcd\/peer CA does not exist/,
  ],
  [
    'a missing key',
    (dir: string) => rmSync(join(dir, 'server/tls/server-ca.key')),
    /server-ca\.key: current server CA does not exist/,
  ],
  [
    'no service.key',
    (dir: string) => rmSync(join(dir, 'server/tls/service.key')),
    /service\.key: there is no such file/,
  ],
  [
    'an empty bundle',
    (dir: string) => writeFileSync(join(dir, 'server/tls/client-ca.crt'), ''),
    /client-ca\.crt: the file is empty/,
  ],
  [
    'a key of another CA',
    (dir: string) => writeFileSync(join(dir, 'server/tls/client-ca.key'), stray),
    /client-ca\.crt: .*client-ca\.key is not the key of this certificate/,
  ],
  [
    'a cut-off key',
    (dir: string) => writeFileSync(join(dir, 'server/tls/client-ca.key'), stray.slice(0, 80)),
    /client-ca\.key: line 1: /,
  ],
  [
    'a token of kubeadm',
    (dir: string) => writeFileSync(join(dir, 'server/token'), 'abcdef.0123456789abcdef\n'),
    /server\/token: not a server's token: a kubeadm bootstrap token/,
  ],
  [
    'a token with a short hash',
    (dir: string) => writeFileSync(join(dir, 'server/token'), `K10abc::server:${password}`),
    /server\/token: not a server's token: invalid token CA hash length/,
  ],
] as ReadonlyArray<[string, (dir: string) => void, RegExp]>) {
  test(`refused: ${label}`, () => {
    const dir = copyOf(server);
    change(dir);
    const before = tree(dir);
    const run = rotate(dir);
    assert.is(run.code, 1, run.stdout);
    assert.is(run.stdout, '');
    assert.match(run.stderr, line);
    assert.not.match(run.stderr, password);
    assert.equal(tree(dir), before);
    const json = rotate(dir, '--output', 'json');
    assert.is(JSON.parse(json.stdout).ok, false);
    assert.not.match(json.stdout, password);
    assert.equal(tree(dir), before);
  });
}

test('refused: every problem in one run', () => {
  const dir = copyOf(server);
  rmSync(join(dir, 'server/tls/etcd/peer-ca.crt'));
  rmSync(join(dir, 'server/tls/service.key'));
  writeFileSync(join(dir, 'server/tls/client-ca.crt'), '');
  const run = rotate(dir);
  assert.is(run.code, 1);
  assert.is(run.stderr.match(/ error: /g)?.length, 3, run.stderr);
});

test('the first set was made', () => {
  assert.is(made.code, 0, made.stderr);
});

test.run();

type Four = [X509Certificate, X509Certificate, X509Certificate, X509Certificate];

function rotate(dir: string, ...args: string[]): Run {
  return k3sPki([command, '--data-dir', dir, ...args]);
}

function copyOf(dir: string): string {
  const copy = folder();
  cpSync(join(dir, 'server'), join(copy, 'server'), { recursive: true, verbatimSymlinks: true });
  return copy;
}

/** What rotate-ca and a restart do. */
function load(dir: string): void {
  for (const ca of cas) {
    for (const end of ['crt', 'key'])
      cpSync(join(dir, `server/rotate-ca/tls/${ca}-ca.${end}`), join(dir, `server/tls/${ca}-ca.${end}`));
  }
  cpSync(join(dir, 'server/rotate-ca/tls/service.key'), join(dir, 'server/tls/service.key'));
}

function read(dir: string, path: string): string {
  return readFileSync(join(dir, 'server', path), 'utf8');
}

function certificatesOf(pem: string): X509Certificate[] {
  return blocks(pem).map((block) => new X509Certificate(block));
}

/** SHA-256 of the DER of the new self-signed root of the server CA: the second certificate of the bundle. */
function hashOfRoot(dir: string): string {
  const [, root] = certificatesOf(read(dir, 'rotate-ca/tls/server-ca.crt'));
  return createHash('sha256')
    .update(root?.raw ?? '')
    .digest('hex');
}

function der(certificate: X509Certificate): Buffer {
  return createPublicKey(certificate.publicKey.export({ type: 'spki', format: 'pem' })).export({
    type: 'spki',
    format: 'der',
  });
}

function days(certificate: X509Certificate): number {
  return (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 86_400_000;
}
