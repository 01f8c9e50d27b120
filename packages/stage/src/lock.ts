/** One run at a time for a root, across crashes. The argument is in docs/commit.md, section "The lock". */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, threadId } from 'node:worker_threads';
import { asStageError, attempt, errnoOf, StageError } from './error.ts';
import { type Hold, refuseNonDirectory, removeEmptyDirectory, removeFile, status } from './files.ts';

/** Where a run keeps its private folder. `base` is the root, or its nearest existing parent. */
export interface Place {
  /** Absolute, links resolved as far as it exists. */
  readonly root: string;
  readonly base: string;
  /** The private folder, in `base`. */
  readonly folder: string;
  /** Every folder that a run on this root may have used: the parents' ones are of runs that met no root. Topmost first. */
  readonly candidates: readonly string[];
}

/** A held lock. */
export interface Claim {
  readonly folder: string;
  readonly name: string;
}

/** Resolves links on the way to `root` once. Throws StageError `symlink` for a dangling link, `not-a-file` for a file. */
export function locate(root: string): Place {
  // Lexical like the rest of Node, so that a root means the same before and after it exists.
  const wanted = resolve(root);
  let existing = wanted;
  for (;;) {
    const entry = status(existing);
    if (entry !== undefined) {
      if (
        entry.isSymbolicLink() &&
        attempt(existing, () => fs.statSync(existing, { throwIfNoEntry: false })) === undefined
      ) {
        throw new StageError(
          'symlink',
          existing,
          'a symbolic link that points to nothing',
          'make the directory it points to, or remove the link',
        );
      }
      break;
    }
    existing = dirname(existing);
  }
  const base = attempt(existing, () => fs.realpathSync.native(existing));
  refuseNonDirectory(
    base,
    attempt(base, () => fs.statSync(base)),
  );
  const real = join(base, relative(existing, wanted));
  const candidates: string[] = [];
  for (let at = base; ; at = dirname(at)) {
    candidates.unshift(join(at, folderName(relative(at, real))));
    if (at === dirname(at)) break;
  }
  return { root: real, base, folder: join(base, folderName(relative(base, real))), candidates };
}

/** Takes the lock in `folder`, one of the candidates of `place`. Throws StageError `locked` with the pid of a run
 *  that is going on. */
export async function claim(place: Place, folder: string, pass: Hold): Promise<Claim> {
  const name = claimName();
  makeClaim(folder, name, pass);
  try {
    for (let poll = 0; ; poll++) {
      // Located again: a directory made since could hold the claim of a run that listed before ours was there.
      const others = livingClaims(locate(place.root).candidates).filter((other) => other.name !== name);
      const [other] = others;
      if (other === undefined) break;
      // Of several that only just arrived the first in order waits until the others have seen it and left.
      const mayWait = others.every((each) => !each.held && name < each.name);
      if (!mayWait || poll === polls) throw lockedError(other);
      await sleep(pollMilliseconds);
    }
    attempt(folder, () => fs.closeSync(fs.openSync(join(folder, heldPrefix + name), 'wx', 0o600)));
    pass('lock:held');
    for (const entry of attempt(folder, () => fs.readdirSync(folder))) {
      if (isClaim(entry) && bare(entry) !== name) {
        removeFile(join(folder, entry));
        pass('lock:stale');
      }
    }
  } catch (error) {
    release({ folder, name }, () => {});
    throw error;
  }
  return { folder, name };
}

/** Gives the lock back and removes the folder if nothing else is in it. */
export function release(held: Claim, pass: Hold): void {
  removeFile(join(held.folder, heldPrefix + held.name));
  pass('unlock:held');
  removeFile(join(held.folder, held.name));
  pass('unlock:claim');
  removeEmptyDirectory(held.folder);
  pass('unlock:folder');
}

/** Whether an entry of the private folder belongs to the lock. */
export function isClaim(entry: string): boolean {
  return bare(entry).startsWith(claimPrefix);
}

function bare(entry: string): string {
  return entry.startsWith(heldPrefix) ? entry.slice(heldPrefix.length) : entry;
}

function folderName(rest: string): string {
  return rest === ''
    ? folderPrefix
    : `${folderPrefix}-${createHash('sha256').update(rest.split(sep).join('/')).digest('hex').slice(0, 16)}`;
}

function makeClaim(folder: string, name: string, pass: Hold): void {
  // A run that ends removes the folder between our two steps at most once each; 100 endings in a row is an error.
  for (let tries = 100; ; tries--) {
    let made = false;
    try {
      fs.mkdirSync(folder, { mode: 0o700 });
      made = true;
      pass('lock:folder');
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw asStageError(folder, error);
    }
    try {
      refuseForeign(folder);
      fs.closeSync(fs.openSync(join(folder, name), 'wx', 0o600));
      pass('lock:claim');
      return;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' && tries > 0) continue;
      if (made) removeEmptyDirectory(folder);
      throw asStageError(folder, error);
    }
  }
}

