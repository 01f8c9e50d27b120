import { changeRecords, opened, openStore } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { exitCode, Failure } from '../../failure.ts';
import { asFailure } from '../../failures.ts';
import { bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import { printChange } from '../../render/bootstrap.ts';
import type { BootstrapWriteOptions } from './options.ts';

const command = 'bootstrap prune';

/** Removes every record but the one of this token, and a lock that was left over. */
export async function pruneBootstrap(options: BootstrapWriteOptions, context: Context): Promise<number> {
  try {
    const found = await openStore(options, context);
    try {
      const { store, records, token } = found;
      const where = store.description;
      const own = records.find(({ kind }) => kind === 'current');
      const lock = records.length === 1 && records[0]?.kind === 'locked';
      if (own === undefined && !lock && records.length > 0) {
        throw new Failure([
          words.otherToken(
            where,
            records.map(({ key }) => key),
            token.from,
          ),
        ]);
      }
      // A record that stays must be one that opens.
      if (own?.passphrase !== undefined) (await opened(where, own, own.passphrase)).document.fill(0);
      const changes = records
        .filter((record) => record !== own)
        .map((entry) => ({ key: entry.key, before: entry, after: undefined }));
      const write = changes.length > 0 && !options.dryRun;
      const backup = write ? await changeRecords(found, command, changes, context) : undefined;
      await printChange(
        {
          command,
          found,
          dryRun: options.dryRun,
          changes: changes.map(({ key }) => ({ key, action: 'removed' })),
          ...(backup === undefined ? {} : { backup }),
          next: [],
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
