import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  changeOf,
  type Datastore,
  DatastoreError,
  dropBackup,
  type Entry,
  listBackups,
  readBackup,
  seal,
  valueDigest,
  writeBackup,
} from '@k3s-pki/datastore';
import {
  bootstrapFields,
  bootstrapKey,
  formatPasswd,
  formatToken,
  normaliseToken,
  parsePasswd,
  passwdFile,
  passwordOf,
  replaceBootstrapFiles,
  tlsFile,
  tokenFileText,
  withServerPassword,
} from '@k3s-pki/k3s';
import { pendingFields } from '@k3s-pki/plan';
import { commit, discard, type Lock, lock, stage, unlock } from '@k3s-pki/stage';
import { type BootstrapDisk, readBootstrapDisk } from '../bootstrap-disk.ts';
import { type OpenRecord, opened, openRecord, openStore, type RecordSource, translated } from '../bootstrap-record.ts';
import type { Context } from '../context.ts';
import { Failure, internalError } from '../failure.ts';
import { findHolders } from '../holders.ts';
import { bootstrapMessages } from '../messages/english/bootstrap.ts';
import { tokenRotateMessages as words } from '../messages/english/token-rotate.ts';
import { writeMessages } from '../render/messages.ts';
import { caBundle, findToken } from '../token-source.ts';
import { passwdFrom, type TokenFiles, tokenFiles } from './token-files.ts';
import { type RecoveredRotation, type TokenRotated, type TokenTarget, UncertainRotation } from './token-target.ts';

const command = 'token rotate';
const ownToken = 'server/token';

/**
 * Data dir and datastore of a stopped server. A record and files cannot change in one step, so the order is:
 *
 *     1. backup: a file that names both keys and the digests of both values
 *     2. the record is created under the new token's key; the old one stays
 *     3. server/token, cred/passwd: all or none, by the journal of `stage`
 *     4. the old record is removed
 *
 * Stopped after 1: nothing has changed. After 2: the files are old and the old record is there; K3s starts with the old
 * token and warns of two records. In 3: the next run's `lock` finishes the files or undoes them. After 3: the files
 * are new and the new record, with the same password file in it, is there; K3s starts with the new token. So in every
 * state one token opens one whole record, and it is the one in server/token.
 * The next run knows its own half by the backup: both keys hold exactly what it names. It then removes the record that
 * server/token does not open, which is the one from before (finished) or the copy (undone). It needs no password for that, so
 * a random one that died with its run does no harm. `bootstrap doctor` and `bootstrap prune` come to the same.
 */
export async function openTokenDatastore(
  named: RecordSource,
  { dryRun, force }: { readonly dryRun: boolean; readonly force: boolean },
  context: Context,
): Promise<TokenTarget> {
  const root = resolve(context.cwd, named.dataDir);
  // Once: it may come from a pipe.
  const source = named.tokenFile === undefined ? named : { ...named, found: await findToken(named, context) };
  // Before the lock, which makes files: a wrong data dir stays as it is.
  await (await openStore(source, context)).close();
  const holders = await holdersOf(source, root, context);
  const held = dryRun ? undefined : await lock(root, { clock: context.clock });
  try {
    const stopped = holders.length === 0 || force;
    const recovered = held !== undefined && stopped ? await settleHalf(source, root, context) : undefined;
    if (recovered === undefined && held !== undefined && held.recovery.kind !== 'clean') {
      writeMessages('warning', [{ error: `${root}: ${held.recovery.detail}` }], context);
    }
    // What was finished counts, whichever token was named.
    const now = recovered?.kind === 'finished' ? { ...named, tokenFile: undefined } : source;
    // Past the first change Ctrl-C waits for the end, as in a commit of files: the steps are few, each with its time limit.
    const record = await openRecord(now, { ...context, signal: new AbortController().signal });
    try {
      const state = await look(record, now, context);
      return {
        where: record.where,
        tokenPlace: join(root, ownToken),
        snapshot: { ...state.snapshot, holders },
        ...(recovered === undefined ? {} : { recovered }),
        rotate: (password) => replace(record, state, password, held ?? internalError('a dry run writes'), context),
        close: async () => {
          state.disk.wipe();
          record.document.fill(0);
          await record.close();
          if (held !== undefined) await unlock(held);
        },
      };
    } catch (error) {
      await record.close();
      throw error;
    }
  } catch (error) {
    if (held !== undefined) await unlock(held);
    throw error;
  }
}

