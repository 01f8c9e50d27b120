import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { filesBelow, spin } from './faults.ts';
import { folder, k3sPki, put, startK3sPki, tree } from './program.ts';

const command = 'generate-default-ca-certs';
const names = {
  'client-ca': 'k3s-client-ca',
  'server-ca': 'k3s-server-ca',
  'request-header-ca': 'k3s-request-header-ca',
  'etcd/peer-ca': 'etcd-peer-ca',
  'etcd/server-ca': 'etcd-server-ca',
} as const;
const password = 'c0ffee00c0ffee00c0ffee00c0ffee00';

const test = suite(command);

test('the files, modes, subjects and lifetimes of a first start', () => {
  const dir = join(folder(), 'k3s');
  const run = k3sPki([command, '--data-dir', dir]);
  assert.is(run.code, 0, run.stderr);
  assert.is(run.stderr, '');
  const files = tree(dir);
  assert.equal(
    Object.keys(files).sort(),
    [
      'server',
      'server/tls',
      'server/tls/etcd',
      'server/tls/service.key',
      ...Object.keys(names).flatMap((name) => [`server/tls/${name}.crt`, `server/tls/${name}.key`]),
    ].sort(),
  );
  assert.is(statSync(dir).mode & 0o777, 0o755);
  const modes = Object.fromEntries(Object.entries(files).map(([path, entry]) => [path, entry.slice(0, 4)]));
  assert.is(modes.server, '0700');
  assert.is(modes['server/tls'], '0700');
  assert.is(modes['server/tls/etcd'], '0755');
  for (const [name, subject] of Object.entries(names)) {
    assert.is(modes[`server/tls/${name}.crt`], '0644');
    assert.is(modes[`server/tls/${name}.key`], '0600');
    const certificate = certificateOf(dir, name);
    assert.match(certificate.subject, new RegExp(`^CN=${subject}@\\d{10}$`));
    assert.is(certificate.subject, certificate.issuer);
    assert.ok(certificate.ca && certificate.verify(certificate.publicKey));
    assert.is(Date.parse(certificate.validTo) - Date.parse(certificate.validFrom), 3650 * 86_400_000);
    // An hour before the second in the name, as dynamiclistener has it.
    assert.is(Date.parse(certificate.validFrom) / 1000, Number(certificate.subject.split('@')[1]) - 3600);
    assert.ok(BigInt(`0x${certificate.serialNumber}`) > 0n, 'RFC 5280 4.1.2.2: positive');
    const key = read(dir, `${name}.key`);
    assert.match(key, /^-----BEGIN EC PRIVATE KEY-----\n/);
    assert.ok(certificate.checkPrivateKey(createPrivateKey(key)));
  }
  assert.match(read(dir, 'service.key'), /^-----BEGIN RSA PRIVATE KEY-----\n/);
  assert.is(createPrivateKey(read(dir, 'service.key')).asymmetricKeyDetails?.modulusLength, 2048);
  assert.match(run.stdout, `  K10${fileHash(dir)}\n`);
  assert.not.match(run.stdout, 'PRIVATE KEY');
});

test('--token-file: a new password, the hash of server-ca.crt, mode 0600; shown with --reveal only', () => {
  const cwd = folder();
  const run = k3sPki([command, '--data-dir', 'k3s', '--token-file', 'token'], { cwd });
  assert.is(run.code, 0, run.stderr);
  const token = readFileSync(join(cwd, 'token'), 'utf8');
  const [, made = ''] = /^K10[0-9a-f]{64}::server:([0-9a-f]{32})\n$/.exec(token) ?? [];
  assert.is(token, `K10${fileHash(join(cwd, 'k3s'))}::server:${made}\n`);
  assert.is(statSync(join(cwd, 'token')).mode & 0o777, 0o600);
  assert.match(run.stdout, '::server:********');
  assert.not.match(run.stdout, made);
  assert.match(run.stdout, `k3s server --data-dir ${cwd}/k3s --token-file ${cwd}/token`);
  assert.equal(
    Object.keys(tree(cwd)).filter((path) => !path.startsWith('k3s')),
    ['token'],
    'nothing is left behind',
  );
  const other = folder();
  const json = k3sPki([command, '--data-dir', 'k3s', '--token-file', 'token', '--reveal', '--output', 'json'], {
    cwd: other,
  });
  const report = JSON.parse(json.stdout);
  assert.is(`${report.token.token}\n`, readFileSync(join(other, 'token'), 'utf8'));
  assert.not.match(readFileSync(join(other, 'token'), 'utf8'), made);
});

