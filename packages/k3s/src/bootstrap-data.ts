import { createHash } from 'node:crypto';

/** One field of K3s's bootstrap data and the file that it stands for. */
export interface BootstrapField {
  readonly name: string;
  /** Relative to the data dir. */
  readonly file: string;
  /** Whether the content may never be shown: a private key, a password, a key-encryption key. */
  readonly secret: boolean;
}

/** The fields, certificates before keys. Source: K3s `pkg/daemons/config`, `ControlRuntimeBootstrap`; the files are set
 *  in `pkg/daemons/control/deps`. */
export const bootstrapFields = [
  { name: 'ServerCA', file: 'server/tls/server-ca.crt', secret: false },
  { name: 'ServerCAKey', file: 'server/tls/server-ca.key', secret: true },
  { name: 'ClientCA', file: 'server/tls/client-ca.crt', secret: false },
  { name: 'ClientCAKey', file: 'server/tls/client-ca.key', secret: true },
  { name: 'RequestHeaderCA', file: 'server/tls/request-header-ca.crt', secret: false },
  { name: 'RequestHeaderCAKey', file: 'server/tls/request-header-ca.key', secret: true },
  { name: 'ETCDServerCA', file: 'server/tls/etcd/server-ca.crt', secret: false },
  { name: 'ETCDServerCAKey', file: 'server/tls/etcd/server-ca.key', secret: true },
  { name: 'ETCDPeerCA', file: 'server/tls/etcd/peer-ca.crt', secret: false },
  { name: 'ETCDPeerCAKey', file: 'server/tls/etcd/peer-ca.key', secret: true },
  { name: 'ServiceKey', file: 'server/tls/service.key', secret: true },
  { name: 'PasswdFile', file: 'server/cred/passwd', secret: true },
  { name: 'IPSECKey', file: 'server/cred/ipsec.psk', secret: true },
  { name: 'EncryptionConfig', file: 'server/cred/encryption-config.json', secret: true },
  { name: 'EncryptionHash', file: 'server/cred/encryption-state.json', secret: true },
] as const satisfies readonly BootstrapField[];

/** What K3s lists when it looks for records; every key that begins with it counts. Source: K3s `pkg/cluster/storage.go`. */
export const bootstrapPrefix = '/bootstrap';

/** The key of the record that is sealed with `passphrase`, a normalised token. Source: K3s `pkg/cluster/encrypt.go`. */
export function bootstrapKey(passphrase: string): string {
  return `${bootstrapPrefix}/${createHash('sha256').update(passphrase).digest('hex').slice(0, 12)}`;
}

/** What a record is to a server that has this token. `locked`: a server that is making the data holds the key with an
 *  empty value. `no-token`: sealed with the empty passphrase; `unnormalised`: with the token as it is written. K3s
 *  migrates both at its next start. `foreign`: sealed with another token. */
export type BootstrapRecordKind = 'current' | 'locked' | 'no-token' | 'unnormalised' | 'foreign';

export interface ClassifiedRecord {
  readonly kind: BootstrapRecordKind;
  /** What opens it; absent for `locked` and `foreign`. */
  readonly passphrase?: string;
}

/** Tells what the record under `key` is. `token` is as written, `passphrase` normalised. Source: K3s
 *  `pkg/cluster/storage.go`, `getBootstrapKeyFromStorage` and `migrateTokens`. */
export function classifyRecord(
  key: string,
  size: number,
  { token, passphrase }: { readonly token: string; readonly passphrase: string },
): ClassifiedRecord {
  if (size === 0) return { kind: 'locked' };
  if (key === bootstrapKey(passphrase)) return { kind: 'current', passphrase };
  if (key === bootstrapKey('')) return { kind: 'no-token', passphrase: '' };
  if (key === bootstrapKey(token)) return { kind: 'unnormalised', passphrase: token };
  return { kind: 'foreign' };
}