/** A folder that others could have filled must not steer what we rename: in a directory like /tmp its name can be guessed. */
function refuseForeign(folder: string): void {
  const entry = status(folder);
  if (entry === undefined || process.platform === 'win32') return;
  refuseNonDirectory(folder, entry);
  if (entry.uid !== process.geteuid?.()) {
    throw new StageError(
      'permission',
      folder,
      `a run of the user with uid ${entry.uid} is going on or was interrupted`,
      'wait for it or run once as that user; remove the folder if it holds nothing you need',
    );
  }
  if ((entry.mode & 0o077) !== 0) {
    throw new StageError(
      'permission',
      folder,
      'the folder for private keys is open to other users',
      'choose a file system that keeps modes, or set mode 0700',
    );
  }
}

interface Other {
  readonly folder: string;
  readonly name: string;
  readonly pid: number;
  readonly held: boolean;
  readonly judged: boolean;
}

function livingClaims(folders: readonly string[]): Other[] {
  const living: Other[] = [];
  for (const folder of folders) {
    let entries: string[];
    try {
      entries = fs.readdirSync(folder);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') continue;
      refuseForeign(folder);
      throw asStageError(folder, error);
    }
    for (const name of entries) {
      if (!name.startsWith(claimPrefix)) continue;
      const life = lifeOf(name);
      if (life === 'dead') continue;
      const pid = Number(name.split('.')[1]);
      living.push({ folder, name, pid, held: entries.includes(heldPrefix + name), judged: life === 'alive' });
    }
  }
  return living;
}

function lockedError(other: Other): StageError {
  return other.judged
    ? new StageError(
        'locked',
        dirname(other.folder),
        `another run is going on (process ${other.pid})`,
        'wait until it has ended, then run again',
        { pid: other.pid },
      )
    : new StageError(
        'locked',
        dirname(other.folder),
        `a run of another machine or container holds the lock (process ${other.pid} there)`,
        `wait until it has ended; if it was killed, remove ${join(other.folder, other.name)}`,
        { pid: other.pid },
      );
}

/** The whole identity is in the name, so that a claim is complete as soon as it exists and, unique for ever, can be
 *  removed by name without hitting another run's. Parts: prefix, pid, start time in clock ticks after boot, boot id,
 *  pid namespace, host, thread and count. */
function claimName(): string {
  const self = isMainThread ? 0 : threadId;
  count += 1;
  return [
    claimPrefix.slice(0, -1),
    process.pid,
    processState(process.pid)?.start ?? `t${Math.floor(performance.timeOrigin)}`,
    ...machine(),
    `${self}-${count}`,
  ].join('.');
}
let count = 0;

function lifeOf(name: string): 'alive' | 'dead' | 'unknown' {
  const [, pidText, start, bootId, namespace, host] = name.split('.');
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0 || host === undefined) return 'unknown';
  const [ourBootId, ourNamespace, ourHost] = machine();
  // Empty: no /proc there, or it could not be read; only the host is left to tell machines apart.
  const told = bootId !== '' && ourBootId !== '';
  if (told && bootId !== ourBootId) return host === ourHost ? 'dead' : 'unknown';
  if (!told && host !== ourHost) return 'unknown';
  if (namespace !== '' && ourNamespace !== '' && namespace !== ourNamespace) return 'unknown';
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return 'dead';
  }
  const state = processState(pid);
  // proc(5), hidepid: a process of another user can be there and not be shown.
  if (state === undefined) return 'alive';
  return (state.start === start || start?.startsWith('t')) && !state.ended ? 'alive' : 'dead';
}

/** Source: proc(5), /proc/pid/stat: field 3 is the state, field 22 the start time; field 2 may hold spaces and brackets. */
function processState(pid: number): { readonly start: string; readonly ended: boolean } | undefined {
  const text = firstOf(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, start] = [fields[0], fields[22 - 3]];
  return state === undefined || start === undefined ? undefined : { start, ended: state === 'Z' || state === 'X' };
}

/** Boot id, pid namespace and host, each fit for a file name; the first two are empty where there is no /proc. */
function machine(): readonly [string, string, string] {
  const bootId = firstOf('/proc/sys/kernel/random/boot_id')?.trim().replaceAll('-', '') ?? '';
  let namespace = '';
  try {
    namespace = fs.readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  } catch {}
  return [bootId, namespace, createHash('sha256').update(os.hostname()).digest('hex').slice(0, 12)];
}

function firstOf(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

const folderPrefix = '.k3s-pki-stage';
const claimPrefix = 'lock.';
const heldPrefix = 'held.';
// Two seconds: longer than a contender needs to list a folder, short enough for a person to wait.
const polls = 100;
const pollMilliseconds = 20;