for (const [label, text] of [
  ['a bare password', `${password}\n`],
  ['a token for other CAs', `K10${'ab'.repeat(32)}::server:${password}`],
] as const) {
  test(`--token-file keeps the password of ${label}`, () => {
    const cwd = folder();
    put(cwd, { token: text });
    chmodSync(join(cwd, 'token'), 0o644);
    const run = k3sPki([command, '--data-dir', 'k3s', '--token-file', 'token'], { cwd });
    assert.is(run.code, 0, run.stderr);
    assert.is(readFileSync(join(cwd, 'token'), 'utf8'), `K10${fileHash(join(cwd, 'k3s'))}::server:${password}\n`);
    assert.is(statSync(join(cwd, 'token')).mode & 0o777, 0o600);
    assert.not.match(run.stdout + run.stderr, password);
    assert.match(run.stdout, 'with the password that was there');
  });
}

test('--token-file inside the data dir, in a folder that is not there yet', () => {
  const dir = folder();
  const run = k3sPki([command, '--data-dir', dir, '--token-file', join(dir, 'secrets/token')]);
  assert.is(run.code, 0, run.stderr);
  assert.is(tree(dir).secrets, '0700 /');
  assert.match(readFileSync(join(dir, 'secrets/token'), 'utf8'), `K10${fileHash(dir)}::server:`);
});

test('rke2 names its CAs; lifetime by option or K3s variable', () => {
  const dir = folder();
  const variable = 'CATTLE_NEW_SIGNED_CA_EXPIRATION_YEARS';
  assert.is(k3sPki([command], { env: { DATA_DIR: dir, PRODUCT: 'rke2', [variable]: '20' } }).code, 0);
  const client = certificateOf(dir, 'client-ca');
  assert.match(client.subject, /^CN=rke2-client-ca@/);
  assert.is(Date.parse(client.validTo) - Date.parse(client.validFrom), 20 * 365 * 86_400_000);
  const other = folder();
  assert.is(k3sPki([command, '--data-dir', other, '--days', '30'], { env: { [variable]: '20' } }).code, 0);
  const short = certificateOf(other, 'server-ca');
  assert.is(Date.parse(short.validTo) - Date.parse(short.validFrom), 30 * 86_400_000);
  const odd = k3sPki([command, '--data-dir', folder()], { env: { [variable]: 'ten' } });
  assert.is(odd.code, 0);
  assert.match(odd.stderr, `warning: ${variable}: not a number of years`);
});

test('--dry-run writes nothing', () => {
  const cwd = folder();
  put(cwd, { token: password });
  const before = tree(cwd);
  const args = [command, '--data-dir', 'k3s', '--token-file', 'token', '--dry-run'];
  const run = k3sPki(args, { cwd });
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stdout, `  0600  ${cwd}/token  (replaced)`);
  const json = k3sPki([...args, '--output', 'json'], { cwd });
  assert.equal(JSON.parse(json.stdout).token, { file: '../token', password: 'kept' });
  assert.not.match(run.stdout + json.stdout, password);
  assert.equal(tree(cwd), before);
});

