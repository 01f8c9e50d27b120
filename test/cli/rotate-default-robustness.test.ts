import { once } from 'node:events';
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { filesBelow, mayMount, onTmpfs, spin, staging } from './faults.ts';
import { folder, k3sPki, put, startK3sPki, tree } from './program.ts';

const command = 'rotate-default-ca-certs';
const password = 'c0ffee00c0ffee00c0ffee00c0ffee00';
const test = suite('rotate-default-robustness');

/** A server's data dir; the same with a staged set that is in use. */
const fresh = folder();
k3sPki(['generate-default-ca-certs', '--data-dir', fresh]);
put(fresh, { 'server/token': `K10${'ab'.repeat(32)}::server:${password}\n` });
const rotated = copyOf(fresh);
k3sPki([command, '--data-dir', rotated]);
cpSync(join(rotated, 'server/rotate-ca/tls'), join(rotated, 'server/tls'), { recursive: true });

for (const [label, from] of [
  ['the first set', fresh],
  ['a set over an earlier one', rotated],
] as const) {
  test(`kill -9 while it stages ${label}: all or nothing after the next run, and no key in use is touched`, async () => {
    const before = tree(from);
    let between = 0;
    for (let round = 0; round < 8; round++) {
      const dir = copyOf(from);
      const child = startK3sPki([command, '--data-dir', dir]);
      const exit = once(child, 'exit');
      if (round % 4 === 3) await Promise.race([exit, sleep(60 + round * 20)]);
      else await Promise.race([exit, staging(dir).then(() => spin(round * 2))]);
      child.kill('SIGKILL');
      await exit;
      const left = tree(dir);
      if (existsSync(join(dir, '.k3s-pki-stage/new'))) between += 1;
      for (const [path, entry] of Object.entries(before)) {
        if (!path.startsWith('server/rotate-ca')) assert.is(left[path], entry, `${path} after round ${round}`);
      }
      for (const { path, text, mode } of filesBelow(dir)) {
        const secret = text.includes('PRIVATE KEY') || text.includes(password);
        // The token was put there by the test, with a mode of its own.
        if (secret && path !== 'server/token') assert.is(mode & 0o077, 0, `${path} after round ${round}`);
      }
      const next = k3sPki([command, '--data-dir', dir, '--force', '--output', 'json']);
      assert.is(next.code, 0, `round ${round}: ${next.stderr}`);
      assert.is(JSON.parse(next.stdout).rotation.accepted, true);
      assert.ok(!existsSync(join(dir, '.k3s-pki-stage')), 'nothing is left behind');
      const names = (files: Record<string, string>) =>
        Object.keys(files).filter((path) => path.startsWith('server/rotate-ca'));
      assert.equal(names(tree(dir)), names(tree(rotated)));
      rmSync(dir, { recursive: true });
    }
    assert.ok(between > 0, 'no kill hit a run at work');
  });
}

test('Ctrl-C: exit 130, nothing written', async () => {
  const dir = copyOf(fresh);
  const before = tree(dir);
  const child = startK3sPki([command, '--data-dir', dir, '--root-key', 'rsa:8192']);
  const exit = once(child, 'exit');
  for (let tries = 0; tries < 1000 && !existsSync(join(dir, '.k3s-pki-stage')); tries++) await sleep(10);
  await sleep(100);
  child.kill('SIGINT');
  assert.is((await exit)[0], 130);
  assert.equal(tree(dir), before);
});

if (mayMount) {
  for (const kibibytes of [68, 96, 128, 160, 192]) {
    test(`disk full (${kibibytes} KiB): one error, nothing changed`, () => {
      onTmpfs(`size=${kibibytes}k`, (dir) => {
        cpSync(join(fresh, 'server'), join(dir, 'server'), { recursive: true });
        const before = tree(dir);
        assert.equal(readFileSync(join(dir, 'server/token')), readFileSync(join(fresh, 'server/token')));
        const run = k3sPki([command, '--data-dir', dir]);
        assert.is(run.code, 1, run.stdout);
        assert.match(run.stderr, /error: .*no space/);
        assert.is(run.stderr.match(/error:/g)?.length, 1, run.stderr);
        assert.equal(tree(dir), before);
      });
    });
  }
} else process.stdout.write('not run: cli/rotate-default-robustness tmpfs, not root on Linux\n');

test.run();

function copyOf(dir: string): string {
  const copy = folder();
  cpSync(join(dir, 'server'), join(copy, 'server'), { recursive: true });
  return copy;
}
