import { resolve } from 'node:path';
import { type Backup, listBackups, readBackup, valueDigest } from '@k3s-pki/datastore';
import { type OpenStore, openStore, type RecordChange, translated } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { Failure } from '../../failure.ts';
import { asFailure } from '../../failures.ts';
import { bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import { swapCommandOf } from '../../rotating/token-swap.ts';
import { findToken } from '../../token-source.ts';
import type { BootstrapWriteOptions } from './options.ts';
import { changeStore } from './run.ts';
import { undoTokenRotation } from './undo-token.ts';

export interface UndoOptions extends BootstrapWriteOptions {
  /** Else the newest of the data dir. */
  readonly backup: string | undefined;
  /** Undoes a rotation of the token although K3s seems to run. */
  readonly force: boolean;
}

/** Puts back what the last change found, if nobody has changed it since. It makes a backup too: undone twice is done. */
export async function undoBootstrap(options: UndoOptions, context: Context): Promise<number> {
  try {
    // Once: it may come from a pipe.
    const found = options.tokenFile === undefined ? {} : { found: await findToken(options, context) };
    const source = { ...options, ...found };
    if (await isOfToken(source, context)) return await undoTokenRotation(source, context);
    return await changeStore('bootstrap undo', source, context, ({ store, root }) =>
      translated(async () => {
        const chosen = await chooseBackup(store, root, options, context);
        const changes: RecordChange[] = [];
        for (const { key, before, entry } of await unchanged(store, chosen)) {
          changes.push({ key, before: entry, after: before });
        }
        return { changes, next: words.afterUndo() };
      }),
    );
  } catch (error) {
    throw asFailure(error);
  }
}

/** Whether the change that is to be undone was one of the token, so that files go back too. */
async function isOfToken(options: UndoOptions, context: Context): Promise<boolean> {
  const { store, root, close } = await openStore(options, context);
  try {
    return swapCommandOf((await chooseBackup(store, root, options, context)).backup) !== undefined;
  } finally {
    await close();
  }
}

export interface ChosenBackup {
  readonly path: string;
  readonly backup: Backup;
}

/** The backup that was named, or the newest of a change that took place. Throws Failure. */
export async function chooseBackup(
  store: OpenStore['store'],
  root: string,
  { backup: named }: Pick<UndoOptions, 'backup'>,
  { cwd }: Pick<Context, 'cwd'>,
): Promise<ChosenBackup> {
  return translated(async () => {
    if (named !== undefined) return read(resolve(cwd, named));
    for (const path of listBackups(root)) {
      const chosen = read(path);
      if (!(await isUntouched(store, chosen))) return chosen;
    }
    throw new Failure([words.noBackup(root)]);
  });
}

function read(path: string): ChosenBackup {
  return { path, backup: readBackup(path) };
}

/** Whether every key holds what it held before the change: a run that was killed between its backup and its change. */
async function isUntouched(store: OpenStore['store'], { backup: { where, records } }: ChosenBackup): Promise<boolean> {
  if (where !== store.description) return false;
  for (const { key, before } of records) {
    const now = await store.read(key);
    if ((now && valueDigest(now.value)) !== (before && valueDigest(before))) return false;
  }
  return true;
}

/** The records of a backup with what is there now. Throws Failure when that is not what the change left. */
export async function unchanged(store: OpenStore['store'], { path, backup }: ChosenBackup) {
  const where = store.description;
  if (backup.where !== where) throw new Failure([words.otherDatastore(path, backup.where, where)]);
  return Promise.all(
    backup.records.map(async (record) => {
      const entry = await store.read(record.key);
      if ((entry && valueDigest(entry.value)) !== record.after) {
        throw new Failure([words.changedSince(where, record.key, path)]);
      }
      return { ...record, entry };
    }),
  );
}