const refusals: ReadonlyArray<readonly [string, (dir: string) => void, RegExp, string[]?]> = [
  [
    'a file of a set',
    (dir) => put(dir, { 'server/tls/etcd/peer-ca.crt': 'x' }),
    /etcd\/peer-ca\.crt: already there; K3s would use what it finds/,
  ],
  ['a data dir in use', (dir) => put(dir, { 'server/token': 'x' }), /has been started .*which has made its CAs/],
  [
    'a token file where the server has its own',
    () => {},
    /server\/token: a server writes its own token there/,
    ['--token-file', 'server/token'],
  ],
  [
    'a kubeadm token',
    (dir) => put(dir, { t: 'abcdef.0123456789abcdef' }),
    /\/t: not a server's token: a kubeadm bootstrap token/,
    ['--token-file', 't'],
  ],
  [
    "an agent's token",
    (dir) => put(dir, { t: `K10${'ab'.repeat(32)}::node:${password}` }),
    /\/t: not a server's token: its user is not server/,
    ['--token-file', 't'],
  ],
  [
    'a token without an end',
    (dir) => put(dir, { t: `K10::server:` }),
    /\/t: not a server's token: invalid token format/,
    ['--token-file', 't'],
  ],
  ['an empty token file', (dir) => put(dir, { t: '' }), /\/t: the file is empty/, ['--token-file', 't']],
  ['a folder as token file', (dir) => mkdirSync(join(dir, 't')), /\/t: not a regular file/, ['--token-file', 't']],
];
for (const [label, prepare, line, args = []] of refusals) {
  test(`refused: ${label}`, () => {
    const cwd = folder();
    prepare(cwd);
    const before = tree(cwd);
    const run = k3sPki([command, '--data-dir', '.', ...args], { cwd });
    assert.is(run.code, 1, run.stdout);
    assert.is(run.stdout, '');
    assert.match(run.stderr, line);
    assert.not.match(run.stderr, password);
    assert.equal(tree(cwd), before);
  });
}

test('a token file that cannot be written: nothing is written at all', () => {
  const cwd = folder();
  put(cwd, { file: 'x' });
  const before = tree(cwd);
  const run = k3sPki([command, '--data-dir', 'k3s', '--token-file', 'file/token'], { cwd });
  assert.is(run.code, 1, run.stdout);
  assert.match(run.stderr, /error: .*file/);
  assert.equal(tree(cwd), before);
});

test('kill -9: no half set, no token without its CAs, no secret for others; the next run finishes what was begun', async () => {
  for (let round = 0; round < 8; round++) {
    const cwd = folder();
    mkdirSync(join(cwd, 'etc'));
    const args = [command, '--data-dir', 'k3s', '--token-file', 'etc/token'];
    const child = startK3sPki(args, { cwd });
    const exit = once(child, 'exit');
    // The folder of the data dir that does not exist yet lies in its parent; that of the token comes last.
    const seen = round % 2 === 0 ? /^\.k3s-pki-stage.*\/new/ : /^etc\/\.k3s-pki-stage/;
    for (let tries = 0; tries < 3000 && child.exitCode === null; tries++) {
      if (Object.keys(tree(cwd)).some((path) => seen.test(path))) break;
      await sleep(1);
    }
    spin(round);
    child.kill('SIGKILL');
    await exit;
    for (const { path, text, mode } of filesBelow(cwd)) {
      if (/PRIVATE KEY|::server:/.test(text)) assert.is(mode & 0o077, 0, `${path} after round ${round}`);
    }
    const next = k3sPki(args, { cwd });
    const files = tree(join(cwd, 'k3s'));
    assert.ok('server/tls/etcd/server-ca.key' in files && 'server/tls/service.key' in files, `round ${round}`);
    assert.not.ok(
      Object.keys(tree(cwd)).some((path) => path.includes('.k3s-pki')),
      `round ${round}: ${next.stderr}`,
    );
    // The set was complete: the run is refused, and says how to make the token if that one is missing.
    if (next.code !== 0) assert.match(next.stderr, /already there; .*\n.*k3s-pki token new --data-dir/);
    else assert.match(readFileSync(join(cwd, 'etc/token'), 'utf8'), `K10${fileHash(join(cwd, 'k3s'))}::server:`);
  }
});

test.run();

function read(dir: string, name: string): string {
  return readFileSync(join(dir, 'server/tls', name), 'utf8');
}

function certificateOf(dir: string, name: string): X509Certificate {
  return new X509Certificate(read(dir, `${name}.crt`));
}

/** The CA hash of a bundle of one certificate: that of the file. */
function fileHash(dir: string): string {
  return createHash('sha256').update(read(dir, 'server-ca.crt')).digest('hex');
}
