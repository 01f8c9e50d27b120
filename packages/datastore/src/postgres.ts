import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { Client, ClientConfig, DatabaseError } from 'pg';
import { type Limits, serverPatience } from './deadline.ts';
import type { PostgresDsn } from './endpoint.ts';
import { codeOf, connectionFailure, DatastoreError, firstLine } from './error.ts';
import { noTable, openSql, type SqlConnection, type SqlDriver, type Verdict } from './sql.ts';
import { certificateFailure, readTls, type Tls, type TlsFiles } from './tls.ts';
import type { Datastore } from './types.ts';

/** Parameters of a URL that are about the connection; any other is a setting of the session. Source: pgx `ParseConfig`. */
const connectionParameters = new Set(
  'host port user password database dbname sslmode sslcert sslkey sslrootcert sslpassword sslsni sslnegotiation connect_timeout target_session_attrs passfile service servicefile krbspn krbsrvname channel_binding require_auth min_protocol_version max_protocol_version default_query_exec_mode statement_cache_capacity description_cache_capacity'.split(
    ' ',
  ),
);

/** kine's table in PostgreSQL. Certificates and `sslmode` count as kine counts them: files of `--datastore-cafile` and
 *  the like mean verify-full unless the URL says otherwise. Source: kine `pkg/drivers/pgsql`, `prepareConfig`. */
export function openPostgres(dsn: PostgresDsn, files: TlsFiles, limits: Limits, clock: () => number): Datastore {
  const { parameters } = dsn;
  const named: TlsFiles = {
    caFile: parameters.get('sslrootcert') ?? files.caFile,
    certFile: parameters.get('sslcert') ?? files.certFile,
    keyFile: parameters.get('sslkey') ?? files.keyFile,
  };
  const given = files.caFile ?? files.certFile ?? files.keyFile;
  const mode = parameters.get('sslmode') ?? (given === undefined ? 'prefer' : 'verify-full');
  if (!sslModes.includes(mode)) {
    throw new DatastoreError(
      'settings',
      'the datastore endpoint',
      // Not the value: where the endpoint is mixed up, a password is in it.
      `its sslmode is not one of ${sslModes.join(', ')}`,
      'write it as K3s takes it, such as ?sslmode=verify-full',
    );
  }
  const system = named.caFile === 'system';
  const tls = readTls(system ? { ...named, caFile: undefined } : named);
  const addresses = dsn.hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
  const where = `postgres at ${addresses}/${dsn.database}`;
  return openSql({ where, dialect, connect, verdict }, limits);

  /** The first host that lets us in. */
  async function connect(ended: () => void): Promise<SqlConnection> {
    let last: unknown;
    for (const { host, port } of dsn.hosts) {
      const secure = mode === 'disable' || host.startsWith('/') ? undefined : sslOptions(mode, tls, host, system);
      try {
        return await connectOnce(host, port, secure, ended);
      } catch (error) {
        last = error;
        const plain = mode === 'prefer' || mode === 'allow';
        if (plain && secure !== undefined && /does not support SSL/.test(firstLine(error))) {
          return await connectOnce(host, port, undefined, ended);
        }
        // A server that answered has the last word.
        if (isServerError(error)) throw error;
      }
    }
    throw last;
  }

  async function connectOnce(
    host: string,
    port: number,
    secure: ConnectionOptions | undefined,
    ended: () => void,
  ): Promise<SqlConnection> {
    const { default: pg } = await import('pg');
    const settings = [...parameters].filter(([name]) => !connectionParameters.has(name));
    const config: ClientConfig = {
      host,
      port,
      user: dsn.user,
      database: dsn.database,
      ssl: secure ?? false,
      connectionTimeoutMillis: limits.timeout,
      ...(dsn.password === undefined ? {} : { password: dsn.password }),
      ...(settings.length === 0
        ? {}
        : { options: settings.map(([name, value]) => `-c ${name}=${escaped(value)}`).join(' ') }),
    };
    const client = new pg.Client(config);
    // Without a listener the end of an idle connection would end the process.
    client.on('error', () => {});
    const destroy = () =>
      (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    // Else the process would wait for the server after Ctrl-C.
    limits.signal.addEventListener('abort', destroy, { once: true });
    client.once('end', () => limits.signal.removeEventListener('abort', destroy));
    try {
      await client.connect();
      // The server gives up before we do: then it is known that nothing was written.
      await client.query(`SET statement_timeout = ${serverPatience(limits)}`);
    } catch (error) {
      destroy();
      throw error;
    }
    // Not before: the end of a try without TLS comes when the next try has succeeded.
    client.on('end', ended);
    return connectionOf(client, destroy);
  }

  function verdict(error: unknown): Verdict {
    const wrap = (code: DatastoreError['code'], mend: string) =>
      new DatastoreError(code, where, firstLine(error), mend, error);
    if (isServerError(error)) {
      switch (error.code) {
        case '23505':
          // The id was filled by a kine that waited for it; kine itself repeats the INSERT then.
          return error.constraint === 'kine_pkey' ? 'again' : 'conflict';
        case '40001':
        case '40P01':
        case '55P03':
          return 'again';
        case '57P01':
        case '57P02':
          return 'lost';
        case '57014':
          return wrap('busy', 'see what locks the table kine (pg_locks, pg_stat_activity), then run again');
        case '25006':
          return wrap('read-only', 'name the primary server in the endpoint, not a standby');
        case '28P01':
        case '28000':
          return wrap('denied', 'check user and password in the endpoint, and pg_hba.conf on the server');
        case '42501':
          return wrap('denied', 'use the user that K3s uses');
        case '3D000':
          return wrap('absent', 'check the name of the database in the endpoint; without one K3s uses "kubernetes"');
        case '42P01':
          return noTable(where, error);
        case '53300':
        case '57P03':
          return wrap('unreachable', 'the server takes no connections now; run again later');
        case '53100':
        case '53200':
          return wrap('failed', 'the server is out of space or memory: look at its log');
        case '54000':
        case '08P01':
          return wrap('too-large', 'look at what the bootstrap data holds');
        default:
          return wrap('failed', 'look at the log of the server');
      }
    }
    const flawed = certificateFailure(where, tls, clock(), error);
    if (flawed !== undefined) return flawed;
    if (/does not support SSL/.test(firstLine(error))) {
      return new DatastoreError(
        'tls',
        where,
        'the server takes no TLS connections',
        'switch TLS on there, or say sslmode=disable in the endpoint',
        error,
      );
    }
    if (/password must be a string|SASL|Cannot read a password/.test(firstLine(error))) {
      return new DatastoreError(
        'denied',
        where,
        'the server asks for a password and the endpoint has none',
        'write it as postgres://USER:PASSWORD@HOST/DATABASE',
        error,
      );
    }
    const failed = connectionFailure(where, error);
    if (failed !== undefined && !['ECONNRESET', 'EPIPE'].includes(codeOf(error))) return failed;
    if (/terminated|not queryable|ended/i.test(firstLine(error)) || failed !== undefined) return 'lost';
    return new DatastoreError('failed', where, firstLine(error), 'look at the log of the server', error);
  }
}

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];

