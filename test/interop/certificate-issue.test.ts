import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, fastKeys, folder, k3sPki } from '../cli/program.ts';
import { type Answer, goJudge, openssl, present, type Question } from './judge.ts';

/** A line of the manifest. */
interface Line {
  readonly node: string;
  readonly profile: string;
  readonly path: string;
  readonly serial: string;
  readonly sha256: string;
}

/** Leaves for each judge. The whole is a hundred thousand; a sample of every batch position is enough for a test run. */
const count = 600;

const cluster = folder();
k3sPki(['generate-custom-ca-certs', '--data-dir', cluster, ...fastKeys]);
const tls = join(cluster, 'server/tls');
const archive = join(cluster, 'nodes.tar');
const unpacked = join(cluster, 'unpacked');
const inventory = join(cluster, 'nodes.csv');
const nodes = Array.from({ length: count }, (_, index) => `edge-${String(index + 1).padStart(4, '0')}`);
writeFileSync(
  inventory,
  `node,ip,dns\n${nodes.map((node, index) => `${node},10.0.${index >> 8}.${index & 255},${node}.example`).join('\n')}\n`,
);
const profiles = ['client-kubelet', 'serving-kubelet', 'etcd/server-client'];
const made = k3sPki([
  'certificate',
  'issue',
  ...['--ca-dir', tls, '--profile', profiles.join(), '--from', inventory, '--tar', archive],
]);
const manifest = `${archive}.manifest.jsonl`;
const usagesOf: Record<string, string[]> = {
  'client-kubelet': ['clientAuth'],
  'serving-kubelet': ['serverAuth'],
  'etcd/server-client': ['serverAuth', 'clientAuth'],
};

const test = suite('certificate issue, judged');

test('the program issued', () => {
  assert.is(made.code, 0, made.stderr);
});

test('GNU tar reads the archive: paths, modes and sizes', () => {
  const tar = present('certificate issue, tar', program('tar', '--version'));
  if (tar === undefined) return;
  mkdirSync(unpacked);
  const listed = spawnSync('tar', ['tvf', archive], { encoding: 'utf8' });
  assert.is(listed.stderr, '');
  const lines = listed.stdout.trim().split('\n');
  assert.is(lines.length, count * profiles.length * 2);
  for (const line of lines) assert.match(line, /^(-rw-r--r-- 0\/0 .*\.crt|-rw------- 0\/0 .*\.key)$/);
  assert.is(spawnSync('tar', ['xf', archive, '-C', unpacked]).status, 0);
  for (const { path, serial } of manifestLines()) {
    const pem = readFileSync(join(unpacked, path), 'utf8');
    assert.ok(blocks(pem).length === 4, 'leaf, CA, intermediate, root');
    assert.match(serial, /^[0-7][0-9a-f]{31}$/);
  }
  assert.is(new Set(manifestLines().map(({ serial }) => serial)).size, count * profiles.length);
});

test('long paths: folders of 60 to 155 characters come out whole', () => {
  if (present('certificate issue, tar', program('tar', '--version')) === undefined) return;
  const outs = [60, 73, 74, 75, 76, 100, 155].map((length) => `${'f'.repeat(30)}/${'g'.repeat(length - 31)}`);
  const input = `node,out\n${outs.map((out, index) => `n-${index},${out}`).join('\n')}\n`;
  const cwd = folder();
  const args = ['--ca-dir', tls, '--profile', 'client-kubelet', '--from', '-', '--tar', 'long.tar'];
  const run = k3sPki(['certificate', 'issue', ...args], { cwd, input });
  assert.is(run.code, 0, run.stderr);
  const listed = spawnSync('tar', ['tf', 'long.tar'], { cwd, encoding: 'utf8' });
  assert.is(listed.stderr, '');
  assert.equal(
    listed.stdout.trim().split('\n'),
    outs.flatMap((out) => ['crt', 'key'].map((end) => `${out}/agent/client-kubelet.${end}`)),
  );
  const longer = k3sPki(['certificate', 'issue', ...args.slice(0, -1), 'longer.tar'], {
    cwd,
    input: `node,out\nn-1,${'f/'.repeat(77)}ff\n`,
  });
  assert.is(longer.code, 1);
  assert.match(longer.stderr, 'it is too long');
});

test("Go's crypto/x509 verifies each leaf for its usages, and for no other", () => {
  const judge = present('certificate issue, Go', goJudge());
  if (judge === undefined || present('certificate issue, tar', program('tar', '--version')) === undefined) return;
  const at = Math.floor(Date.now() / 1000);
  const bundles = new Map<string, string[]>();
  const lines = manifestLines();
  const questions = lines.map(({ path, profile }): Question => {
    const [leaf = '', ...issuers] = blocks(readFileSync(join(unpacked, path), 'utf8')).map(der);
    bundles.set(profile, issuers);
    return { leaf, roots: issuers.slice(-1), intermediates: issuers.slice(0, -1), at, usages: usagesOf[profile] ?? [] };
  });
  const answers = judge.lines<Question, Answer>(['verify'], questions);
  for (const [index, answer] of answers.entries()) {
    assert.ok(answer.chains !== undefined, `${lines[index]?.path}: ${answer.reason}`);
    assert.is(answer.chains?.[0]?.[0], lines[index]?.sha256, 'the manifest names what was verified');
  }
  const wrong = questions
    .filter(({ usages }) => usages?.length === 1)
    .map((question) => ({
      ...question,
      usages: question.usages?.[0] === 'clientAuth' ? ['serverAuth'] : ['clientAuth'],
    }));
  for (const { failure } of judge.lines<Question, Answer>(['verify'], wrong)) assert.is(failure, 'incompatible-usage');
});