/** Who uses the data dir; the supervisor's port is that of the configuration file which is named. */
function holdersOf({ product, configFile }: RecordSource, root: string, { env, cwd }: Context) {
  const named = configFile === undefined ? {} : { [`${product.toUpperCase()}_CONFIG_FILE`]: resolve(cwd, configFile) };
  return findHolders(root, product, { env: { ...env, ...named } });
}

interface State {
  readonly snapshot: Omit<TokenTarget['snapshot'], 'holders'>;
  readonly disk: BootstrapDisk;
  readonly files: TokenFiles;
  /** The password file that is changed: the disk's, else the record's, else none. */
  readonly passwd: Uint8Array | undefined;
}

async function look(record: OpenRecord, { tokenFile }: RecordSource, context: Context): Promise<State> {
  const { root, data, where, passphrase, token } = record;
  const disk = readBootstrapDisk(root);
  const paths = new Map<string, string>(bootstrapFields.map(({ name, file }) => [name, file]));
  const onDisk = (field: string) => disk.file(paths.get(field) ?? '')?.content;
  const passwd = onDisk('PasswdFile') ?? data.files.get('PasswdFile')?.content;
  const bundle = onDisk('ServerCA') ?? data.files.get('ServerCA')?.content;
  if (bundle === undefined) throw new Failure([words.noServerCa(where, join(root, tlsFile.caBundle('server')))]);
  const from = onDisk('ServerCA') === undefined ? where : join(root, tlsFile.caBundle('server'));
  const files = tokenFiles(root, token.passphrase);
  return {
    disk,
    files,
    passwd: passwd?.length === 0 ? undefined : passwd,
    snapshot: {
      passwords: [passphrase, token.passphrase],
      caHash: caBundle(bundle, from, await context.core(), context).caHash.hash,
      ...(tokenFile === undefined && token.from !== join(root, ownToken) ? { tokenFrom: token.from } : {}),
      ...passwdFrom(passwd),
      agentToken: files.agentToken,
      tokenFiles: files.ofServer,
      record: { kind: 'read', where, pending: pendingFields(data, onDisk) },
    },
  };
}

async function replace(
  record: OpenRecord,
  { snapshot, disk, files, passwd }: State,
  password: string,
  held: Lock,
  { clock, random, signal }: Context,
): Promise<TokenRotated> {
  const { store, where, root, entry } = record;
  const { caHash, agentToken } = snapshot;
  const passwords =
    passwd === undefined ? undefined : withServerPassword(parsePasswd(text(passwd)), password, { agentToken });
  const newPasswd = passwords === undefined ? undefined : bytes(formatPasswd(passwords));
  const newToken = bytes(`${formatToken({ kind: 'password', form: 'secure', caHash, user: 'server', password })}\n`);
  const document =
    newPasswd === undefined
      ? record.document
      : replaceBootstrapFiles(record.document, new Map([['PasswdFile', newPasswd]]), new Date(clock()).toISOString());
  const after = await seal(document, password, random);
  if (document !== record.document) document.fill(0);
  const oldPasswd = disk.file(passwdFile)?.content;
  const writes = [
    ...files.ofServer.map((path) => ({ path, content: newToken, expect: digestOf(join(root, path)) })),
    ...(newPasswd === undefined || oldPasswd === undefined
      ? []
      : [{ path: passwdFile, content: newPasswd, expect: valueDigest(oldPasswd) }]),
  ].map((write) => ({ ...write, mode: 0o600, secret: true }));
  const directories = [{ path: 'server', mode: 0o700 }];
  const verify = (read: (path: string) => Uint8Array) => {
    const written = normaliseToken(tokenFileText(read(ownToken)) ?? '');
    if (written !== password) internalError('the staged token is another one');
    if (newPasswd !== undefined && passwordOf(parsePasswd(text(newPasswd)), 'server') !== password) {
      internalError('the staged password file has another password');
    }
  };
  // Staged first: a full disk is found out before the datastore changes.
  const staged = await stage({ root, directories, writes }, { clock, signal, lock: held, verify });
  signal.throwIfAborted();
  const key = bootstrapKey(password);
  const backup = await translated(async () => {
    const records = [changeOf(key, undefined, after), changeOf(entry.key, entry, undefined)];
    return writeBackup(root, { at: Math.floor(clock() / 1000), command, where, records });
  });
  const made = await translated(() => create(store, key, after, entry, backup, where));
  try {
    await commit(staged);
  } catch (error) {
    await translated(() => store.remove(key, made));
    dropBackup(backup);
    throw error;
  } finally {
    await discard(staged);
    newToken.fill(0);
    newPasswd?.fill(0);
  }
  await removeOld(store, entry, where, backup);
  return { readBack: await readBack(store, where, password), backup };
}