/** A file as the bootstrap data holds it. */
export interface BootstrapFile {
  readonly content: Uint8Array;
  /** Modification time of the file that was saved, RFC 3339 as Go wrote it; absent in the older format. */
  readonly timestamp?: string;
}

/** Opened bootstrap data. */
export interface BootstrapData {
  /** `timestamped`: `{"Timestamp", "Content"}` per field; `content-only`: the older format, base64 per field. */
  readonly format: 'timestamped' | 'content-only';
  /** By field name, in the order of the document; names that K3s does not know are there too. */
  readonly files: ReadonlyMap<string, BootstrapFile>;
}

/** Why opened bytes are not bootstrap data. Never holds a value. */
export class BootstrapDataError extends Error {
  override readonly name = 'BootstrapDataError';
}

/** Reads the opened document in either format. Throws BootstrapDataError. Source: K3s `pkg/bootstrap`, `File`, and
 *  `pkg/cluster/bootstrap.go`, `isMigrated` and `migrateBootstrapData`. */
export function parseBootstrapData(document: Uint8Array): BootstrapData {
  const entries = Object.entries(parseDocument(document));
  const old = entries.length > 0 && entries.every(([, value]) => typeof value === 'string' || value === null);
  const files = new Map<string, BootstrapFile>();
  for (const [name, value] of entries) {
    if (old) {
      files.set(name, { content: decodeContent(value, name) });
      continue;
    }
    if (!isRecord(value)) throw new BootstrapDataError(`field ${shown(name)} is not a file`);
    const { Timestamp: timestamp, Content: content } = value;
    if (timestamp !== undefined && (typeof timestamp !== 'string' || Number.isNaN(Date.parse(timestamp)))) {
      throw new BootstrapDataError(`the time stamp of ${shown(name)} is not a time`);
    }
    files.set(name, { content: decodeContent(content, name), ...(timestamp === undefined ? {} : { timestamp }) });
  }
  return { format: old ? 'content-only' : 'timestamped', files };
}

/**
 * The document with other contents for some fields. Everything else is carried through as it was: fields and members
 * that are not known, their order and their numbers. A changed field gets `timestamp`; with the older format all fields
 * go over to the newer one, as K3s does it, the others with Go's zero time. Throws BootstrapDataError.
 */
export function replaceBootstrapFiles(
  document: Uint8Array,
  changes: ReadonlyMap<string, Uint8Array>,
  timestamp: string,
): Uint8Array {
  const { format, files } = parseBootstrapData(document);
  const entries = new Map<string, unknown>();
  for (const [name, value] of Object.entries(parseDocument(document))) {
    const { content } = files.get(name) ?? { content: new Uint8Array() };
    const migrated = { Timestamp: zeroTime, Content: Buffer.from(content).toString('base64') };
    entries.set(name, format === 'content-only' ? migrated : value);
  }
  for (const [name, content] of changes) {
    const old = entries.get(name);
    const Content = Buffer.from(content).toString('base64');
    entries.set(name, { ...(isRecord(old) ? old : {}), Timestamp: timestamp, Content });
  }
  return new TextEncoder().encode(`${JSON.stringify(Object.fromEntries(entries))}\n`);
}

/** A new document of files. `timestamp` is RFC 3339. */
export function formatBootstrapData(files: ReadonlyMap<string, Required<BootstrapFile>>): Uint8Array {
  const entries = [...files].map(([name, { content, timestamp }]) => [
    name,
    { Timestamp: timestamp, Content: Buffer.from(content).toString('base64') },
  ]);
  return new TextEncoder().encode(`${JSON.stringify(Object.fromEntries(entries))}\n`);
}

/** A file of the data dir: its bytes and its modification time in whole seconds since 1970. */
export interface DiskFile {
  readonly content: Uint8Array;
  readonly modified: number;
}

/** How a field of the datastore stands against the disk when a server starts. `disk-newer` is fatal: K3s stops with
 *  `newer than datastore and could cause a cluster outage`. `disk-older` and `absent` are overwritten from the
 *  datastore. `unknown`: K3s has no file for this field and leaves it alone. */
