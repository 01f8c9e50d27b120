import { X509Certificate } from 'node:crypto';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, fastKeys, folder, k3sPki, put, tree } from './program.ts';

const command = 'generate-custom-ca-certs';
const cas = ['client', 'server', 'request-header', 'etcd/peer', 'etcd/server'] as const;

/** Data dirs of servers that have started: one of each topology, one with K3s's own CAs. */
const shared = started('--topology', 'shared');
const isolated = started('--topology', 'isolated');
const own = folder();
k3sPki(['generate-default-ca-certs', '--data-dir', own]);
put(own, { 'server/token': 'K10::server:secret\n' });

const test = suite(`${command} --from`);

test('takes root, intermediate and service keys over, and leaves the source alone', () => {
  const stage = folder();
  const before = tree(shared);
  const run = k3sPki([command, '--from', shared, '--data-dir', stage]);
  assert.is(run.code, 0, run.stderr);
  assert.is(run.stderr, '');
  assert.equal(tree(shared), before);
  for (const name of ['root-ca.pem', 'root-ca.key', 'intermediate-ca.pem', 'intermediate-ca.key', 'root-ca.crt']) {
    assert.is(read(stage, name), read(shared, name), name);
  }
  assert.is(tree(stage)['server/tls/root-ca.key']?.slice(0, 4), '0600');
  const issuer = new X509Certificate(read(shared, 'intermediate-ca.pem'));
  for (const ca of cas) {
    const certificate = new X509Certificate(read(stage, `${ca}-ca.pem`));
    assert.ok(certificate.verify(issuer.publicKey));
    assert.is.not(read(stage, `${ca}-ca.key`), read(shared, `${ca}-ca.key`));
  }
  assert.equal(blocks(read(stage, 'service.key')).slice(1), blocks(read(shared, 'service.key')));
  assert.match(run.stdout, `rotate-ca accepts it without --force in the place of the CAs of ${shared}`);
  assert.match(run.stdout, 'join tokens stay as they are');
  assert.match(run.stdout, `k3s certificate rotate-ca --path=${stage}/server`);
});

test('a second run over the same folder keeps every service key once', () => {
  const stage = folder();
  for (const count of [2, 3]) {
    const run = k3sPki([command, '--from', shared, '--data-dir', stage]);
    assert.is(run.code, 0, run.stderr);
    assert.not.match(run.stderr, 'duplicate');
    const keys = blocks(read(stage, 'service.key'));
    assert.is(new Set(keys).size, count);
    assert.is(keys.length, count);
  }
});

test('paths may be relative; without the root key only the intermediate is needed', () => {
  const cwd = folder();
  cpSync(join(shared, 'server'), join(cwd, 'old/server'), { recursive: true });
  rmSync(join(cwd, 'old/server/tls/root-ca.key'));
  const run = k3sPki([command, '--from', 'old', '--data-dir', 'new'], { cwd });
  assert.is(run.code, 0, run.stderr);
  assert.not.ok('server/tls/root-ca.key' in tree(join(cwd, 'new')));
  const plan = k3sPki([command, '--from', 'old', '--data-dir', 'other', '--dry-run', '--output', 'json'], { cwd });
  assert.is(plan.code, 0, plan.stderr);
  assert.is(JSON.parse(plan.stdout).uses[0].file, '../old/server/tls/root-ca.pem');
  assert.not.ok('other' in tree(cwd));
});

test('isolated: each root signs its new CA', () => {
  const stage = folder();
  const run = k3sPki([command, '--from', isolated, '--data-dir', stage, '--topology', 'isolated', '--output', 'json']);
  assert.is(run.code, 0, run.stderr);
  const report = JSON.parse(run.stdout);
  assert.equal(report.rotation, { accepted: true, tokensKept: true });
  for (const ca of cas) {
    assert.is(read(stage, `${ca}-root-ca.pem`), read(isolated, `${ca}-root-ca.pem`));
    const root = new X509Certificate(read(isolated, `${ca}-root-ca.pem`));
    assert.ok(new X509Certificate(read(stage, `${ca}-ca.pem`)).verify(root.publicKey));
  }
});

