/** K3s's datastores behind one interface, and the seal of the bootstrap data in them. Writes are what kine and K3s
 *  themselves would write, so that a server that runs sees them. */
import { confirmed } from './confirm.ts';
import type { Limits } from './deadline.ts';
import { type Endpoint, parseEndpoint } from './endpoint.ts';
import { readTls, type TlsFiles } from './tls.ts';
import type { Datastore } from './types.ts';

export {
  type Backup,
  backupFolder,
  changeOf,
  dropBackup,
  listBackups,
  readBackup,
  valueDigest,
  writeBackup,
} from './backup.ts';
export type { Limits } from './deadline.ts';
export { holdsPassword } from './endpoint.ts';
export { DatastoreError, type DatastoreErrorCode } from './error.ts';
export { SealError, seal, unseal } from './seal.ts';
export { type DatastoreSettings, findSettings, type SettingsSources } from './settings.ts';
export type { TlsFiles } from './tls.ts';
export type { Datastore, Entry, Swapped } from './types.ts';

export interface OpenOptions extends Limits {
  /** As K3s's `--datastore-endpoint` takes it. */
  readonly endpoint: string;
  readonly tls: TlsFiles;
  /** K3s's `<data-dir>/server`, where relative SQLite paths start. */
  readonly server: string;
  /** Milliseconds since 1970; certificates are judged by it. */
  readonly clock: () => number;
}

/** Takes the settings in; nothing is contacted before the first call. Throws DatastoreError `settings` or `unsupported`. */
export async function openDatastore(options: OpenOptions): Promise<Datastore> {
  const { tls, signal, timeout } = options;
  const endpoint = parseEndpoint(
    options.endpoint,
    options.server,
    Object.values(tls).some((file) => file !== undefined),
  );
  const open = (limits: Limits) => openKind(endpoint, options, limits);
  return confirmed(await open({ signal, timeout }), { signal, timeout }, open);
}

async function openKind(endpoint: Endpoint, { tls, clock }: OpenOptions, limits: Limits): Promise<Datastore> {
  switch (endpoint.kind) {
    case 'sqlite': {
      const { openSqlite } = await withoutWarning(() => import('./sqlite.ts'));
      return openSqlite(endpoint.path, limits);
    }
    case 'etcd': {
      const { openEtcd } = await import('./etcd.ts');
      return openEtcd({ endpoints: endpoint.endpoints, tls: readTls(tls) }, limits, clock);
    }
    case 'postgres': {
      const { openPostgres } = await import('./postgres.ts');
      return openPostgres(endpoint.dsn, tls, limits, clock);
    }
    case 'mysql': {
      const { openMysql } = await import('./mysql.ts');
      return openMysql(endpoint.dsn, tls, limits, clock);
    }
  }
}

/** Node 22 and 24 warn on stderr that their SQLite is experimental. */
async function withoutWarning<T>(load: () => Promise<T>): Promise<T> {
  const { emitWarning } = process;
  process.emitWarning = (...[warning, ...rest]: unknown[]) => {
    if (!/SQLite is an experimental/.test(String(warning))) Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  try {
    return await load();
  } finally {
    process.emitWarning = emitWarning;
  }
}