export type FieldState = 'same' | 'disk-newer' | 'disk-older' | 'absent' | 'unknown';

/** What the next start makes of data and disk. Source: K3s `pkg/cluster/bootstrap.go`, `ReconcileBootstrapData`. */
export interface Reconciliation {
  readonly fields: ReadonlyArray<{ readonly name: string; readonly file?: string; readonly state: FieldState }>;
  /** `stops`: at least one file is newer on the disk. `rewrites`: all files are written anew from the datastore. */
  readonly start: 'stops' | 'rewrites' | 'unchanged';
}

/** Seconds by which a file may be newer than the datastore's copy. Source: K3s `systemTimeSkew`. */
const systemTimeSkew = 3;
/** How Go writes a time that was never set. */
const zeroTime = '0001-01-01T00:00:00Z';

/** The data dir as a start finds it. Paths are relative to it. */
export interface Disk {
  readonly file: (path: string) => DiskFile | undefined;
  /** Whether a folder is missing or empty. */
  readonly bare: (folder: string) => boolean;
}

/** Judges opened bootstrap data against the files of a data dir. Source: K3s `pkg/cluster/bootstrap.go`,
 *  `ReconcileBootstrapData` and `certDirsExist`. */
export function reconcile(data: BootstrapData, disk: Disk): Reconciliation {
  const found = new Map(bootstrapFields.map(({ name, file }) => [name as string, { file, on: disk.file(file) }]));
  // Then K3s writes everything from the datastore and compares nothing.
  const bare = ['server/cred', 'server/tls', 'server/tls/etcd'].some(disk.bare);
  const fields = [...data.files].map(([name, { content, timestamp = zeroTime }]) => {
    const place = found.get(name);
    if (place === undefined) return { name, state: 'unknown' as const };
    const { file, on } = place;
    if (on === undefined) return { name, file, state: 'absent' as const };
    if (Buffer.from(content).equals(on.content)) return { name, file, state: 'same' as const };
    const newer = on.modified - Math.floor(Date.parse(timestamp) / 1000) >= systemTimeSkew && !bare;
    return { name, file, state: newer ? ('disk-newer' as const) : ('disk-older' as const) };
  });
  const has = (...states: FieldState[]) => fields.some(({ state }) => states.includes(state));
  const rewrites = bare || has('disk-older', 'absent');
  return { fields, start: has('disk-newer') ? 'stops' : rewrites ? 'rewrites' : 'unchanged' };
}

function parseDocument(document: Uint8Array): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(document), keepNumber);
  } catch (error) {
    // The parser's own message quotes the text around the mistake, which may be a key.
    throw new BootstrapDataError('not a JSON document', { cause: (error as Error).name });
  }
  if (!isRecord(parsed)) throw new BootstrapDataError('not a JSON object');
  return parsed;
}

/** Numbers of unknown members stay as they were written: a double has no room for each of Go's. */
function keepNumber(_key: string, value: unknown, context: { readonly source?: string } = {}): unknown {
  return typeof value === 'number' && context.source !== undefined ? rawJson(context.source) : value;
}

// lib.esnext does not have them yet. Source: ECMA-262, JSON.rawJSON.
const { rawJSON: rawJson, isRawJSON: isRawJson } = JSON as unknown as {
  rawJSON: (text: string) => unknown;
  isRawJSON: (value: unknown) => boolean;
};

/** Standard base64 with padding, as Go reads a `[]byte`; null is nothing. */
function decodeContent(value: unknown, name: string): Uint8Array {
  if (value === null || value === undefined) return new Uint8Array();
  if (typeof value !== 'string' || value.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    throw new BootstrapDataError(`the content of ${shown(name)} is not base64`);
  }
  return Uint8Array.from(Buffer.from(value, 'base64'));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawJson(value);
}

/** A name of a document, without anything that would steer a terminal. */
function shown(name: string): string {
  return JSON.stringify(name.slice(0, 60)).replace(/[\x7f-\x9f]/g, '\ufffd');
}
