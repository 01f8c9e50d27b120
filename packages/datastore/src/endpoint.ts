import { join, resolve } from 'node:path';
import { DatastoreError } from './error.ts';

/** A datastore as K3s's `--datastore-endpoint` names it, taken apart. Passwords are in it: never print it. */
export type Endpoint =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'etcd'; readonly endpoints: readonly string[] }
  | { readonly kind: 'postgres'; readonly dsn: PostgresDsn }
  | { readonly kind: 'mysql'; readonly dsn: MysqlDsn };

export interface PostgresDsn {
  readonly hosts: ReadonlyArray<{ readonly host: string; readonly port: number }>;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly parameters: ReadonlyMap<string, string>;
}

export interface MysqlDsn {
  readonly user: string;
  readonly password: string;
  readonly at: { readonly socket: string } | { readonly host: string; readonly port: number };
  readonly database: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Whether an endpoint carries a password, so that it may not stand in argv. */
export function holdsPassword(endpoint: string): boolean {
  // MySQL's may hold any character, a slash too.
  return /^[a-z0-9+]+:\/\/[^@/:]*:.*@/s.test(endpoint) || /[?&](ssl)?password=/.test(endpoint);
}

/**
 * Takes an endpoint apart as kine does. `server` is the folder that relative SQLite paths start from, K3s's
 * `<data-dir>/server`. Throws DatastoreError `settings` or `unsupported`; the texts never hold the endpoint.
 * Source: kine `pkg/drivers/factory.go`, `pkg/util/network.go`; the drivers' own `prepareConfig`.
 */
export function parseEndpoint(endpoint: string, server: string, withTls: boolean): Endpoint {
  const [, scheme, rest = ''] = /^([A-Za-z0-9+.-]+):\/\/(.*)$/s.exec(endpoint) ?? [];
  switch (scheme) {
    case undefined:
      throw wrong('it does not begin with a scheme, such as postgres://, mysql://, sqlite:// or https://');
    case 'sqlite':
    case 'litestream': {
      const path = shown((rest.split('?', 1)[0] ?? '').replace(/^file:/, ''));
      return { kind: 'sqlite', path: path === '' ? join(server, 'db/state.db') : resolve(server, path) };
    }
    case 'http':
    case 'https':
    case 'unix':
    case 'unixs':
      return { kind: 'etcd', endpoints: endpoint.split(',').map((each) => etcdEndpoint(each.trim(), scheme)) };
    case 'postgres':
    case 'postgresql':
      return { kind: 'postgres', dsn: parsePostgres(rest) };
    case 'mysql':
      return { kind: 'mysql', dsn: parseMysql(rest, withTls) };
    default:
      throw unsupported(scheme, server);
  }
}

/** Kinds that kine has besides. The values of NATS are a format of its own, which changes with kine's versions.
 *  Source: kine `pkg/endpoint/init.go`. */
const onlyThroughKine = new Set(['nats', 'jetstream', 't4']);

function unsupported(scheme: string, server: string): DatastoreError {
  return onlyThroughKine.has(scheme)
    ? new DatastoreError(
        'unsupported',
        'the datastore endpoint',
        `${scheme}:// can only be reached through the kine of a K3s that runs`,
        `while K3s runs: --datastore-endpoint unix://${join(server, 'kine.sock')}; while it is stopped, run kine --endpoint ENDPOINT --listen-address unix:///run/kine.sock and name that socket`,
      )
    : new DatastoreError(
        'unsupported',
        'the datastore endpoint',
        `${scheme}:// is no datastore of K3s`,
        'it is sqlite://, https:// or http:// of an etcd, postgres:// or mysql://; check the spelling',
      );
}

function etcdEndpoint(text: string, scheme: string): string {
  const whole = text.includes('://') ? text : `${scheme}://${text}`;
  if (/^https?:\/\/[^/]*@/.test(whole)) {
    // Source: etcd `client/v3/internal/endpoint`: only the host is taken; kine `pkg/client`: no user is given.
    throw new DatastoreError(
      'settings',
      'the datastore endpoint',
      'a user and password for etcd, which K3s would drop in silence',
      'leave them out; with etcd\'s "auth enable" the common name of the client certificate is the user: name it with --datastore-certfile and --datastore-keyfile',
    );
  }
  if (!/^(https?|unixs?):\/\/[^\s@]+$/.test(whole))
    throw wrong('one of the etcd endpoints is not an address such as https://host:2379');
  return shown(whole);
}

/** `user:password@host:port,host:port/database?parameters`. Source: kine `pkg/drivers/pgsql`, pgx `ParseConfig`. */
function parsePostgres(rest: string): PostgresDsn {
  const [, authority = '', path = '', query = ''] = /^([^/?]*)(\/[^?]*)?(?:\?(.*))?$/s.exec(rest) ?? [];
  const at = authority.lastIndexOf('@');
  const [user = '', ...password] = at < 0 ? [] : authority.slice(0, at).split(':');
  const parameters = parseQuery(query);
  const named = at < 0 ? authority : authority.slice(at + 1);
  const hosts = (named === '' ? (parameters.get('host') ?? 'localhost') : named).split(',').map((each) => {
    const [, host = '', port] = /^(\[[^\]]+\]|[^:]*)(?::(\d+))?$/.exec(each) ?? [];
    if (host === '') throw wrong('one of the hosts is not HOST or HOST:PORT');
    return {
      host: shown(decoded(host.replace(/^\[|\]$/g, ''))),
      port: Number(port ?? parameters.get('port') ?? 5432),
    };
  });
  // kine folds the name, so that it means what CREATE DATABASE without quotes made.
  const database = shown(decoded(path.slice(1))).toLowerCase();
  return {
    hosts,
    // kine's own default when the endpoint is a scheme alone.
    user: rest === '' ? 'postgres' : decoded(user) || (parameters.get('user') ?? 'postgres'),
    password:
      rest === ''
        ? 'postgres'
        : at < 0 || password.length === 0
          ? parameters.get('password')
          : decoded(password.join(':')),
    database: database === '' ? 'kubernetes' : database,
    parameters,
  };
}

