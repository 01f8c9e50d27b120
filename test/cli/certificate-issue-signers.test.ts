import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { environment, fastKeys, folder, k3sPki, program, put, type RunOptions, tree } from './program.ts';

/** What signs in `certificate issue`: the CA's key, its name, the arithmetic, and the check afterwards. */
const test = suite('certificate issue, what signs');

const cluster = folder();
k3sPki(['generate-custom-ca-certs', '--data-dir', cluster, ...fastKeys]);
const tls = join(cluster, 'server/tls');
const ca = new X509Certificate(readFileSync(join(tls, 'client-ca.crt')));
const passphrase = 'correct horse';

const issue = (args: readonly string[], options: RunOptions = {}) =>
  k3sPki(['certificate', 'issue', '--profile', 'client-kubelet', ...args], { cwd: folder(), ...options });

/** Checks a folder of nodes with Node's OpenSSL. */
function assertIssued(dir: string, nodes: readonly string[]): void {
  for (const node of nodes) {
    const file = join(dir, node, 'agent/client-kubelet');
    const certificate = new X509Certificate(readFileSync(`${file}.crt`));
    assert.ok(certificate.verify(ca.publicKey), node);
    assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(`${file}.key`))), node);
    assert.is(certificate.subject, `O=system:nodes\nCN=system:node:${node}`);
  }
}

const three = ['node-1', 'node-2', 'node-3'];

test('--check all: every leaf of both ways to issue is checked, and is right', () => {
  for (const key of ['ec:p256', 'ec:p384']) {
    const cwd = folder();
    const args = ['--ca-dir', tls, '--nodes', '3', '--name', 'node-%d', '--key', key, '--out', 'out', '--check', 'all'];
    const run = issue(args, { cwd });
    assert.is(run.code, 0, run.stderr);
    assert.is(run.stderr, '');
    assertIssued(join(cwd, 'out'), three);
  }
  const cwd = folder();
  const wrong = issue(['--ca-dir', tls, '--nodes', '3', '--out', 'out', '--check', 'most'], { cwd });
  assert.is(wrong.code, 2);
  assert.match(wrong.stderr, '--check');
  assert.equal(tree(cwd), {});
});

/** The CA's files with its key encrypted in PKCS#8. */
function encryptedCa(): string {
  const dir = folder();
  const key = createPrivateKey(readFileSync(join(tls, 'client-ca.key')));
  put(dir, {
    'client-ca.crt': readFileSync(join(tls, 'client-ca.crt')),
    'client-ca.key': String(key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })),
    right: `${passphrase}\n`,
    wrong: 'incorrect horse',
  });
  return dir;
}

test('an encrypted CA key opens by file and by environment', () => {
  const dir = encryptedCa();
  for (const [args, env] of [
    [['--passphrase-file', join(dir, 'right')], {}],
    [[], { K3S_PKI_PASSPHRASE: passphrase }],
    [['--passphrase-file', join(dir, 'right')], { K3S_PKI_PASSPHRASE: 'the file counts' }],
  ] as const) {
    const cwd = folder();
    const options = ['--ca-dir', dir, '--nodes', '3', '--name', 'node-%d', '--out', 'out'];
    const run = issue([...options, ...args], { cwd, env });
    assert.is(run.code, 0, run.stderr);
    assert.not.match(run.stdout + run.stderr, passphrase);
    assertIssued(join(cwd, 'out'), three);
  }
});

test('without the passphrase of the CA key nothing is issued, and no secret is told', () => {
  const dir = encryptedCa();
  const before = tree(dir);
  for (const [args, message] of [
    [[], /client-ca\.key: the key is encrypted and no passphrase was given/],
    [['--passphrase-file', join(dir, 'wrong')], /client-ca\.key: the passphrase does not open this key/],
    [['--passphrase-file', join(dir, 'absent')], /absent: there is no such file/],
  ] as const) {
    const cwd = folder();
    const run = issue(['--ca-dir', dir, '--nodes', '3', '--out', 'out', ...args], { cwd });
    assert.is(run.code, 1, run.stderr);
    assert.match(run.stderr, message);
    assert.match(run.stderr, 'k3s-pki: hint: ');
    assert.not.match(run.stdout + run.stderr, 'horse');
    assert.equal(tree(cwd), {});
  }
  assert.equal(tree(dir), before);
});

