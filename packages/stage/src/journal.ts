/** The commit and its journal. Every state and why each is safe: docs/commit.md. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { asStageError, attempt, errnoOf, StageError } from './error.ts';
import {
  digest,
  type Hold,
  readRegular,
  refuseNonDirectory,
  removeEmptyDirectory,
  removeFile,
  setDirectoryMode,
  status,
  syncDirectory,
  writeExclusive,
} from './files.ts';
import { isClaim } from './lock.ts';

/** Written before the first change of a target. Paths are relative to `base`, '/'-separated; hashes are SHA-256, hex. */
export interface Journal {
  readonly version: 1;
  /** Absent before, parents first. */
  readonly directories: ReadonlyArray<{
    readonly path: string;
    readonly mode: number;
    readonly owner?: { readonly uid: number; readonly gid: number };
  }>;
  readonly writes: ReadonlyArray<{ readonly path: string; readonly sha256: string; readonly before: string | null }>;
  readonly removes: ReadonlyArray<{ readonly path: string; readonly before: string }>;
}

/** The private folder and the directory that it and the journal's paths lie in. */
export interface Workspace {
  readonly base: string;
  readonly folder: string;
}

/** How far a journal has come: `commit` and `undo` have work left, the other two only leftovers to remove. */
export type Phase = 'commit' | 'done' | 'undo' | 'undone';

export const newFile = (work: Workspace, index: number): string => join(work.folder, 'new', String(index));
const oldFile = (work: Workspace, index: number): string => join(work.folder, 'old', String(index));
const goneFile = (work: Workspace, index: number): string => join(work.folder, 'gone', String(index));
const journalFile = (work: Workspace, phase: Phase): string => join(work.folder, `journal.${phase}`);
const target = (work: Workspace, path: string): string => join(work.base, ...path.split('/'));

/** Keeps every file that will be replaced under a second name, durably. Nothing outside the folder changes but link counts. */
export function keepOld(work: Workspace, journal: Journal, pass: Hold): void {
  for (const [index, write] of journal.writes.entries()) {
    if (write.before === null) continue;
    const from = target(work, write.path);
    try {
      fs.linkSync(from, oldFile(work, index));
    } catch (error) {
      const errno = errnoOf(error);
      // No hard links here (FAT, some FUSE), or not for this user (proc(5), protected_hardlinks): a copy keeps the bytes.
      if (errno === undefined || !['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS'].includes(errno))
        throw asStageError(from, error);
      copyOld(from, oldFile(work, index));
    }
    if (hashOf(oldFile(work, index)) !== write.before) throw changed(from);
    pass(`commit:keep:${index}`);
  }
  syncDirectory(join(work.folder, 'old'));
  pass('commit:keep:sync');
}

function copyOld(from: string, to: string): void {
  const file = readRegular(from);
  if (file === undefined) throw changed(from);
  const { content, stats } = file;
  const owner = process.geteuid?.() === 0 ? stats : undefined;
  writeExclusive({ path: to, content, mode: stats.mode & 0o7777, owner }, () => {});
  attempt(to, () => fs.lutimesSync(to, stats.atimeMs / 1000, stats.mtimeMs / 1000));
}

/** Makes the journal durable. From here on a run that stops is finished or undone by the next one. */
export function open(work: Workspace, journal: Journal, pass: Hold): void {
  const temporary = join(work.folder, 'journal.tmp');
  const content = Buffer.from(`${JSON.stringify(journal)}\n`);
  writeExclusive({ path: temporary, content, mode: 0o600, owner: undefined }, (step) => pass(`journal:${step}`));
  // Before the journal's name: its folder's own entry, else a power cut could keep the renames and lose the journal.
  syncDirectory(work.base);
  pass('journal:base');
  attempt(temporary, () => fs.renameSync(temporary, journalFile(work, 'commit')));
  pass('journal:rename');
  syncDirectory(work.folder);
  pass('journal:folder');
}

/** One rename; needs no space, so that a full disk can't keep a commit from being undone. */
function advance(work: Workspace, from: Phase, to: Phase, pass: Hold): void {
  attempt(journalFile(work, from), () => fs.renameSync(journalFile(work, from), journalFile(work, to)));
  pass(`journal:${to}`);
  syncDirectory(work.folder);
  pass(`journal:${to}:sync`);
}

/** Finishes an open journal, or undoes it and throws what prevented that. `milliseconds` since 1970 is the
 *  modification time that every written file gets. */
export function finishOrUndo(work: Workspace, journal: Journal, milliseconds: number, pass: Hold): void {
  try {
    finish(work, journal, milliseconds, pass);
  } catch (error) {
    if (status(journalFile(work, 'done')) !== undefined) {
      throw new StageError(
        'io',
        work.base,
        'the new files are all in place, but the disk reports an error',
        'look at the system log for a failing disk',
        { cause: error },
      );
    }
    advance(work, 'commit', 'undo', pass);
    undo(work, journal, pass);
    throw error;
  }
}