/** `user:password@tcp(host:port)/database?parameters`. Source: go-sql-driver/mysql `dsn.go`, kine `pkg/drivers/mysql`. */
function parseMysql(rest: string, withTls: boolean): MysqlDsn {
  const text = rest === '' ? (withTls ? 'root@tcp(127.0.0.1)/' : 'root@unix(/var/run/mysqld/mysqld.sock)/') : rest;
  // Neither the password nor the address is escaped: the last slash ends the address, the last @ before it the password.
  const slash = text.lastIndexOf('/');
  if (slash < 0)
    throw wrong('there is no "/" before the name of the database: mysql://USER:PASSWORD@tcp(HOST:3306)/DATABASE');
  const address = text.slice(0, slash);
  const [name = '', query = ''] = text.slice(slash + 1).split(/\?(.*)/s);
  const at = address.lastIndexOf('@');
  const credentials = at < 0 ? '' : address.slice(0, at);
  const colon = credentials.indexOf(':');
  const place = at < 0 ? address : address.slice(at + 1);
  const [, network = '', inner] = /^([^()]*)(?:\((.*)\))?$/.exec(place) ?? [];
  if (network !== '' && inner === undefined && !['tcp', 'unix'].includes(network)) {
    throw wrong('the address is not of the form tcp(HOST:PORT) or unix(/PATH)');
  }
  return {
    user: colon < 0 ? credentials : credentials.slice(0, colon),
    password: colon < 0 ? '' : credentials.slice(colon + 1),
    at: network === 'unix' ? { socket: shown(inner || '/tmp/mysql.sock') } : tcpAddress(inner ?? ''),
    database: shown(decoded(name)) || 'kubernetes',
    parameters: parseQuery(query),
  };
}

function tcpAddress(address: string): { host: string; port: number } {
  if (address === '') return { host: '127.0.0.1', port: 3306 };
  const [, host = '', port] = /^(\[[^\]]+\]|[^:]*|[0-9a-fA-F:]{3,})(?::(\d+))?$/.exec(address) ?? [];
  if (host === '' && port === undefined) throw wrong('the address in tcp(...) is not HOST or HOST:PORT');
  return { host: shown(host.replace(/^\[|\]$/g, '') || '127.0.0.1'), port: Number(port ?? 3306) };
}

function parseQuery(query: string): Map<string, string> {
  return new Map(new URLSearchParams(query));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong('a "%" in it does not begin an escape such as %40; write a "%" itself as %25');
  }
}

/** A part that stands in messages. */
function shown(part: string): string {
  if (/\p{Cc}/u.test(part)) throw wrong('it holds a control character');
  return part;
}

function wrong(what: string): DatastoreError {
  return new DatastoreError(
    'settings',
    'the datastore endpoint',
    what,
    'write it as K3s takes it: sqlite://, https://HOST:2379, postgres://USER:PASSWORD@HOST:5432/DATABASE or mysql://USER:PASSWORD@tcp(HOST:3306)/DATABASE',
  );
}
