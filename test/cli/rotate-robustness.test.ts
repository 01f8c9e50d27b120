import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { filesBelow, spin, staging } from './faults.ts';
import { filesOf, issueLeaves, quiet, serverDataDir } from './leaf-data-dir.ts';
import { folder, k3sPki, startK3sPki, tree } from './program.ts';

const test = suite('rotate-robustness');
const leaves = Object.values(filesOf).flat();
const certificate = (...args: string[]) => k3sPki(['certificate', ...args], { env: quiet });

/** A server before a rotation. */
const fresh = serverDataDir();
const beforeRotation = tree(fresh);

/** The same after a rotation and a start, with the name of the backup; a restore of it has work with every leaf. */
const renewed = serverDataDir();
assert.is(certificate('rotate', '--data-dir', renewed).code, 0);
const backup = readdirSync(join(renewed, 'server')).find((name) => name.startsWith('tls-')) ?? '';
issueLeaves(renewed);
const beforeRestore = tree(renewed);

const jobs = [
  { verb: 'rotate', args: ['rotate'], from: fresh, before: beforeRotation, backups: 1 },
  { verb: 'restore', args: ['restore', backup], from: renewed, before: beforeRestore, backups: 2 },
] as const;

for (const { verb, args, from, before, backups } of jobs) {
  test(`kill -9 of ${verb}: the old set, the new set, or one of them after the next run; no key is lost`, async () => {
    const keys = keysIn(from);
    const ended = new Map<string, number>();
    const wanted = afterUndisturbed(args, from);
    for (let round = 0; round < 16; round++) {
      const dir = copyOf(from);
      const child = startK3sPki(['certificate', ...args, '--data-dir', dir], { env: quiet });
      const exit = once(child, 'exit');
      // Over the whole run, over the staging of the files, and over their way into place.
      if (round % 4 === 3) await Promise.race([exit, sleep(50 + round * 15)]);
      else if (round % 4 === 0) await Promise.race([exit, staging(dir).then(() => spin(round * 3))]);
      else await Promise.race([exit, committing(dir).then(() => spin(round / 2))]);
      child.kill('SIGKILL');
      await exit;
      const state = stateOf(dir, before, wanted);
      ended.set(state, (ended.get(state) ?? 0) + 1);
      const now = filesBelow(dir);
      for (const [path, key] of keys) {
        assert.ok(
          now.some(({ text }) => text === key),
          `${path} is nowhere after round ${round}, ${state}`,
        );
      }
      for (const { path, text, mode } of now) {
        if (text.includes('PRIVATE KEY')) assert.is(mode, 0o600, `${path} after round ${round}`);
      }
      const next = certificate(...args, '--data-dir', dir);
      assert.is(next.code, 0, `round ${round}, ${state}: ${next.stderr}`);
      assert.equal(withoutBackups(tree(dir)), wanted, `round ${round}, ${state}`);
      assert.is(backupsIn(dir).length, backups, `round ${round}, ${state}: ${backupsIn(dir)}`);
      assert.ok(!existsSync(join(dir, '.k3s-pki-stage')), 'nothing is left behind');
      rmSync(dir, { recursive: true });
    }
    process.stdout.write(`${verb}: ${[...ended].map(([state, times]) => `${state} ${times}`).join(', ')}\n`);
    assert.ok((ended.get('staging') ?? 0) + (ended.get('committing') ?? 0) > 0, 'no kill hit a run at work');
  });
}

test('two runs at once: one is done, the other refused or finds nothing left', async () => {
  const dir = copyOf(fresh);
  const children = [1, 2].map(() => startK3sPki(['certificate', 'rotate', '--data-dir', dir], { env: quiet }));
  const codes = await Promise.all(children.map(exitCode));
  assert.ok(codes.includes(0), codes.join());
  assert.is(backupsIn(dir).length, 1);
  assert.equal(withoutBackups(tree(dir)), afterUndisturbed(['rotate'], fresh));
});

