import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { folder, tree } from './program.ts';

/** Whether this process may mount file systems. */
export const mayMount = process.getuid?.() === 0 && process.platform === 'linux';

/** Runs `work` in a folder that is a tmpfs of its own with these mount options. */
export function onTmpfs(options: string, work: (dir: string) => void): void {
  const dir = folder();
  assert.is(spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir]).status, 0);
  try {
    work(dir);
  } finally {
    spawnSync('umount', [dir]);
  }
}

/** Resolves when the private folder in `dir` has files of the run in it. */
export async function staging(dir: string): Promise<void> {
  for (let tries = 0; tries < 5000; tries++) {
    if (existsSync(join(dir, '.k3s-pki-stage/new'))) return;
    await sleep(1);
  }
}

/** Milliseconds without the clock tick of a timer. */
export function spin(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end; );
}

/** Every regular file below a folder. */
export function filesBelow(dir: string): { path: string; text: string; mode: number }[] {
  return Object.keys(tree(dir))
    .map((path) => ({ path, stat: statSync(join(dir, path)) }))
    .filter(({ stat }) => stat.isFile())
    .map(({ path, stat }) => ({ path, mode: stat.mode & 0o777, text: readFileSync(join(dir, path), 'latin1') }));
}
