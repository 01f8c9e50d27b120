import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { agentDataDir, filesOf, quiet, serverDataDir } from './leaf-data-dir.ts';
import { folder, k3sPki, put, startK3sPki, tree } from './program.ts';

const test = suite('certificate-rotate');
const isRoot = process.getuid?.() === 0;
const run = (...args: string[]) => k3sPki(['certificate', 'rotate', ...args], { env: quiet });
const backupIn = (dir: string, parent = 'server') =>
  Object.keys(tree(dir)).find((path) => /^\w+\/tls-\d+$/.test(path) && path.startsWith(parent)) ?? 'none';

/** The entries below a folder, by path from it. */
function below(files: Readonly<Record<string, string>>, folder: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).flatMap(([path, entry]) =>
      path.startsWith(`${folder}/`) ? [[path.slice(folder.length + 1), entry]] : [],
    ),
  );
}

test('a server: every leaf goes, the backup holds server/tls and the agent files, nothing else is touched', () => {
  const dir = serverDataDir();
  const before = tree(dir);
  const { code, stdout, stderr } = run('--data-dir', dir);
  assert.is(code, 0, stderr);
  assert.is(stderr, '');
  const backup = backupIn(dir);
  const after = tree(dir);
  const leaves = Object.values(filesOf).flat();
  for (const path of leaves) assert.ok(path in before, path);
  // In place: what was there, without the leaves, and the marker.
  const inPlace = Object.fromEntries(Object.entries(after).filter(([path]) => !path.startsWith(backup)));
  const expected = Object.fromEntries(Object.entries(before).filter(([path]) => !leaves.includes(path)));
  const marker = inPlace['server/tls/dynamic-cert-regenerate'];
  assert.match(marker ?? '', /^0600 e3b0c44298fc1c14/);
  delete inPlace['server/tls/dynamic-cert-regenerate'];
  assert.equal(inPlace, expected);
  // The backup: server/tls as it was, and a folder with the agent's files.
  const { agent, ...saved } = below(after, backup);
  assert.is(agent, '0700 /');
  const agentFiles = leaves.filter((path) => path.startsWith('agent/'));
  assert.equal(
    saved,
    Object.fromEntries([
      ...Object.entries(below(before, 'server/tls')),
      ...agentFiles.map((path) => [path, before[path]]),
    ]),
  );
  assert.is(after[backup], before['server/tls'], "the folder's mode");
  // K3s's lines, word for word.
  for (const line of [
    'Server detected, rotating agent and server certificates',
    'Rotating dynamic listener certificate',
    ...Object.keys(filesOf)
      .filter((service) => service !== 'k3s-server')
      .map((service) => `Rotating certificates for ${service}`),
    `Successfully backed up certificates to ${join(dir, backup)}, please restart k3s server or agent to rotate certificates`,
  ]) {
    assert.ok(stdout.includes(line), line);
  }
  assert.not.match(stdout, /PRIVATE KEY/);
});

for (const [service, files] of Object.entries(filesOf)) {
  test(`--service ${service}: its files and no other`, () => {
    const dir = serverDataDir();
    const before = tree(dir);
    const { code, stdout, stderr } = run('--data-dir', dir, '--service', service, '--output', 'json');
    assert.is(code, 0, stderr);
    const report = JSON.parse(stdout);
    const backup = backupIn(dir);
    const gone = Object.keys(before).filter((path) => !(path in tree(dir)));
    assert.equal(gone.sort(), [...files].sort());
    const added = Object.keys(tree(dir)).filter((path) => !(path in before) && !path.startsWith(backup));
    assert.equal(added, service === 'k3s-server' ? ['server/tls/dynamic-cert-regenerate'] : []);
    assert.equal(report.services, [{ name: service, removed: files.map((path) => join(dir, path)) }]);
    assert.is(report.backup, join(dir, backup));
    for (const path of files) {
      const saved = path.replace(/^server\/tls/, backup).replace(/^agent/, `${backup}/agent`);
      assert.is(tree(dir)[saved], before[path], path);
    }
  });
}

