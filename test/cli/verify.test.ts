import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateSpec } from '@k3s-pki/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { caPaths, daySeconds } from './authorities.ts';
import { blocks, fastKeys, folder, k3sPki, program, put, tree } from './program.ts';
import {
  changed,
  core,
  custom,
  judged,
  now,
  other,
  read,
  replaced,
  serviceKey,
  sets,
  shared,
  twin,
  withCa,
} from './verified-sets.ts';

const test = suite('verify');

test('a sound set: exit 0, a line for each CA, its CA hash, nothing written', () => {
  const before = tree(custom);
  const { code, stdout, stderr } = k3sPki(['verify', custom]);
  assert.is(code, 0, stderr);
  assert.is(stderr, '');
  for (const name of ['client CA', 'server CA', 'request-header CA', 'etcd peer CA', 'etcd server CA']) {
    assert.match(stdout, new RegExp(`^✔ ${name} +CN=`, 'm'));
  }
  assert.match(stdout, /^✔ service account key +1 key$/m);
  assert.match(stdout, `K10${shared.root.certificate.sha256}`);
  assert.not.match(stdout, /[✘!]/);
  const { ok, problems, topology, caHash } = judged(custom);
  assert.equal({ ok, problems, kind: topology.kind }, { ok: true, problems: [], kind: 'custom' });
  assert.is(caHash, shared.root.certificate.sha256);
  assert.equal(tree(custom), before);
});

test('a data dir, its server folder and its tls folder are the same', () => {
  const dir = folder();
  assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', dir, ...fastKeys]).code, 0);
  const seen = ['.', 'server', join(dir, 'server/tls')].map((path) => k3sPki(['verify', path], { cwd: dir }));
  assert.is(new Set(seen.map(({ stdout }) => stdout)).size, 1);
  assert.is(seen[0]?.code, 0);
  assert.match(seen[0]?.stdout ?? '', join(dir, 'server/tls'));
});

const edKey = await sets.serviceKey('ed25519');
/** What K3s does not start on: what is changed, the file and code that must be named, and K3s's own words. */
const broken: ReadonlyArray<readonly [string, (tls: string) => void, string, string, string?]> = [
  [
    'key of another CA',
    replaced('client-ca', { key: other }),
    'client-ca.key',
    'key-mismatch',
    "x509: provided PrivateKey doesn't match parent's PublicKey",
  ],
  [
    'root first',
    (tls) => replaced('server-ca', { crt: blocks(read(tls, 'server-ca.crt')).reverse().join('') })(tls),
    'server-ca.crt',
    'root-first',
    "x509: provided PrivateKey doesn't match parent's PublicKey",
  ],
  ['no key', (tls) => rmSync(join(tls, 'etcd/peer-ca.key')), 'etcd/peer-ca.key', 'half-pair'],
  ['no certificate', (tls) => rmSync(join(tls, 'etcd/peer-ca.crt')), 'etcd/peer-ca.crt', 'half-pair'],
  [
    'no CA',
    (tls) => ['crt', 'key'].forEach((end) => void rmSync(join(tls, `client-ca.${end}`))),
    'client-ca.crt',
    'absent',
  ],
  [
    'bundle that holds a key',
    replaced('request-header-ca', { crt: other }),
    'request-header-ca.crt',
    'no-certificate',
    'data does not contain any valid RSA or ECDSA certificates',
  ],
  [
    'key file that holds a certificate',
    replaced('request-header-ca', { key: sets.pem(shared.root) }),
    'request-header-ca.key',
    'no-key',
    'data does not contain a valid RSA or ECDSA private key',
  ],
  [
    'no CA certificate',
    await withCa('server-ca', { ca: undefined } as unknown as Partial<CertificateSpec>),
    'server-ca.crt',
    'not-a-ca',
    'x509: invalid signature: parent certificate cannot sign this kind of certificate',
  ],
  [
    'expired',
    await withCa('client-ca', { notBefore: now - 9 * daySeconds, notAfter: now - daySeconds }),
    'client-ca.crt',
    'expired',
    'x509: certificate has expired or is not yet valid',
  ],
  ['not yet valid', await withCa('client-ca', { notBefore: now + 9 * daySeconds }), 'client-ca.crt', 'not-yet-valid'],
  [
    'for clients alone',
    await withCa('server-ca', { extendedKeyUsage: ['clientAuth'] }),
    'server-ca.crt',
    'usage-without-server-auth',
    'x509: certificate specifies an incompatible key usage',
  ],
  [
    'for servers alone',
    await withCa('client-ca', { extendedKeyUsage: ['serverAuth'] }),
    'client-ca.crt',
    'usage-without-client-auth',
  ],
  [
    'damaged certificate within the bundle',
    (tls) => {
      const [leaf = '', intermediate = '', root = ''] = blocks(read(tls, 'server-ca.crt'));
      replaced('server-ca', { crt: leaf + intermediate.replace(/\n.{8}/, '\nMIIBAAAA') + root })(tls);
    },
    'server-ca.crt',
    'malformed-certificate',
  ],
  ['no service.key', (tls) => rmSync(join(tls, 'service.key')), 'service.key', 'absent'],
  ['service.key Ed25519', (tls) => writeFileSync(join(tls, 'service.key'), edKey), 'service.key', 'service-key'],
];

