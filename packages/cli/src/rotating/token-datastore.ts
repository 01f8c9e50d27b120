import { join, resolve } from 'node:path';
import { type Datastore, seal, valueDigest } from '@k3s-pki/datastore';
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
import { type Lock, lock, unlock } from '@k3s-pki/stage';
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
import { contentAt, digestAt, ownToken, passwordIn, type SettledHalf, settleHalf, swapToken } from './token-swap.ts';
import type { RecoveredRotation, TokenRotated, TokenTarget } from './token-target.ts';

/** Data dir and datastore of a stopped server. The order of the steps, and what a stop between them leaves: `swapToken`. */
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
  const holders = await findHolders(root, source.product, context, source.configFile);
  const held = dryRun ? undefined : await lock(root, { clock: context.clock });
  try {
    const stopped = holders.length === 0 || force;
    const settled = held !== undefined && stopped ? await settle(source, context) : undefined;
    const recovered = settled?.command === 'token rotate' ? recoveredRotation(settled, root) : undefined;
    if (settled !== undefined && recovered === undefined) {
      writeMessages('warning', [bootstrapMessages.settled(settled)], context);
    }
    if (settled === undefined && held !== undefined && held.recovery.kind !== 'clean') {
      writeMessages('warning', [{ error: `${root}: ${held.recovery.detail}` }], context);
    }
    // What was finished counts, whichever token was named.
    const now = settled?.kind === 'finished' ? { ...named, tokenFile: undefined } : source;
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

async function settle(source: RecordSource, context: Context): Promise<SettledHalf | undefined> {
  const found = await openStore(source, context);
  try {
    return await settleHalf(found);
  } finally {
    await found.close();
  }
}

function recoveredRotation({ kind, backup }: SettledHalf, root: string): RecoveredRotation {
  if (kind === 'undone') return { kind };
  const password = passwordIn(join(root, ownToken)) ?? internalError('a finished rotation without its token');
  return { kind, password, backup };
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
  context: Context,
): Promise<TokenRotated> {
  const { store, where, root, entry } = record;
  const { clock, random } = context;
  const { caHash, agentToken } = snapshot;
  const passwords =
    passwd === undefined ? undefined : withServerPassword(parsePasswd(text(passwd)), password, { agentToken });
  const newPasswd = passwords === undefined ? undefined : bytes(formatPasswd(passwords));
  const newToken = bytes(`${formatToken({ kind: 'password', form: 'secure', caHash, user: 'server', password })}\n`);
  const document =
    newPasswd === undefined
      ? record.document
      : replaceBootstrapFiles(record.document, new Map([['PasswdFile', newPasswd]]), new Date(clock()).toISOString());
  const value = await seal(document, password, random);
  if (document !== record.document) document.fill(0);
  const oldPasswd = disk.file(passwdFile)?.content;
  const writes = [
    ...files.ofServer.map((path) => ({ path, content: newToken, expect: digestAt(join(root, path)) })),
    ...(newPasswd === undefined || oldPasswd === undefined
      ? []
      : [{ path: passwdFile, content: newPasswd, expect: valueDigest(oldPasswd) }]),
  ].map((write) => ({ ...write, mode: 0o600, secret: true }));
  const before = new Map(writes.map(({ path }) => [path, contentAt(join(root, path))]));
  const verify = (read: (path: string) => Uint8Array) => {
    const written = normaliseToken(tokenFileText(read(ownToken)) ?? '');
    if (written !== password) internalError('the staged token is another one');
    if (newPasswd !== undefined && passwordOf(parsePasswd(text(newPasswd)), 'server') !== password) {
      internalError('the staged password file has another password');
    }
  };
  const swap = {
    command: 'token rotate',
    old: entry,
    key: bootstrapKey(password),
    value,
    before: { passphrase: record.passphrase, files: before },
    passphrase: password,
    writes,
    removes: [],
    verify,
  } as const;
  try {
    const backup = await swapToken(record, swap, held, context);
    return { readBack: await readBack(store, where, password), backup };
  } finally {
    for (const content of [newToken, newPasswd, ...before.values()]) content?.fill(0);
  }
}

async function readBack(store: Datastore, where: string, password: string): Promise<TokenRotated['readBack']> {
  const entry = await translated(() => store.read(bootstrapKey(password)));
  if (entry === undefined) return { ok: false, why: words.stillOld(where) };
  (await opened(where, entry, password)).document.fill(0);
  return { ok: true, from: where };
}

function text(content: Uint8Array): string {
  return Buffer.from(content).toString('utf8');
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}