test('an agent: its files go to agent/tls-<seconds>; no marker', () => {
  const dir = agentDataDir();
  const before = tree(dir);
  const { code, stdout, stderr } = run('--data-dir', dir);
  assert.is(code, 0, stderr);
  assert.match(stdout, 'Agent detected, rotating agent certificates');
  assert.not.match(stdout, 'dynamic listener');
  assert.match(stdout, 'systemctl start k3s-agent');
  const backup = backupIn(dir, 'agent');
  const leaves = Object.values(filesOf)
    .flat()
    .filter((path) => path.startsWith('agent/'));
  assert.equal(
    below(tree(dir), backup),
    Object.fromEntries(leaves.map((path) => [path.slice('agent/'.length), before[path]])),
  );
  assert.equal(
    Object.keys(before).filter((path) => !(path in tree(dir))),
    leaves.sort(),
  );
});

test('services repeated and with commas; rke2 has its own names', () => {
  const dir = serverDataDir();
  const { code, stderr } = run('--data-dir', dir, '-s', 'admin,kubelet', '--service', 'etcd');
  assert.is(code, 0, stderr);
  const gone = [...(filesOf.admin ?? []), ...(filesOf.kubelet ?? []), ...(filesOf.etcd ?? [])];
  for (const path of Object.values(filesOf).flat()) assert.is(path in tree(dir), !gone.includes(path), path);

  const rke2 = serverDataDir();
  put(rke2, { 'server/tls/client-rke2-controller.key': 'rke2\n', 'agent/client-rke2-controller.key': 'rke2\n' });
  const other = run('--data-dir', rke2, '--product', 'rke2', '-s', 'rke2-controller');
  assert.is(other.code, 0, other.stderr);
  assert.not.ok('agent/client-rke2-controller.key' in tree(rke2));
  assert.ok('agent/client-k3s-controller.key' in tree(rke2));
  assert.match(other.stdout, 'please restart rke2 server or agent');
  assert.match(other.stdout, 'systemctl start rke2-server');
  assert.is(run('--data-dir', rke2, '--product', 'rke2', '-s', 'k3s-controller').code, 2);
});

test('a second rotation in the same second gets a backup of its own; one with nothing left writes nothing', () => {
  const dir = serverDataDir();
  assert.is(run('--data-dir', dir, '-s', 'admin').code, 0);
  const now = Math.floor(Date.now() / 1000);
  for (let seconds = now - 5; seconds < now + 60; seconds++) {
    mkdirSync(join(dir, `server/tls-${seconds}`), { recursive: true });
  }
  const names = new Set(Object.keys(tree(dir)));
  assert.is(run('--data-dir', dir).code, 0);
  const made = Object.keys(tree(dir)).filter((path) => !names.has(path) && /^server\/tls-\d+$/.test(path));
  assert.equal(made.length, 1, made.join());
  const before = tree(dir);
  const again = run('--data-dir', dir);
  assert.is(again.code, 0);
  assert.match(again.stderr, 'nothing to rotate');
  assert.equal(tree(dir), before);
});

test('--dry-run names every file, as text and as JSON, and writes nothing', () => {
  const dir = serverDataDir();
  const before = tree(dir);
  const shown = run('--data-dir', dir, '--dry-run');
  assert.is(shown.code, 0, shown.stderr);
  for (const path of Object.values(filesOf).flat()) assert.ok(shown.stdout.includes(`  ${path}\n`), path);
  const { dryRun, services, backedUp } = JSON.parse(run('--data-dir', dir, '--dry-run', '--output', 'json').stdout);
  assert.is(dryRun, true);
  assert.is(services.length, 12);
  assert.ok(backedUp.length > 60);
  assert.equal(tree(dir), before);
});

for (const [label, args, code, errors] of [
  [
    'unknown services, all of them, with the nearest',
    ['--service', 'kubelt,foo'],
    2,
    ['error: service kubelt is not recognized', 'did you mean kubelet?', 'error: service foo is not recognized'],
  ],
  ['the CAs', ['--service', 'certificate-authority'], 2, ['is not recognized', 'certificate rotate-ca']],
  ['an empty list', ['--service', ''], 2, ['error: service  is not recognized', 'known services: api-server']],
  ['an option without value', ['--service'], 2, ['option --service needs a value']],
  ['another output', ['--output', 'xml'], 2, ['invalid value for --output']],
] as const) {
  test(`refused: ${label}`, () => {
    const dir = serverDataDir();
    const before = tree(dir);
    const result = run('--data-dir', dir, ...args);
    assert.is(result.code, code, result.stderr);
    for (const error of errors) assert.ok(result.stderr.includes(error), result.stderr);
    assert.is(result.stdout, '');
    assert.equal(tree(dir), before);
  });
}