for (const [label, change, file, code, line] of broken) {
  test(`${label}: exit 1, the file, K3s's words, how to mend it`, () => {
    const dir = changed(change);
    const before = tree(dir);
    const report = judged(dir);
    assert.is(report.code, 1);
    assert.is(report.ok, false);
    const problem = report.problems.find((one) => one.code === code);
    assert.ok(problem, JSON.stringify(report.problems));
    assert.is(problem.file, join(dir, 'tls', file));
    assert.is(problem.severity, 'error');
    assert.ok(problem.hint);
    if (line !== undefined)
      assert.ok(`${problem.message} ${problem.k3s ?? ''}`.includes(line), JSON.stringify(problem));
    assert.equal(tree(dir), before);
  });
}

const stranger = await sets.make('stranger', undefined, sets.years(5));
const tight = await sets.make('tight', shared.root, { ...sets.years(10), ca: { pathLength: 0 } });
/** What K3s starts on all the same. */
const doubtful: ReadonlyArray<readonly [string, (tls: string) => void, string, string]> = [
  [
    'a key that others may read',
    (tls) => chmodSync(join(tls, 'client-ca.key'), 0o640),
    'client-ca.key',
    'readable-key',
  ],
  [
    'a bundle that others may write',
    (tls) => chmodSync(join(tls, 'server-ca.crt'), 0o664),
    'server-ca.crt',
    'writable-by-others',
  ],
  ['a folder that others may write', (tls) => chmodSync(join(tls, 'etcd'), 0o777), 'etcd', 'writable-by-others'],
  ['a CA that outlives its issuer', await withCa('client-ca', sets.years(11)), 'client-ca.crt', 'outlives-issuer'],
  [
    'a CA that ends soon',
    await withCa('client-ca', { notAfter: now + 90 * daySeconds }),
    'client-ca.crt',
    'expires-soon',
  ],
  [
    'a path length that OpenSSL would not accept',
    replaced('client-ca', sets.pair(await sets.make('below', tight, sets.years(5)), tight, shared.root)),
    'client-ca.crt',
    'path-length',
  ],
  [
    'one CA for two purposes',
    (tls) => {
      const pair = sets.pair(twin, shared.intermediate, shared.root);
      replaced('client-ca', pair)(tls);
      replaced('server-ca', pair)(tls);
    },
    'server-ca.crt',
    'same-key',
  ],
  [
    'a certificate that has nothing to do with the CA',
    (tls) => replaced('client-ca', { crt: read(tls, 'client-ca.crt') + sets.pem(stranger) })(tls),
    'client-ca.crt',
    'stray-certificate',
  ],
  [
    'a bundle without its root',
    (tls) => replaced('client-ca', { crt: blocks(read(tls, 'client-ca.crt')).slice(0, 2).join('') })(tls),
    'client-ca.crt',
    'chain',
  ],
  [
    'a service account key twice',
    (tls) => writeFileSync(join(tls, 'service.key'), serviceKey + serviceKey),
    'service.key',
    'duplicate-service-key',
  ],
  [
    'a service account key that the API server passes over',
    (tls) => writeFileSync(join(tls, 'service.key'), serviceKey + edKey),
    'service.key',
    'useless-service-key',
  ],
  [
    "the root's key on a machine in use",
    (tls) => {
      put(tls, { 'root-ca.pem': sets.pem(shared.root), 'root-ca.key': sets.keyPem(shared.root) });
      mkdirSync(join(tls, '../db'));
    },
    'root-ca.key',
    'authority-key',
  ],
  [
    "a key that is not the root's",
    (tls) => put(tls, { 'root-ca.pem': sets.pem(shared.root), 'root-ca.key': other }),
    'root-ca.key',
    'wrong-authority-key',
  ],
];

