import { Socket } from 'node:net';
import type { Connection, ConnectionOptions, ResultSetHeader } from 'mysql2/promise';
import { type Limits, serverPatience } from './deadline.ts';
import type { MysqlDsn } from './endpoint.ts';
import { codeOf, connectionFailure, DatastoreError, expired, firstLine } from './error.ts';
import { noTable, openSql, type SqlConnection, type SqlDriver, type Verdict } from './sql.ts';
import { certificateFailure, readTls, type Tls, type TlsFiles } from './tls.ts';
import type { Datastore, Swapped } from './types.ts';

/** Bytes of a MEDIUMBLOB. A server that is not strict would cut a longer value without an error. */
const columnSize = 2 ** 24 - 1;
/** Bytes of a packet beside the value: command, statement number, types, key. */
const packetOverhead = 2048;

/** kine's table in MySQL or MariaDB. Source: kine `pkg/drivers/mysql`, go-sql-driver/mysql `dsn.go`. */
export function openMysql(dsn: MysqlDsn, files: TlsFiles, limits: Limits, clock: () => number): Datastore {
  const tls = readTls(files);
  const mode = tls === undefined ? (dsn.parameters.get('tls') ?? 'false') : 'true';
  if (!tlsModes.includes(mode)) {
    throw new DatastoreError(
      'settings',
      'the datastore endpoint',
      'its parameter tls is not one of true, false, skip-verify, preferred',
      'name a CA of your own with --datastore-cafile',
    );
  }
  const { at, database } = dsn;
  const where = `mysql at ${'socket' in at ? at.socket : `${at.host.includes(':') ? `[${at.host}]` : at.host}:${at.port}`}/${database}`;
  const opened = openSql({ where, dialect, connect, verdict }, limits);
  return {
    ...opened,
    swap: async (key, expected, value): Promise<Swapped> => {
      if (value.length > columnSize) throw tooLarge(value.length, `the column value holds ${columnSize}`);
      return opened.swap(key, expected, value);
    },
  };

  async function connect(ended: () => void): Promise<SqlConnection> {
    try {
      return await connectOnce(sslOptions(mode, tls), ended);
    } catch (error) {
      if (mode !== 'preferred' || codeOf(error) !== 'HANDSHAKE_NO_SSL_SUPPORT') throw error;
      return await connectOnce(undefined, ended);
    }
  }

  async function connectOnce(ssl: ConnectionOptions['ssl'], ended: () => void): Promise<SqlConnection> {
    const { createConnection } = await import('mysql2/promise');
    const stream = new Socket();
    if ('socket' in at) stream.connect(at.socket);
    else {
      // tls.connect checks the name of the server against this when there is no server name, which an address has none of.
      Object.assign(stream, { _host: at.host });
      stream.connect(at.port, at.host);
    }
    const destroyed = () => stream.destroy();
    limits.signal.addEventListener('abort', destroyed, { once: true });
    stream.once('close', () => limits.signal.removeEventListener('abort', destroyed));
    try {
      const connection = await createConnection({
        stream: () => stream,
        ...('host' in at && { host: at.host, port: at.port }),
        user: dsn.user,
        password: dsn.password,
        database,
        connectTimeout: limits.timeout,
        supportBigNumbers: true,
        bigNumberStrings: true,
        ...(ssl !== undefined && 'host' in at ? { ssl } : {}),
      } as ConnectionOptions);
      // Without a listener the end of an idle connection would end the process.
      connection.on('error', ended);
      connection.on('end', ended);
      // The server gives up before we do: then it is known that nothing was written.
      const seconds = Math.max(1, Math.floor(serverPatience(limits) / 1000));
      await connection.query(`SET innodb_lock_wait_timeout = ${seconds}, lock_wait_timeout = ${seconds}`);
      // As kine does: under the default, INSERT ... SELECT locks what it reads and comes into deadlocks.
      await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
      const [[settings]] = (await connection.query('SELECT @@max_allowed_packet AS packet')) as unknown as [
        [{ packet: string }],
      ];
      return connectionOf(connection, stream, (bytes) => {
        // The server would end the connection half-way, and nobody would know why.
        if (bytes + packetOverhead > Number(settings.packet)) {
          throw tooLarge(bytes, `max_allowed_packet is ${settings.packet}`);
        }
      });
    } catch (error) {
      stream.destroy();
      throw error;
    }
  }

  function verdict(error: unknown): Verdict {
    const code = codeOf(error);
    const wrap = (kind: DatastoreError['code'], mend: string) =>
      new DatastoreError(kind, where, firstLine(error), mend, error);
    switch (code) {
      case 'ER_DUP_ENTRY':
        return 'conflict';
      // A row came in after the read view was made, under innodb_snapshot_isolation (MariaDB 11.6.2 and newer).
      case 'ER_CHECKREAD':
      case 'ER_LOCK_DEADLOCK':
      // A deadlock over the counter of ids.
      case 'ER_AUTOINC_READ_FAILED':
      case 'ER_LOCK_WAIT_TIMEOUT':
        return 'again';
      case 'PROTOCOL_CONNECTION_LOST':
      case 'ECONNRESET':
      case 'EPIPE':
      case 'ER_SERVER_SHUTDOWN':
      case 'ER_CONNECTION_KILLED':
        return lostOrFlawed(error);
      case 'ER_NET_PACKET_TOO_LARGE':
      case 'ER_DATA_TOO_LONG':
        return wrap('too-large', tooLargeMend);
      case 'ER_NO_SUCH_TABLE':
        return noTable(where, error);
      case 'ER_BAD_DB_ERROR':
        return wrap('absent', 'check the name of the database in the endpoint; without one K3s uses "kubernetes"');
      case 'ER_ACCESS_DENIED_ERROR':
      case 'ER_DBACCESS_DENIED_ERROR':
      case 'ER_TABLEACCESS_DENIED_ERROR':
      case 'ER_HOST_NOT_PRIVILEGED':
      case 'ER_ACCESS_DENIED_NO_PASSWORD_ERROR':
        return wrap('denied', 'check user and password in the endpoint, and what the server grants this user');
      case 'ER_OPTION_PREVENTS_STATEMENT':
      case 'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION':
        return wrap('read-only', 'name the primary server in the endpoint, not a replica');
      case 'ER_CON_COUNT_ERROR':
        return wrap('unreachable', 'the server takes no connections now; run again later');
      case 'HANDSHAKE_NO_SSL_SUPPORT':
        return wrap('tls', 'switch TLS on there, or leave out the certificates and the parameter tls');
      case 'HANDSHAKE_SSL_ERROR':
        if (/has expired/.test(firstLine(error))) return flawed(error) ?? expired(where, error);
        return flawed(error) ?? wrap('tls', 'check --datastore-cafile, --datastore-certfile and --datastore-keyfile');
      default:
        return flawed(error) ?? connectionFailure(where, error) ?? wrap('failed', 'look at the log of the server');
    }
  }

  function lostOrFlawed(error: unknown): Verdict {
    return flawed(error) ?? 'lost';
  }

  function flawed(error: unknown): DatastoreError | undefined {
    return certificateFailure(where, tls, clock(), error);
  }

  function tooLarge(bytes: number, limit: string): DatastoreError {
    const what = `the record has ${bytes} bytes, more than the server takes: ${limit}`;
    return new DatastoreError('too-large', where, what, tooLargeMend);
  }
}