const dialect: SqlDriver['dialect'] = {
  parameter: (index) => `$${index}`,
  typed: (parameter, type) => `${parameter}::${type === 'bytes' ? 'bytea' : type}`,
};

function connectionOf(client: Client, destroy: () => void): SqlConnection {
  const query = (sql: string, parameters: readonly unknown[]) => client.query(sql, parameters.map(asBuffer));
  return {
    rows: async (sql, parameters) => (await query(sql, parameters)).rows,
    insert: async (sql, parameters) => {
      const { rows } = await query(`${sql} RETURNING id`, parameters);
      return rows[0] === undefined ? undefined : String(rows[0].id);
    },
    end: () => client.end(),
    destroy,
  };
}

/** What libpq's modes mean. Source: PostgreSQL manual, "SSL Support"; pgx `configTLS`. */
function sslOptions(mode: string, tls: Tls | undefined, host: string, system: boolean): ConnectionOptions {
  const verifies = mode.startsWith('verify') || (mode === 'require' && (tls?.ca !== undefined || system));
  const names = mode === 'verify-full' || system;
  return {
    rejectUnauthorized: verifies,
    checkServerIdentity: (_: string, certificate: PeerCertificate) =>
      names ? checkServerIdentity(host, certificate) : undefined,
    ...(tls?.ca && { ca: tls.ca }),
    ...(tls?.certificate && { cert: tls.certificate }),
    ...(tls?.key && { key: tls.key }),
  };
}

function isServerError(error: unknown): error is DatabaseError {
  return error instanceof Error && 'severity' in error && typeof (error as DatabaseError).code === 'string';
}

/** A value in libpq's `options`. */
function escaped(value: string): string {
  return value.replace(/[\\ ]/g, '\\$&');
}

function asBuffer(parameter: unknown): unknown {
  return parameter instanceof Uint8Array
    ? Buffer.from(parameter.buffer, parameter.byteOffset, parameter.byteLength)
    : parameter;
}
