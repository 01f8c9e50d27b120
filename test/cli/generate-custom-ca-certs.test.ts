import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { cpSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, fastKeys, folder, k3sPki, put, tree } from './program.ts';

const cas = ['client', 'server', 'request-header', 'etcd/peer', 'etcd/server'] as const;
const command = 'generate-custom-ca-certs';

/** One set of EC keys for the tests that only need some CA. */
const given = folder();
const made = k3sPki([command, '--data-dir', given, ...fastKeys]);
const tls = (dir: string, name: string) => join(dir, 'server/tls', name);
const read = (dir: string, name: string) => readFileSync(tls(dir, name), 'utf8');
const rootPair = { 'root-ca.pem': read(given, 'root-ca.pem'), 'root-ca.key': read(given, 'root-ca.key') };
const intermediatePair = {
  'intermediate-ca.pem': read(given, 'intermediate-ca.pem'),
  'intermediate-ca.key': read(given, 'intermediate-ca.key'),
};

const test = suite('generate-custom-ca-certs');

test('new CAs: the files, modes, subjects, keys and chains of the script', () => {
  const dir = folder();
  const run = k3sPki([command, '--data-dir', dir]);
  assert.is(run.code, 0, run.stderr);
  assert.is(run.stderr, '');
  const files = tree(dir);
  const names = ['root-ca', 'intermediate-ca', ...cas.map((ca) => `${ca}-ca`)];
  assert.equal(
    Object.keys(files).sort(),
    [
      'server',
      'server/tls',
      'server/tls/etcd',
      'server/tls/service.key',
      ...names.flatMap((name) => ['crt', 'key', 'pem'].map((end) => `server/tls/${name}.${end}`)),
    ].sort(),
  );
  for (const [path, entry] of Object.entries(files)) {
    assert.is(entry.slice(0, 4), entry.endsWith('/') ? '0750' : path.endsWith('.key') ? '0600' : '0640', path);
  }
  const root = new X509Certificate(read(dir, 'root-ca.pem'));
  const intermediate = new X509Certificate(read(dir, 'intermediate-ca.pem'));
  assert.match(root.subject, /^CN=k3s-root-ca@\d{10}$/);
  assert.is(root.issuer, root.subject);
  assert.ok(root.verify(root.publicKey));
  assert.is(days(root), 7300);
  assert.match(intermediate.subject, /^CN=k3s-intermediate-ca@\d{10}$/);
  assert.ok(intermediate.checkIssued(root) && intermediate.verify(root.publicKey));
  assert.is(days(intermediate), 3700);
  for (const name of ['root-ca', 'intermediate-ca']) {
    assert.match(read(dir, `${name}.key`), /^-----BEGIN RSA PRIVATE KEY-----\n/);
    const key = createPrivateKey(read(dir, `${name}.key`));
    assert.is(key.asymmetricKeyDetails?.modulusLength, 4096);
    assert.ok(new X509Certificate(read(dir, `${name}.pem`)).checkPrivateKey(key));
  }
  assert.is(read(dir, 'root-ca.crt'), read(dir, 'root-ca.pem'));
  assert.is(read(dir, 'intermediate-ca.crt'), read(dir, 'intermediate-ca.pem') + read(dir, 'root-ca.pem'));
  for (const ca of cas) {
    const certificate = new X509Certificate(read(dir, `${ca}-ca.pem`));
    assert.match(certificate.subject, new RegExp(`^CN=k3s-${ca.replace('/', '-')}-ca@\\d{10}$`));
    assert.ok(certificate.ca && certificate.checkIssued(intermediate) && certificate.verify(intermediate.publicKey));
    assert.is(certificate.keyUsage, undefined, 'Node shows extended key usages here: there are none');
    assert.is(days(certificate), 3700);
    assert.match(read(dir, `${ca}-ca.key`), /^-----BEGIN EC PRIVATE KEY-----\n/);
    const key = createPrivateKey(read(dir, `${ca}-ca.key`));
    assert.is(key.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.ok(certificate.checkPrivateKey(key));
    assert.is(
      read(dir, `${ca}-ca.crt`),
      read(dir, `${ca}-ca.pem`) + read(dir, 'intermediate-ca.pem') + read(dir, 'root-ca.pem'),
    );
  }
  assert.match(read(dir, 'service.key'), /^-----BEGIN RSA PRIVATE KEY-----\n[\s\S]*-----END RSA PRIVATE KEY-----\n$/);
  assert.is(createPrivateKey(read(dir, 'service.key')).asymmetricKeyDetails?.modulusLength, 2048);
  // Report: the root's DER hash is the token's CA hash; the command to load; the files to keep safe.
  assert.match(run.stdout, `K10${root.fingerprint256.replaceAll(':', '').toLowerCase()}`);
  assert.match(run.stdout, `k3s certificate rotate-ca --path=${dir}/server`);
  for (const name of ['root-ca', 'intermediate-ca']) assert.match(run.stdout, tls(dir, `${name}.key`));
  assert.not.match(run.stdout, 'PRIVATE KEY');
  assert.not.ok(run.stdout.includes('\x1b'), 'no colours in a pipe');
});

test('key types, lifetimes and path length are options; rke2 is a product', () => {
  const dir = folder();
  const types = ['--root-key', 'ec:p521', '--intermediate-key', 'ec:p384', '--ca-key', 'ed25519'];
  const lifetimes = ['--root-days', '300', '--intermediate-days', '200', '--days', '100', '--path-length', '0'];
  const run = k3sPki([command, ...types, ...lifetimes], { env: { DATA_DIR: dir, PRODUCT: 'rke2' } });
  assert.is(run.code, 0, run.stderr);
  const [root, intermediate, server] = ['root-ca', 'intermediate-ca', 'server-ca'].map(
    (name) => new X509Certificate(read(dir, `${name}.pem`)),
  ) as [X509Certificate, X509Certificate, X509Certificate];
  assert.equal([root, intermediate, server].map(days), [300, 200, 100]);
  assert.is(root.publicKey.asymmetricKeyDetails?.namedCurve, 'secp521r1');
  assert.is(intermediate.publicKey.asymmetricKeyDetails?.namedCurve, 'secp384r1');
  assert.is(server.publicKey.asymmetricKeyType, 'ed25519');
  assert.ok(
    root.verify(root.publicKey) && intermediate.verify(root.publicKey) && server.verify(intermediate.publicKey),
  );
  assert.match(server.subject, /^CN=rke2-server-ca@/);
  assert.match(read(dir, 'server-ca.key'), /^-----BEGIN PRIVATE KEY-----\n/);
  assert.match(run.stdout, `rke2 certificate rotate-ca --path=${dir}/server`);
});

test('a given root signs the new intermediate, and stays as it is', () => {
  const dir = folder();
  put(join(dir, 'server/tls'), rootPair);
  const before = tree(dir);
  const run = k3sPki([command, '--data-dir', dir, ...fastKeys]);
  assert.is(run.code, 0, run.stderr);
  const root = new X509Certificate(rootPair['root-ca.pem']);
  const intermediate = new X509Certificate(read(dir, 'intermediate-ca.pem'));
  assert.ok(intermediate.verify(root.publicKey));
  assert.is(blocks(read(dir, 'server-ca.crt')).at(-1), rootPair['root-ca.pem']);
  for (const name of ['root-ca.pem', 'root-ca.key']) {
    assert.is(tree(dir)[`server/tls/${name}`], before[`server/tls/${name}`]);
  }
});

test('a given intermediate signs the five CAs; the root needs no key', () => {
  const dir = folder();
  put(join(dir, 'server/tls'), { 'root-ca.pem': rootPair['root-ca.pem'], ...intermediatePair });
  const run = k3sPki([command, '--data-dir', dir]);
  assert.is(run.code, 0, run.stderr);
  const intermediate = new X509Certificate(intermediatePair['intermediate-ca.pem']);
  for (const ca of cas) assert.ok(new X509Certificate(read(dir, `${ca}-ca.pem`)).verify(intermediate.publicKey));
  assert.not.ok('server/tls/root-ca.key' in tree(dir));
});

test('inputs in the data dir itself are taken into server/tls, without being needed there', () => {
  const dir = folder();
  const service = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs1',
    format: 'pem',
  });
  put(dir, { ...rootPair, ...intermediatePair, 'service.key': service });
  const run = k3sPki([command, '--data-dir', dir]);
  assert.is(run.code, 0, run.stderr);
  for (const [name, content] of Object.entries({ ...rootPair, ...intermediatePair })) {
    assert.is(read(dir, name), content);
    assert.is(statSync(tls(dir, name)).mode & 0o777, name.endsWith('.key') ? 0o600 : 0o640);
  }
  assert.equal(blocks(read(dir, 'service.key')).slice(1), [service]);
  assert.match(run.stderr, /warning: .*root-ca\.key: this copy of a private key stays/);
});

