import { seal } from '@k3s-pki/datastore';
import { BootstrapDataError, bootstrapKey, parseBootstrapData, reconcile, replaceBootstrapFiles } from '@k3s-pki/k3s';
import { bootstrapFacts, diagnoseBootstrap } from '@k3s-pki/plan';
import { theRecord } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { Failure } from '../../failure.ts';
import { describeBootstrapFinding, bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import { type AgeKey, ageDecrypt } from './age.ts';
import type { BootstrapWriteOptions } from './options.ts';
import { withPassword } from './passwd.ts';
import { changeStore } from './run.ts';

export interface ImportOptions extends BootstrapWriteOptions, AgeKey {
  readonly from: string;
  readonly force: boolean;
}

/** Puts exported bootstrap data into the datastore, sealed with the server token. */
export async function importBootstrap(options: ImportOptions, context: Context): Promise<number> {
  return changeStore('bootstrap import', options, context, async (found) => {
    const { passphrase } = found.token;
    const old = found.records.length === 0 ? undefined : await theRecord(found);
    old?.document.fill(0);
    const exported = await ageDecrypt(options.from, options, context);
    const document = await stamped(exported, options, passphrase, context);
    const key = bootstrapKey(passphrase);
    const after = await seal(document, passphrase, context.random);
    for (const bytes of [document, exported]) bytes.fill(0);
    // A record of an older form gives way to one under the key of the token.
    const moved = old !== undefined && old.entry.key !== key;
    return {
      changes: [
        { key, before: moved ? undefined : old?.entry, after },
        ...(moved ? [{ key: old.entry.key, before: old.entry, after: undefined }] : []),
      ],
      next: words.afterImport(),
    };
  });
}

/** The document with this token's password, and this moment as the time of every file, so that the next start puts them
 *  on the disk. Throws Failure for data with which no server starts. */
async function stamped(opened: Uint8Array, { from, force }: ImportOptions, passphrase: string, context: Context) {
  try {
    const data = parseBootstrapData(opened);
    const core = await context.core();
    const nothing = reconcile(data, { file: () => undefined, bare: () => true });
    const facts = bootstrapFacts(data, (bytes) => core.inspect(bytes), nothing);
    const record = { key: from, kind: 'current', opened: { data, facts } } as const;
    const wrong = diagnoseBootstrap([record], Math.floor(context.clock() / 1000)).filter(
      ({ severity }) => severity === 'error',
    );
    if (wrong.length > 0 && !force)
      throw new Failure(wrong.map((finding) => describeBootstrapFinding(finding, (path) => path)));
    const files = new Map([...data.files].map(([name, { content }]) => [name, content]));
    const passwords = withPassword(files.get('PasswdFile'), passphrase);
    if (passwords !== undefined) files.set('PasswdFile', passwords);
    return replaceBootstrapFiles(opened, files, new Date(context.clock()).toISOString());
  } catch (error) {
    if (error instanceof BootstrapDataError)
      throw new Failure([words.notAnExport(from, error.message)], { cause: error });
    throw error;
  }
}
