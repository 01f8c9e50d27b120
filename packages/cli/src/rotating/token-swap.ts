import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Backup,
  changeOf,
  type Datastore,
  DatastoreError,
  dropBackup,
  type Entry,
  listBackups,
  readBackup,
  SealError,
  seal,
  unseal,
  valueDigest,
  writeBackup,
} from '@k3s-pki/datastore';
import { bootstrapKey, normaliseToken, tokenFileText } from '@k3s-pki/k3s';
import { commit, discard, type FileRemove, type FileWrite, type Lock, stage } from '@k3s-pki/stage';
import { type OpenStore, translated } from '../bootstrap-record.ts';
import type { Context } from '../context.ts';
import { Failure } from '../failure.ts';
import { bootstrapMessages } from '../messages/english/bootstrap.ts';
import { tokenRotateMessages as words } from '../messages/english/token-rotate.ts';
import { UncertainRotation } from './token-target.ts';

/** Where a server keeps its token, relative to a data dir. */
export const ownToken = 'server/token';

/** What changes the token of a data dir and its record together: a rotation, its undoing, and the undoing of that. */
export const swapCommands = ['token rotate', 'bootstrap undo', 'bootstrap undo twice'] as const;
export type SwapCommand = (typeof swapCommands)[number];

/** What counts before a change: the passphrase that opens the record, and the files; null where there was none. */
export interface TokenState {
  readonly passphrase: string;
  readonly files: ReadonlyMap<string, Uint8Array | null>;
}

/** A change of the token: one record takes another's place, and files follow. */
export interface TokenSwap {
  readonly command: SwapCommand;
  readonly old: Entry;
  readonly key: string;
  readonly value: Uint8Array;
  readonly before: TokenState;
  /** The passphrase that opens `value`. */
  readonly passphrase: string;
  readonly writes: readonly FileWrite[];
  readonly removes: readonly FileRemove[];
  readonly verify: (read: (path: string) => Uint8Array) => void;
}

/**
 * A record and files cannot change in one step, so the order is:
 *
 *     1. backup: a file that names both keys and the digests of both values, with the files from before in it, sealed
 *     2. the record is created under the new token's key; the old one stays
 *     3. server/token, cred/passwd: all or none, by the journal of `stage`
 *     4. the old record is removed
 *
 * Stopped after 1: nothing has changed. After 2: the files are old and the old record is there; K3s starts with the old
 * token and warns of two records. In 3: the next run's `lock` finishes the files or undoes them. After 3: the files
 * are new and the new record, with the same password file in it, is there; K3s starts with the new token. So in every
 * state one token opens one whole record, and it is the one in server/token.
 * The next run knows its own half by the backup: both keys hold exactly what it names. It then removes the record that
 * server/token does not open (`settleHalf`), which is the one from before (finished) or the copy (undone). It needs no
 * password for that, so a random one that died with its run does no harm. `bootstrap doctor` and `bootstrap prune` come to the same.
 * Throws Failure: nothing was changed, or UncertainRotation. Answers the path of the backup.
 */
export async function swapToken(
  { store, root }: Pick<OpenStore, 'store' | 'root'>,
  swap: TokenSwap,
  held: Lock,
  { clock, random, signal }: Context,
): Promise<string> {
  const { command, old, key, value, before, passphrase, writes, removes, verify } = swap;
  const where = store.description;
  const directories = [...new Set(writes.map(({ path }) => path.slice(0, path.lastIndexOf('/'))))].map((path) => ({
    path,
    mode: 0o700,
  }));
  // Staged first: a full disk is found out before the datastore changes.
  const staged = await stage({ root, directories, writes, removes }, { clock, signal, lock: held, verify });
  const files = await sealState(before, passphrase, random);
  signal.throwIfAborted();
  const backup = await translated(async () => {
    const records = [changeOf(key, undefined, value), changeOf(old.key, old, undefined)];
    return writeBackup(root, { at: Math.floor(clock() / 1000), command, where, records, files });
  });
  const made = await translated(() => create(store, key, value, old, backup));
  try {
    await commit(staged);
  } catch (error) {
    await translated(() => store.remove(key, made));
    dropBackup(backup);
    throw error;
  } finally {
    await discard(staged);
  }
  await removeOld(store, old, command, backup);
  return backup;
}

/** Creates the new record while the old one is what was read. Answers its revision. */
async function create(store: Datastore, key: string, value: Uint8Array, old: Entry, backup: string): Promise<string> {
  const where = store.description;
  const swapped = await store.swap(key, 'absent', value).catch((error) => {
    // Not known whether it is there: the backup lets the next run see.
    if (!(error instanceof DatastoreError && error.code === 'outcome-unknown')) dropBackup(backup);
    throw error;
  });
  if (swapped.kind === 'conflict') {
    dropBackup(backup);
    throw new Failure([bootstrapMessages.changedMeanwhile(where, key)]);
  }
  if ((await store.read(old.key))?.revision !== old.revision) {
    await store.remove(key, swapped.revision);
    dropBackup(backup);
    throw new Failure([bootstrapMessages.changedMeanwhile(where, old.key)]);
  }
  return swapped.revision;
}