test('service.key: the new key first, each older key once after it, however often it runs', () => {
  const dir = folder();
  const keys = [1, 2].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
  const [first, second] = keys as [KeyObject, KeyObject];
  const pkcs1 = String(first.export({ type: 'pkcs1', format: 'pem' }));
  const pkcs8 = String(second.export({ type: 'pkcs8', format: 'pem' }));
  const firstAgain = String(first.export({ type: 'pkcs8', format: 'pem' }));
  put(join(dir, 'server/tls'), {
    ...rootPair,
    ...intermediatePair,
    'service.key': `${pkcs1}\n\n${pkcs8}${firstAgain}${pkcs8}`,
  });
  let previous = [pkcs1, pkcs8];
  for (let round = 0; round < 2; round++) {
    const run = k3sPki([command, '--data-dir', dir]);
    assert.is(run.code, 0, run.stderr);
    assert.is(/2 duplicate keys left out/.test(run.stderr), round === 0);
    const now = blocks(read(dir, 'service.key'));
    assert.equal(now.slice(1), previous);
    assert.is(now.join(''), read(dir, 'service.key'), 'no blank lines');
    previous = now;
  }
});

const rsaRoot = folder();
k3sPki([command, '--data-dir', rsaRoot, '--root-key', 'rsa:2048', '--intermediate-key', 'ec:p256']);
const secret = 'correct horse battery staple';
const passphraseFile = join(folder(), 'passphrase');
writeFileSync(passphraseFile, `${secret}\n`, { mode: 0o600 });
for (const [label, dir, encode] of [
  ['RSA in PKCS#1', rsaRoot, (key) => key.export({ type: 'pkcs1', format: 'pem' })],
  ['RSA in PKCS#8', rsaRoot, (key) => key.export({ type: 'pkcs8', format: 'pem' })],
  ['P-256 in SEC1', given, (key) => key.export({ type: 'sec1', format: 'pem' })],
  ['P-256 in PKCS#8', given, (key) => key.export({ type: 'pkcs8', format: 'pem' })],
  ['RSA in encrypted PKCS#8', rsaRoot, encrypted('aes-256-cbc')],
  ['P-256 in encrypted PKCS#8', given, encrypted('aes-128-cbc')],
  ['P-256 in encrypted PKCS#8, 3DES', given, encrypted('des-ede3-cbc')],
] as ReadonlyArray<readonly [string, string, (key: KeyObject) => string | Buffer]>) {
  for (const [change, apply] of [
    ['as it is', (pem: string) => pem],
    ['with CRLF', (pem: string) => pem.replaceAll('\n', '\r\n')],
    ['with text before the block', (pem: string) => `Bag Attributes\n    friendlyName: root\n${pem}`],
  ] as const) {
    test(`input forms: ${label}, ${change}`, () => {
      const work = folder();
      const key = apply(String(encode(createPrivateKey(read(dir, 'root-ca.key')))));
      put(join(work, 'server/tls'), { 'root-ca.pem': apply(read(dir, 'root-ca.pem')), 'root-ca.key': key });
      const args = key.includes('ENCRYPTED') ? ['--passphrase-file', passphraseFile] : [];
      const run = k3sPki([command, '--data-dir', work, ...fastKeys, ...args]);
      assert.is(run.code, 0, run.stderr);
      const root = new X509Certificate(read(dir, 'root-ca.pem'));
      assert.ok(new X509Certificate(read(work, 'intermediate-ca.pem')).verify(root.publicKey));
      assert.is(read(work, 'root-ca.crt'), read(dir, 'root-ca.crt'), 'the bundle is clean PEM');
    });
  }
}