const tooLargeMend =
  'look at what the bootstrap data holds; a packet is as large as max_allowed_packet lets it be, the column 16 MiB';

const tlsModes = ['true', 'false', 'skip-verify', 'preferred'];

const dialect: SqlDriver['dialect'] = {
  parameter: () => '?',
  // A text beside a number would be compared as a double.
  typed: (parameter, type) => (type === 'bigint' ? `CAST(${parameter} AS UNSIGNED)` : parameter),
};

function connectionOf(connection: Connection, stream: Socket, fits: (bytes: number) => void): SqlConnection {
  return {
    rows: async (sql, parameters) => {
      const [rows] = await connection.execute(sql, parameters.map(asBuffer) as string[]);
      return rows as { id: unknown; name: unknown; value: unknown }[];
    },
    insert: async (sql, parameters) => {
      for (const parameter of parameters) if (parameter instanceof Uint8Array) fits(parameter.length);
      const [result] = await connection.execute(sql, parameters.map(asBuffer) as string[]);
      const { affectedRows, insertId } = result as ResultSetHeader;
      return affectedRows === 0 ? undefined : String(insertId);
    },
    end: () => connection.end(),
    destroy: () => {
      connection.destroy();
      stream.destroy();
    },
  };
}

function sslOptions(mode: string, tls: Tls | undefined): ConnectionOptions['ssl'] {
  if (mode === 'false') return undefined;
  return {
    rejectUnauthorized: mode === 'true',
    verifyIdentity: mode === 'true',
    ...(tls?.ca && { ca: tls.ca }),
    ...(tls?.certificate && { cert: tls.certificate }),
    ...(tls?.key && { key: tls.key }),
  } as ConnectionOptions['ssl'];
}

function asBuffer(parameter: unknown): unknown {
  return parameter instanceof Uint8Array
    ? Buffer.from(parameter.buffer, parameter.byteOffset, parameter.byteLength)
    : parameter;
}
