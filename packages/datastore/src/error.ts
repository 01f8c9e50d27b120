/** Why a datastore did not do what was asked. `conflict` is no failure and not among them: `swap` answers it. */
export type DatastoreErrorCode =
  /** The endpoint, a setting or a certificate file is wrong; nothing was contacted. */
  | 'settings'
  /** A kind of datastore that this program does not speak to. */
  | 'unsupported'
  | 'unreachable'
  /** etcd's members that run are too few to decide anything. */
  | 'no-quorum'
  | 'timeout'
  | 'tls'
  /** The server does not let this user in, or not do this. */
  | 'denied'
  /** There is no such database or table. */
  | 'absent'
  | 'read-only'
  | 'too-large'
  /** Another writer holds it. */
  | 'busy'
  /** The connection ended while a write was under way: it may have happened or not. */
  | 'outcome-unknown'
  | 'failed';

/** A failure that a person can mend. Neither text holds a password or a value of the datastore. Unless the code is
 *  `outcome-unknown` the datastore is as it was. */
export class DatastoreError extends Error {
  override readonly name = 'DatastoreError';
  readonly code: DatastoreErrorCode;
  readonly where: string;
  readonly what: string;
  readonly mend: string;

  /** `where` says which datastore, without credentials. */
  constructor(code: DatastoreErrorCode, where: string, what: string, mend: string, cause?: unknown) {
    super(`${where}: ${what}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.where = where;
    this.what = what;
    this.mend = mend;
  }
}

/** The first line of a driver's own message, without control characters; the rest may quote what was sent. */
export function firstLine(error: unknown): string {
  const text = error instanceof Error && error.message !== '' ? error.message : codeOf(error);
  return (text.split('\n', 1)[0] ?? '').replace(/\p{Cc}/gu, ' ').slice(0, 200);
}

/** `ECONNREFUSED`, `28P01`, `ER_DBACCESS_DENIED_ERROR`, ...; empty when an error has none. */
export function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** Why a file cannot be read. */
export function readFailure(error: unknown): string {
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'no permission to read it',
    EISDIR: 'a folder, not a file',
  };
  return words[codeOf(error)] ?? firstLine(error);
}

/** What a failed connection says, by the system's error code; undefined for any other failure. */
export function connectionFailure(where: string, error: unknown): DatastoreError | undefined {
  const code = codeOf(error);
  const words = connectionWords[code];
  if (words !== undefined) return new DatastoreError(words[0], where, words[1], words[2], error);
  if (code === 'CERT_HAS_EXPIRED') return expired(where, error);
  if (/^(ERR_TLS|ERR_SSL|EPROTO|CERT_|UNABLE_TO|DEPTH_|SELF_SIGNED|ERR_OSSL)/.test(code)) {
    return new DatastoreError('tls', where, `TLS: ${firstLine(error)}`, tlsMend, error);
  }
  return undefined;
}

/** A server whose certificate has expired, or one in its chain. */
export function expired(where: string, cause: unknown): DatastoreError {
  return new DatastoreError(
    'tls',
    where,
    'TLS: the certificate of the server has expired, or a CA of it',
    'renew it on the server; K3s renews the certificate of its own etcd when it starts',
    cause,
  );
}

export const tlsMend =
  'check --datastore-cafile, --datastore-certfile and --datastore-keyfile, or datastore-cafile and the like in config.yaml';

const network = 'check the address in the endpoint, the network and that the server runs';

const connectionWords: { readonly [code: string]: readonly [DatastoreErrorCode, string, string] | undefined } = {
  ECONNREFUSED: ['unreachable', 'nothing listens there (connection refused)', network],
  ECONNRESET: ['unreachable', 'the connection was reset', 'look at the log of the server, which ended it'],
  EPIPE: ['unreachable', 'the connection was ended by the other side', 'look at the log of the server'],
  ENOTFOUND: ['unreachable', 'the host name has no address', network],
  EAI_AGAIN: ['unreachable', 'the host name could not be looked up', network],
  EHOSTUNREACH: ['unreachable', 'there is no route to the host', network],
  ENETUNREACH: ['unreachable', 'there is no route to the network', network],
  ETIMEDOUT: ['timeout', 'no answer while connecting', network],
  ENOENT: ['unreachable', 'there is no such socket', network],
  EACCES: ['denied', 'no permission to use the socket', 'run as root or as a user that may use it'],
};
