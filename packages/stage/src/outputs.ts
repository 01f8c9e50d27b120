/** Outputs of any size: a file written from front to back, and a folder that gets one complete node's folder after the
 *  other. Nothing is synced per node: a fsync costs a disk milliseconds, a hundred thousand nodes minutes. A killed
 *  process leaves complete nodes only, because a node's folder arrives by one rename; after a power failure the last
 *  seconds' nodes may have files that are cut off, which `state` tells. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { attempt, errnoOf, StageError } from './error.ts';
import { removeEmptyDirectory, removeFile, status, syncDirectory } from './files.ts';
import { type Lock, lock, unlock } from './stage.ts';

/** A file that grows at its end. Every step throws StageError. */
export interface OutputFile {
  /** Absolute. */
  readonly path: string;
  write(chunk: Uint8Array): void;
  /** Makes the content durable and puts the file in its place. */
  finish(): void;
  /** Closes it, and removes it unless it is kept whatever happens. */
  abandon(): void;
}

/** How a new file is made. `whole`: it has its name only when it is finished; else it is there, and stays, from the
 *  beginning. `append`: an existing one goes on after its last complete line. */
export interface OutputOptions {
  readonly mode: number;
  readonly keep: 'whole' | 'always';
  readonly append?: boolean;
}

/** Opens a file for writing. One that exists is never replaced; a device or fifo is written to. */
export function openOutput(path: string, options: OutputOptions): OutputFile {
  const absolute = resolve(path);
  const found = attempt(absolute, () => fs.statSync(absolute, { throwIfNoEntry: false }));
  if (found !== undefined && !found.isFile() && !found.isDirectory()) {
    // A rename would put a regular file in the place of /dev/null.
    return new Output(
      absolute,
      absolute,
      attempt(absolute, () => fs.openSync(absolute, fs.constants.O_WRONLY)),
      'device',
    );
  }
  if (found?.isFile() && options.append === true) return openAgain(absolute);
  if (found !== undefined) throw existsError(absolute);
  const written =
    options.keep === 'whole' ? join(dirname(absolute), `.${basename(absolute)}.k3s-pki-${process.pid}`) : absolute;
  const fd = attempt(dirname(absolute), () => {
    const opened = fs.openSync(written, exclusive, options.mode & 0o600);
    fs.fchmodSync(opened, options.mode);
    return opened;
  });
  return new Output(absolute, written, fd, options.keep);
}

/** Makes a folder and its missing parents; one that exists stays as it is. */
export function makeFolder(path: string): void {
  const absolute = resolve(path);
  attempt(absolute, () => fs.mkdirSync(absolute, { recursive: true, mode: folderMode }));
}

/** A nameless private file in the temporary folder, for an input that can be read only once. The caller closes `fd`. */
export function openSpool(): { readonly fd: number; write(chunk: Uint8Array): void } {
  const folder = attempt(tmpdir(), () => fs.mkdtempSync(join(tmpdir(), 'k3s-pki-')));
  const path = join(folder, 'rows');
  try {
    const fd = attempt(folder, () =>
      fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL, 0o600),
    );
    return { fd, write: (chunk) => attempt(folder, () => writeAll(fd, chunk)) };
  } finally {
    removeFile(path);
    removeEmptyDirectory(folder);
  }
}

/** A file of a node. `path` is below the node's folder, `/`-separated; its content is the parts one after the other. */
export interface NodeFile {
  readonly path: string;
  readonly parts: readonly Uint8Array[];
  readonly mode: number;
}

/** What a node's folder is: not there; there with every file whole; there with files that are cut off or missing and
 *  no others; or something else. */
export type NodeState = 'absent' | 'whole' | 'cut-off' | 'foreign';

/** A folder with one folder a node, and this run's private folder in it. One run at a time has the private folder. */
export class NodeFolders {
  /** Absolute. */
  readonly root: string;
  readonly #work: string;
  readonly #lock: Lock;
  readonly #directories: readonly string[];
  readonly #umaskTakes: boolean;
  readonly #made = new Set<string>();

