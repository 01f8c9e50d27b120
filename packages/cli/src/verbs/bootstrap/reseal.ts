import { seal } from '@k3s-pki/datastore';
import { bootstrapKey, replaceBootstrapFiles } from '@k3s-pki/k3s';
import { type OpenStore, opened, serverTokenOf, theRecord } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { Failure } from '../../failure.ts';
import { bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import type { BootstrapWriteOptions } from './options.ts';
import { withPassword } from './passwd.ts';
import { changeStore } from './run.ts';

export interface ResealOptions extends BootstrapWriteOptions {
  /** Holds the token to seal with; absent: the one that opens the record, normalised, which migrates older forms. */
  readonly newTokenFile: string | undefined;
}

/** Moves the record to the key of another token, and the server password in it to that token's. */
export async function resealBootstrap(options: ResealOptions, context: Context): Promise<number> {
  return changeStore('bootstrap reseal', options, context, async (found) => {
    const token =
      options.newTokenFile === undefined
        ? found.token
        : await serverTokenOf({ ...options, tokenFile: options.newTokenFile }, context);
    const { old, copy } = await recordsOf(found, token.passphrase);
    if (old === undefined) return { changes: [], next: [] };
    const passwords = withPassword(old.data.files.get('PasswdFile')?.content, token.passphrase);
    const now = new Date(context.clock()).toISOString();
    const document =
      passwords === undefined
        ? old.document
        : replaceBootstrapFiles(old.document, new Map([['PasswdFile', passwords]]), now);
    const after = await seal(document, token.passphrase, context.random);
    for (const bytes of [document, old.document]) bytes.fill(0);
    return {
      changes: [
        { key: bootstrapKey(token.passphrase), before: copy, after },
        { key: old.entry.key, before: old.entry, after: undefined },
      ],
      next: words.afterReseal(token.from),
    };
  });
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