test("refused: a folder that is no data dir; an agent asked for a server's service", () => {
  const dir = folder();
  for (const path of [dir, join(dir, 'absent')]) {
    const { code, stderr } = run('--data-dir', path);
    assert.is(code, 1);
    assert.match(stderr, `error: ${path}: there is neither server nor agent in it`);
  }
  assert.equal(tree(dir), {});
  const agent = agentDataDir();
  const before = tree(agent);
  const { code, stderr } = run('--data-dir', agent, '-s', 'admin,kubelet');
  assert.is(code, 1);
  assert.match(stderr, 'error: service admin belongs to servers');
  assert.equal(tree(agent), before);
});

test('refused: CAs that could not sign new leaves; --force goes on, as K3s would', () => {
  const dir = serverDataDir();
  put(dir, { 'server/tls/client-ca.key': 'no key\n' });
  chmodSync(join(dir, 'server/tls/client-admin.key'), 0o640);
  rmSync(join(dir, 'server/tls/etcd/peer-ca.key'));
  const before = tree(dir);
  const { code, stderr, stdout } = run('--data-dir', dir, '--output', 'json');
  assert.is(code, 1);
  assert.match(stderr, `error: ${join(dir, 'server/tls/client-ca.key')}: holds no private key in PEM form`);
  assert.match(stderr, 'would not start with new leaves');
  assert.equal(
    JSON.parse(stdout).problems.map((problem: { code: string }) => problem.code),
    ['cas-unfit', 'cas-unfit', 'loose-mode'],
  );
  assert.equal(tree(dir), before);
  const forced = run('--data-dir', dir, '--force');
  assert.is(forced.code, 0, forced.stderr);
  assert.match(forced.stderr, 'warning: ');
  assert.not.ok('server/tls/client-admin.crt' in tree(dir));
});

for (const [label, makeDir, option, makeServer, words] of [
  ['a program', serverDataDir, 'https-listen-port', closing, 'a program listens on'],
  ['a supervisor', serverDataDir, 'supervisor-port', answering, 'K3s answers on'],
  ["an agent's load balancer", agentDataDir, 'lb-server-port', answering, 'K3s answers on'],
] as const) {
  test(`refused: ${label} on the port; --force goes on`, async () => {
    const dir = makeDir();
    const before = tree(dir);
    const listener = makeServer(dir);
    await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done));
    const address = listener.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const config = join(folder(), 'config.yaml');
    const drops = `${config}.d`;
    mkdirSync(drops);
    writeFileSync(config, `${option}: 9\ntoken: secret-of-the-cluster\n`);
    writeFileSync(join(drops, '10-port.yaml'), `${option}: ${port}\n`);
    try {
      // Not spawnSync: the listener lives in this process.
      const refused = await ended(['--data-dir', dir], { K3S_CONFIG_FILE: config });
      assert.is(refused.code, 1, refused.stdout);
      assert.match(refused.stderr, `${words} 127.0.0.1:${port}`);
      assert.match(refused.stderr, 'hint: stop it first: systemctl stop k3s');
      assert.not.match(refused.stderr, 'secret');
      assert.equal(tree(dir), before);
      const forced = await ended(['--data-dir', dir, '--force'], { K3S_CONFIG_FILE: config });
      assert.is(forced.code, 0, forced.stderr);
      assert.match(forced.stderr, 'warning: ');
    } finally {
      listener.close();
    }
  });
}

