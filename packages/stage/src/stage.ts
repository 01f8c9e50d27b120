/** Writes a set of files all or not at all. `stage` puts them into a private folder (0700) on the same file system,
 *  reads them back and has them verified; `commit` renames each into place under a journal that the next run finishes or
 *  undoes after a crash. Only one run at a time works on a root. Design and argument: docs/commit.md. */
import * as fs from 'node:fs';
import { join, relative, sep } from 'node:path';
import { attempt, StageError, type StageErrorCode } from './error.ts';
import {
  digest,
  eventLoopTurn,
  type Hold,
  readRegular,
  refuseNonDirectory,
  status,
  syncDirectory,
  writeAllExclusive,
} from './files.ts';
import {
  clear,
  finishOrUndo,
  hashOf,
  isHash,
  isPlainPath,
  type Journal,
  keepOld,
  newFile,
  open,
  settle,
  unsettled,
  type Workspace,
} from './journal.ts';
import { type Claim, claim, locate, release } from './lock.ts';

export {
  makeFolder,
  type NodeFile,
  NodeFolders,
  type NodeState,
  type OutputFile,
  type OutputOptions,
  openOutput,
  openSpool,
} from './outputs.ts';
export { digest, type Hold, StageError, type StageErrorCode };

/** A file to be written. `path` is relative to the root, '/'-separated, without `.` and `..` parts. */
export interface FileWrite {
  readonly path: string;
  readonly content: Uint8Array;
  /** Permission bits, set exactly whatever the umask is. */
  readonly mode: number;
  /** A private key, token or password: `mode` may not give group or others anything. */
  readonly secret: boolean;
  /** What the plan was made from: `digest` of the file's content, or `absent`. Without it any file is replaced. */
  readonly expect?: string;
  readonly owner?: Owner;
}

/** Who owns what is made; without it the owner of the file that is replaced, or this process's user. Only root can give a
 *  file away: for everybody else it is ignored. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** A directory made when it is absent; an existing one keeps its mode. `.` is the root itself and its missing
 *  parents (0750 when not listed). */
export interface DirectoryMake {
  readonly path: string;
  readonly mode: number;
  readonly owner?: Owner;
}

/** A file to be removed, such as an input that was moved. Nothing happens when it is absent. */
export interface FileRemove {
  readonly path: string;
  readonly expect?: string;
}

/** What becomes of the files under `root`. Every directory that a file needs and that may be absent is listed. */
export interface Changes {
  /** Links on the way to it are followed, once; it need not exist. */
  readonly root: string;
  readonly directories: readonly DirectoryMake[];
  readonly writes: readonly FileWrite[];
  readonly removes?: readonly FileRemove[];
}

/** What became of an interrupted run. `clean`: there was none, or it had not touched a file in use. `finished`: its
 *  set is in place. `undone`: the set from before it is in place. */
export type Recovery = { readonly kind: 'clean' } | { readonly kind: 'finished' | 'undone'; readonly detail: string };

/** `clock`: milliseconds since 1970; it sets modification times. `hold`: for tests. */
export interface LockOptions {
  readonly clock: () => number;
  readonly hold?: Hold;
}

export interface StageOptions extends LockOptions {
  /** Judges the set as it will be: `read` gives the staged bytes of a written file, read from the disk, and the bytes in
   *  place of any other. Throws whatever it likes: nothing is changed and `stage` throws the same. */
  readonly verify: (read: (path: string) => Uint8Array) => void | Promise<void>;
  /** Aborted before the commit has begun: everything staged is removed, `signal.reason` is thrown. */
  readonly signal?: AbortSignal;
  /** A lock taken earlier, so that no other run comes between reading the files and replacing them. The caller
   *  unlocks. Without it `stage` locks, and `commit` or `discard` unlocks. */
  readonly lock?: Lock;
}

/** What a commit has done; paths relative to the root, in the order of the changes. */
export interface Committed {
  readonly root: string;
  /** Files that did not exist before. */
  readonly written: readonly string[];
  readonly replaced: readonly string[];
  readonly removed: readonly string[];
  readonly directories: readonly string[];
  /** The private folder, when it could not be removed; the next run does. It holds the replaced files. */
  readonly leftover?: string;
}

