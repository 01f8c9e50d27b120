import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatastoreError, findSettings } from '@k3s-pki/datastore';
import { normaliseToken, reconcile, signsOfUse } from '@k3s-pki/k3s';
import type { DoctorRecords, ExaminedRecord } from '@k3s-pki/plan';
import type { BootstrapDisk } from '../bootstrap-disk.ts';
import { type OpenStore, openStore, type RecordSource } from '../bootstrap-record.ts';
import type { Context } from '../context.ts';
import { Failure } from '../failure.ts';
import { findToken } from '../token-source.ts';
import { examine } from '../verbs/bootstrap/doctor.ts';

/** Looks at the datastore, read-only. What stands in the way is an answer, not an error. */
export async function readRecords(
  source: RecordSource,
  root: string,
  disk: BootstrapDisk,
  context: Context,
): Promise<DoctorRecords> {
  if (!hasDatastore(source, root, context)) return { kind: 'none-yet' };
  try {
    const found = await openStore(source, context);
    try {
      const records: ExaminedRecord[] = [];
      for (const record of found.records) records.push(await examine(record, found, context));
      const own = records.find(({ opened }) => opened !== undefined)?.opened;
      const staleToken = await staleTokenOf(source, found, context);
      return {
        kind: 'seen',
        where: found.store.description,
        tokenFrom: found.token.from,
        records,
        ...(own === undefined ? {} : { opened: { data: own.data, reconciliation: reconcile(own.data, disk) } }),
        ...(staleToken === undefined ? {} : { staleToken }),
      };
    } finally {
      await found.close();
    }
  } catch (error) {
    if (error instanceof Failure) {
      const [{ error: reason, hint } = { error: '' }] = error.messages;
      return { kind: 'not-seen', reason, ...(hint === undefined ? {} : { hint }) };
    }
    throw error;
  }
}

/** A data dir in which no server has been, and no endpoint named: there is nothing to look at yet. */
function hasDatastore({ given, configFile, product }: RecordSource, root: string, { env }: Context): boolean {
  const named = given['datastore-endpoint'] ?? env[`${product.toUpperCase()}_DATASTORE_ENDPOINT`];
  if (named !== undefined || configFile !== undefined) return true;
  return signsOfUse.some((path) => existsSync(join(root, path)));
}

/** Where a server's own configuration names a token that has not the password of the one that fits. K3s takes it before
 *  `server/token`. */
async function staleTokenOf(source: RecordSource, { token, root, records }: OpenStore, context: Context) {
  if (source.tokenFile !== undefined || records.length === 0) return undefined;
  const { product, given } = source;
  try {
    const settings = await findSettings({
      product,
      dataDir: root,
      env: context.env,
      configFile: source.configFile,
      given,
    });
    const text =
      settings.token ??
      (settings.tokenFile === undefined
        ? undefined
        : (await findToken({ tokenFile: settings.tokenFile, product, dataDir: root }, context)).text);
    const passphrase = text === undefined ? undefined : normaliseToken(text);
    return passphrase === undefined || passphrase === token.passphrase ? undefined : 'the configuration of the server';
  } catch (error) {
    if (error instanceof Failure || error instanceof DatastoreError) return undefined;
    throw error;
  }
}
