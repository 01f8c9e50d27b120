import { existsSync, lstatSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unseal } from '@k3s-pki/datastore';
import { bootstrapKey, parseBootstrapData } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Cluster, cluster, password } from './bootstrap-cluster.ts';
import { folder, k3sPki, put, tree } from './program.ts';

/** `token rotate --offline` on a data dir with SQLite; over the wire: test/interop. */
const test = suite('token-rotate');
// The port of the machine's own K3s must not count: nothing listens there.
const config = join(folder(), 'config.yaml');
writeFileSync(config, 'https-listen-port: 1\n');
const env = { K3S_CONFIG_FILE: config };
const rotate = ({ dir }: Pick<Cluster, 'dir'>, ...more: string[]) =>
  k3sPki(['token', 'rotate', '--offline', '--data-dir', dir, ...more], { env });
const fresh = '0123456789abcdef0123456789abcdef';
const tokenOf = (dir: string) => readFileSync(join(dir, 'server/token'), 'utf8').trim();
const passwdOf = (dir: string) => readFileSync(join(dir, 'server/cred/passwd'), 'utf8');

test('a random token: files, record and report; the secret is printed nowhere', async () => {
  const it = await cluster();
  symlinkSync(join(it.dir, 'server/token'), join(it.dir, 'server/node-token'));
  symlinkSync(join(it.dir, 'server/token'), join(it.dir, 'server/agent-token'));
  const before = tree(it.dir);
  const out = join(folder(), 'new-token');
  const { code, stdout, stderr } = rotate(it, '--out', out);
  assert.is(code, 0, stderr);
  assert.is(stdout.split('\n')[0], 'Token rotated, restart k3s nodes with new token');
  const token = tokenOf(it.dir);
  const [, hash, made = ''] = /^K10([0-9a-f]{64})::server:([0-9a-f]{32})$/.exec(token) ?? [];
  assert.is(k3sPki(['token', 'hash', join(it.dir, 'server/tls/server-ca.crt')]).stdout.trim(), hash);
  assert.is(readFileSync(out, 'utf8'), `${token}\n`);
  for (const file of [out, join(it.dir, 'server/token'), join(it.dir, 'server/cred/passwd')]) {
    assert.is(statSync(file).mode & 0o777, 0o600, file);
  }
  assert.is(passwdOf(it.dir), `${made},server,server,k3s:server\n${made},node,node,k3s:agent\n`);
  const records = it.records();
  assert.equal(Object.keys(records), [bootstrapKey(made)]);
  const now = parseBootstrapData(await unseal(records[bootstrapKey(made)] ?? new Uint8Array(), made));
  for (const [name, { content, timestamp }] of parseBootstrapData(it.document).files) {
    const stored = now.files.get(name);
    if (name === 'PasswdFile') assert.is(Buffer.from(stored?.content ?? []).toString(), passwdOf(it.dir));
    else assert.equal([Buffer.from(stored?.content ?? []), stored?.timestamp], [Buffer.from(content), timestamp], name);
  }
  for (const secret of [made, password]) assert.not.ok((stdout + stderr).includes(secret));
  assert.ok(lstatSync(join(it.dir, 'server/node-token')).isSymbolicLink());
  assert.ok(lstatSync(join(it.dir, 'server/agent-token')).isSymbolicLink());
  const changed = Object.entries(tree(it.dir)).filter(([path, content]) => before[path] !== content);
  assert.equal(
    changed
      .map(([path]) => path)
      .filter((path) => !/^server\/(db|bootstrap-backups)/.test(path))
      .sort(),
    ['server/cred/passwd', 'server/token'],
  );
  assert.is(k3sPki(['bootstrap', 'doctor', '--data-dir', it.dir], { env }).code, 0);
});

test('a given password; the agent token that was set stays', async () => {
  const it = await cluster();
  put(it.dir, {
    'server/agent-token': `K10${'ab'.repeat(32)}::node:${password}\n`,
    'new-token': `${fresh}\n`,
  });
  const agent = readFileSync(join(it.dir, 'server/agent-token'), 'utf8');
  const { code, stdout, stderr } = rotate(it, '--new-token-file', join(it.dir, 'new-token'), '--output', 'json');
  assert.is(code, 0, stderr);
  const report = JSON.parse(stdout);
  assert.equal([report.ok, report.newToken, report.nodePassword, report.readBack.ok], [true, 'given', 'kept', true]);
  assert.is(passwdOf(it.dir), `${fresh},server,server,k3s:server\n${password},node,node,k3s:agent\n`);
  assert.is(readFileSync(join(it.dir, 'server/agent-token'), 'utf8'), agent);
  assert.not.ok((stdout + stderr).includes(fresh));
  assert.equal(Object.keys(it.records()), [bootstrapKey(fresh)]);
  // The way back.
  const undone = k3sPki(['bootstrap', 'undo', '--data-dir', it.dir], { env });
  assert.is(undone.code, 0, undone.stderr);
  assert.equal(Object.keys(it.records()), [bootstrapKey(password)]);
  assert.is(passwdOf(it.dir), `${password},server,server,k3s:server\n${password},node,node,k3s:agent\n`);
});

test('a dry run writes nothing', async () => {
  const it = await cluster();
  const before = tree(it.dir);
  const { code, stdout } = rotate(it, '--dry-run', '--output', 'json');
  assert.is(code, 0);
  const report = JSON.parse(stdout);
  assert.equal([report.dryRun, report.newToken, report.nodePassword], [true, 'random', 'changes']);
  assert.equal(report.files, ['server/token', 'server/cred/passwd']);
  assert.match(rotate(it, '--dry-run').stdout, 'nothing is written');
  assert.equal(tree(it.dir), before);
});

