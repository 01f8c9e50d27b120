import { resolve } from 'node:path';
import { listBackups, readBackup, valueDigest } from '@k3s-pki/datastore';
import { changeRecords, openStore, type RecordChange, translated } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { exitCode, Failure } from '../../failure.ts';
import { asFailure } from '../../failures.ts';
import { bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import { printChange } from '../../render/bootstrap.ts';
import type { BootstrapWriteOptions } from './options.ts';

export interface UndoOptions extends BootstrapWriteOptions {
  /** Else the newest of the data dir. */
  readonly backup: string | undefined;
}

const command = 'bootstrap undo';

/** Puts back what the last change found, if nobody has changed it since. It makes a backup too: undone twice is done. */
export async function undoBootstrap(options: UndoOptions, context: Context): Promise<number> {
  try {
    const found = await openStore(options, context);
    try {
      const { store, root } = found;
      const changes = await translated(async () => {
        const path = options.backup === undefined ? listBackups(root)[0] : resolve(context.cwd, options.backup);
        if (path === undefined) throw new Failure([words.noBackup(root)]);
        const { where, records } = readBackup(path);
        if (where !== store.description) throw new Failure([words.otherDatastore(path, where, store.description)]);
        const list: RecordChange[] = [];
        for (const { key, before, after } of records) {
          const entry = await store.read(key);
          if ((entry && valueDigest(entry.value)) !== after) throw new Failure([words.changedSince(where, key, path)]);
          list.push({ key, before: entry, after: before });
        }
        return list;
      });
      const backup = options.dryRun ? undefined : await changeRecords(found, command, changes, context);
      await printChange(
        {
          command,
          found,
          dryRun: options.dryRun,
          changes: changes.map(({ key, after }) => ({ key, action: after === undefined ? 'removed' : 'written' })),
          ...(backup === undefined ? {} : { backup }),
          next: words.afterUndo(),
        },
        options.output,
        context,
      );
      return exitCode.done;
    } finally {
      await found.close();
    }
  } catch (error) {
    throw asFailure(error);
  }
}
