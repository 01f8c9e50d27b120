import { opened } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { Failure } from '../../failure.ts';
import { bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import type { BootstrapWriteOptions } from './options.ts';
import { changeStore } from './run.ts';

/** Removes every record but the one of this token, and a lock that was left over. */
export async function pruneBootstrap(options: BootstrapWriteOptions, context: Context): Promise<number> {
  return changeStore('bootstrap prune', options, context, async ({ store, records, token }) => {
    const where = store.description;
    const own = records.find(({ kind }) => kind === 'current');
    const lock = records.length === 1 && records[0]?.kind === 'locked';
    if (own === undefined && !lock && records.length > 0) {
      const keys = records.map(({ key }) => key);
      throw new Failure([words.otherToken(where, keys, token.from)]);
    }
    // A record that stays must be one that opens.
    if (own?.passphrase !== undefined) (await opened(where, own, own.passphrase)).document.fill(0);
    const changes = records
      .filter((record) => record !== own)
      .map((entry) => ({ key: entry.key, before: entry, after: undefined }));
    return { changes, next: [] };
  });
}
