/** What the package asks of the file system: small synchronous steps, so that no other JavaScript of the process
 *  runs between two steps of a commit and a signal waits for the last one. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { promisify } from 'node:util';
import { asStageError, attempt, errnoOf, StageError } from './error.ts';

/** Called with the name of each durable step once it has been taken. Tests stop the process there. */
export type Hold = (point: string) => void;

/** SHA-256 in lower-case hex, the form of `expect`. */
export function digest(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** A file to be created. `owner` is applied before the mode, because chown(2) clears bits of it. */
export interface Creation {
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/** Creates a file exclusively, never readable by others before its mode is set, and syncs it. */
export function writeExclusive(file: Creation, pass: (step: string) => void): void {
  attempt(file.path, () => {
    const fd = create(file, pass);
    try {
      fs.fsyncSync(fd);
      pass('sync');
    } finally {
      fs.closeSync(fd);
    }
  });
}

/** The same for many files, synced together: on ext4 21 files took 4 to 8 ms instead of 64 to 66 (medians). `turn` is called after
 *  each 16, when the event loop has run; what it throws is thrown. */
export async function writeAllExclusive(
  files: readonly Creation[],
  pass: (step: string, index: number) => void,
  turn: () => void,
): Promise<void> {
  for (let start = 0; start < files.length; start += together) {
    const open: Array<{ readonly fd: number; readonly path: string }> = [];
    try {
      for (const [offset, file] of files.slice(start, start + together).entries()) {
        const fd = attempt(file.path, () => create(file, (step) => pass(step, start + offset)));
        open.push({ fd, path: file.path });
      }
      // All settled before a descriptor is closed: an fsync on its way must not meet another file's.
      const ends = await Promise.allSettled(open.map(({ fd }) => fsync(fd)));
      for (const [offset, end] of ends.entries()) {
        if (end.status === 'rejected') throw asStageError(open[offset]?.path ?? '', end.reason);
        pass('sync', start + offset);
      }
    } finally {
      for (const { fd } of open) fs.closeSync(fd);
    }
    await eventLoopTurn();
    turn();
  }
}
/** Lets handlers of pending signals run. Two turns: the first may begin behind the poll for events that sees a signal. */
export async function eventLoopTurn(): Promise<void> {
  await new Promise(setImmediate);
  await new Promise(setImmediate);
}

// Bounds the open descriptors; libuv syncs four at a time.
const together = 16;
const fsync = promisify(fs.fsync);

function create({ path, content, mode, owner }: Creation, pass: (step: string) => void): number {
  const fd = fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | noFollow, 0o600);
  try {
    if (owner !== undefined) fs.fchownSync(fd, owner.uid, owner.gid);
    // The mode of open(2) passes through the umask, this one does not.
    fs.fchmodSync(fd, mode);
    pass('create');
    for (let at = 0; at < content.length; ) at += fs.writeSync(fd, content, at, content.length - at);
    pass('write');
    return fd;
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** A regular file's content and status, without following a link or waiting at a fifo; undefined when absent. */
export function readRegular(path: string): { readonly content: Uint8Array; readonly stats: fs.Stats } | undefined {
  const entry = status(path);
  if (entry === undefined) return undefined;
  refuseIrregular(path, entry);
  return attempt(path, () => {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | noFollow | nonBlocking);
    try {
      const stats = fs.fstatSync(fd);
      refuseIrregular(path, stats);
      return { content: fs.readFileSync(fd), stats };
    } finally {
      fs.closeSync(fd);
    }
  });
}

/** lstat(2); undefined when there is nothing. */
export function status(path: string): fs.Stats | undefined {
  return attempt(path, () => fs.lstatSync(path, { throwIfNoEntry: false }));
}

function refuseIrregular(path: string, stats: fs.Stats): void {
  if (stats.isFile()) return;
  if (stats.isSymbolicLink()) {
    throw new StageError(
      'symlink',
      path,
      'a symbolic link is in the place of the file',
      'replace the link by the file it points to',
    );
  }
  throw new StageError('not-a-file', path, `${kind(stats)} is in the place of the file`, 'move it away');
}

/** Throws unless `stats` is a directory itself. */
export function refuseNonDirectory(path: string, stats: fs.Stats): void {
  if (stats.isDirectory()) return;
  if (stats.isSymbolicLink()) {
    throw new StageError(
      'symlink',
      path,
      'a symbolic link is in the place of the directory',
      'replace the link by a directory; a link is followed only on the way to the root',
    );
  }
  throw new StageError('not-a-file', path, `${kind(stats)} is in the place of the directory`, 'move it away');
}

function kind(stats: fs.Stats): string {
  if (stats.isFile()) return 'a file';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a fifo';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

/** Sets a directory's exact mode, umask or not, and its owner, without following a link. */
export function setDirectoryMode(path: string, mode: number, owner?: { uid: number; gid: number }): void {
  if (process.platform === 'win32') return;
  attempt(path, () => {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | noFollow);
    try {
      if (owner !== undefined) fs.fchownSync(fd, owner.uid, owner.gid);
      fs.fchmodSync(fd, mode);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  });
}

/** Makes the entries of a directory durable. File systems without the operation (Windows; EINVAL of some FUSE and
 *  network ones) order their own metadata or give no promise that we could add to. */
export function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  attempt(path, () => {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    try {
      fs.fsyncSync(fd);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== 'EINVAL' && errno !== 'ENOTSUP' && errno !== 'EOPNOTSUPP') throw error;
    } finally {
      fs.closeSync(fd);
    }
  });
}

/** Removes a file; false when there was none. */
export function removeFile(path: string): boolean {
  return attempt(path, () => absentIf('ENOENT', () => fs.unlinkSync(path)));
}

/** Removes an empty directory; false when it is absent or not empty (POSIX allows EEXIST for the latter). */
export function removeEmptyDirectory(path: string): boolean {
  return attempt(path, () => absentIf('ENOENT ENOTEMPTY EEXIST', () => fs.rmdirSync(path)));
}

function absentIf(errnos: string, step: () => void): boolean {
  try {
    step();
    return true;
  } catch (error) {
    if (errnos.split(' ').includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

// Absent on Windows, where links need a privilege.
const noFollow = fs.constants.O_NOFOLLOW ?? 0;
const nonBlocking = fs.constants.O_NONBLOCK ?? 0;