for (const [label, change, file, code] of doubtful) {
  test(`${label}: a warning alone leaves exit 0`, () => {
    const dir = changed(change);
    const report = judged(dir);
    const { problems } = report;
    assert.equal(
      problems.map((problem) => [problem.severity, problem.code, problem.file]),
      [['warning', code, join(dir, 'tls', file)]],
      JSON.stringify(problems),
    );
    assert.is(report.code, 0);
    assert.ok(problems[0]?.hint);
  });
}

test("as text: every problem under its CA, with K3s's line and a hint, and their number", () => {
  const dir = changed((tls) => {
    replaced('client-ca', { key: other })(tls);
    replaced('request-header-ca', { crt: other })(tls);
    chmodSync(join(tls, 'server-ca.key'), 0o640);
  });
  const { code, stdout } = k3sPki(['verify', dir]);
  assert.is(code, 1);
  const lines = stdout.split('\n');
  const after = (start: string) => lines.slice(lines.findIndex((line) => line.startsWith(start)) + 1);
  assert.match(
    after('✘ client CA')[0] ?? '',
    `    ✘ ${join(dir, 'tls/client-ca.key')}: not the key of the first certificate`,
  );
  assert.match(after('✘ client CA')[1] ?? '', '      hint: compare: openssl x509');
  assert.match(after('✘ request-header CA')[1] ?? '', '      K3s logs: data does not contain any valid');
  assert.match(
    after('! server CA')[0] ?? '',
    `    ! ${join(dir, 'tls/server-ca.key')}: a private key that others may read (mode 0640)`,
  );
  assert.match(after('! server CA')[1] ?? '', `      hint: chmod 600 ${join(dir, 'tls/server-ca.key')}`);
  assert.match(lines.at(-2) ?? '', '✘ K3s does not come up with exactly these CAs (2 errors, 1 warning)');
});

if (process.getuid?.() === 0) {
  test('a file of another user is worth a warning', () => {
    const dir = changed((tls) => chownSync(join(tls, 'client-ca.key'), 4321, 4321));
    const { code, problems } = judged(dir);
    assert.is(code, 0);
    assert.equal(
      problems.map((problem) => [problem.code, problem.file]),
      [['foreign-owner', join(dir, 'tls/client-ca.key')]],
    );
    assert.match(problems[0]?.message ?? '', '4321');
  });
} else process.stdout.write('not run: verify, files of another user, not root\n');