/** Takes the root's lock and brings an interrupted run to its end. The lock does not outlive the process: at `exit` it
 *  is given back, after a kill the next run takes it over. Throws StageError, `locked` when a run is going on. */
export async function lock(root: string, options: LockOptions): Promise<Lock> {
  const pass = options.hold ?? (() => {});
  let recovery: Recovery = { kind: 'clean' };
  // A second round moves from a parent's folder, of a run that met no root, to the root's own. More is another program's doing.
  for (let round = 0; ; round++) {
    const place = locate(root);
    const folder = place.candidates.find((each) => status(each) !== undefined) ?? place.folder;
    const held = await claim(place, folder, pass);
    let settled = false;
    try {
      const base = join(folder, '..');
      const kind = settle({ base, folder }, options.clock, pass);
      settled = true;
      if (kind === 'finished')
        recovery = { kind, detail: 'an interrupted run was finished: its files are all in place' };
      if (kind === 'undone')
        recovery = { kind, detail: 'an interrupted run was undone: the files from before it are in place' };
      const now = locate(root);
      if (now.folder === folder) return new Lock(token, now.root, { base, folder }, held, recovery, pass);
      if (round === 4)
        throw new StageError(
          'changed',
          now.root,
          'it is moved or remade all the time',
          'let no other program change the folder meanwhile',
        );
    } catch (error) {
      release(held, settled ? pass : () => {});
      throw error;
    }
    release(held, pass);
  }
}

/** Gives the lock back. Anything staged under it and not committed is removed. */
export async function unlock(held: Lock): Promise<void> {
  held[end]();
}

/** Brings an interrupted run to its end and gives the lock back at once. Throws StageError. */
export async function recover(root: string, options: LockOptions): Promise<Recovery> {
  const held = await lock(root, options);
  await unlock(held);
  return held.recovery;
}

/** Stages and verifies the changes; nothing in use is touched. Throws StageError, what `verify` threw, the reason of an
 *  aborted signal, or TypeError for changes that contradict themselves; then nothing is left behind. Throws `changed`
 *  when it had to recover an interrupted run by itself, because the changes were planned before. */
export async function stage(changes: Changes, options: StageOptions): Promise<Staged> {
  refuseContradictions(changes);
  options.signal?.throwIfAborted();
  const own = options.lock === undefined;
  const held = options.lock ?? (await lock(changes.root, options));
  if (own && held.recovery.kind !== 'clean') {
    const { detail } = held.recovery;
    await unlock(held);
    throw new StageError('changed', held.root, detail, 'run again: the plan is made anew from these files');
  }
  if (locate(changes.root).root !== held.root) throw new TypeError('the lock is of another root');
  // Outside the try: the other set under this lock must not be dropped.
  if (status(join(held[take]().folder, 'new')) !== undefined) throw new TypeError('this lock has staged files already');
  try {
    return await stageUnder(held, own, changes, options);
  } catch (error) {
    if (own) held[end]();
    else held[drop]();
    throw error;
  }
}

/** Puts the staged set in place. Throws StageError when it could not; then the old set is in place, or its message says
 *  that the next run has to restore it. SIGINT, SIGTERM and SIGHUP wait for the end. */
export async function commit(staged: Staged): Promise<Committed> {
  return staged[perform]();
}

/** Removes what was staged. */
export async function discard(staged: Staged): Promise<void> {
  staged[abandon]();
}

const token = Symbol('only this module makes one');
const end = Symbol('end');
const drop = Symbol('drop');
const take = Symbol('take');
const perform = Symbol('perform');
const abandon = Symbol('abandon');

/** A held lock. `root` has its links resolved. */
export class Lock {
  readonly root: string;
  readonly recovery: Recovery;
  readonly #work: Workspace;
  readonly #claim: Claim;
  readonly #pass: Hold;
  #ended = false;