test('OpenSSL verifies each chain and name, and reads each key', () => {
  const judge = present('certificate issue, OpenSSL', openssl());
  if (judge === undefined || present('certificate issue, tar', program('tar', '--version')) === undefined) return;
  const root = join(tls, 'root-ca.pem');
  const lines = manifestLines();
  for (const profile of profiles) {
    const paths = lines.filter((line) => line.profile === profile).map(({ path }) => join(unpacked, path));
    const chain = join(cluster, `${profile.replace('/', '-')}.chain.pem`);
    writeFileSync(
      chain,
      blocks(readFileSync(paths[0] ?? '', 'utf8'))
        .slice(1, -1)
        .join(''),
    );
    const purpose = profile === 'serving-kubelet' ? 'sslserver' : 'sslclient';
    judge.ok(['verify', '-x509_strict', '-purpose', purpose, '-CAfile', root, '-untrusted', chain, ...paths]);
  }
  for (const index of [0, 255, 256, count - 1]) {
    const node = nodes[index] ?? '';
    const file = join(unpacked, node, 'agent/serving-kubelet');
    const text = judge.ok(['x509', '-in', `${file}.crt`, '-noout', '-text']);
    assert.match(
      text,
      `DNS:${node}, DNS:localhost, DNS:${node}.example, IP Address:127.0.0.1, IP Address:10.0.${index >> 8}.${index & 255}`,
    );
    assert.not.match(text, 'Subject Key Identifier');
    assert.match(text, 'X509v3 Authority Key Identifier');
    const [ofKey, ofCertificate] = [
      judge.ok(['pkey', '-in', `${file}.key`, '-pubout']),
      judge.ok(['x509', '-in', `${file}.crt`, '-noout', '-pubkey']),
    ];
    assert.is(ofKey, ofCertificate);
    judge.ok(['pkey', '-in', `${file}.key`, '-check', '-noout']);
  }
});

test('CAs of every algorithm issue leaves of every type; OpenSSL and Go agree', () => {
  const judge = present('certificate issue, OpenSSL', openssl());
  const go = present('certificate issue, Go', goJudge());
  if (judge === undefined || go === undefined) return;
  const input = 'node,key\na,ec:p256\nb,ec:p384\nc,ec:p521\nd,ed25519\ne,rsa:2048\n';
  for (const caKey of ['rsa:2048', 'ec:p384', 'ec:p521', 'ed25519']) {
    const dir = folder();
    k3sPki([
      'generate-custom-ca-certs',
      '--data-dir',
      dir,
      '--root-key',
      'ec:p256',
      '--intermediate-key',
      'ec:p256',
      '--ca-key',
      caKey,
    ]);
    const args = ['--data-dir', dir, '--profile', 'serving-kubelet', '--from', '-', '--out', 'nodes'];
    const run = k3sPki(['certificate', 'issue', ...args], { cwd: dir, input });
    assert.is(run.code, 0, run.stderr);
    const at = Math.floor(Date.now() / 1000);
    for (const node of ['a', 'b', 'c', 'd', 'e']) {
      const file = join(dir, 'nodes', node, 'agent/serving-kubelet');
      const pem = blocks(readFileSync(`${file}.crt`, 'utf8'));
      writeFileSync(join(dir, 'chain.pem'), pem.slice(1, -1).join(''));
      const root = join(dir, 'server/tls/root-ca.pem');
      judge.ok([
        'verify',
        '-purpose',
        'sslserver',
        '-verify_hostname',
        node,
        '-CAfile',
        root,
        '-untrusted',
        join(dir, 'chain.pem'),
        `${file}.crt`,
      ]);
      assert.is(
        judge.ok(['pkey', '-in', `${file}.key`, '-pubout']),
        judge.ok(['x509', '-in', `${file}.crt`, '-noout', '-pubkey']),
      );
      const [leaf = '', ...issuers] = pem.map(der);
      const question = { leaf, roots: issuers.slice(-1), intermediates: issuers.slice(0, -1), at };
      const [answer] = go.lines<Question, Answer>(['verify'], [question]);
      assert.ok(answer?.chains !== undefined, `${caKey} ${node}: ${answer?.reason}`);
    }
  }
});

test.run();

function manifestLines(): Line[] {
  return readFileSync(manifest, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** The base64 of a PEM block, which is DER in base64 once the lines are joined. */
function der(pem: string): string {
  return pem.replace(/-----[^-]+-----|\s/g, '');
}

function program(name: string, ...args: string[]): { readonly name: string } | { readonly absent: string } {
  return spawnSync(name, args).status === 0 ? { name } : { absent: `no ${name}` };
}