async function removeOld(store: Datastore, old: Entry, command: SwapCommand, backup: string): Promise<void> {
  const where = store.description;
  const removed = await store.remove(old.key, old.revision).catch((error) => {
    if (!(error instanceof DatastoreError)) throw error;
    throw new UncertainRotation([words.oldLeftBehind(where, old.key, error.message, command)], { cause: error });
  });
  if (removed.kind === 'conflict') throw new UncertainRotation([words.oldChanged(where, old.key, backup)]);
}

/** What an interrupted run had left, and what became of it. `finished`: its token counts. `undone`: the one from before. */
export interface SettledHalf {
  readonly command: SwapCommand;
  readonly kind: 'finished' | 'undone';
  readonly backup: string;
  /** The key that was removed. */
  readonly removed: string;
}

/** Brings the two records of an interrupted run to one; undefined when there was none. The data dir is locked. Throws Failure. */
export async function settleHalf({ store, records, root }: OpenStore): Promise<SettledHalf | undefined> {
  return translated(async () => {
    if (records.length !== 2) return undefined;
    const half = listBackups(root)
      .map((path) => ({ path, backup: readBackup(path) }))
      .find(({ backup }) => swapCommandOf(backup) !== undefined && backup.where === store.description);
    const command = half === undefined ? undefined : swapCommandOf(half.backup);
    if (half === undefined || command === undefined) return undefined;
    const now = new Map(half.backup.records.map(({ key }) => [key, records.find((each) => each.key === key)]));
    const copy = half.backup.records.find(({ after }) => after !== undefined);
    const old = half.backup.records.find(({ before }) => before !== undefined);
    const [copied, kept] = [now.get(copy?.key ?? ''), now.get(old?.key ?? '')];
    if (copied === undefined || kept === undefined || old?.before === undefined) return undefined;
    if (valueDigest(copied.value) !== copy?.after || valueDigest(kept.value) !== valueDigest(old.before))
      return undefined;
    const password = passwordIn(join(root, ownToken));
    const opens = password === undefined ? undefined : bootstrapKey(password);
    // A rotation always leaves its token in server/token; before it the token may have stood elsewhere, or in another form.
    const finished = command === 'bootstrap undo' ? opens !== kept.key : opens === copied.key;
    const goes = finished ? kept : copied;
    const removed = await store.remove(goes.key, goes.revision);
    if (removed.kind === 'conflict') {
      throw new Failure([bootstrapMessages.changedMeanwhile(store.description, goes.key)]);
    }
    if (!finished) dropBackup(half.path);
    return { command, kind: finished ? 'finished' : 'undone', backup: half.path, removed: goes.key };
  });
}

/** The command of a backup that is of token and record together; undefined for one of records alone. */
export function swapCommandOf({ command, files }: Backup): SwapCommand | undefined {
  const known = swapCommands.find((each) => each === command);
  return files === undefined && known !== 'token rotate' ? undefined : known;
}

/** The password of a token file; undefined where there is no such file or no token in it. */
export function passwordIn(path: string): string | undefined {
  return existsSync(path) ? normaliseToken(tokenFileText(readFileSync(path)) ?? '') : undefined;
}

/** The content of a file; null where there is none. */
export function contentAt(path: string): Uint8Array | null {
  return existsSync(path) ? readFileSync(path) : null;
}

/** SHA-256 of a file, for `expect`. */
export function digestAt(path: string): string {
  const content = contentAt(path);
  return content === null ? 'absent' : valueDigest(content);
}

async function sealState(
  { passphrase, files }: TokenState,
  key: string,
  random: Context['random'],
): Promise<Uint8Array> {
  const base64 = [...files].map(([path, content]) => [path, content && Buffer.from(content).toString('base64')]);
  const document = Buffer.from(JSON.stringify({ passphrase, files: Object.fromEntries(base64) }));
  try {
    return await seal(document, key, random);
  } finally {
    document.fill(0);
  }
}

/** Opens what a swap sealed into its backup; undefined with another token. */
export async function openState(sealed: Uint8Array, key: string): Promise<TokenState | undefined> {
  try {
    const document = await unseal(sealed, key);
    const { passphrase, files } = JSON.parse(Buffer.from(document).toString()) as {
      passphrase: string;
      files: Record<string, string | null>;
    };
    document.fill(0);
    const read = Object.entries(files).map(([path, content]) => {
      return [path, content === null ? null : Uint8Array.from(Buffer.from(content, 'base64'))] as const;
    });
    return { passphrase, files: new Map(read) };
  } catch (error) {
    if (error instanceof SealError) return undefined;
    throw error;
  }
}