test('a passphrase by environment', () => {
  const dir = folder();
  const key = encrypted('aes-256-cbc')(createPrivateKey(rootPair['root-ca.key']));
  put(join(dir, 'server/tls'), { ...rootPair, 'root-ca.key': key });
  const run = k3sPki([command, '--data-dir', dir, ...fastKeys], { env: { K3S_PKI_PASSPHRASE: secret } });
  assert.is(run.code, 0, run.stderr);
  assert.not.match(run.stdout + run.stderr, secret);
});

test('a link on the way to the data dir is followed', () => {
  const [real, links] = [folder(), folder()];
  symlinkSync(real, join(links, 'k3s'));
  const run = k3sPki([command, '--data-dir', join(links, 'k3s'), ...fastKeys]);
  assert.is(run.code, 0, run.stderr);
  assert.ok('server/tls/server-ca.crt' in tree(real));
});

test('relative paths start where the user stands, and a missing data dir is made', () => {
  const dir = folder();
  const run = k3sPki([command, '--data-dir', './new/demo', ...fastKeys], { cwd: dir });
  assert.is(run.code, 0, run.stderr);
  assert.is(tree(dir)['new/demo/server/tls/etcd'], '0750 /');
});

test('files get fresh modification times', () => {
  const before = Date.now();
  const dir = folder();
  k3sPki([command, '--data-dir', dir, ...fastKeys]);
  assert.ok(statSync(tls(dir, 'server-ca.crt')).mtimeMs >= before - 1000);
});

