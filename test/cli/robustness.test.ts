import { type ChildProcess, spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fastKeys, folder, k3sPki, program, startK3sPki, tree } from './program.ts';

const command = 'generate-custom-ca-certs';
const test = suite('robustness');
const isRoot = process.getuid?.() === 0;

const earlier = folder();
k3sPki([command, '--data-dir', earlier, ...fastKeys]);

test('kill -9 at any moment: the old set, the new set, or one of them after the next run; no key is lost', async () => {
  const ended = new Set<string>();
  for (let round = 0; round < 16; round++) {
    const dir = folder();
    cpSync(join(earlier, 'server'), join(dir, 'server'), { recursive: true });
    const oldKeys = keys(dir);
    const child = startK3sPki([command, '--data-dir', dir]);
    // Spread over the whole run, densest near its end, where the files are put in place.
    const exit = exited(child);
    if (round % 2 === 0) await sleep(60 + round * 25);
    else await Promise.race([exit, appears(join(dir, 'server'), /\.k3s-pki/, round)]);
    child.kill('SIGKILL');
    ended.add(String(await exit));
    const between = keys(dir);
    for (const [path, key] of oldKeys) {
      if (between.get(path) !== key)
        assert.ok(everywhere(dir).includes(key) || isWholeNewSet(oldKeys, between), `${path} was lost`);
    }
    const run = k3sPki([command, '--data-dir', dir, '--output', 'json']);
    assert.is(run.code, 0, run.stderr);
    assert.is(JSON.parse(run.stdout).firstStart.accepted, true);
    assert.equal(Object.keys(tree(dir)), Object.keys(tree(earlier)), 'nothing is left behind');
  }
  assert.ok(ended.has('SIGKILL'), [...ended].join());
});

test('Ctrl-C during the search for keys: exit 130, nothing written', async () => {
  const dir = folder();
  const child = startK3sPki([command, '--data-dir', join(dir, 'k3s'), '--root-key', 'rsa:8192']);
  let stderr = '';
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const exit = exited(child);
  // The lock's folder: from here on the program answers to signals itself.
  for (let tries = 0; tries < 1000 && Object.keys(tree(dir)).length === 0; tries++) await sleep(10);
  await sleep(100);
  child.kill('SIGINT');
  assert.is(await exit, 130);
  assert.match(stderr, /error: interrupted, nothing was changed/);
  assert.equal(tree(dir), {});
});

test('two runs at once: the second is refused and changes nothing', async () => {
  const dir = folder();
  const first = startK3sPki([command, '--data-dir', dir, '--root-key', 'rsa:8192']);
  const exit = exited(first);
  try {
    let second = k3sPki([command, '--data-dir', dir, ...fastKeys, '--dry-run']);
    for (let tries = 0; tries < 50; tries++) {
      if (Object.keys(tree(dir)).length > 0) break;
      await sleep(20);
    }
    second = k3sPki([command, '--data-dir', dir, ...fastKeys]);
    assert.is(second.code, 1, second.stdout);
    assert.match(second.stderr, new RegExp(`another run|process ${first.pid}`));
    assert.equal(
      Object.keys(tree(dir)).filter((path) => !path.startsWith('.k3s-pki-stage')),
      [],
    );
  } finally {
    first.kill('SIGINT');
    await exit;
  }
  assert.equal(tree(dir), {});
});

if (isRoot && process.platform === 'linux') {
  for (const pages of [4, 8, 12, 16, 20]) {
    test(`disk full (${pages * 4} KiB): one error, nothing changed`, () => {
      const dir = folder();
      mount(dir, `size=${pages * 4}k`);
      try {
        const before = tree(dir);
        const run = k3sPki([command, '--data-dir', dir, ...fastKeys]);
        assert.is(run.code, 1, run.stdout);
        assert.match(run.stderr, /error: .*no space/);
        assert.is(run.stderr.match(/error:/g)?.length, 1, run.stderr);
        assert.equal(tree(dir), before);
      } finally {
        spawnSync('umount', [dir]);
      }
    });
  }

  test('read-only target: one error, nothing changed', () => {
    const dir = folder();
    mount(dir, 'size=1m');
    try {
      cpSync(join(earlier, 'server'), join(dir, 'server'), { recursive: true });
      const before = tree(dir);
      spawnSync('mount', ['-o', 'remount,ro', dir]);
      const run = k3sPki([command, '--data-dir', dir, ...fastKeys]);
      assert.is(run.code, 1, run.stdout);
      assert.match(run.stderr, /error: .*read-only/);
      assert.equal(tree(dir), before);
    } finally {
      spawnSync('umount', [dir]);
    }
  });
} else process.stdout.write('not run: cli/tmpfs, not root on Linux\n');

const lacking = ['expect', 'openssl'].filter((program) => spawnSync(program, ['version']).error !== undefined);
if (lacking.length === 0) {
  test('a passphrase asked on a terminal does not show', () => {
    const dir = folder();
    cpSync(join(earlier, 'server/tls/root-ca.pem'), join(dir, 'server/tls/root-ca.pem'));
    const closed = spawnSync('openssl', [
      'pkcs8',
      '-topk8',
      '-v2',
      'aes-256-cbc',
      '-passout',
      'pass:hush hush',
      '-in',
      join(earlier, 'server/tls/root-ca.key'),
      '-out',
      join(dir, 'server/tls/root-ca.key'),
    ]);
    assert.is(closed.status, 0);
    const script = `set timeout 30
spawn -noecho ${process.execPath} ${program()} ${command} --data-dir ${dir} --intermediate-key ec:p256
expect "Passphrase for*root-ca.key"
send "hush hush\\r"
expect eof
lassign [wait] pid spawn os code
exit $code`;
    const run = spawnSync('expect', ['-c', script], { encoding: 'utf8' });
    assert.is(run.status, 0, run.stdout);
    assert.not.match(run.stdout, 'hush');
    assert.ok(existsSync(join(dir, 'server/tls/server-ca.crt')));
  });
} else process.stdout.write(`not run: cli/passphrase prompt, no ${lacking.join(', no ')}\n`);

test.run();

function mount(dir: string, options: string): void {
  assert.is(spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir]).status, 0);
}

/** The exit code, or the signal's name. */
function exited(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
}

/** Resolves `later` turns of a millisecond after an entry of that name appears in a folder. */
async function appears(dir: string, name: RegExp, later: number): Promise<void> {
  for (let tries = 0; tries < 4000; tries++) {
    if (Object.keys(tree(dir)).some((path) => name.test(path) && /new\/|journal/.test(path))) break;
    await sleep(1);
  }
  await sleep(later / 3);
}

/** The key files in place, by path. */
function keys(dir: string): Map<string, string> {
  const paths = Object.keys(tree(dir)).filter((path) => /^server\/tls\/(etcd\/)?[\w-]+\.key$/.test(path));
  return new Map(paths.map((path) => [path, readFileSync(join(dir, path), 'utf8')]));
}

function everywhere(dir: string): string {
  return Object.keys(tree(dir))
    .filter((path) => statSync(join(dir, path)).isFile())
    .map((path) => readFileSync(join(dir, path), 'latin1'))
    .join('\n');
}

/** Whether every CA key differs from the old one: the commit was complete. service.key keeps the old key inside. */
function isWholeNewSet(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): boolean {
  return [...before].every(([path, key]) => {
    if (/(root|intermediate)-ca\.key$/.test(path)) return after.get(path) === key;
    return path.endsWith('service.key') ? after.get(path)?.includes(key) : after.has(path) && after.get(path) !== key;
  });
}
