import { seal } from '@k3s-pki/datastore';
import { BootstrapDataError, bootstrapKey, parseBootstrapData, reconcile, replaceBootstrapFiles } from '@k3s-pki/k3s';
import { bootstrapFacts, diagnoseBootstrap } from '@k3s-pki/plan';
import { changeRecords, openStore, theRecord } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { exitCode, Failure } from '../../failure.ts';
import { asFailure } from '../../failures.ts';
import { describeBootstrapFinding, bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import { printChange } from '../../render/bootstrap.ts';
import { type AgeKey, ageDecrypt } from './age.ts';
import type { BootstrapWriteOptions } from './options.ts';
import { withPassword } from './passwd.ts';

export interface ImportOptions extends BootstrapWriteOptions, AgeKey {
  readonly from: string;
  readonly force: boolean;
}

const command = 'bootstrap import';

/** Puts exported bootstrap data into the datastore, sealed with the server token. */
export async function importBootstrap(options: ImportOptions, context: Context): Promise<number> {
  try {
    const found = await openStore(options, context);
    try {
      const old = found.records.length === 0 ? undefined : await theRecord(found);
      old?.document.fill(0);
      const opened = await ageDecrypt(options.from, options, context);
      const document = await stamped(opened, options, found.token.passphrase, context);
      const { passphrase } = found.token;
      const key = bootstrapKey(passphrase);
      const after = await seal(document, passphrase, context.random);
      document.fill(0);
      opened.fill(0);
      // A record of an older form gives way to one under the key of the token.
      const moved = old !== undefined && old.entry.key !== key;
      const changes = [
        { key, before: moved ? undefined : old?.entry, after },
        ...(moved ? [{ key: old.entry.key, before: old.entry, after: undefined }] : []),
      ];
      const backup = options.dryRun ? undefined : await changeRecords(found, command, changes, context);
      await printChange(
        {
          command,
          found,
          dryRun: options.dryRun,
          changes: changes.map(({ key, after }) => ({ key, action: after === undefined ? 'removed' : 'written' })),
          ...(backup === undefined ? {} : { backup }),
          next: words.afterImport(),
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