for (const [what, text, message] of [
  ['nothing', '', 'token must not be empty'],
  ['a kubeadm token', 'abcdef.0123456789abcdef', 'the form of a kubeadm bootstrap token'],
  ['one inside', 'K10::server:abcdef.0123456789abcdef', 'the form of a kubeadm bootstrap token'],
  ['white space', 'pass word', 'holds white space'],
  ['a comma', 'pass,word', 'a comma'],
  ['a quotation mark', 'pass"word', 'a quotation mark'],
  ['umlauts', 'pässword', 'outside ASCII'],
  ['the same', password, 'is the one in use'],
  ['the same, in full', `K10::server:${password}`, 'is the one in use'],
  ['an agent token', `K10::node:${fresh}`, 'the user of the token is not server'],
  ['one colon', `K10${'ab'.repeat(32)}:server:${fresh}`, 'one colon after the CA hash'],
  ['K10 in front', `K10server:${fresh}`, 'the password begins with K10'],
  ['another cluster', `K10${'cd'.repeat(32)}::server:${fresh}`, 'the CA hash of another cluster'],
  ['a broken hash', `K10abc::server:${fresh}`, 'invalid token CA hash length'],
] as const) {
  test(`a new token that K3s would misread is refused, without a word of it: ${what}`, async () => {
    const it = await cluster();
    const file = join(folder(), 'new-token');
    writeFileSync(file, `${text}\n`);
    const before = tree(it.dir);
    const { code, stdout, stderr } = rotate(it, '--new-token-file', file);
    assert.is(code, 1);
    assert.is(stdout, '');
    assert.match(stderr.split('\n')[0] ?? '', message);
    assert.match(stderr, file);
    assert.match(stderr, 'hint: ');
    for (const secret of [fresh, password, 'word']) assert.not.ok(stderr.replaceAll('password', '').includes(secret));
    assert.equal(tree(it.dir), before);
  });
}

test('between rotate-ca and the restart: refused, --force or not', async () => {
  const it = await cluster();
  const file = join(it.dir, 'server/tls/client-ca.crt');
  writeFileSync(file, `${readFileSync(file, 'utf8')}\n`);
  const before = tree(it.dir);
  for (const more of [[], ['--force'], ['--dry-run']]) {
    const { code, stderr } = rotate(it, ...more);
    assert.is(code, 1);
    assert.match(stderr, /ClientCA\): a rotation of CAs waits for the restart/);
    assert.equal(tree(it.dir), before);
  }
});

test('wrong usage is said at once', () => {
  const { code, stderr } = k3sPki(
    [
      'token',
      'rotate',
      '--offline',
      '--server',
      'https://x',
      '--out',
      '-',
      '--token-file',
      '-',
      '--new-token-file',
      '-',
    ],
    { env },
  );
  assert.is(code, 2);
  assert.is(stderr.match(/error:/g)?.length, 3);
});

test('the place of --out is looked at first, in a dry run too', async () => {
  const it = await cluster();
  put(it.dir, { 'new-token': 'old\n' });
  const before = tree(it.dir);
  for (const [path, message] of [
    ['new-token', /new-token: exists already/],
    ['nowhere/new-token', /nowhere: there is no such folder/],
  ] as const) {
    for (const more of [[], ['--dry-run']]) {
      const { code, stderr } = rotate(it, '--out', join(it.dir, path), ...more);
      assert.is(code, 1);
      assert.match(stderr, message);
      assert.equal(tree(it.dir), before);
    }
  }
});

test('a configuration that holds the old token is named: the next start would stop over it', async () => {
  const it = await cluster();
  const own = join(folder(), 'config.yaml');
  writeFileSync(own, `https-listen-port: 1\ntoken: ${password}\n`);
  const { code, stderr } = rotate(it, '--config', own);
  assert.is(code, 0, stderr);
  assert.match(stderr, 'the configuration of the server still holds the old token');
  assert.not.ok(stderr.includes(password));
});

test('the old token from standard input, which can be read once', async () => {
  const it = await cluster();
  rmSync(join(it.dir, 'server/token'));
  const words = ['token', 'rotate', '--offline', '--data-dir', it.dir, '--token-file', '-'];
  const { code, stderr } = k3sPki(words, { env, input: `${password}\n` });
  assert.is(code, 0, stderr);
  assert.equal(Object.keys(it.records()), [bootstrapKey(tokenOf(it.dir).slice(-32))]);
});

test('nobody listens: a stopped server is for --offline', async () => {
  const it = await cluster();
  const token = join(folder(), 'token');
  writeFileSync(token, `K10${'ab'.repeat(32)}::server:${password}\n`);
  const words = ['token', 'rotate', '--data-dir', it.dir, '--token-file', token, '--server', 'https://127.0.0.1:1'];
  const { code, stderr } = k3sPki(words, { env });
  assert.is(code, 1);
  assert.match(stderr, 'nothing listens there');
  assert.match(stderr, '--offline');
});

test('a data dir without a password file: the record has it', async () => {
  const it = await cluster();
  rmSync(join(it.dir, 'server/cred/passwd'));
  const { code, stderr } = rotate(it);
  assert.is(code, 0, stderr);
  assert.not.ok(existsSync(join(it.dir, 'server/cred/passwd')));
  const made = tokenOf(it.dir).slice(-32);
  const now = parseBootstrapData(await unseal(it.records()[bootstrapKey(made)] ?? new Uint8Array(), made));
  assert.match(Buffer.from(now.files.get('PasswdFile')?.content ?? []).toString(), `${made},server,server,k3s:server`);
});

test.run();