test('--dry-run prints the plan and writes nothing', () => {
  const dir = folder();
  put(join(dir, 'server/tls'), rootPair);
  const before = tree(dir);
  const run = k3sPki([command, '--data-dir', dir, '--dry-run']);
  assert.is(run.code, 0, run.stderr);
  assert.equal(tree(dir), before);
  assert.match(run.stdout, /0600 {2}server\/tls\/server-ca\.key/);
  const json = k3sPki([command, '--data-dir', dir, '--dry-run', '--output', 'json']);
  const plan = JSON.parse(json.stdout);
  assert.is(plan.dryRun, true);
  assert.is(plan.files.length, 1 + 2 + 2 + 15);
  assert.equal(tree(dir), before);
  const nowhere = join(dir, 'not/there');
  assert.is(k3sPki([command, '--data-dir', nowhere, '--dry-run']).code, 0);
  assert.equal(tree(dir), before);
});

test('--output json prints one object and nothing else on stdout', () => {
  const dir = folder();
  const run = k3sPki([command, '--data-dir', dir, ...fastKeys, '--output', 'json']);
  assert.is(run.code, 0, run.stderr);
  const report = JSON.parse(run.stdout);
  const server = new X509Certificate(read(dir, 'server-ca.pem'));
  const entry = report.certificates.find(({ id }: { id: string }) => id === 'server');
  assert.is(entry.sha256, server.fingerprint256.replaceAll(':', '').toLowerCase());
  assert.is(Date.parse(entry.notAfter), Date.parse(server.validTo));
  assert.is(
    report.caHash,
    new X509Certificate(read(dir, 'root-ca.pem')).fingerprint256.replaceAll(':', '').toLowerCase(),
  );
  assert.is(report.firstStart.accepted, true);
});

test('the program generate-custom-ca-certs is a drop-in for the script', () => {
  const dir = folder();
  put(join(dir, 'server/tls'), { ...rootPair, ...intermediatePair });
  const run = k3sPki([], { name: 'generate-custom-ca-certs', env: { DATA_DIR: dir } });
  assert.is(run.code, 0, run.stderr);
  assert.ok('server/tls/etcd/peer-ca.crt' in tree(dir));
});

test('a root that expires before what it signs is a warning', () => {
  const dir = folder();
  const run = k3sPki([command, '--data-dir', dir, ...fastKeys, '--root-days', '30']);
  assert.is(run.code, 0);
  assert.match(
    run.stderr,
    /warning: .*root-ca\.pem: CN=k3s-root-ca@\d+ expires on \d{4}-\d\d-\d\d, before k3s-intermediate-ca/,
  );
});