/** Creates the new record while the old one is what was read. Answers its revision. */
async function create(
  store: Datastore,
  key: string,
  after: Uint8Array,
  old: Entry,
  backup: string,
  where: string,
): Promise<string> {
  const swapped = await store.swap(key, 'absent', after).catch((error) => {
    // Not known whether it is there: the backup lets the next run see.
    if (!(error instanceof DatastoreError && error.code === 'outcome-unknown')) dropBackup(backup);
    throw error;
  });
  if (swapped.kind === 'conflict') {
    dropBackup(backup);
    throw new Failure([bootstrapMessages.changedMeanwhile(where, key)]);
  }
  if ((await store.read(old.key))?.revision !== old.revision) {
    await store.remove(key, swapped.revision);
    dropBackup(backup);
    throw new Failure([bootstrapMessages.changedMeanwhile(where, old.key)]);
  }
  return swapped.revision;
}

async function removeOld(store: Datastore, old: Entry, where: string, backup: string): Promise<void> {
  const removed = await store.remove(old.key, old.revision).catch((error) => {
    if (!(error instanceof DatastoreError)) throw error;
    throw new UncertainRotation([words.oldLeftBehind(where, old.key, error.message)], { cause: error });
  });
  if (removed.kind === 'conflict') throw new UncertainRotation([words.oldChanged(where, old.key, backup)]);
}

async function readBack(store: Datastore, where: string, password: string): Promise<TokenRotated['readBack']> {
  const entry = await translated(() => store.read(bootstrapKey(password)));
  if (entry === undefined) return { ok: false, why: words.stillOld(where) };
  (await opened(where, entry, password)).document.fill(0);
  return { ok: true, from: where };
}

/** Brings the two records of an interrupted run to one. */
async function settleHalf(
  source: RecordSource,
  root: string,
  context: Context,
): Promise<RecoveredRotation | undefined> {
  const { store, records, close } = await openStore(source, context);
  try {
    return await translated(async () => {
      if (records.length !== 2) return undefined;
      const half = listBackups(root)
        .map((path) => ({ path, backup: readBackup(path) }))
        .find(({ backup }) => backup.command === command && backup.where === store.description);
      if (half === undefined) return undefined;
      const now = new Map(half.backup.records.map(({ key }) => [key, records.find((each) => each.key === key)]));
      const copy = half.backup.records.find(({ after }) => after !== undefined);
      const old = half.backup.records.find(({ before }) => before !== undefined);
      const [copied, kept] = [now.get(copy?.key ?? ''), now.get(old?.key ?? '')];
      if (copied === undefined || kept === undefined || old?.before === undefined) return undefined;
      if (valueDigest(copied.value) !== copy?.after || valueDigest(kept.value) !== valueDigest(old.before))
        return undefined;
      const password = passwordIn(join(root, ownToken));
      const finished = password !== undefined && bootstrapKey(password) === copied.key;
      const goes = finished ? kept : copied;
      const removed = await store.remove(goes.key, goes.revision);
      if (removed.kind === 'conflict') {
        throw new Failure([bootstrapMessages.changedMeanwhile(store.description, goes.key)]);
      }
      if (finished) return { kind: 'finished' as const, password, backup: half.path };
      dropBackup(half.path);
      return { kind: 'undone' as const };
    });
  } finally {
    await close();
  }
}

function passwordIn(path: string): string | undefined {
  return existsSync(path) ? normaliseToken(tokenFileText(readFileSync(path)) ?? '') : undefined;
}

function digestOf(path: string): string {
  return existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'absent';
}

function text(content: Uint8Array): string {
  return Buffer.from(content).toString('utf8');
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}
