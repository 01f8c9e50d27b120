import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder, k3sPki, put, tree } from './program.ts';

const command = 'generate-custom-ca-certs';
const cas = ['client', 'server', 'request-header', 'etcd/peer', 'etcd/server'] as const;
const args = ['--topology', 'isolated', '--root-key', 'ec:p384'];

const made = folder();
const run = k3sPki([command, '--data-dir', made, ...args]);

const test = suite(`${command} --topology isolated`);

test('five roots, each with one CA: files, modes, chains, report', () => {
  assert.is(run.code, 0, run.stderr);
  const files = tree(made);
  const ends = ['root-ca.pem', 'root-ca.key', 'ca.pem', 'ca.key', 'ca.crt'];
  assert.equal(
    Object.keys(files).sort(),
    [
      'server',
      'server/tls',
      'server/tls/etcd',
      'server/tls/service.key',
      ...cas.flatMap((ca) => ends.map((end) => `server/tls/${ca}-${end}`)),
    ].sort(),
  );
  const roots = cas.map((ca) => {
    const root = new X509Certificate(read(made, `${ca}-root-ca.pem`));
    const certificate = new X509Certificate(read(made, `${ca}-ca.pem`));
    assert.match(root.subject, new RegExp(`^CN=k3s-${ca.replace('/', '-')}-root-ca@\\d{10}$`));
    assert.ok(root.verify(root.publicKey) && certificate.verify(root.publicKey) && certificate.checkIssued(root));
    assert.is(root.publicKey.asymmetricKeyDetails?.namedCurve, 'secp384r1');
    assert.is(read(made, `${ca}-ca.crt`), read(made, `${ca}-ca.pem`) + read(made, `${ca}-root-ca.pem`));
    assert.ok(root.checkPrivateKey(createPrivateKey(read(made, `${ca}-root-ca.key`))));
    assert.is(files[`server/tls/${ca}-root-ca.key`]?.slice(0, 4), '0600');
    assert.match(run.stdout, join(made, `server/tls/${ca}-root-ca.key`), 'to be kept safe');
    return root.fingerprint256;
  });
  assert.is(new Set(roots).size, 5);
  const hash = createHash('sha256')
    .update(new X509Certificate(read(made, 'server-root-ca.pem')).raw)
    .digest('hex');
  assert.match(run.stdout, `  K10${hash}\n`);
  assert.match(run.stdout, 'Topology: isolated\n  + only the client CA can make a cluster admin');
  assert.not.match(run.stdout, 'shared');
});

test('a run over an earlier set keeps the roots and makes the CAs new', () => {
  const dir = copyOf(made);
  const before = tree(dir);
  const again = k3sPki([command, '--data-dir', dir, ...args]);
  assert.is(again.code, 0, again.stderr);
  const after = tree(dir);
  for (const ca of cas) {
    for (const end of ['pem', 'key']) {
      const path = `server/tls/${ca}-root-ca.${end}`;
      assert.is(after[path], before[path]);
    }
    assert.is.not(after[`server/tls/${ca}-ca.key`], before[`server/tls/${ca}-ca.key`]);
  }
});

test('path length: the roots allow one CA more', () => {
  const dir = folder();
  assert.is(k3sPki([command, '--data-dir', dir, ...args, '--path-length', '0', '--dry-run']).code, 0);
  const json = k3sPki([command, '--data-dir', dir, ...args, '--path-length', '0', '--dry-run', '--output', 'json']);
  const { certificates, topology } = JSON.parse(json.stdout);
  assert.is(topology, 'isolated');
  const lengths = Object.fromEntries(
    certificates.map(({ id, pathLength }: { id: string; pathLength: number }) => [id, pathLength]),
  );
  assert.is(lengths['client-root'], 1);
  assert.is(lengths.client, 0);
  assert.equal(tree(dir), {});
});

test('the report for programs says what each topology protects against', () => {
  const report = (topology: string) =>
    JSON.parse(
      k3sPki([
        command,
        '--data-dir',
        folder(),
        '--topology',
        topology,
        '--root-key',
        'ec:p256',
        '--intermediate-key',
        'ec:p256',
        '--output',
        'json',
      ]).stdout,
    );
  for (const name of ['shared', 'isolated']) {
    const { topology } = report(name);
    assert.is(topology.name, name);
    assert.match(topology[name === 'shared' ? 'exposes' : 'protects'], 'can make a cluster admin');
  }
});

for (const [label, files, line, extra] of [
  [
    'a common root',
    { 'root-ca.pem': read(made, 'client-root-ca.pem') },
    /root-ca\.pem: belongs to the shared topology/,
    args,
  ],
  [
    'half a pair',
    { 'client-root-ca.pem': read(made, 'client-root-ca.pem') },
    /client-root-ca\.pem: half a pair, .*client-root-ca\.key is missing/,
    args,
  ],
  [
    'half a pair of etcd',
    { 'etcd/peer-root-ca.key': read(made, 'client-root-ca.key') },
    /etcd\/peer-root-ca\.key: half a pair, .*etcd\/peer-root-ca\.pem is missing/,
    args,
  ],
  [
    'a key of another root',
    { 'client-root-ca.pem': read(made, 'client-root-ca.pem'), 'client-root-ca.key': read(made, 'server-root-ca.key') },
    /client-root-ca\.key is not the key of this certificate/,
    args,
  ],
  [
    'one root for two CAs',
    {
      'client-root-ca.pem': read(made, 'client-root-ca.pem'),
      'client-root-ca.key': read(made, 'client-root-ca.key'),
      'etcd/server-root-ca.pem': read(made, 'client-root-ca.pem'),
      'etcd/server-root-ca.key': read(made, 'client-root-ca.key'),
    },
    /etcd\/server-root-ca\.pem: the key of CN=k3s-client-root-ca@\d+, which is the root of another CA/,
    args,
  ],
  [
    'a root of its own without the word',
    { 'client-root-ca.pem': read(made, 'client-root-ca.pem') },
    /client-root-ca\.pem: belongs to the isolated topology/,
    [],
  ],
] as ReadonlyArray<[string, Record<string, string>, RegExp, string[]]>) {
  test(`refused: ${label}`, () => {
    const dir = folder();
    put(join(dir, 'server/tls'), files);
    const before = tree(dir);
    const refused = k3sPki([command, '--data-dir', dir, ...extra]);
    assert.is(refused.code, 1, refused.stdout);
    assert.match(refused.stderr, line);
    assert.equal(tree(dir), before);
  });
}

test.run();

function read(dir: string, name: string): string {
  return readFileSync(join(dir, 'server/tls', name), 'utf8');
}

function copyOf(dir: string): string {
  const copy = folder();
  cpSync(join(dir, 'server'), join(copy, 'server'), { recursive: true });
  return copy;
}
