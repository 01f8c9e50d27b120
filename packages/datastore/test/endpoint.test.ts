import { DatastoreError, holdsPassword, openDatastore } from '@k3s-pki/datastore';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseEndpoint } from '../src/endpoint.ts';

const test = suite('endpoint');
const parse = (endpoint: string, tls = false) => parseEndpoint(endpoint, '/data/server', tls);
const mysql = (endpoint: string, tls = false) => {
  const parsed = parse(endpoint, tls);
  if (parsed.kind !== 'mysql') throw new Error(parsed.kind);
  return parsed.dsn;
};
const postgres = (endpoint: string) => {
  const parsed = parse(endpoint);
  if (parsed.kind !== 'postgres') throw new Error(parsed.kind);
  return parsed.dsn;
};

test('SQLite: the default, relative and absolute paths, parameters of the driver', () => {
  assert.equal(parse('sqlite://'), { kind: 'sqlite', path: '/data/server/db/state.db' });
  assert.equal(parse('sqlite://./db/x.db?_journal_mode=WAL'), { kind: 'sqlite', path: '/data/server/db/x.db' });
  assert.equal(parse('sqlite:///srv/k3s/state.db'), { kind: 'sqlite', path: '/srv/k3s/state.db' });
  assert.equal(parse('sqlite://file:/srv/state.db?cache=shared'), { kind: 'sqlite', path: '/srv/state.db' });
});

test('etcd: several endpoints, with and without a scheme', () => {
  assert.equal(parse('https://a:2379,https://b:2379, c:2379'), {
    kind: 'etcd',
    endpoints: ['https://a:2379', 'https://b:2379', 'https://c:2379'],
  });
  assert.equal(parse('unix:///run/kine.sock'), { kind: 'etcd', endpoints: ['unix:///run/kine.sock'] });
});

test('PostgreSQL: escapes, several hosts, the database folded to lower case, defaults', () => {
  const dsn = postgres(
    'postgres://us%40er:p%40ss%3Aw%2Fo%3F@a:1,[2001:db8::1]:2,c/Cluster?sslmode=disable&search_path=k',
  );
  assert.equal(dsn.hosts, [
    { host: 'a', port: 1 },
    { host: '2001:db8::1', port: 2 },
    { host: 'c', port: 5432 },
  ]);
  assert.equal([dsn.user, dsn.password, dsn.database], ['us@er', 'p@ss:w/o?', 'cluster']);
  assert.equal(
    [...dsn.parameters],
    [
      ['sslmode', 'disable'],
      ['search_path', 'k'],
    ],
  );
  const bare = postgres('postgres://');
  assert.equal(
    [bare.hosts, bare.user, bare.password, bare.database],
    [[{ host: 'localhost', port: 5432 }], 'postgres', 'postgres', 'kubernetes'],
  );
  assert.equal(postgres('postgresql:///x?host=/run/postgresql').hosts, [{ host: '/run/postgresql', port: 5432 }]);
});

test("MySQL: Go's DSN, in which nothing is escaped", () => {
  const dsn = mysql('mysql://kine:p@ss:w/o%rd?#1@tcp(db.example:3307)/cluster?tls=preferred');
  assert.equal(
    [dsn.user, dsn.password, dsn.at, dsn.database, [...dsn.parameters]],
    ['kine', 'p@ss:w/o%rd?#1', { host: 'db.example', port: 3307 }, 'cluster', [['tls', 'preferred']]],
  );
  assert.equal(mysql('mysql://u@tcp([2001:db8::1]:3306)/').at, { host: '2001:db8::1', port: 3306 });
  assert.equal(mysql('mysql://u@tcp(db)/').at, { host: 'db', port: 3306 });
  assert.equal(mysql('mysql://u@unix(/run/my.sock)/x').at, { socket: '/run/my.sock' });
  assert.equal(mysql('mysql://').at, { socket: '/var/run/mysqld/mysqld.sock' });
  assert.equal(mysql('mysql://', true).at, { host: '127.0.0.1', port: 3306 });
  assert.is(mysql('mysql://u@tcp(db)/').database, 'kubernetes');
});

test('what cannot be read is refused without a word of it', () => {
  for (const endpoint of [
    'secret',
    'postgres://u:secret%@host/',
    'postgres://u:secret@host:port/',
    'mysql://u:secret@tcp(host:3306)',
    'mysql://u:secret@host:3306/db',
    'https://secret@a:2379',
  ]) {
    assert.is(refusal(endpoint).code, 'settings');
  }
});

/** What an endpoint is refused with, in words that hold no password. */
function refusal(endpoint: string): { code: string; text: string } {
  try {
    parse(endpoint);
  } catch (error) {
    assert.instance(error, DatastoreError);
    const { code, message, mend } = error as DatastoreError;
    assert.not.match(`${message}${mend}`, 'secret');
    return { code, text: `${message} | ${mend}` };
  }
  throw new Error(`${endpoint} is taken`);
}

test('kinds that only kine reaches, and none at all: the way that works is named', () => {
  for (const scheme of ['nats', 'jetstream', 't4']) {
    const { code, text } = refusal(`${scheme}://u:secret@host`);
    assert.is(code, 'unsupported');
    assert.match(text, /the kine of a K3s that runs \| .* unix:\/\/\/data\/server\/kine\.sock;/);
  }
  const { code, text } = refusal('postgre://u:secret@host');
  assert.is(code, 'unsupported');
  assert.match(text, /postgre:\/\/ is no datastore of K3s/);
});

test('a user and password for etcd are refused: K3s would drop them', () => {
  for (const endpoint of ['https://root:secret@a:2379', 'http://b:2379,http://root:secret@a:2379']) {
    const { code, text } = refusal(endpoint);
    assert.is(code, 'settings');
    assert.match(text, /K3s would drop in silence \| .*common name of the client certificate is the user/);
  }
});

test('a password in an endpoint is noticed, and the description has none', async () => {
  assert.ok(holdsPassword('postgres://u:p@h/d'));
  assert.ok(holdsPassword('mysql://u:p@tcp(h)/d'));
  assert.ok(holdsPassword('mysql://u:p/q@tcp(h)/d'));
  assert.ok(holdsPassword('postgres://h/d?password=p'));
  assert.not.ok(holdsPassword('postgres://u@h:5432/d'));
  assert.not.ok(holdsPassword('https://a:2379,https://b:2379'));
  assert.not.ok(holdsPassword('sqlite:///a/b.db?mode=rw'));
  for (const endpoint of ['postgres://u:secret@h:1/d', 'mysql://u:secret@tcp(h:1)/d']) {
    const signal = new AbortController().signal;
    const store = await openDatastore({ endpoint, tls: {}, server: '/', signal, timeout: 1, clock: Date.now });
    assert.match(store.description, /^(postgres|mysql) at h:1\/d$/);
    await store.close();
  }
});

test.run();
