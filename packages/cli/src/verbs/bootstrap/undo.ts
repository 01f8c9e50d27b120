import { resolve } from 'node:path';
import { listBackups, readBackup, valueDigest } from '@k3s-pki/datastore';
import { type RecordChange, translated } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { Failure } from '../../failure.ts';
import { bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import type { BootstrapWriteOptions } from './options.ts';
import { changeStore } from './run.ts';

export interface UndoOptions extends BootstrapWriteOptions {
  /** Else the newest of the data dir. */
  readonly backup: string | undefined;
}

/** Puts back what the last change found, if nobody has changed it since. It makes a backup too: undone twice is done. */
export async function undoBootstrap(options: UndoOptions, context: Context): Promise<number> {
  return changeStore('bootstrap undo', options, context, ({ store, root }) =>
    translated(async () => {
      const path = options.backup === undefined ? listBackups(root)[0] : resolve(context.cwd, options.backup);
      if (path === undefined) throw new Failure([words.noBackup(root)]);
      const { where, records } = readBackup(path);
      if (where !== store.description) throw new Failure([words.otherDatastore(path, where, store.description)]);
      const changes: RecordChange[] = [];
      for (const { key, before, after } of records) {
        const entry = await store.read(key);
        if ((entry && valueDigest(entry.value)) !== after) throw new Failure([words.changedSince(where, key, path)]);
        changes.push({ key, before: entry, after: before });
      }
      return { changes, next: words.afterUndo() };
    }),
  );
}
