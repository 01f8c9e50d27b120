import { join, resolve } from 'node:path';
import {
  type BootstrapData,
  BootstrapDataError,
  bootstrapFields,
  bootstrapKey,
  bootstrapPrefix,
  parseBootstrapData,
  tlsFile,
} from '@k3s-pki/k3s';
import { pendingFields, type TokenRotateSnapshot } from '@k3s-pki/plan';
import { defaultServer, openSupervisor, type Supervisor, SupervisorError } from '@k3s-pki/supervisor';
import { readBootstrapDisk } from '../bootstrap-disk.ts';
import {
  type OpenRecord,
  type OpenStore,
  opened,
  openStore,
  type RecordSource,
  theRecord,
} from '../bootstrap-record.ts';
import type { Context } from '../context.ts';
import { Failure } from '../failure.ts';
import { tokenRotateMessages as words } from '../messages/english/token-rotate.ts';
import { readFile } from '../snapshot.ts';
import { caBundle, findToken } from '../token-source.ts';
import { ownHash } from './supervisor-target.ts';
import { passwdFrom, tokenFiles } from './token-files.ts';
import { type TokenRotated, type TokenTarget, UncertainRotation } from './token-target.ts';

export interface SupervisorTokenOptions {
  readonly record: RecordSource;
  readonly server: string | undefined;
}

/**
 * A running server, by K3s's own way. K3s saves the CAs of that server's disk with the new token, so what waits in the
 * record is looked for first, where this machine can open it. Throws Failure and SupervisorError. Source: K3s
 * `pkg/cli/token/token.go`, `Rotate`; `pkg/server/handlers/token.go`, `tokenRotate`.
 */
export async function openTokenSupervisor(options: SupervisorTokenOptions, context: Context): Promise<TokenTarget> {
  const { product, timeout } = options.record;
  const dataDir = resolve(context.cwd, options.record.dataDir);
  const core = await context.core();
  const found = await findToken(options.record, context);
  const { token, from } = found;
  if (token.kind === 'bootstrap') throw new Failure([words.bootstrapToken(from)]);
  const { password } = token;
  const hashOf = (bytes: Uint8Array) => caBundle(bytes, 'the answer to /cacerts', core, context).caHash.hash;
  const address = options.server ?? defaultServer(product);
  const caHash = token.caHash || ownHash(dataDir, hashOf);
  if (caHash === undefined) throw new Failure([words.unpinned(from, address)]);
  const pin = { caHash, hashOf };
  const supervisor = await reached(
    openSupervisor(address, pin, { product, patience: timeout * 1000, signal: context.signal }),
  );
  const { fields, local } = await serverDisk(supervisor, password, dataDir);
  const record = await tryRecord({ ...options.record, found }, context);
  return {
    where: `the server at ${supervisor.host}`,
    tokenPlace: local ? join(dataDir, 'server/token') : `server/token on ${supervisor.host}`,
    snapshot: {
      passwords: [password],
      caHash: hashOf(supervisor.caCerts),
      ...passwdFrom(fields?.('PasswdFile')),
      agentToken: local && tokenFiles(dataDir, password).agentToken,
      tokenFiles: [],
      record: recordState(record, fields, local),
      holders: [],
    },
    rotate: async (newPassword) => {
      try {
        await supervisor.rotateToken(password, newPassword);
      } catch (error) {
        throw await explained(error, record, newPassword);
      }
      return { readBack: await readBack(record, newPassword) };
    },
    close: async () => {
      if ('why' in record) return;
      record.document.fill(0);
      await record.close();
    },
  };
}

/** A server that does not answer may be stopped on purpose. */
async function reached(opening: Promise<Supervisor>): Promise<Supervisor> {
  try {
    return await opening;
  } catch (error) {
    if (error instanceof SupervisorError && error.code === 'unreachable') {
      throw new Failure([words.unreachable(error.message)], { cause: error });
    }
    throw error;
  }
}

/** The files of the server's disk: from the server, which gives them when it has embedded etcd, or of this machine, if it is
 *  of the same cluster. `local`: this machine is a server. */
async function serverDisk(supervisor: Supervisor, password: string, dataDir: string) {
  const own = readFile(join(dataDir, tlsFile.caBundle('server')));
  const local = typeof own === 'object' && 'bytes' in own && Buffer.from(own.bytes).equals(supervisor.caCerts);
  const given = await supervisor.serverBootstrap(password);
  if (given !== undefined) {
    const { files } = dataOf(given, supervisor);
    given.fill(0);
    return { fields: (field: string) => files.get(field)?.content, local };
  }
  if (!local) return { fields: undefined, local };
  const disk = readBootstrapDisk(dataDir);
  const paths = new Map<string, string>(bootstrapFields.map(({ name, file }) => [name, file]));
  return { fields: (field: string) => disk.file(paths.get(field) ?? '')?.content, local };
}

function dataOf(document: Uint8Array, { host }: Supervisor): BootstrapData {
  try {
    return parseBootstrapData(document);
  } catch (cause) {
    if (!(cause instanceof BootstrapDataError)) throw cause;
    throw new Failure([{ error: `${host}: the answer to server-bootstrap is no bootstrap data` }], { cause });
  }
}

type TriedRecord = OpenRecord | { readonly why: string };

/** Opens the record, or says why it can't be. Throws Failure for several, over which K3s fails half-way. */
async function tryRecord(source: RecordSource, context: Context): Promise<TriedRecord> {
  let found: OpenStore | undefined;
  try {
    found = await openStore(source, context);
    return { ...found, ...(await theRecord(found)) };
  } catch (error) {
    await found?.close();
    if (!(error instanceof Failure) || (found !== undefined && found.records.length > 1)) throw error;
    return { why: error.messages[0]?.error ?? '' };
  }
}

function recordState(
  record: TriedRecord,
  fields: ((field: string) => Uint8Array | undefined) | undefined,
  local: boolean,
): TokenRotateSnapshot['record'] {
  if ('why' in record) return { kind: local ? 'unread' : 'elsewhere', why: record.why };
  if (fields === undefined) return { kind: 'elsewhere', why: words.diskElsewhere(record.where) };
  return { kind: 'read', where: record.where, pending: pendingFields(record.data, fields) };
}

/** Whether the record opens with the new password and no other is left. Never throws: the change is done. */
async function readBack(record: TriedRecord, password: string): Promise<TokenRotated['readBack']> {
  if ('why' in record) return { ok: false, why: record.why };
  const { store, where } = record;
  try {
    const entries = await store.list(bootstrapPrefix);
    const key = bootstrapKey(password);
    const entry = entries.find((each) => each.key === key);
    if (entry === undefined) return { ok: false, why: words.stillOld(where) };
    (await opened(where, entry, password)).document.fill(0);
    if (entries.length > 1) return { ok: false, why: words.oldLeft(where) };
    return { ok: true, from: where };
  } catch (error) {
    return { ok: false, why: error instanceof Failure ? (error.messages[0]?.error ?? '') : (error as Error).message };
  }
}

/** K3s writes password file and token file before the datastore, and names no reason: whatever it answers but that the
 *  credentials are wrong leaves a doubt. */
async function explained(error: unknown, record: TriedRecord, password: string): Promise<unknown> {
  if (!(error instanceof SupervisorError) || error.code === 'credentials' || error.code === 'forbidden') return error;
  if (!error.inDoubt && error.code !== 'refused' && error.code !== 'stranger') return error;
  return new UncertainRotation([words.inDoubt(error.message, await readBack(record, password))], { cause: error });
}