const refusals: ReadonlyArray<readonly [string, string[], RegExp, RegExp]> = [
  [
    "a cluster with K3s's own CAs",
    ['--from', own],
    /server\/tls: no root-ca\.pem or intermediate-ca\.pem/,
    /use rotate-default-ca-certs/,
  ],
  ['isolated CAs without the word', ['--from', isolated], /server\/tls: no root-ca\.pem/, /add --topology isolated/],
  [
    'shared CAs with --topology isolated',
    ['--from', shared, '--topology', 'isolated'],
    /no client-root-ca\.pem/,
    /leave --topology isolated out/,
  ],
  [
    'a folder that is not there',
    ['--from', '/nonexistent'],
    /\/nonexistent\/server\/tls: no root-ca\.pem/,
    /--from names the data dir of a server/,
  ],
];
for (const [label, args, error, hint] of refusals) {
  test(`refused: ${label}`, () => {
    const stage = folder();
    const run = k3sPki([command, ...args, '--data-dir', stage]);
    assert.is(run.code, 1, run.stdout);
    assert.match(run.stderr, error);
    assert.match(run.stderr, hint);
    assert.equal(tree(stage), {});
  });
}

test('refused: a root that is not that of the CAs in use, with the line of K3s', () => {
  const [source, stage] = [folder(), folder()];
  cpSync(join(shared, 'server'), join(source, 'server'), { recursive: true });
  const other = folder();
  k3sPki([command, '--data-dir', other, ...fastKeys]);
  for (const name of ['root-ca', 'intermediate-ca'])
    for (const end of ['pem', 'key', 'crt'])
      cpSync(join(other, `server/tls/${name}.${end}`), join(source, `server/tls/${name}.${end}`));
  const run = k3sPki([command, '--from', source, '--data-dir', stage]);
  assert.is(run.code, 1);
  assert.match(
    run.stderr,
    `${source}: rotate-ca would refuse the new CAs there: failed to validate new CA certificates and keys: ETCDServerCA: new CA cert cannot be verified using old CA chain`,
  );
  assert.match(run.stderr, /hint: the root taken over is not that of the CAs in use/);
  assert.equal(tree(stage), {});
});

test('refused: no service.key in the source, a staging folder with another root, the data dir itself', () => {
  const [source, stage] = [folder(), folder()];
  cpSync(join(shared, 'server'), join(source, 'server'), { recursive: true });
  rmSync(join(source, 'server/tls/service.key'));
  const lost = k3sPki([command, '--from', source, '--data-dir', stage]);
  assert.is(lost.code, 1);
  assert.match(lost.stderr, /server\/tls\/service\.key: there is no such file; without the old service account keys/);
  assert.equal(tree(stage), {});
  k3sPki([command, '--data-dir', stage, ...fastKeys]);
  const before = tree(stage);
  const clash = k3sPki([command, '--from', shared, '--data-dir', stage]);
  assert.is(clash.code, 1);
  assert.match(clash.stderr, `${shared}/server/tls/root-ca.pem: differs from ${stage}/server/tls/root-ca.pem`);
  assert.equal(tree(stage), before);
  const itself = k3sPki([command, '--from', shared, '--data-dir', shared]);
  assert.is(itself.code, 2);
  assert.match(itself.stderr, /--from names the data dir that would be written to/);
});

test.run();

function started(...args: string[]): string {
  const dir = folder();
  const run = k3sPki([command, '--data-dir', dir, ...fastKeys, ...args]);
  assert.is(run.code, 0, run.stderr);
  put(dir, { 'server/token': 'K10::server:secret\n' });
  return dir;
}

function read(dir: string, name: string): string {
  return readFileSync(join(dir, 'server/tls', name), 'utf8');
}