  constructor(key: typeof token, root: string, work: Workspace, held: Claim, recovery: Recovery, pass: Hold) {
    if (key !== token) throw new TypeError('only lock() makes a lock');
    this.root = root;
    this.recovery = recovery;
    this.#work = work;
    this.#claim = held;
    this.#pass = pass;
    atExit.add(this);
    if (atExit.size === 1) process.on('exit', endAll);
  }

  [take](): Workspace {
    if (this.#ended) throw new TypeError('the lock was given back');
    return this.#work;
  }

  /** Removes staged files; a failure is no more than a leftover for the next run. */
  [drop](): boolean {
    try {
      clear(this.#work, this.#pass);
      return !unsettled(this.#work);
    } catch (error) {
      if (error instanceof StageError) return false;
      throw error;
    }
  }

  [end](): boolean {
    if (this.#ended) return true;
    this.#ended = true;
    atExit.delete(this);
    if (atExit.size === 0) process.off('exit', endAll);
    const dropped = this[drop]();
    try {
      release(this.#claim, this.#pass);
    } catch (error) {
      if (error instanceof StageError) return false;
      throw error;
    }
    return dropped;
  }
}

// process.exit() in a signal handler must not leave keys behind; every step here is synchronous, as `exit` demands.
const atExit = new Set<Lock>();
function endAll(): void {
  for (const held of atExit) held[end]();
}

/** Staged and verified files. Only `stage` makes one; it is committed or discarded once. */
export class Staged {
  readonly root: string;
  readonly #lock: Lock;
  readonly #own: boolean;
  readonly #targets: Targets;
  readonly #options: StageOptions;
  #spent = false;

  constructor(key: typeof token, held: Lock, own: boolean, targets: Targets, options: StageOptions) {
    if (key !== token) throw new TypeError('only stage() makes staged files');
    this.root = held.root;
    this.#lock = held;
    this.#own = own;
    this.#targets = targets;
    this.#options = options;
  }

  [abandon](): void {
    if (this.#spent) return;
    this.#spent = true;
    this.#finish();
  }

  async [perform](): Promise<Committed> {
    if (this.#spent) throw new TypeError('these files were committed or discarded before');
    const { signal, clock, hold: pass = () => {} } = this.#options;
    if (signal?.aborted === true) {
      this[abandon]();
      throw signal.reason;
    }
    const work = this.#lock[take]();
    this.#spent = true;
    return withoutSignals(() => {
      let tidy = false;
      try {
        refuseChanged(work, this.#targets);
        const journal: Journal = { version: 1, ...this.#targets };
        keepOld(work, journal, pass);
        open(work, journal, pass);
        finishOrUndo(work, journal, clock(), pass);
      } finally {
        tidy = this.#finish();
      }
      const inRoot = (path: string) =>
        relative(this.root, join(work.base, ...path.split('/')))
          .split(sep)
          .join('/') || '.';
      const { writes, removes, directories } = this.#targets;
      return {
        root: this.root,
        written: writes.filter(({ before }) => before === null).map(({ path }) => inRoot(path)),
        replaced: writes.filter(({ before }) => before !== null).map(({ path }) => inRoot(path)),
        removed: removes.map(({ path }) => inRoot(path)),
        directories: directories.map(({ path }) => inRoot(path)),
        ...(tidy ? {} : { leftover: work.folder }),
      };
    });
  }

  #finish(): boolean {
    return this.#own ? this.#lock[end]() : this.#lock[drop]();
  }
}

type Targets = Omit<Journal, 'version'>;

async function stageUnder(held: Lock, own: boolean, changes: Changes, options: StageOptions): Promise<Staged> {
  const pass = options.hold ?? (() => {});
  const work = held[take]();
  const asRoot = process.geteuid?.() === 0;
  const { targets, owners } = inspect(work, held.root, changes, asRoot);
  for (const name of ['new', 'old', 'gone']) {
    attempt(work.folder, () => fs.mkdirSync(join(work.folder, name), { mode: 0o700 }));
    pass(`stage:folder:${name}`);
  }
  await writeAllExclusive(
    changes.writes.map(({ content, mode }, index) => ({
      path: newFile(work, index),
      content,
      mode,
      owner: asRoot ? owners[index] : undefined,
    })),
    (step, index) => pass(`stage:${step}:${index}`),
    () => options.signal?.throwIfAborted(),
  );
  syncDirectory(join(work.folder, 'new'));
  pass('stage:sync');
  const indexes = new Map(changes.writes.map((write, index) => [write.path, index]));
  for (const [index, write] of changes.writes.entries()) {
    const file = readRegular(newFile(work, index));
    const modeKept = process.platform === 'win32' || file === undefined || (file.stats.mode & 0o7777) === write.mode;
    if (file === undefined || !Buffer.from(file.content).equals(write.content) || !modeKept) {
      throw new StageError(
        'io',
        newFile(work, index),
        modeKept ? 'the bytes read back are not those that were written' : 'the file system does not keep the mode',
        modeKept ? 'look at the system log for a failing disk' : 'choose a file system that keeps modes',
      );
    }
  }
  pass('stage:read-back');
  const removed = new Set(changes.removes?.map(({ path }) => path));
  await options.verify((path) => {
    const index = indexes.get(path);
    const at = index === undefined ? join(held.root, ...path.split('/')) : newFile(work, index);
    const file = removed.has(path) || !isPlainPath(path) ? undefined : readRegular(at);
    if (file === undefined)
      throw new StageError(
        'not-a-file',
        join(held.root, path),
        'there is no such file in the set',
        'add it to the set',
      );
    return file.content;
  });
  // The last turn before a commit, which gives none.
  await eventLoopTurn();
  options.signal?.throwIfAborted();
  pass('stage:verified');
  return new Staged(token, held, own, targets, options);
}

/** Looks at every target before anything is written. Throws StageError for what can be known by then: links, things
 *  that are no files, other file systems, missing permission, unexpected content. */
function inspect(
  work: Workspace,
  root: string,
  changes: Changes,
  asRoot: boolean,
): { targets: Targets; owners: Array<Owner | undefined> } {
  const rest = relative(work.base, root)
    .split(sep)
    .filter((part) => part !== '');
  const fromBase = (path: string) => [...rest, ...(path === '.' ? [] : path.split('/'))].join('/');
  const at = (path: string) => join(work.base, ...path.split('/'));
  const device = attempt(work.folder, () => fs.lstatSync(work.folder)).dev;
  const rootMode = changes.directories.find(({ path }) => path === '.')?.mode ?? 0o750;
  const wanted = new Map<string, { mode: number; owner?: Owner }>(
    rest.map((_, index) => [rest.slice(0, index + 1).join('/'), { mode: rootMode }]),
  );
  for (const { path, mode, owner } of changes.directories) {
    if (path !== '.') wanted.set(fromBase(path), { mode, ...(asRoot && owner !== undefined ? { owner } : {}) });
  }
  const directories = [...wanted]
    .map(([path, made]) => ({ path, ...made }))
    .sort((a, b) => a.path.split('/').length - b.path.split('/').length)
    .filter(({ path }) => status(at(path)) === undefined);
  const made = new Set(directories.map(({ path }) => path));
  const seen = new Set<string>();

  const refuseParents = (path: string) => {
    const parts = path.split('/').slice(0, -1);
    for (let length = 0; length <= parts.length; length++) {
      const parent = parts.slice(0, length).join('/');
      if (seen.has(parent)) continue;
      const where = length === 0 ? work.base : at(parent);
      const entry = status(where);
      if (entry === undefined) {
        if (!made.has(parent)) throw new TypeError(`the changes need the directory ${where} and do not list it`);
      } else {
        refuseNonDirectory(where, entry);
        if (entry.dev !== device) {
          throw new StageError(
            'cross-device',
            where,
            'another file system is mounted inside the folder',
            'point the command at the folder inside that mount',
          );
        }
      }
      seen.add(parent);
    }
  };
  const refuseReadOnly = (path: string) => {
    const parent = path.split('/').slice(0, -1).join('/');
    if (made.has(parent)) return;
    const where = parent === '' ? work.base : at(parent);
    attempt(where, () => fs.accessSync(where, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK));
  };
  const before = (path: string, expect: string | undefined) => {
    refuseParents(path);
    const file = readRegular(at(path));
    const hash = file === undefined ? null : digest(file.content);
    if (expect !== undefined && expect !== (hash ?? 'absent')) throw unexpected(at(path));
    if (file !== undefined) refuseReadOnly(path);
    return { stats: file?.stats, hash };
  };

  for (const [path] of wanted) {
    refuseParents(path);
    const entry = status(at(path));
    if (entry === undefined) refuseReadOnly(path);
    else refuseNonDirectory(at(path), entry);
  }
  const owners: Array<Owner | undefined> = [];
  const writes = changes.writes.map((write) => {
    const path = fromBase(write.path);
    const { stats, hash } = before(path, write.expect);
    refuseReadOnly(path);
    owners.push(write.owner ?? stats);
    return { path, sha256: digest(write.content), before: hash };
  });
  const removes: Array<{ path: string; before: string }> = [];
  for (const remove of changes.removes ?? []) {
    const path = fromBase(remove.path);
    const parent = path.split('/').slice(0, -1).join('/');
    if (parent !== '' && status(at(parent)) === undefined) {
      if (remove.expect !== undefined && remove.expect !== 'absent') throw unexpected(at(path));
      continue;
    }
    const { hash } = before(path, remove.expect);
    if (hash !== null) removes.push({ path, before: hash });
  }
  return { targets: { directories, writes, removes }, owners };
}

/** Other programs take no notice of the lock: compares once more, just before the journal. */
function refuseChanged(work: Workspace, { directories, writes, removes }: Targets): void {
  for (const { path } of directories)
    if (status(join(work.base, path)) !== undefined) throw unexpected(join(work.base, path));
  for (const { path, before } of [...writes, ...removes]) {
    if ((hashOf(join(work.base, path)) ?? null) !== before) throw unexpected(join(work.base, path));
  }
}

function unexpected(path: string): StageError {
  return new StageError(
    'changed',
    path,
    'it is not what the plan was made from',
    'run again: another program wrote there meanwhile',
  );
}

function refuseContradictions({ directories, writes, removes = [] }: Changes): void {
  const files = new Set<string>();
  for (const { path, expect } of [...writes, ...removes]) {
    if (!isPlainPath(path)) throw new TypeError('the path of a file is relative, without . and ..');
    if (files.has(path)) throw new TypeError(`the changes name ${path} twice`);
    if (expect !== undefined && expect !== 'absent' && !isHash(expect))
      throw new TypeError('expect is a SHA-256 or absent');
    files.add(path);
  }
  for (const { path, mode } of directories) {
    if (path !== '.' && !isPlainPath(path))
      throw new TypeError('the path of a directory is relative, without . and ..');
    if (files.has(path)) throw new TypeError(`${path} is a file and a directory`);
    if (!isMode(mode)) throw new TypeError(`the mode of ${path} is not of permission bits`);
  }
  for (const { path, mode, secret } of writes) {
    if (!isMode(mode)) throw new TypeError(`the mode of ${path} is not of permission bits`);
    if (secret && (mode & 0o077) !== 0) throw new TypeError(`${path} is secret and its mode lets others read it`);
    const parts = path.split('/');
    if (parts.some((_, index) => index > 0 && files.has(parts.slice(0, index).join('/'))))
      throw new TypeError(`${path} lies in a file`);
  }
}

function isMode(mode: number): boolean {
  return Number.isInteger(mode) && mode >= 0 && mode <= 0o777;
}

/** Runs `step`, which is synchronous, to its end whatever signal comes. A signal that nobody else listens to is raised again. */
async function withoutSignals<T>(step: () => T): Promise<T> {
  const pending = new Set<NodeJS.Signals>();
  const note = (signal: NodeJS.Signals) => void pending.add(signal);
  for (const signal of deferred) process.on(signal, note);
  try {
    return step();
  } finally {
    await eventLoopTurn();
    for (const signal of deferred) process.off(signal, note);
    for (const signal of pending) if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  }
}
const deferred = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
