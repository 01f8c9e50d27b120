import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  changeOf,
  type Datastore,
  DatastoreError,
  dropBackup,
  type Entry,
  findSettings,
  holdsPassword,
  openDatastore,
  SealError,
  seal,
  unseal,
  writeBackup,
} from '@k3s-pki/datastore';
import {
  type BootstrapData,
  BootstrapDataError,
  bootstrapPrefix,
  type ClassifiedRecord,
  classifyRecord,
  normaliseFault,
  normaliseToken,
  type Product,
  parseBootstrapData,
  parseToken,
} from '@k3s-pki/k3s';
import type { Context } from './context.ts';
import { Failure } from './failure.ts';
import { bootstrapMessages as words } from './messages/english/bootstrap.ts';
import { findToken, type TokenSource } from './token-source.ts';

/** Which datastore and token are meant. Paths may be relative to the working directory. */
export interface RecordSource {
  readonly product: Product;
  readonly dataDir: string;
  /** A file, or `-`; else the environment, the server's configuration, `server/token`. */
  readonly tokenFile: string | undefined;
  /** A token that was found already; then no other counts. A pipe can be read once only. */
  readonly found?: { readonly text: string; readonly from: string };
  /** The server's configuration file; else the product's own. */
  readonly configFile: string | undefined;
  /** What the command line says, by K3s's names (`datastore-endpoint`, `datastore-cafile`, ...). */
  readonly given: Readonly<Record<string, string | undefined>>;
  /** Seconds for each step on the network. */
  readonly timeout: number;
}

/** A datastore, how it was found, and the token that is to open its record. */
export interface OpenStore {
  readonly store: Datastore;
  /** For people: the option, file or variable that named it. */
  readonly source: string;
  /** Data dir, absolute. */
  readonly root: string;
  readonly token: ServerToken;
  /** Every record that K3s would look at, in order of the keys. */
  readonly records: ReadonlyArray<Entry & ClassifiedRecord>;
  close(): Promise<void>;
}

/** A server token as it is written and as it seals. `from` is for people. */
export interface ServerToken {
  readonly token: string;
  readonly passphrase: string;
  readonly from: string;
}

/** The one record of a cluster, opened. */
export interface OpenRecord extends OpenStore {
  readonly where: string;
  readonly entry: Entry;
  readonly kind: ClassifiedRecord['kind'];
  /** What opened it: the normalised token, except for records that K3s has yet to migrate. */
  readonly passphrase: string;
  readonly document: Uint8Array;
  readonly data: BootstrapData;
}

/** Finds the datastore and lists the records in it. Throws Failure. */
export async function openStore(source: RecordSource, context: Context): Promise<OpenStore> {
  const { given, product } = source;
  const root = resolve(context.cwd, source.dataDir);
  if (holdsPassword(given['datastore-endpoint'] ?? '')) throw new Failure([words.passwordInArguments()]);
  return translated(async () => {
    const configFile = source.configFile === undefined ? undefined : resolve(context.cwd, source.configFile);
    const settings = await findSettings({ product, dataDir: root, env: context.env, configFile, given });
    const tokens = await serverTokens(source, root, settings, context);
    const store = await openDatastore({
      endpoint: settings.endpoint,
      tls: settings.tls,
      server: join(root, 'server'),
      signal: context.signal,
      timeout: source.timeout * 1000,
      clock: context.clock,
    });
    try {
      const found = await store.list(bootstrapPrefix);
      const { token, records } = fitting(tokens, found);
      return { store, source: settings.source, root, token, records, close: () => store.close() };
    } catch (error) {
      await store.close();
      throw error;
    }
  });
}

