import { spawnSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { reachableByAll } from '@k3s-pki/testkit';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { agentDataDir, filesOf, issueLeaves, quiet, renewLeaves, serverDataDir } from './leaf-data-dir.ts';
import { blocks, environment, fastKeys, folder, k3sPki, program, put, tree } from './program.ts';

const test = suite('certificate-restore');
const isRoot = process.getuid?.() === 0;
const run = (verb: 'rotate' | 'restore', ...args: string[]) => k3sPki(['certificate', verb, ...args], { env: quiet });
const leaves = Object.values(filesOf).flat();
const read = (dir: string, path: string) => readFileSync(join(dir, path), 'utf8');

/** Rotates everything; the name of the backup. */
function rotated(dir: string, ...args: string[]): string {
  const { code, stdout, stderr } = run('rotate', '--data-dir', dir, '--output', 'json', ...args);
  assert.is(code, 0, stderr);
  return JSON.parse(stdout).backup.split('/').at(-1);
}

/** A tree without backups. */
function inPlace(dir: string): Record<string, string> {
  return Object.fromEntries(Object.entries(tree(dir)).filter(([path]) => !/^\w+\/tls-\d+/.test(path)));
}

function pick(files: Readonly<Record<string, string>>, paths: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(paths.map((path) => [path, files[path]]));
}

/** Every certificate in place belongs to the key beside it, judged by OpenSSL in Node. */
function assertPairs(dir: string): void {
  for (const path of leaves.filter((each) => each.endsWith('.crt'))) {
    const key = path.replace(/crt$/, 'key');
    const files = tree(dir);
    if (!(path in files) || !(key in files)) continue;
    const fits = new X509Certificate(read(dir, path)).checkPrivateKey(createPrivateKey(read(dir, key)));
    assert.ok(fits, `${path} has another key`);
  }
}

test('after a rotation everything is as before it, the marker gone', () => {
  for (const dir of [serverDataDir(), agentDataDir()]) {
    const before = tree(dir);
    const backup = rotated(dir);
    const { code, stdout, stderr } = run('restore', backup, '--data-dir', dir);
    assert.is(code, 0, stderr);
    assert.is(stderr, '');
    assert.equal(inPlace(dir), before);
    assert.match(stdout, `restored from ${dir}`);
    assert.match(stdout, 'systemctl start k3s');
    assert.not.match(stdout, 'PRIVATE KEY');
  }
});

test('after a start: the new leaves go to a backup of their own, the old ones come back, nothing else is touched', () => {
  const dir = serverDataDir();
  const before = tree(dir);
  const backup = rotated(dir);
  renewLeaves(dir);
  put(dir, { 'server/tls/dynamic-cert.json': 'another\n', 'server/tls/new.pem': 'later\n' });
  rmSync(join(dir, 'server/tls/dynamic-cert-regenerate'));
  const second = inPlace(dir);
  assert.not.equal(pick(second, leaves), pick(before, leaves));
  const { code, stdout, stderr } = run('restore', backup, '--data-dir', dir, '--output', 'json');
  assert.is(code, 0, stderr);
  const report = JSON.parse(stdout);
  assert.equal(pick(tree(dir), leaves), pick(before, leaves));
  const changed = [...leaves, 'server/tls/dynamic-cert.json'];
  const others = Object.keys(second).filter((path) => !changed.includes(path));
  assert.equal(pick(inPlace(dir), Object.keys(second)), { ...second, ...pick(before, changed) }, 'and nothing else');
  assert.ok(others.includes('server/tls/new.pem'));
  // The state between is whole in the other backup.
  const saved = report.backup.slice(dir.length + 1);
  for (const [path, entry] of Object.entries(second)) {
    if (!path.startsWith('server/tls/') && !leaves.includes(path)) continue;
    const copy = path.replace(/^server\/tls/, saved).replace(/^agent/, `${saved}/agent`);
    if (!path.startsWith('server/tls/dynamic')) assert.is(tree(dir)[copy], entry, path);
  }
  const back = run('restore', saved.split('/').at(-1), '--data-dir', dir);
  assert.is(back.code, 0, back.stderr);
  assert.equal(pick(inPlace(dir), leaves), pick(second, leaves), 'and back again');
  const fates = report.leaves.map(({ nextStart }: { nextStart: string }) => nextStart).sort();
  assert.equal(fates, [...Array(15).fill('kept'), ...Array(4).fill('requested')]);
});

test('the list: newest first, what K3s would keep, and how the CAs are', () => {
  const dir = serverDataDir();
  const text = run('restore', '--data-dir', dir);
  assert.is(text.code, 0, text.stderr);
  assert.is(text.stdout, `no backups in ${dir}/server or ${dir}/agent\n`);
  const backup = rotated(dir);
  cpSync(join(dir, 'server', backup), join(dir, 'server/tls-1000'), { recursive: true });
  renameSync(join(dir, 'server/tls-1000/server-ca.crt'), join(dir, 'server/tls-1000/client-ca.crt'));
  const { backups } = JSON.parse(run('restore', '--data-dir', dir, '--output', 'json').stdout);
  assert.equal(
    backups.map(({ name, of, leaves, kept, agentLeaves, cas }: Record<string, unknown>) => [
      name,
      of,
      leaves,
      kept,
      agentLeaves,
      cas,
    ]),
    [
      [backup, 'server', 15, 15, 4, 'same'],
      ['tls-1000', 'server', 15, 15, 4, 'differ'],
    ],
  );
  const list = run('restore', '--data-dir', dir).stdout;
  assert.match(list, /tls-1000\s+1970-01-01 00:16:40 UTC\s+server\s+15 of 15\s+4\s+differ/);
  for (const line of list.split('\n')) assert.ok(line.length <= 80 || line.includes(dir), line);
});

test('names of a backup: with and without tls-, a path from anywhere; one of two machines has to be told', () => {
  const dir = serverDataDir();
  const backup = rotated(dir, '-s', 'admin');
  for (const name of [backup, backup.slice(4), `server/${backup}`, join(dir, 'server', backup), `${backup}/`]) {
    const { code, stderr } = run('restore', name, '--data-dir', dir, '--dry-run');
    assert.is(code, 0, `${name}: ${stderr}`);
  }
  mkdirSync(join(dir, 'server/tls-5'));
  const latest = run('restore', 'latest', '--data-dir', dir, '--dry-run', '--output', 'json');
  assert.is(JSON.parse(latest.stdout).from, join(dir, 'server', backup));
  rmSync(join(dir, 'server/tls-5'), { recursive: true });
  const relative = k3sPki(['certificate', 'restore', `server/${backup}/`, '--data-dir', '.', '--dry-run'], {
    env: quiet,
    cwd: dir,
  });
  assert.is(relative.code, 0, relative.stderr);
  const before = tree(dir);
  const absent = run('restore', 'tls-7', '--data-dir', dir);
  assert.is(absent.code, 1);
  assert.match(absent.stderr, 'there is no backup "tls-7"');
  assert.match(absent.stderr, `there are ${backup}`);
  assert.equal(tree(dir), before);
  cpSync(join(dir, 'server', backup), join(dir, 'agent', backup), { recursive: true });
  const two = run('restore', backup, '--data-dir', dir);
  assert.is(two.code, 1);
  assert.match(two.stderr, `name one of server/${backup}, agent/${backup}`);
  assert.is(run('restore', `server/${backup}`, '--data-dir', dir).code, 0);
});

test("K3s's own backup: the agent's files come back to the agent, what they lie over stays as it is", () => {
  const dir = serverDataDir();
  const before = tree(dir);
  const backup = 'server/tls-1700000000';
  // As K3s does it: the folder, then the agent's files beside, new ones with mode 0644. Source: pkg/agent/util/file.go.
  cpSync(join(dir, 'server/tls'), join(dir, backup), { recursive: true });
  for (const path of leaves.filter((each) => each.startsWith('agent/'))) {
    const to = join(dir, backup, path.slice('agent/'.length));
    const mode = tree(dir)[`${backup}/${path.slice('agent/'.length)}`] === undefined ? 0o644 : undefined;
    cpSync(join(dir, path), to);
    if (mode !== undefined) chmodSync(to, mode);
  }
  for (const path of leaves) rmSync(join(dir, path));
  renewLeaves(dir);
  const second = inPlace(dir);
  const { code, stderr } = run('restore', 'tls-1700000000', '--data-dir', dir);
  assert.is(code, 0, stderr);
  const shared = leaves.filter((path) => {
    const name = path.replace('server/tls/', 'agent/');
    return path.startsWith('server/') && leaves.includes(name);
  });
  assert.is(shared.length, 6);
  for (const path of leaves) {
    assert.is(tree(dir)[path], (shared.includes(path) ? second : before)[path], path);
  }
  assert.match(stderr, /warning: .*K3s put the agent's files over the server's of the same name here, so 6 files stay/);
  assertPairs(dir);
});

test("an agent's backup by K3s: keys that all could read come back with mode 0600", () => {
  const dir = agentDataDir();
  const backup = rotated(dir);
  for (const name of readdirSync(join(dir, 'agent', backup))) chmodSync(join(dir, 'agent', backup, name), 0o644);
  const { code, stderr } = run('restore', backup, '--data-dir', dir);
  assert.is(code, 0, stderr);
  assert.match(stderr, 'warning: ');
  for (const path of leaves.filter((each) => each.startsWith('agent/') && each.endsWith('.key'))) {
    assert.match(tree(dir)[path] ?? '', /^0600 /);
  }
});

test('half a pair: the half in place that belongs to another one goes', () => {
  const dir = serverDataDir();
  const backup = rotated(dir, '-s', 'admin,api-server');
  renewLeaves(dir);
  rmSync(join(dir, 'server', backup, 'client-admin.crt'));
  rmSync(join(dir, 'server', backup, 'client-kube-apiserver.key'));
  const { code, stderr } = run('restore', backup, '--data-dir', dir, '-s', 'admin,api-server');
  assert.is(code, 0, stderr);
  assert.match(stderr, /warning: \S+client-admin\.key: the backup has this half alone; \S+client-admin\.crt goes/);
  assert.ok('server/tls/client-admin.key' in tree(dir));
  assert.not.ok('server/tls/client-admin.crt' in tree(dir));
  assert.not.ok('server/tls/client-kube-apiserver.key' in tree(dir));
  assertPairs(dir);
});

test('--service: the others stay', () => {
  const dir = serverDataDir();
  const before = tree(dir);
  const backup = rotated(dir);
  renewLeaves(dir);
  const second = inPlace(dir);
  const { code, stderr } = run('restore', backup, '--data-dir', dir, '-s', 'kubelet,etcd');
  assert.is(code, 0, stderr);
  const chosen = [...(filesOf.kubelet ?? []), ...(filesOf.etcd ?? [])];
  assert.equal(inPlace(dir), { ...second, ...pick(before, chosen) });
  assert.ok('server/tls/dynamic-cert-regenerate' in second, 'the marker is of k3s-server');
});

test('refused: a key that is not of its certificate, a broken file; --force takes the former', () => {
  const dir = serverDataDir();
  const backup = rotated(dir);
  const saved = join('server', backup);
  const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
  put(dir, { [`${saved}/client-admin.key`]: String(other.export({ type: 'sec1', format: 'pem' })) });
  const before = tree(dir);
  const mixed = run('restore', backup, '--data-dir', dir);
  assert.is(mixed.code, 1);
  assert.match(
    mixed.stderr,
    /error: \S+client-admin\.crt: \S+client-admin\.key is not its key, and K3s would not notice/,
  );
  assert.equal(tree(dir), before);
  assert.is(run('restore', backup, '--data-dir', dir, '--force', '--dry-run').code, 0);
  put(dir, { [`${saved}/etcd/client.crt`]: 'cut off\n', [`${saved}/client-admin.crt`]: '' });
  const broken = run('restore', backup, '--data-dir', dir, '--force');
  assert.is(broken.code, 1);
  assert.match(broken.stderr, /error: \S+etcd\/client\.crt: holds no certificate in PEM form/);
  assert.match(broken.stderr, /error: \S+client-admin\.crt: holds no certificate in PEM form/);
  assert.is(run('restore', backup, '--data-dir', dir, '-s', 'kubelet').code, 0, 'another service');
});

test('refused: a leaf that its CA did not sign, which K3s would keep', () => {
  const dir = serverDataDir();
  const backup = rotated(dir);
  const path = join('server', backup, 'client-admin.crt');
  const [leaf = '', ...bundle] = blocks(read(dir, path));
  const der = Buffer.from(new X509Certificate(leaf).raw);
  // The last octet is of the signature's second number.
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  put(dir, { [path]: new X509Certificate(der).toString() + bundle.join('') });
  const before = tree(dir);
  const { code, stderr } = run('restore', backup, '--data-dir', dir);
  assert.is(code, 1, stderr);
  assert.match(stderr, /error: \S+client-admin\.crt: \S+client-ca\.crt did not sign it, and K3s would not notice/);
  assert.equal(tree(dir), before);
});

test('CAs that differ from those in use: refused with the reason; --force replaces them and warns', () => {
  const dir = serverDataDir();
  const before = tree(dir);
  const backup = rotated(dir);
  for (const name of readdirSync(join(dir, 'server/tls'))) {
    if (/^(root|intermediate)-ca/.test(name)) rmSync(join(dir, 'server/tls', name));
  }
  const made = k3sPki(['generate-custom-ca-certs', '--data-dir', dir, '--force', ...fastKeys]);
  assert.is(made.code, 0, made.stderr);
  renewLeaves(dir);
  const second = tree(dir);
  const { code, stdout, stderr } = run('restore', backup, '--data-dir', dir, '--output', 'json');
  assert.is(code, 1);
  assert.is(JSON.parse(stdout).problems.filter((each: { code: string }) => each.code === 'ca-differs').length, 10);
  assert.match(stderr, 'the datastore wins over the disk');
  assert.match(stderr, 'certificate rotate-ca');
  assert.equal(tree(dir), second);
  const { backups } = JSON.parse(run('restore', '--data-dir', dir, '--output', 'json').stdout);
  assert.equal([backups[0].kept, backups[0].leaves, backups[0].cas], [0, 15, 'differ']);
  const forced = run('restore', backup, '--data-dir', dir, '--force');
  assert.is(forced.code, 0, forced.stderr);
  assert.match(forced.stderr, 'newer than datastore and could cause a cluster outage');
  const cas = Object.keys(before).filter((path) =>
    /^server\/tls\/(client|server|request-header|etcd\/server|etcd\/peer)-ca\.(crt|key)$/.test(path),
  );
  assert.is(cas.length, 10);
  assert.equal(pick(tree(dir), [...leaves, ...cas]), pick(before, [...leaves, ...cas]));
  assert.is(tree(dir)['server/tls/service.key'], second['server/tls/service.key'], 'holds the old key too');
});

test('what is missing comes back: a tls folder that was removed, CAs and service.key with it', () => {
  const dir = serverDataDir();
  const before = tree(dir);
  const backup = rotated(dir);
  rmSync(join(dir, 'server/tls'), { recursive: true });
  const { code, stderr } = run('restore', backup, '--data-dir', dir);
  assert.is(code, 0, stderr);
  assert.is(stderr.match(/warning: .* comes back from .*newer than datastore/g)?.length, 11, stderr);
  const back = Object.keys(before).filter(
    (path) =>
      leaves.includes(path) ||
      /^server\/tls\/(service\.key|dynamic-cert\.json|etcd|kube-scheduler|kube-controller-manager|(client|server|request-header|etcd\/server|etcd\/peer)-ca\.(crt|key))$/.test(
        path,
      ),
  );
  assert.equal(pick(inPlace(dir), back), pick(before, back));

  // A server without an agent, and so without a folder of one.
  rmSync(join(dir, 'server/tls'), { recursive: true });
  rmSync(join(dir, 'agent'), { recursive: true });
  const alone = run('restore', backup, '--data-dir', dir, '-s', 'admin,etcd');
  assert.is(alone.code, 0, alone.stderr);
  const some = [...(filesOf.admin ?? []), ...(filesOf.etcd ?? []), 'server/tls/client-ca.key'];
  assert.equal(pick(inPlace(dir), some), pick(before, some));
  assert.not.ok('agent' in tree(dir));
});

test('service.key is never replaced', () => {
  const dir = serverDataDir();
  const backup = rotated(dir);
  const added = k3sPki(['key', 'generate', '--type', 'rsa:2048', '--out', join(folder(), 'keys')]);
  assert.is(added.code, 0, added.stderr);
  put(dir, {
    'server/tls/service.key': `${read(dir, 'server/tls/service.key')}${read(dir, 'server/tls/service.key')}`,
  });
  const entry = tree(dir)['server/tls/service.key'];
  assert.is(run('restore', backup, '--data-dir', dir).code, 0);
  assert.is(tree(dir)['server/tls/service.key'], entry);
});

test('leaves that K3s will make anew are named', () => {
  const dir = serverDataDir();
  issueLeaves(dir, '--days', '30');
  const backup = rotated(dir);
  const { code, stdout, stderr } = run('restore', backup, '--data-dir', dir, '--output', 'json');
  assert.is(code, 0, stderr);
  assert.match(stderr, /warning: \S+: 15 leaves within the renewal window, so K3s makes them anew at its next start: /);
  const { leaves: fates } = JSON.parse(stdout);
  assert.is(fates.filter(({ nextStart }: { nextStart: string }) => nextStart === 'within-window').length, 15);
});

test('nothing to do: said, and nothing written; --dry-run: named, and nothing written', () => {
  const dir = serverDataDir();
  const backup = rotated(dir, '-s', 'admin');
  const before = tree(dir);
  const shown = run('restore', backup, '--data-dir', dir, '--dry-run');
  assert.is(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, 'server/tls/client-admin.crt');
  assert.equal(tree(dir), before);
  assert.is(run('restore', backup, '--data-dir', dir).code, 0);
  const after = tree(dir);
  const again = run('restore', backup, '--data-dir', dir);
  assert.is(again.code, 0, again.stderr);
  assert.match(again.stdout, 'every file of the backup stands in place already');
  assert.equal(tree(dir), after);
});

test('refused: a folder that is no data dir, unknown services, a backup without them', () => {
  const dir = folder();
  assert.match(run('restore', '--data-dir', dir).stderr, 'there is neither server nor agent in it');
  assert.match(run('restore', 'tls-1', '--data-dir', dir).stderr, 'there is neither server nor agent in it');
  assert.equal(tree(dir), {});
  const server = serverDataDir();
  const backup = rotated(server, '-s', 'admin');
  const before = tree(server);
  const unknown = run('restore', backup, '--data-dir', server, '-s', 'admni');
  assert.is(unknown.code, 2);
  assert.match(unknown.stderr, 'service admni is not recognized');
  assert.match(unknown.stderr, 'did you mean admin?');
  mkdirSync(join(server, 'server/tls-5'));
  const empty = run('restore', 'tls-5', '--data-dir', server, '-s', 'kubelet');
  assert.is(empty.code, 1);
  assert.match(empty.stderr, 'it has no file of kubelet');
  rmSync(join(server, 'server/tls-5'), { recursive: true });
  assert.equal(tree(server), before);
});

if (isRoot) {
  test('a folder that the user may not read is no folder without backups', () => {
    const dir = serverDataDir();
    rotated(dir);
    chmodSync(dir, 0o755);
    chmodSync(join(dir, 'server'), 0o700);
    const nobody = { uid: 65_534, gid: 65_534, cwd: '/', encoding: 'utf8', env: environment(quiet) } as const;
    const [node = '', bin = ''] = [process.execPath, program()].map(reachableByAll);
    const { status, stderr } = spawnSync(node, [bin, 'certificate', 'restore', '--data-dir', dir], nobody);
    assert.is(status, 1, stderr);
    assert.match(stderr, /error: \S+server: no permission to read it/);
  });

  test('owners: of the file in place, else of the copy', () => {
    const dir = serverDataDir();
    for (const path of leaves) chownSync(join(dir, path), 1234, 4321);
    const backup = rotated(dir);
    assert.is(run('restore', backup, '--data-dir', dir).code, 0);
    for (const path of leaves) {
      const { uid, gid } = lstatSync(join(dir, path));
      assert.equal([uid, gid], [1234, 4321], path);
    }
  });
} else process.stdout.write('not run: cli/certificate-restore owners, not root\n');

test.run();