/** Refusals: what is put into server/tls, and the one line that names the file. Nothing may be written. */
const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
const sec1 = String(other.export({ type: 'sec1', format: 'pem' }));
const ed25519 = String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
const closed = encrypted('aes-256-cbc')(createPrivateKey(rootPair['root-ca.key']));
const refusals: ReadonlyArray<readonly [string, Record<string, string | Uint8Array>, RegExp, string[]?]> = [
  [
    'root certificate alone',
    { 'root-ca.pem': rootPair['root-ca.pem'] },
    /root-ca\.pem: cannot generate the intermediate CA without the root's private key/,
  ],
  [
    'root key alone',
    { 'root-ca.key': rootPair['root-ca.key'] },
    /root-ca\.key: half a pair, .*root-ca\.pem is missing/,
  ],
  [
    'intermediate without its key',
    { 'root-ca.pem': rootPair['root-ca.pem'], 'intermediate-ca.pem': intermediatePair['intermediate-ca.pem'] },
    /intermediate-ca\.pem: half a pair, .*intermediate-ca\.key is missing/,
  ],
  [
    'intermediate key without certificate',
    { ...rootPair, 'intermediate-ca.key': sec1 },
    /intermediate-ca\.key: half a pair, .*intermediate-ca\.pem is missing/,
  ],
  [
    'intermediate without root',
    intermediatePair,
    /intermediate-ca\.pem: an intermediate CA is given, but its root is not/,
  ],
  [
    'key of another certificate',
    { ...rootPair, 'root-ca.key': sec1 },
    /root-ca\.pem: .*root-ca\.key is not the key of this certificate/,
  ],
  [
    'wrong key beside an unneeded root',
    { ...rootPair, ...intermediatePair, 'root-ca.key': sec1 },
    /root-ca\.pem: .*root-ca\.key is not the key/,
  ],
  [
    'intermediate of another root',
    { 'root-ca.pem': read(rsaRoot, 'root-ca.pem'), ...intermediatePair },
    /intermediate-ca\.pem: .* was issued by CN=k3s-root-ca@\d+, which is not in|key identifiers differ/,
  ],
  ['empty certificate', { ...rootPair, 'root-ca.pem': '' }, /root-ca\.pem: the file is empty/],
  [
    'cut-off certificate',
    { ...rootPair, 'root-ca.pem': rootPair['root-ca.pem'].slice(0, 300) },
    /root-ca\.pem: line 1: /,
  ],
  [
    'damaged base64',
    { ...rootPair, 'root-ca.pem': rootPair['root-ca.pem'].replace(/\n.{4}/, '\n!#$%') },
    /root-ca\.pem: line 1: /,
  ],
  ['cut-off key', { ...rootPair, 'root-ca.key': rootPair['root-ca.key'].slice(0, 90) }, /root-ca\.key: line 1: /],
  [
    'certificate in DER',
    { ...rootPair, 'root-ca.pem': new X509Certificate(rootPair['root-ca.pem']).raw },
    /root-ca\.pem: no CERTIFICATE block/,
  ],
  ['text instead of a key', { ...rootPair, 'root-ca.key': 'hello\n' }, /root-ca\.key: no private key in PEM form/],
  [
    'public key instead of a private one',
    { ...rootPair, 'root-ca.key': String(createPublicKey(other).export({ type: 'spki', format: 'pem' })) },
    /root-ca\.key: no private key in PEM form, only a public one/,
  ],
  [
    'encrypted key without a passphrase',
    { ...rootPair, 'root-ca.key': closed },
    /root-ca\.key: the key is encrypted and no passphrase was given/,
  ],
  [
    'wrong passphrase',
    { ...rootPair, 'root-ca.key': closed },
    /root-ca\.key: the passphrase does not open this key/,
    ['--passphrase-file', join(given, 'server/tls/root-ca.pem')],
  ],
  ['service.key Ed25519', { 'service.key': ed25519 }, /service\.key: the first key is Ed25519/],
  ['service.key encrypted', { 'service.key': closed }, /service\.key: the first key is encrypted/],
  [
    'service.key public only',
    { 'service.key': String(createPublicKey(other).export({ type: 'spki', format: 'pem' })) },
    /service\.key: the first key is a public key/,
  ],
  ['service.key empty', { 'service.key': '' }, /service\.key: the file is empty/],
  ['service.key without a key', { 'service.key': 'hello\n' }, /service\.key: holds no key/],
];
for (const [label, files, line, args = []] of refusals) {
  test(`refused: ${label}`, () => {
    const dir = folder();
    put(join(dir, 'server/tls'), files);
    const before = tree(dir);
    const run = k3sPki([command, '--data-dir', dir, ...args]);
    assert.is(run.code, 1, run.stderr);
    assert.is(run.stdout, '');
    assert.match(run.stderr, line);
    assert.match(run.stderr, /^k3s-pki: error: \//m);
    assert.not.match(run.stderr, /at .*\.ts:\d+/);
    assert.equal(tree(dir), before);
  });
}

test('refused: all problems in one run, and as JSON', () => {
  const dir = folder();
  put(join(dir, 'server/tls'), {
    'root-ca.pem': rootPair['root-ca.pem'],
    'root-ca.key': sec1,
    'intermediate-ca.key': sec1,
    'service.key': ed25519,
  });
  put(dir, { 'server/token': 'K10abc::server:secret\n' });
  const before = tree(dir);
  const run = k3sPki([command, '--data-dir', dir]);
  assert.is(run.code, 1);
  assert.is(run.stderr.match(/ error: /g)?.length, 3, run.stderr);
  assert.match(run.stderr, /has been started/);
  const json = k3sPki([command, '--data-dir', dir, '--output', 'json']);
  assert.is(json.code, 1);
  const report = JSON.parse(json.stdout);
  assert.is(report.ok, false);
  assert.equal(
    report.problems
      .filter(({ severity }: { severity: string }) => severity === 'error')
      .map(({ code }: { code: string }) => code),
    ['in-use', 'half-pair', 'service-key'],
  );
  assert.equal(tree(dir), before);
});

for (const sign of ['server/db/state.db', 'server/token', 'server/cred/passwd']) {
  test(`refused: a data dir in use (${sign}), unless forced`, () => {
    const dir = folder();
    put(dir, { [sign]: 'x' });
    const before = tree(dir);
    const run = k3sPki([command, '--data-dir', dir, ...fastKeys]);
    assert.is(run.code, 1);
    assert.match(run.stderr, /k3s-pki certificate rotate-ca --path /);
    assert.equal(tree(dir), before);
    assert.is(k3sPki([command, '--data-dir', dir, ...fastKeys, '--force']).code, 0);
  });
}

test('refused: two different files for one input', () => {
  const dir = folder();
  put(dir, {
    'root-ca.pem': read(rsaRoot, 'root-ca.pem'),
    'server/tls/root-ca.pem': rootPair['root-ca.pem'],
    'server/tls/root-ca.key': rootPair['root-ca.key'],
  });
  const before = tree(dir);
  const run = k3sPki([command, '--data-dir', dir]);
  assert.is(run.code, 1);
  assert.match(run.stderr, /root-ca\.pem: differs from .*server\/tls\/root-ca\.pem/);
  assert.equal(tree(dir), before);
});

test('refused: a link in the place of a file to be written', () => {
  const dir = folder();
  cpSync(join(given, 'server'), join(dir, 'server'), { recursive: true });
  rmSync(tls(dir, 'server-ca.key'));
  symlinkSync('/tmp/elsewhere.key', tls(dir, 'server-ca.key'));
  const before = tree(dir);
  const run = k3sPki([command, '--data-dir', dir, ...fastKeys]);
  assert.is(run.code, 1);
  assert.match(run.stderr, /server-ca\.key: .*link/);
  assert.equal(tree(dir), before);
});

test('a run over an earlier set keeps root and intermediate and makes the five CAs new', () => {
  const dir = folder();
  cpSync(join(given, 'server'), join(dir, 'server'), { recursive: true });
  const before = tree(dir);
  const run = k3sPki([command, '--data-dir', dir]);
  assert.is(run.code, 0, run.stderr);
  const after = tree(dir);
  for (const name of ['root-ca.pem', 'root-ca.key', 'intermediate-ca.key', 'root-ca.crt']) {
    assert.is(after[`server/tls/${name}`], before[`server/tls/${name}`], name);
  }
  assert.is.not(after['server/tls/server-ca.key'], before['server/tls/server-ca.key']);
});

test('the first set was made', () => {
  assert.is(made.code, 0, made.stderr);
});

test.run();

function days(certificate: X509Certificate): number {
  return (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 86_400_000;
}

function encrypted(cipher: string): (key: KeyObject) => string {
  return (key) => String(key.export({ type: 'pkcs8', format: 'pem', cipher, passphrase: secret }));
}