if (process.getuid?.() === 0 && process.platform === 'linux') {
  for (const { verb, args, from, before } of jobs) {
    test(`disk full at many sizes under ${verb}: one error, nothing changed`, () => {
      const dir = folder();
      assert.is(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', dir]).status, 0);
      try {
        cpSync(from, dir, { recursive: true, preserveTimestamps: true });
        const filler = join(dir, 'filler');
        let refused = 0;
        for (let pages = 0; refused === pages / 9; pages += 9) {
          rmSync(filler, { force: true });
          const { bavail, bsize } = statfsSync(dir);
          writeFileSync(filler, Buffer.alloc((bavail - pages) * bsize));
          const run = certificate(...args, '--data-dir', dir);
          if (run.code === 0) break;
          assert.is(run.code, 1, run.stderr);
          assert.match(run.stderr, /error: .*no space/);
          assert.is(run.stderr.match(/error:/g)?.length, 1, run.stderr);
          const { filler: _, ...rest } = tree(dir);
          assert.equal(rest, before, `${pages} pages free`);
          refused += 1;
        }
        assert.ok(refused >= 8, `only ${refused} sizes were too small`);
      } finally {
        spawnSync('umount', [dir]);
      }
    });

    test(`no inode left, and a read-only file system, under ${verb}: one error, nothing changed`, () => {
      const dir = folder();
      const inodes = Object.keys(before).length + 20;
      assert.is(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=8m,nr_inodes=${inodes}`, 'tmpfs', dir]).status, 0);
      try {
        cpSync(from, dir, { recursive: true, preserveTimestamps: true });
        for (const [error, prepare] of [
          [/no space or no inode is left/, () => {}],
          [/read-only/, () => void spawnSync('mount', ['-o', 'remount,ro', dir])],
        ] as const) {
          prepare();
          const run = certificate(...args, '--data-dir', dir);
          assert.is(run.code, 1, run.stdout);
          assert.match(run.stderr, error);
          assert.equal(tree(dir), before);
        }
      } finally {
        spawnSync('umount', [dir]);
      }
    });
  }
} else process.stdout.write('not run: cli/rotate-robustness tmpfs, not root on Linux\n');

test.run();

function copyOf(from: string): string {
  const dir = folder();
  cpSync(from, dir, { recursive: true, preserveTimestamps: true });
  return dir;
}

/** What an undisturbed run leaves, without backups. */
function afterUndisturbed(args: readonly string[], from: string): Record<string, string> {
  const dir = copyOf(from);
  assert.is(certificate(...args, '--data-dir', dir).code, 0);
  const wanted = withoutBackups(tree(dir));
  const rotated = args[0] === 'rotate';
  for (const path of leaves) {
    assert.is(wanted[path], rotated ? undefined : beforeRotation[path], path);
  }
  return wanted;
}

function withoutBackups(files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter(([path]) => !/^server\/tls-\d+/.test(path)));
}

function backupsIn(dir: string): string[] {
  return readdirSync(join(dir, 'server')).filter((name) => /^tls-\d+$/.test(name));
}

/** Where a kill has left the run: before it touched anything, done, or at work. */
function stateOf(
  dir: string,
  before: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): string {
  const all = tree(dir);
  const entries = Object.keys(all).filter((path) => path.startsWith('.k3s-pki-stage/'));
  if (entries.some((path) => /stage\/journal\.commit/.test(path))) return 'committing';
  if (entries.some((path) => /stage\/(new|old|gone|journal)/.test(path))) return 'staging';
  const rest = Object.fromEntries(Object.entries(all).filter(([path]) => !path.startsWith('.k3s-pki-stage')));
  if (JSON.stringify(rest) === JSON.stringify(before)) return 'before';
  assert.equal(withoutBackups(rest), wanted);
  return 'done';
}

function keysIn(dir: string): Map<string, string> {
  const keys = leaves.filter((path) => path.endsWith('.key'));
  return new Map(keys.map((path) => [path, readFileSync(join(dir, path), 'utf8')]));
}

async function exitCode(child: ChildProcess): Promise<unknown> {
  return (await once(child, 'exit'))[0];
}

/** Resolves when files are on their way into place. */
async function committing(dir: string): Promise<void> {
  for (let tries = 0; tries < 20_000; tries++) {
    if (existsSync(join(dir, '.k3s-pki-stage/journal.commit'))) return;
    // A timer's tick is longer than a commit: most looks only give way to the child's exit.
    await (tries % 50 === 49 ? sleep(1) : new Promise(setImmediate));
  }
}