  private constructor(root: string, work: string, held: Lock, paths: readonly string[]) {
    this.root = root;
    this.#work = work;
    this.#lock = held;
    this.#directories = directoriesOf(paths);
    // The umask is one for all files: where it takes nothing away, two million fchmod(2) are saved.
    const probe = join(work, 'probe');
    this.#umaskTakes = attempt(root, () => {
      removeFile(probe);
      fs.closeSync(fs.openSync(probe, exclusive, 0o644));
      const { mode } = fs.statSync(probe);
      fs.unlinkSync(probe);
      return (mode & 0o777) !== 0o644;
    });
  }

  /** Makes the folder when it is absent and takes the lock of the private folder `.NAME`; what a killed run left in it
   *  is removed. `paths` are those of every node's files. Throws StageError, `locked` while another run has it. */
  static async open(
    path: string,
    { name, paths, clock }: { name: string; paths: readonly string[]; clock: () => number },
  ): Promise<NodeFolders> {
    const root = resolve(path);
    attempt(root, () => fs.mkdirSync(root, { recursive: true, mode: folderMode }));
    const work = join(root, `.${name}`);
    attempt(root, () => fs.mkdirSync(work, { recursive: true, mode: 0o700 }));
    const held = await lock(work, { clock });
    try {
      attempt(root, () => fs.rmSync(join(work, nodeFolder), { recursive: true, force: true }));
      return new NodeFolders(root, work, held, paths);
    } catch (error) {
      await unlock(held);
      throw error;
    }
  }

  /** Writes a node's folder: complete or, when it throws StageError, not at all. `out` is below the root. */
  place(out: string, files: readonly NodeFile[]): void {
    const staged = join(this.#work, nodeFolder);
    try {
      attempt(this.root, () => {
        fs.mkdirSync(staged, { mode: folderMode });
        for (const directory of this.#directories) fs.mkdirSync(`${staged}/${directory}`, { mode: folderMode });
        for (const { path, parts, mode } of files) {
          const fd = fs.openSync(`${staged}/${path}`, exclusive, mode);
          try {
            if (this.#umaskTakes) fs.fchmodSync(fd, mode);
            for (const part of parts) writeAll(fd, part);
          } finally {
            fs.closeSync(fd);
          }
        }
        const parent = dirname(out);
        if (parent !== '.' && !this.#made.has(parent)) {
          fs.mkdirSync(join(this.root, parent), { recursive: true, mode: folderMode });
          this.#made.add(parent);
        }
        fs.renameSync(staged, `${this.root}/${out}`);
      });
    } catch (error) {
      fs.rmSync(staged, { recursive: true, force: true });
      const cause = error instanceof StageError ? errnoOf(error.cause) : undefined;
      throw cause === 'ENOTEMPTY' || cause === 'EEXIST' ? existsError(join(this.root, out)) : error;
    }
  }

  state(out: string, paths: readonly string[]): NodeState {
    const folder = join(this.root, out);
    const entry = attempt(folder, () => fs.lstatSync(folder, { throwIfNoEntry: false }));
    if (entry === undefined) return 'absent';
    if (!entry.isDirectory()) return 'foreign';
    if (paths.every((path) => isWhole(join(folder, path)))) return 'whole';
    const expected = new Set([...paths, ...directoriesOf(paths)]);
    const inside = attempt(folder, () => fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }));
    return inside.every((path) => expected.has(path.replaceAll('\\', '/'))) ? 'cut-off' : 'foreign';
  }

  /** Removes a node's folder that is cut off. */
  remove(out: string): void {
    const gone = join(this.#work, nodeFolder);
    attempt(this.root, () => {
      fs.renameSync(join(this.root, out), gone);
      fs.rmSync(gone, { recursive: true, force: true });
    });
  }

  /** Makes the names of the nodes durable and gives the private folder back. */
  async close(): Promise<void> {
    try {
      for (const parent of ['.', ...this.#made]) syncDirectory(join(this.root, parent));
    } finally {
      await unlock(this.#lock);
      removeEmptyDirectory(this.#work);
    }
  }
}

class Output implements OutputFile {
  readonly path: string;
  readonly #written: string;
  readonly #kind: OutputOptions['keep'] | 'device';
  #fd: number | undefined;

  constructor(path: string, written: string, fd: number, kind: OutputOptions['keep'] | 'device') {
    this.path = path;
    this.#written = written;
    this.#fd = fd;
    this.#kind = kind;
  }

  write(chunk: Uint8Array): void {
    const fd = this.#fd;
    if (fd === undefined) throw new TypeError('this output is closed');
    attempt(this.path, () => writeAll(fd, chunk));
  }

  finish(): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    this.#fd = undefined;
    try {
      attempt(this.path, () => {
        try {
          if (this.#kind !== 'device') fs.fsyncSync(fd);
        } finally {
          fs.closeSync(fd);
        }
        if (this.#kind === 'whole') nameExclusively(this.#written, this.path);
      });
      if (this.#kind !== 'device') syncDirectory(dirname(this.path));
    } catch (error) {
      const cause = error instanceof StageError ? errnoOf(error.cause) : undefined;
      throw cause === 'EEXIST' ? existsError(this.path) : error;
    } finally {
      if (this.#kind === 'whole') removeFile(this.#written);
    }
  }

  abandon(): void {
    if (this.#fd === undefined) return;
    fs.closeSync(this.#fd);
    this.#fd = undefined;
    if (this.#kind === 'whole') removeFile(this.#written);
  }
}

/** link(2) refuses a name that came to be meanwhile; rename(2) would replace it, and is for file systems without links. */
function nameExclusively(written: string, path: string): void {
  try {
    fs.linkSync(written, path);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errnoOf(error) ?? '')) throw error;
    if (status(path) !== undefined) throw existsError(path);
    fs.renameSync(written, path);
  }
}

/** Goes on after the last line feed: a killed run may have left half a line. */
function openAgain(path: string): OutputFile {
  return attempt(path, () => {
    const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_APPEND | noFollow);
    const { size } = fs.fstatSync(fd);
    const tail = Buffer.alloc(1 << 16);
    let end = size;
    while (end > 0) {
      const from = Math.max(0, end - tail.length);
      const read = fs.readSync(fd, tail, 0, end - from, from);
      const last = tail.subarray(0, read).lastIndexOf(0x0a);
      if (last >= 0) {
        end = from + last + 1;
        break;
      }
      end = from;
    }
    if (end < size) fs.ftruncateSync(fd, end);
    return new Output(path, path, fd, 'always');
  });
}

/** Whether a PEM file reached its end: the last line is an END line. */
function isWhole(path: string): boolean {
  const entry = status(path);
  if (entry === undefined || !entry.isFile() || entry.size === 0) return false;
  return attempt(path, () => {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | noFollow);
    try {
      const tail = Buffer.alloc(Math.min(64, entry.size));
      fs.readSync(fd, tail, 0, tail.length, entry.size - tail.length);
      return /-----END [A-Z0-9 ]+-----\n$/.test(tail.toString('latin1'));
    } finally {
      fs.closeSync(fd);
    }
  });
}

function directoriesOf(paths: readonly string[]): readonly string[] {
  const directories = new Set<string>();
  for (const path of paths) {
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      directories.add(path.slice(0, slash));
    }
  }
  return [...directories].sort();
}

function writeAll(fd: number, chunk: Uint8Array): void {
  for (let at = 0; at < chunk.length; ) at += fs.writeSync(fd, chunk, at, chunk.length - at);
}

function existsError(path: string): StageError {
  return new StageError('exists', path, 'it exists already', 'name another, or move it away');
}

const noFollow = fs.constants.O_NOFOLLOW ?? 0;
const exclusive = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | noFollow;
const folderMode = 0o750;
const nodeFolder = 'node';