if (process.platform === 'linux') {
  test('refused: a server whose data dir it is, by its arguments, an open file or its folder', async () => {
    const dir = serverDataDir();
    const before = tree(dir);
    const title = '/usr/local/bin/k3s server';
    for (const [label, start] of [
      ['named', () => titled(`k3s server --token secret --data-dir ${dir}`)],
      ['an open file', () => titled(title, { stdio: [openSync(join(dir, 'server/token'), 'r'), 'ignore', 'ignore'] })],
      ['its folder', () => titled(title, { cwd: join(dir, 'server') })],
    ] as const) {
      const server = start();
      try {
        await started(server);
        const { code, stderr } = run('--data-dir', dir);
        assert.is(code, 1, label);
        assert.match(stderr, new RegExp(`process ${server.pid} \\(\\S*k3s server\\) uses this data dir`), label);
        assert.not.match(stderr, 'secret');
        assert.equal(tree(dir), before);
      } finally {
        server.kill('SIGKILL');
      }
    }
    // Neither another program in the folder nor a server of another data dir is in the way.
    const others = [titled('sleep', { cwd: dir }), titled(`k3s server --data-dir ${folder()}`)];
    try {
      await Promise.all(others.map(started));
      const { code, stderr } = run('--data-dir', dir);
      assert.is(code, 0, stderr);
    } finally {
      for (const other of others) other.kill('SIGKILL');
    }
  });
} else process.stdout.write('not run: cli/certificate-rotate processes, no /proc\n');

test('loose modes: the copy of a key is private, and it is said; a link is copied as a file', () => {
  const dir = serverDataDir();
  chmodSync(join(dir, 'server/tls/client-admin.key'), 0o644);
  const outside = join(folder(), 'server-ca.crt');
  renameSync(join(dir, 'server/tls/server-ca.crt'), outside);
  symlinkSync(outside, join(dir, 'server/tls/server-ca.crt'));
  symlinkSync('/nowhere', join(dir, 'server/tls/dangling'));
  const { code, stderr } = run('--data-dir', dir, '-s', 'admin');
  assert.is(code, 0, stderr);
  assert.match(stderr, /warning: \S+client-admin\.key: a private key that others may read \(mode 0644\)/);
  assert.match(stderr, /warning: \S+dangling: not a regular file, so not in the backup/);
  const saved = below(tree(dir), backupIn(dir));
  assert.match(saved['client-admin.key'] ?? '', /^0600 /);
  assert.match(saved['server-ca.crt'] ?? '', /^0640 /);
  assert.is(tree(dir)['server/tls/server-ca.crt'], `-> ${outside}`);
});

if (isRoot) {
  test('owners are kept in the backup', () => {
    const dir = serverDataDir();
    for (const path of ['server/tls', 'server/tls/etcd', 'server/tls/client-admin.key', 'agent/client-kubelet.crt']) {
      chownSync(join(dir, path), 1234, 4321);
    }
    assert.is(run('--data-dir', dir).code, 0);
    const backup = backupIn(dir);
    for (const path of ['', 'etcd', 'client-admin.key', 'agent/client-kubelet.crt', 'dynamic-cert.json']) {
      const { uid, gid } = lstatSync(join(dir, backup, path));
      assert.equal([uid, gid], path === 'dynamic-cert.json' ? [0, 0] : [1234, 4321], path);
    }
    const marker = lstatSync(join(dir, 'server/tls/dynamic-cert-regenerate'));
    assert.equal([marker.uid, marker.gid], [1234, 4321], "the folder's owner has to remove it");
  });
} else process.stdout.write('not run: cli/certificate-rotate owners, not root\n');

test.run();

/** Hangs up on everybody. */
function closing(): Server {
  return createServer((socket) => socket.destroy());
}

/** What K3s's supervisor says to everybody. Source: K3s `pkg/server/handlers/router.go`. */
function answering(dir: string): Server {
  const pair = (end: string) => readFileSync(join(dir, `agent/serving-kubelet.${end}`));
  return createHttpsServer({ cert: pair('crt'), key: pair('key') }, (request, response) => {
    response.writeHead(request.url === '/ping' ? 200 : 404).end(request.url === '/ping' ? 'pong' : '');
  });
}

/** A process that `ps` shows under a title, as K3s sets its own. */
function titled(title: string, options: SpawnOptions = {}): ChildProcess {
  return spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], { argv0: title, stdio: 'ignore', ...options });
}

function started(child: ChildProcess): Promise<unknown> {
  return once(child, 'spawn');
}

async function ended(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = startK3sPki(['certificate', 'rotate', ...args], { env });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout as NodeJS.ReadableStream),
    text(child.stderr as NodeJS.ReadableStream),
    once(child, 'exit'),
  ]);
  return { code, stdout, stderr };
}