/** Every step may have been taken before: this runs again after a crash. */
function finish(work: Workspace, journal: Journal, milliseconds: number, pass: Hold): void {
  const touched = new Set<string>();
  for (const [index, { path, mode, owner }] of journal.directories.entries()) {
    const at = target(work, path);
    refuseIndirect(work, path);
    attempt(at, () => {
      try {
        fs.mkdirSync(at, { mode });
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
      }
    });
    pass(`finish:directory:${index}`);
    setDirectoryMode(at, mode, owner);
    pass(`finish:mode:${index}`);
    touched.add(parent(path));
  }
  const seconds = milliseconds / 1000;
  for (const [index, write] of journal.writes.entries()) {
    refuseIndirect(work, write.path);
    const [from, to] = [newFile(work, index), target(work, write.path)];
    const staged = status(from) !== undefined;
    const now = hashOf(to);
    if (!(now === write.sha256 || (staged && (now === undefined || now === write.before)))) throw changed(to);
    attempt(to, () => fs.lutimesSync(staged ? from : to, seconds, seconds));
    if (staged) move(from, to);
    pass(`finish:rename:${index}`);
    touched.add(parent(write.path));
  }
  for (const [index, { path, before }] of journal.removes.entries()) {
    refuseIndirect(work, path);
    const [from, to] = [target(work, path), goneFile(work, index)];
    const now = hashOf(from);
    if (now !== undefined) {
      if (now !== before) throw changed(from);
      move(from, to);
    }
    pass(`finish:remove:${index}`);
    touched.add(parent(path));
  }
  // Where the removed files now are comes before where they were: not every file system ties the two halves of a rename.
  syncDirectory(join(work.folder, 'gone'));
  syncAll(work, touched, 'finish', pass);
  for (const { path, sha256 } of journal.writes) {
    if (hashOf(target(work, path)) !== sha256) throw changed(target(work, path));
  }
  advance(work, 'commit', 'done', pass);
}

/** A file still in `new/` tells that its target was not touched; one in `gone/` that it was moved there. Runs again after a crash. */
function undo(work: Workspace, journal: Journal, pass: Hold): void {
  const touched = new Set<string>();
  for (const [index, { path, before }] of journal.removes.entries()) {
    const [kept, to] = [goneFile(work, index), target(work, path)];
    if (status(kept) === undefined) continue;
    refuseIndirect(work, path);
    const now = stateOf(to);
    if (now !== undefined && now !== before) throw conflict(work, to, kept);
    if (hashOf(kept) !== before) throw lost(work, to);
    move(kept, to);
    pass(`undo:remove:${index}`);
    touched.add(parent(path));
  }
  for (const [index, { path, sha256, before }] of journal.writes.entries()) {
    const [staged, kept, to] = [newFile(work, index), oldFile(work, index), target(work, path)];
    refuseIndirect(work, path);
    const now = stateOf(to);
    if (status(staged) !== undefined && now !== sha256) continue;
    if (before === null) {
      if (now === undefined) continue;
      if (now !== sha256) throw conflict(work, to, undefined);
      move(to, staged);
    } else {
      const intact = hashOf(kept) === before;
      if (now !== undefined && now !== sha256 && now !== before) throw conflict(work, to, intact ? kept : undefined);
      if (!intact && now !== before) throw lost(work, to);
      if (intact) move(kept, to);
    }
    pass(`undo:rename:${index}`);
    touched.add(parent(path));
  }
  for (const [index, { path }] of [...journal.directories.entries()].reverse()) {
    refuseIndirect(work, path);
    removeEmptyDirectory(target(work, path));
    pass(`undo:directory:${index}`);
    touched.add(parent(path));
  }
  syncAll(work, touched, 'undo', pass);
  advance(work, 'undo', 'undone', pass);
}

/** rename(2), which does nothing when both names are of one file already: a power cut can keep half of a rename. */
function move(from: string, to: string): void {
  const [source, there] = [status(from), status(to)];
  attempt(to, () => fs.renameSync(from, to));
  if (source !== undefined && there !== undefined && source.ino === there.ino && source.dev === there.dev)
    removeFile(from);
}

function syncAll(work: Workspace, paths: ReadonlySet<string>, prefix: string, pass: Hold): void {
  let count = 0;
  for (const path of paths) {
    const at = path === '' ? work.base : target(work, path);
    if (status(at) === undefined) continue;
    syncDirectory(at);
    pass(`${prefix}:sync:${count}`);
    count += 1;
  }
}

/** Brings what an earlier run left in the folder to the old or the new set, and empties the folder. Lock holders only. */
export function settle(work: Workspace, clock: () => number, pass: Hold): 'clean' | 'finished' | 'undone' {
  const entries = attempt(work.folder, () => fs.readdirSync(work.folder));
  const phases: readonly Phase[] = ['commit', 'done', 'undo', 'undone'];
  const phase = phases.find((each) => entries.includes(`journal.${each}`));
  let result: 'clean' | 'finished' | 'undone' =
    phase === undefined ? 'clean' : phase === 'done' ? 'finished' : 'undone';
  if (phase === 'commit') {
    const journal = read(work, phase);
    if (finishable(work, journal)) {
      try {
        finishOrUndo(work, journal, clock(), pass);
        result = 'finished';
      } catch (error) {
        // Undone is a full recovery too; anything less must be heard.
        if (status(journalFile(work, 'undone')) === undefined) throw error;
      }
    } else {
      advance(work, 'commit', 'undo', pass);
      undo(work, journal, pass);
    }
  } else if (phase === 'undo') {
    undo(work, read(work, phase), pass);
  }
  clear(work, pass);
  return result;
}

