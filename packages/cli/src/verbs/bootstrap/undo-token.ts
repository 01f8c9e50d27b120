import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Entry } from '@k3s-pki/datastore';
import { PasswdError, parsePasswd, passwdFile } from '@k3s-pki/k3s';
import { type Lock, lock, unlock } from '@k3s-pki/stage';
import { type OpenStore, opened, openStore, type RecordSource, translated } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { exitCode, Failure, internalError } from '../../failure.ts';
import { findHolders } from '../../holders.ts';
import { bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import { describeHolder } from '../../messages/english/rotate.ts';
import { type ChangeReport, printChange } from '../../render/bootstrap.ts';
import { writeMessages } from '../../render/messages.ts';
import {
  contentAt,
  digestAt,
  openState,
  ownToken,
  passwordIn,
  type SettledHalf,
  settleHalf,
  swapToken,
  type TokenSwap,
} from '../../rotating/token-swap.ts';
import { type ChosenBackup, chooseBackup, type UndoOptions, unchanged } from './undo.ts';

const command = 'bootstrap undo';

/**
 * Undoes an offline rotation of the token, or the undoing of one: the record, server/token and cred/passwd go back
 * together, in the order and with the safety of the rotation itself (`swapToken`). The token that was named is `found` by
 * now. Throws Failure.
 */
export async function undoTokenRotation(options: UndoOptions, context: Context): Promise<number> {
  const { dryRun, force, product, configFile, output } = options;
  const root = resolve(context.cwd, options.dataDir);
  if (!dryRun && !force) {
    const holders = await findHolders(root, product, context, configFile);
    if (holders.length > 0) throw new Failure([words.running(root, holders.map(describeHolder))]);
  }
  const held = dryRun ? undefined : await lock(root, { clock: context.clock });
  try {
    const settled = held === undefined ? undefined : await settle(options, held, context);
    if (settled !== undefined) writeMessages('warning', [words.settled(settled)], context);
    const { found: _named, tokenFile: _file, ...rest } = options;
    const now = settled?.kind === 'finished' ? { ...rest, tokenFile: undefined } : options;
    // Past the first change Ctrl-C waits for the end: the steps are few, each with its time limit.
    const found = await openStore(now, { ...context, signal: new AbortController().signal });
    try {
      const done = settled !== undefined && isAnswer(settled);
      const report = done ? settledReport(settled, found) : await undo(found, held, options, context);
      await printChange(report, output, context);
      return exitCode.done;
    } finally {
      await found.close();
    }
  } finally {
    if (held !== undefined) await unlock(held);
  }
}

async function settle(source: RecordSource, held: Lock, context: Context): Promise<SettledHalf | undefined> {
  const found = await openStore(source, context);
  try {
    const settled = await settleHalf(found);
    if (settled === undefined && held.recovery.kind !== 'clean') {
      writeMessages('warning', [{ error: `${held.root}: ${held.recovery.detail}` }], context);
    }
    return settled;
  } finally {
    await found.close();
  }
}

/** Whether the end of an interrupted run is what was asked for: the old token counts again, or an undo was finished. */
function isAnswer({ command: interrupted, kind }: SettledHalf): boolean {
  return interrupted === 'token rotate' ? kind === 'undone' : kind === 'finished';
}

function settledReport({ removed, kind, backup }: SettledHalf, found: OpenStore): ChangeReport {
  const { root } = found;
  const changes = [{ key: removed, action: 'removed' as const }];
  const next = kind === 'finished' ? words.afterTokenUndo(tokenPlace(root)) : [];
  return { command, found, dryRun: false, changes, ...(kind === 'finished' ? { backup } : {}), next };
}

async function undo(
  found: OpenStore,
  held: Lock | undefined,
  options: UndoOptions,
  context: Context,
): Promise<ChangeReport> {
  const chosen = await chooseBackup(found.store, found.root, options, context);
  const { swap, wipe } = await planSwap(found, chosen);
  try {
    const backup = held === undefined ? undefined : await swapToken(found, swap, held, context);
    return {
      command,
      found,
      dryRun: options.dryRun,
      changes: [
        { key: swap.key, action: 'written' },
        { key: swap.old.key, action: 'removed' },
      ],
      files: [
        ...swap.writes.map(({ path }) => ({ path, action: 'written' as const })),
        ...swap.removes.map(({ path }) => ({ path, action: 'removed' as const })),
      ],
      ...(backup === undefined ? {} : { backup }),
      next: words.afterTokenUndo(
        swap.writes.some(({ path }) => path === ownToken) ? join(found.root, ownToken) : undefined,
      ),
    };
  } finally {
    wipe();
  }
}

/** Throws Failure when record or files are no longer what the change left. */
async function planSwap(found: OpenStore, chosen: ChosenBackup): Promise<{ swap: TokenSwap; wipe(): void }> {
  const { store, root, token } = found;
  const { path: place, backup } = chosen;
  const where = store.description;
  if (backup.files === undefined) throw new Failure([words.tokenWithoutFiles(place)]);
  const records = await translated(() => unchanged(store, chosen));
  const goes = records.find(({ after }) => after !== undefined)?.entry;
  const comes = records.find(({ before }) => before !== undefined);
  if (goes === undefined || comes?.before === undefined) return internalError('a rotation without its two records');
  const state = await openState(backup.files, token.passphrase);
  if (state === undefined) throw new Failure([words.closedFiles(place, token.from)]);
  // What comes back must open with the token that comes back.
  const entry: Entry = { key: comes.key, value: comes.before, revision: '0' };
  (await opened(where, entry, state.passphrase)).document.fill(0);
  const { data, document } = await opened(where, goes, token.passphrase);
  document.fill(0);
  const now = new Map([...state.files.keys()].map((path) => [path, contentAt(join(root, path))]));
  const problems = [...now.keys()]
    .filter(
      (path) => !isLeft(root, path, now.get(path) ?? null, token.passphrase, data.files.get('PasswdFile')?.content),
    )
    .map((path) => words.fileChangedSince(join(root, path), place));
  if (problems.length > 0) throw new Failure(problems);
  const expect = (path: string) => digestAt(join(root, path));
  const swap: TokenSwap = {
    command: backup.command === command ? 'bootstrap undo twice' : command,
    old: goes,
    key: comes.key,
    value: comes.before,
    before: { passphrase: token.passphrase, files: now },
    passphrase: state.passphrase,
    writes: [...state.files].flatMap(([path, content]) =>
      content === null ? [] : [{ path, content, mode: 0o600, secret: true, expect: expect(path) }],
    ),
    removes: [...state.files].flatMap(([path, content]) => (content === null ? [{ path, expect: expect(path) }] : [])),
    verify() {},
  };
  return { swap, wipe: () => [...state.files.values(), ...now.values()].forEach((content) => void content?.fill(0)) };
}

/** Whether a file is as the change left it. K3s may have written the rows of the password file in another order since. */
function isLeft(
  root: string,
  path: string,
  content: Uint8Array | null,
  passphrase: string,
  stored: Uint8Array | undefined,
): boolean {
  if (path !== passwdFile) return content === null || passwordIn(join(root, path)) === passphrase;
  return content !== null && stored !== undefined && rowsOf(content) === rowsOf(stored);
}

function rowsOf(content: Uint8Array): string {
  try {
    const rows = parsePasswd(Buffer.from(content).toString());
    return JSON.stringify(rows.map((row) => JSON.stringify(row)).sort());
  } catch (error) {
    if (error instanceof PasswdError) return error.message;
    throw error;
  }
}

function tokenPlace(root: string): string | undefined {
  const place = join(root, ownToken);
  return existsSync(place) ? place : undefined;
}
