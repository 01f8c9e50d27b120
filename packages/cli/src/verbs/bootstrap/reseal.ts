import { seal } from '@k3s-pki/datastore';
import { bootstrapKey, replaceBootstrapFiles } from '@k3s-pki/k3s';
import { changeRecords, type OpenStore, opened, openStore, serverTokenOf, theRecord } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { exitCode, Failure } from '../../failure.ts';
import { asFailure } from '../../failures.ts';
import { bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import { printChange } from '../../render/bootstrap.ts';
import type { BootstrapWriteOptions } from './options.ts';
import { withPassword } from './passwd.ts';

export interface ResealOptions extends BootstrapWriteOptions {
  /** Holds the token to seal with; absent: the one that opens the record, normalised, which migrates older forms. */
  readonly newTokenFile: string | undefined;
}

const command = 'bootstrap reseal';

/** Moves the record to the key of another token, and the server password in it to that token's. */
export async function resealBootstrap(options: ResealOptions, context: Context): Promise<number> {
  try {
    const found = await openStore(options, context);
    try {
      const token =
        options.newTokenFile === undefined
          ? found.token
          : await serverTokenOf({ ...options, tokenFile: options.newTokenFile }, context);
      const { old, copy } = await recordsOf(found, token.passphrase);
      const key = bootstrapKey(token.passphrase);
      const report = { command, found, dryRun: options.dryRun, changes: [], next: [] };
      if (old === undefined) {
        await printChange(report, options.output, context);
        return exitCode.done;
      }
      const passwords = withPassword(old.data.files.get('PasswdFile')?.content, token.passphrase);
      const now = new Date(context.clock()).toISOString();
      const document =
        passwords === undefined
          ? old.document
          : replaceBootstrapFiles(old.document, new Map([['PasswdFile', passwords]]), now);
      const after = await seal(document, token.passphrase, context.random);
      const changes = [
        { key, before: copy, after },
        { key: old.entry.key, before: old.entry, after: undefined },
      ];
      const backup = options.dryRun ? undefined : await changeRecords(found, command, changes, context);
      for (const bytes of [document, old.document]) bytes.fill(0);
      await printChange(
        {
          ...report,
          changes: changes.map(({ key, after }) => ({ key, action: after === undefined ? 'removed' : 'written' })),
          ...(backup === undefined ? {} : { backup }),
          next: words.afterReseal(token.from),
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

/** The record that moves, and what lies under the new key already: of a run that was killed between the two steps, or
 *  nothing. No record moves when the only one lies there. Throws Failure. */
async function recordsOf(found: OpenStore, passphrase: string) {
  const { store, records } = found;
  const where = store.description;
  const key = bootstrapKey(passphrase);
  const copy = records.find((record) => record.key === key);
  const others = records.filter((record) => record !== copy);
  if (copy === undefined) return { old: await theRecord(found), copy };
  if (copy.kind === 'locked') throw new Failure([words.locked(where, key)]);
  const there = await opened(where, copy, passphrase);
  if (others.length === 0) return { old: undefined, copy };
  const [other] = others;
  if (other?.passphrase === undefined || others.length > 1) {
    throw new Failure([
      words.severalRecords(
        where,
        records.map((each) => each.key),
      ),
    ]);
  }
  // Only what holds the same CAs is taken for the copy of an interrupted run.
  const old = await opened(where, other, other.passphrase);
  const same = [...old.data.files].every(([name, { content }]) => {
    const copied = there.data.files.get(name)?.content;
    return name === 'PasswdFile' || (copied !== undefined && Buffer.from(copied).equals(content));
  });
  if (!same)
    throw new Failure([
      words.severalRecords(
        where,
        records.map((each) => each.key),
      ),
    ]);
  return { old: { entry: other, ...old }, copy };
}