test("K3s's own CAs, before and after a rotation", async () => {
  const former = new Map<string, Awaited<ReturnType<typeof sets.selfSigned>>>();
  for (const path of caPaths) former.set(path, await sets.selfSigned(path));
  const byK3s = await sets.written(async (path) => sets.pair(former.get(path) ?? stranger), serviceKey);
  const before = judged(byK3s);
  assert.equal([before.code, before.topology.kind, before.problems], [0, 'default', []]);
  const crossed = await sets.written(
    (path) => sets.crossSigned(path, former.get(path) ?? stranger),
    (await sets.serviceKey()) + serviceKey,
  );
  const after = judged(crossed);
  assert.equal([after.code, after.topology.kind, after.problems], [0, 'cross-signed', []]);
  const twice = judged(await sets.written(sets.crossSignedTwice, serviceKey));
  assert.equal([twice.code, twice.topology.kind, twice.problems], [0, 'cross-signed', []]);
  const rotation = judged(crossed, '--against', byK3s);
  assert.is(rotation.code, 0);
  assert.equal(rotation.rotation?.accepted, true);
  assert.is(rotation.rotation?.verdict, 'disruptive', 'join tokens change');
  assert.ok(rotation.rotation?.consequences.some(({ code }) => code === 'tokens-refused'));
});

test('a file that cannot be read: named, and nothing else is claimed of its CA', () => {
  const dir = changed((tls) => {
    rmSync(join(tls, 'client-ca.key'));
    mkdirSync(join(tls, 'client-ca.key'));
  });
  const { code, problems } = judged(dir);
  assert.is(code, 1);
  assert.equal(
    problems.map((problem) => problem.code),
    ['unreadable'],
  );
});

test('a folder without any CA, no folder, a file: one line each, exit 1', () => {
  const dir = folder();
  mkdirSync(join(dir, 'empty/tls'), { recursive: true });
  writeFileSync(join(dir, 'file'), '');
  for (const name of ['empty', '.', 'nowhere', 'file']) {
    const run = k3sPki(['verify', name], { cwd: dir });
    assert.is(run.code, 1, name);
    assert.is(run.stdout, '');
    assert.match(run.stderr, new RegExp(`^k3s-pki: error: ${dir}[^\n]*\nk3s-pki: hint: [^\n]*\n$`));
  }
  const refused = k3sPki(['verify', dir, '--output', 'json']);
  const report = JSON.parse(refused.stdout);
  assert.equal([refused.code, report.ok, report.problems.length], [1, false, 1]);
  assert.match(refused.stderr, report.problems[0].message);
  const none = k3sPki(['verify']);
  assert.is(none.code, 2);
  assert.match(none.stderr, 'verify needs DIR');
});

test('YAML says what JSON says', () => {
  const dir = changed(replaced('client-ca', { key: other }));
  const yaml = k3sPki(['verify', dir, '--against', custom, '--output', 'yaml']);
  assert.is(yaml.code, 1);
  assert.equal(parse(yaml.stdout), JSON.parse(k3sPki(['verify', dir, '--against', custom, '--output', 'json']).stdout));
});

test('no key is printed', () => {
  const dir = changed(replaced('client-ca', { key: other }));
  const secrets = ['tls', 'tls/etcd'].flatMap((below) =>
    readdirSync(join(dir, below)).flatMap((name) =>
      name.endsWith('.key')
        ? readFileSync(join(dir, below, name), 'utf8')
            .split('\n')
            .slice(1, 2)
        : [],
    ),
  );
  assert.is(secrets.length, 6);
  for (const args of [[dir], [dir, '--against', custom], [dir, '--output', 'json']]) {
    const { stdout, stderr } = k3sPki(['verify', ...args]);
    for (const secret of secrets) assert.not.ok((stdout + stderr).includes(secret));
  }
});

test('piped into a program that stops reading: no error', () => {
  const script = `"$0" "$1" verify "$2" --against "$2" | head -1`;
  const out = execFileSync('sh', ['-c', script, process.execPath, program(), custom], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.is(out.split('\n').length, 2);
});

test.after(() => core.close());
test.run();