function finishable(work: Workspace, journal: Journal): boolean {
  for (const [index, { path, sha256, before }] of journal.writes.entries()) {
    const now = stateOf(target(work, path));
    const staged = hashOf(newFile(work, index)) === sha256 && (now === undefined || now === before);
    if (!staged && now !== sha256) return false;
  }
  return journal.removes.every(({ path, before }) => [before, undefined].includes(stateOf(target(work, path))));
}

/** Empties the folder; the journal last, so that an interrupted run is still reported. The lock's entries stay. Refuses while a journal has work left: its files are the only copies. */
export function clear(work: Workspace, pass: Hold): void {
  if (unsettled(work)) return;
  for (const name of ['new', 'old', 'gone']) {
    const at = join(work.folder, name);
    if (status(at) === undefined) continue;
    for (const [index, entry] of attempt(at, () => fs.readdirSync(at)).entries()) {
      removeFile(join(at, entry));
      pass(`clear:${name}:${index}`);
    }
    removeEmptyDirectory(at);
    pass(`clear:${name}`);
  }
  for (const entry of attempt(work.folder, () => fs.readdirSync(work.folder))) {
    if (isClaim(entry)) continue;
    removeFile(join(work.folder, entry));
    pass('clear:journal');
  }
}

/** Whether the folder holds a journal with work left. */
export function unsettled(work: Workspace): boolean {
  return status(journalFile(work, 'commit')) !== undefined || status(journalFile(work, 'undo')) !== undefined;
}

/** SHA-256 of a regular file, undefined when it or a directory on its way is absent. */
export function hashOf(path: string): string | undefined {
  const file = readRegular(path);
  return file === undefined ? undefined : digest(file.content);
}

/** hashOf, with a word for what is not a file at all: after a crash that is a foreign change like any other. */
function stateOf(path: string): string | undefined {
  const entry = status(path);
  return entry === undefined || entry.isFile() ? hashOf(path) : 'irregular';
}

/** Throws when a directory between `base` and `path` is a link: someone could have put it there since the check. */
function refuseIndirect(work: Workspace, path: string): void {
  let at = work.base;
  for (const part of path.split('/').slice(0, -1)) {
    at = join(at, part);
    const entry = status(at);
    if (entry !== undefined) refuseNonDirectory(at, entry);
  }
}

function parent(path: string): string {
  return path.split('/').slice(0, -1).join('/');
}

function changed(path: string): StageError {
  return new StageError(
    'changed',
    path,
    'another program changed it during the run',
    'let no other program write there, then run again',
  );
}

function conflict(work: Workspace, path: string, kept: string | undefined): StageError {
  const where =
    kept === undefined
      ? `remove or move ${path}`
      : `move ${path} away; the file from before the interrupted run is ${kept}`;
  return new StageError(
    'changed',
    path,
    'it was changed after a run had been interrupted, so that run cannot be undone',
    `${where}; then run again (kept files: ${work.folder})`,
  );
}

function lost(work: Workspace, path: string): StageError {
  return new StageError(
    'io',
    path,
    'neither the file from before the interrupted run nor the new one is intact',
    `restore it from a backup; what is left is in ${work.folder}`,
  );
}

/** The folder is private, so a journal that does not parse is a damaged disk. Paths are still held inside `base`. */
function read(work: Workspace, phase: Phase): Journal {
  const path = journalFile(work, phase);
  const file = readRegular(path);
  try {
    const journal = JSON.parse(Buffer.from(file?.content ?? []).toString()) as Journal;
    if (journal.version !== 1) throw new TypeError('unknown version');
    for (const each of [...journal.directories, ...journal.writes, ...journal.removes]) {
      if (!isPlainPath(each.path)) throw new TypeError('path outside the root');
    }
    for (const { mode, owner } of journal.directories) {
      if (!Number.isInteger(mode)) throw new TypeError('no mode');
      if (owner !== undefined && !(Number.isInteger(owner.uid) && Number.isInteger(owner.gid)))
        throw new TypeError('no owner');
    }
    for (const { sha256, before } of journal.writes)
      if (!isHash(sha256) || !(before === null || isHash(before))) throw new TypeError('no hash');
    for (const { before } of journal.removes) if (!isHash(before)) throw new TypeError('no hash');
    return journal;
  } catch (cause) {
    throw new StageError(
      'io',
      path,
      'the journal of an interrupted run is damaged',
      `compare the files kept in ${work.folder} with those in place, then remove the folder`,
      { cause },
    );
  }
}

/** Relative, '/'-separated, no empty, `.` or `..` part. */
export function isPlainPath(path: unknown): path is string {
  return (
    typeof path === 'string' &&
    !path.includes('\0') &&
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  );
}

/** SHA-256 in lower-case hex. */
export function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}