test('a row with the subject of its CA is refused before anything is issued', () => {
  const dir = folder();
  put(dir, {
    'client-ca.crt': readFileSync(join(tls, 'client-ca.crt')),
    'client-ca.key': readFileSync(join(tls, 'client-ca.key')),
  });
  const name = ca.subject.replace('CN=', '');
  const rows = ['node,cn', 'edge-1,', `edge-2,${name}`, `edge-3,${name.toUpperCase()}`, `edge-4,${name} 2`];
  put(dir, { 'nodes.csv': `${rows.join('\n')}\n` });
  const args = ['certificate', 'issue', '--ca-dir', dir, '--profile', 'client', '--from', join(dir, 'nodes.csv')];
  const cwd = folder();
  const run = k3sPki([...args, '--out', 'out'], { cwd });
  assert.is(run.code, 1);
  const reasons = run.stderr.split('\n').filter((line) => line.startsWith('k3s-pki: error: '));
  const reason = (line: number, subject: string) =>
    `k3s-pki: error: ${join(dir, 'nodes.csv')}: line ${line}: its subject "CN=${subject}" is the name of the client CA, so the leaf would pass for self-signed`;
  assert.equal(reasons, [
    reason(3, name),
    reason(4, name.toUpperCase()),
    'k3s-pki: error: 2 bad rows, nothing was issued',
  ]);
  assert.equal(tree(cwd), {});
  const skipped = k3sPki([...args, '--out', 'out', '--skip-bad'], { cwd });
  assert.is(skipped.code, 0, skipped.stderr);
  assert.equal(
    Object.keys(tree(join(cwd, 'out'))).filter((path) => /^edge-\d$/.test(path)),
    ['edge-1', 'edge-4'],
  );
});

if (spawnSync('openssl', ['version']).status === 0) {
  test('a number of --nodes that gives the name of the CA is found among all of them', () => {
    const dir = folder();
    const made = spawnSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650'],
      ...['-subj', '/CN=edge-00070', '-keyout', join(dir, 'client-ca.key'), '-out', join(dir, 'client-ca.crt')],
    ]);
    assert.is(made.status, 0);
    const cwd = folder();
    const args = [
      'certificate',
      'issue',
      '--ca-dir',
      dir,
      '--profile',
      'client',
      '--name',
      'edge-%05d',
      '--out',
      'out',
    ];
    const run = k3sPki([...args, '--nodes', '100'], { cwd });
    assert.is(run.code, 1);
    assert.match(run.stderr, 'error: --name, node 70: its subject "CN=edge-00070" is the name of the client CA');
    assert.equal(tree(cwd), {});
    assert.is(k3sPki([...args, '--nodes', '69'], { cwd }).code, 0);
  });
} else process.stdout.write('not run: cli/issue under a CA with the name of a node, no openssl\n');

test('K3S_PKI_LANES reaches the engine of leaves', () => {
  for (const lanes of ['simd', 'scalar', 'auto', '']) {
    const cwd = folder();
    const options = ['--ca-dir', tls, '--nodes', '3', '--name', 'node-%d', '--out', 'out'];
    const run = issue(options, { cwd, env: { K3S_PKI_LANES: lanes } });
    assert.is(run.code, 0, run.stderr);
    assertIssued(join(cwd, 'out'), three);
  }
  const cwd = folder();
  const run = issue(['--ca-dir', tls, '--nodes', '3', '--out', 'out'], { cwd, env: { K3S_PKI_LANES: 'wide' } });
  assert.is(run.code, 2);
  assert.match(run.stderr, 'error: K3S_PKI_LANES is "wide", which is no arithmetic of this program');
  assert.match(run.stderr, 'hint: unset it, or choose one of auto, fma, simd, scalar');
  assert.equal(tree(cwd), {});
});

if (process.arch === 'x64') {
  test('fused multiply-adds that the processor has not are refused, nothing is written', () => {
    const cwd = folder();
    const unfused = (lanes: string) => {
      const args = ['certificate', 'issue', '--ca-dir', tls, '--profile', 'client-kubelet', '--nodes', '3'];
      const command = ['--no-enable-fma3', program(), ...args, '--name', 'node-%d', '--out', 'out'];
      const env = environment({ K3S_PKI_LANES: lanes });
      return spawnSync(process.execPath, command, { cwd, env, encoding: 'utf8' });
    };
    const forced = unfused('fma');
    assert.is(forced.status, 1, forced.stderr);
    assert.match(forced.stderr, 'this CPU has no fused multiply-add');
    assert.equal(tree(cwd), {});
    const { status, stderr } = unfused('auto');
    assert.is(status, 0, stderr);
    assertIssued(join(cwd, 'out'), three);
  });
} else process.stdout.write('not run: cli/issue without fused multiply-adds, V8 has no switch for it here\n');

test.run();
