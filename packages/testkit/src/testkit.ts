import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';

const workspace = resolve(import.meta.dirname, '../../..');
let view: string | undefined;

/**
 * A path in the workspace as a child process of any user can reach it. A clone may lie in a folder that is closed to
 * other users, such as those of `mktemp -d`: then root mounts the workspace once more where everybody may go, until
 * this process ends. Throws when that is refused.
 */
export function reachableByAll(path: string): string {
  view ??= isOpen(workspace) ? workspace : mounted(workspace);
  return join(view, relative(workspace, path));
}

function isOpen(folder: string): boolean {
  const parent = dirname(folder);
  return (statSync(folder).mode & 0o001) !== 0 && (parent === folder || isOpen(parent));
}

/** A folder as a read-only file system would have it, at a place of its own until this process ends; undefined where
 *  mounts are refused. */
export function readOnlyView(of: string): string | undefined {
  try {
    const point = mounted(of);
    return spawnSync('mount', ['-o', 'remount,bind,ro', point]).status === 0 ? point : undefined;
  } catch {
    return undefined;
  }
}

function mounted(what: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'k3s-pki-view-'));
  chmodSync(folder, 0o755);
  const point = join(folder, 'view');
  mkdirSync(point);
  process.on('exit', () => {
    // Only empty folders are removed: should the mount stay, nothing of what is mounted is lost.
    spawnSync('umount', ['-l', point], { stdio: 'ignore' });
    rmdirSync(point);
    rmdirSync(folder);
  });
  const mount = spawnSync('mount', ['--bind', what, point], { encoding: 'utf8' });
  if (mount.status !== 0) throw new Error(`mount --bind: ${mount.stderr}`);
  return point;
}