/** Finds and opens the cluster's record. Throws Failure with K3s's own line first. The caller closes it. */
export async function openRecord(source: RecordSource, context: Context): Promise<OpenRecord> {
  const opened = await openStore(source, context);
  try {
    return { ...opened, ...(await theRecord(opened)) };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** The one record of a datastore, opened. Throws Failure. */
export async function theRecord({ store, records, token }: OpenStore): Promise<Omit<OpenRecord, keyof OpenStore>> {
  const where = store.description;
  const keys = records.map(({ key }) => key);
  const [record, ...others] = records;
  if (record === undefined) throw new Failure([words.noRecord(where)]);
  if (others.length > 0) throw new Failure([words.severalRecords(where, keys)]);
  if (record.kind === 'locked') throw new Failure([words.locked(where, record.key)]);
  if (record.passphrase === undefined) throw new Failure([words.otherToken(where, keys, token.from)]);
  const { kind, passphrase } = record;
  return { where, entry: record, kind, passphrase, ...(await opened(where, record, passphrase)) };
}

/** Opens and reads one record. Throws Failure. */
export async function opened(
  where: string,
  { key, value }: Entry,
  passphrase: string,
): Promise<{ document: Uint8Array; data: BootstrapData }> {
  try {
    const document = await unseal(value, passphrase);
    return { document, data: parseBootstrapData(document) };
  } catch (error) {
    if (error instanceof SealError && error.code === 'wrong-token') throw new Failure([words.wrongToken(where, key)]);
    if (error instanceof SealError || error instanceof BootstrapDataError) {
      throw new Failure([words.malformed(where, key, error.message)], { cause: error });
    }
    throw error;
  }
}

/**
 * Puts another document in the record's place, and reads it back: it must open to the same. Throws Failure; when the
 * record was changed meanwhile, nothing is written. Answers the path of the backup.
 */
export async function replaceRecord(
  record: OpenRecord,
  document: Uint8Array,
  command: string,
  { clock, random }: Pick<Context, 'clock' | 'random'>,
): Promise<{ readonly backup: string }> {
  const { entry, passphrase } = record;
  const after = await seal(document, passphrase, random);
  return { backup: await changeRecords(record, command, [{ key: entry.key, before: entry, after }], { clock }) };
}

/** One key of a change: what it was when it was read, and what it becomes. */
export interface RecordChange {
  readonly key: string;
  readonly before: Entry | undefined;
  /** Absent: the key goes. */
  readonly after: Uint8Array | undefined;
}

/**
 * Changes records: a backup first, then new values, then removals, so that at every moment one record is there, each by
 * compare-and-swap; in the end all is read back. When one of them was changed meanwhile, the others are put back and
 * nothing is left changed. Throws Failure. Answers the path of the backup.
 */
export async function changeRecords(
  { store, root }: OpenStore,
  command: string,
  changes: readonly RecordChange[],
  { clock }: Pick<Context, 'clock'>,
): Promise<string> {
  const where = store.description;
  return translated(async () => {
    const records = changes.map(({ key, before, after }) => changeOf(key, before, after));
    const backup = writeBackup(root, { at: Math.floor(clock() / 1000), command, where, records });
    const done: { readonly change: RecordChange; readonly revision: string }[] = [];
    try {
      for (const change of [...changes.filter(({ after }) => after), ...changes.filter(({ after }) => !after)]) {
        const { key, before, after } = change;
        const swapped =
          after === undefined
            ? await store.remove(key, before?.revision ?? '0')
            : await store.swap(key, before?.revision ?? 'absent', after);
        if (swapped.kind === 'conflict') throw new Failure([words.changedMeanwhile(where, key)]);
        done.push({ change, revision: swapped.revision });
      }
    } catch (error) {
      if (error instanceof DatastoreError && error.code === 'outcome-unknown') throw error;
      await takeBack(store, done).catch((failure: unknown) => {
        if (!(error instanceof DatastoreError && failure instanceof DatastoreError)) throw failure;
        const keys = done.map(({ change }) => change.key);
        const why = { error: error.message, hint: error.mend };
        throw new Failure([why, words.notTakenBack(where, keys, failure.what, backup)], { cause: error });
      });
      dropBackup(backup);
      throw error;
    }
    for (const { key, after } of changes) {
      const read = await store.read(key);
      const same =
        after === undefined ? read === undefined : read !== undefined && Buffer.from(read.value).equals(after);
      if (!same) throw new Failure([words.notReadBack(where, key, backup)]);
    }
    return backup;
  });
}

async function takeBack(
  store: Datastore,
  done: readonly { readonly change: RecordChange; readonly revision: string }[],
): Promise<void> {
  for (const { change, revision } of [...done].reverse()) {
    const { key, before, after } = change;
    if (before === undefined) await store.remove(key, revision);
    else await store.swap(key, after === undefined ? 'absent' : revision, before.value);
  }
}

/** The datastore's failures as failures for people. */
export async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DatastoreError) {
      throw new Failure([{ error: error.message, hint: error.mend }], { cause: error });
    }
    throw error;
  }
}

/** Of several tokens the first that has a record: a token in the configuration outlives `token rotate`. */
function fitting(tokens: readonly ServerToken[], found: readonly Entry[]): Pick<OpenStore, 'token' | 'records'> {
  const readings = tokens.map((token) => ({
    token,
    records: found.map((entry) => ({ ...entry, ...classifyRecord(entry.key, entry.value.length, token) })),
  }));
  const first = readings.find(({ records }) => records.some(({ kind }) => kind === 'current')) ?? readings[0];
  if (first === undefined) throw new TypeError('there is a token');
  return first;
}

/** The tokens that a server would start with: what is named, else environment, configuration and `server/token`. */
async function serverTokens(
  { tokenFile, found: known, product, dataDir }: RecordSource,
  root: string,
  settings: { readonly token: string | undefined; readonly tokenFile: string | undefined; readonly source: string },
  context: Context,
): Promise<ServerToken[]> {
  if (known !== undefined) return [serverToken(known)];
  const at = (file: string | undefined) => findToken({ tokenFile: file, product, dataDir }, context);
  if (tokenFile !== undefined) return [serverToken(await at(tokenFile))];
  const own = join(root, 'server/token');
  const variable = `${product.toUpperCase()}_TOKEN`;
  const found = [
    ...(context.env[variable] || context.env[`${variable}_FILE`] ? [await at(undefined)] : []),
    ...(settings.tokenFile === undefined ? [] : [await at(settings.tokenFile)]),
    ...(settings.token !== undefined && parseToken(settings.token).ok
      ? [{ text: settings.token, from: 'the configuration of the server' }]
      : []),
    ...(existsSync(own) ? [await at(own)] : []),
  ];
  return (found.length === 0 ? [await at(undefined)] : found).map(serverToken);
}

/** The server token of one source. Throws Failure. */
export async function serverTokenOf(source: TokenSource, context: Context): Promise<ServerToken> {
  return serverToken(await findToken(source, context));
}

function serverToken({ text, from }: { readonly text: string; readonly from: string }): ServerToken {
  const passphrase = normaliseToken(text);
  if (passphrase === undefined) throw new Failure([words.notAServerToken(from, normaliseFault)]);
  return { token: text, passphrase, from };
}
