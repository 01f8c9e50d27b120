import { type LeafProfile, leafDaysFrom, leafNotBefore, leafProfile, leafProfiles } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Fingerprints,
  isDnsName,
  isInShard,
  isNodeName,
  leafRow,
  type NodeRow,
  nameOf,
  numberedName,
  type RawRow,
  RowChecker,
  type RowRules,
  shardOf,
  subjectOfRow,
} from '../src/plan.ts';

const now = 1_800_000_000;
const day = 86_400;
const profile = (name: string): LeafProfile => leafProfile(name) ?? assert.unreachable(name) ?? (undefined as never);

function rules(...names: string[]): RowRules {
  return {
    profiles: names.map((name) => ({
      profile: profile(name),
      issuer: { subject: 'O=Example\\, Inc,CN=edge CA' },
      notBefore: now,
      caNotAfter: now + 1000 * day,
    })),
    days: 365,
    keyType: 'ec:p256',
    clusterDomain: 'cluster.local',
    serviceIp: '10.43.0.1',
    longestOut: 155,
  };
}

function check(raw: RawRow['cells'], checker = new RowChecker(rules('server', 'client-kubelet'))) {
  return checker.check({ line: 7, cells: raw });
}

function good(cells: RawRow['cells'], checked = new RowChecker(rules('server'))): NodeRow {
  const row = check(cells, checked);
  if (!('line' in row)) throw new Error(JSON.stringify(row));
  return row;
}

const codes = (cells: RawRow['cells'], checker?: RowChecker) => {
  const checked = check(cells, checker);
  return 'line' in checked ? [] : checked.map(({ code }) => code);
};

const test = suite('rows of nodes');

test('a million names and more: no new one looks like an old one, every old one is known', () => {
  const seen = new Fingerprints();
  const count = 1_500_000;
  for (let index = 0; index < count; index += 1) {
    if (!seen.add(`edge-${index}`)) assert.unreachable(`edge-${index}`);
  }
  assert.is(seen.size, count);
  for (let index = 0; index < count; index += 997) {
    assert.ok(seen.has(`edge-${index}`) && !seen.add(`edge-${index}`));
    assert.not.ok(seen.has(`edge-${index}-`));
  }
});

test('texts that differ in one bit, in their order, or in their end', () => {
  const seen = new Fingerprints();
  const texts = new Set<string>(['', '\0', '\0\0', 'ab', 'ba', 'a/b', 'b/a']);
  for (let place = 0; place < 40; place += 1) {
    for (let unit = 32; unit < 127; unit += 1) {
      texts.add('.'.repeat(place) + String.fromCharCode(unit) + '.'.repeat(39 - place));
    }
  }
  for (const text of texts) assert.ok(seen.add(text), JSON.stringify(text));
});

test('a subject that is the name of the CA, as OpenSSL compares names', () => {
  const cells = { node: 'a', organizations: ['Example, Inc'], cn: 'edge CA' };
  const checker = new RowChecker(rules('server'));
  assert.equal(check(cells, checker), [
    { code: 'issuer-name', values: { subject: 'O=Example\\, Inc,CN=edge CA', ca: 'server' } },
  ]);
  assert.equal(codes({ ...cells, cn: 'EDGE  ca' }, checker), ['issuer-name']);
  // The second pass over the rows leaves it out too.
  assert.not.ok('line' in checker.check({ line: 7, cells }, true));
  assert.equal(codes({ ...cells, organizations: ['Example, Inc', 'Other'] }, checker), []);
  assert.equal(codes({ ...cells, cn: 'edge CA 2', out: 'a2' }, checker), []);
  // A row that was refused claims no folder.
  assert.equal(codes({ ...cells, cn: 'a', out: 'a3' }, checker), []);
});

test('parts cover all rows once and differ by at most one', () => {
  for (const count of [1, 2, 3, 7, 16]) {
    const parts = Array.from({ length: count }, (_, part) => {
      const shard = shardOf(`${part + 1}/${count}`);
      return Array.from({ length: 100 }, (_, row) => row).filter((row) => shard && isInShard(row, shard));
    });
    assert.equal(
      parts.flat().sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, row) => row),
    );
    const sizes = parts.map(({ length }) => length);
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
  }
  for (const wrong of ['0/3', '4/3', '1/0', '1', 'a/b', '-1/3', '1/3/5', ' 1/3']) assert.is(shardOf(wrong), undefined);
});

test('numbered names', () => {
  const names = (pattern: string) => {
    const name = numberedName(pattern);
    return name && [nameOf(name, 1), nameOf(name, 123_456)];
  };
  assert.equal(names('edge-%05d'), ['edge-00001', 'edge-123456']);
  assert.equal(names('%d.site'), ['1.site', '123456.site']);
  for (const wrong of ['edge', '%s', '%5d', '%d-%d', '%%d', '%00d', '']) assert.is(names(wrong), undefined, wrong);
});

test('node names as Kubernetes takes them; DNS names of certificates', () => {
  for (const name of ['a', '0', 'edge-1', 'a.b-c.d', 'a'.repeat(253)]) assert.ok(isNodeName(name), name);
  for (const name of ['', 'A', '-a', 'a-', 'a..b', '.a', 'a_b', 'ä', 'a b', 'a/b', '..', 'a'.repeat(254)]) {
    assert.not.ok(isNodeName(name), name);
  }
  for (const name of ['a', 'A.b', '*.example.org', 'xn--mnchen-3ya.de', 'a'.repeat(63)])
    assert.ok(isDnsName(name), name);
  for (const name of ['', '*', '*a.b', 'a.*', 'a_b', 'a.', '.a', 'a b', `${'a'.repeat(64)}.b`, 'a\0b', 'ä.de']) {
    assert.not.ok(isDnsName(name), name);
  }
});

test('everything that is wrong with a row is told at once', () => {
  assert.equal(codes({ node: 'A', dns: 'a_b;c', ip: '1.2.3;::1', days: 'x', key: 'rsa:2000', out: '../a' }).sort(), [
    'bad-days',
    'bad-dns',
    'bad-ip',
    'bad-key',
    'bad-node',
    'bad-out',
  ]);
  assert.equal(codes({ node: 'a', organizations: ['a\nb'] }), ['bad-text']);
  assert.equal(codes({ node: 'a', cn: 'a\u202eb' }), ['bad-text']);
  assert.equal(codes({ node: 'a', organizations: ['o'.repeat(65)] }), ['bad-text']);
  assert.equal(codes({ node: 'a'.repeat(53) }, new RowChecker(rules('client-kubelet'))), ['long-common-name']);
  assert.equal(codes({ node: 'a'.repeat(52) }, new RowChecker(rules('client-kubelet'))), []);
  assert.equal(codes({ node: 'a', cn: 'ü'.repeat(64) }), [], 'characters, not octets');
  assert.equal(codes({ node: 'a', cn: 'x' }, new RowChecker(rules('client-kubelet'))), ['fixed-subject']);
  assert.equal(codes({ node: 'a', days: '1000' }), []);
  assert.equal(codes({ node: 'a', days: '1001' }), ['outlives-ca']);
});

test('folders that overlap are found whatever their order', () => {
  for (const [first, second] of [
    ['a', 'a'],
    ['a', 'a/b'],
    ['a/b', 'a'],
    ['a/b/c', 'a/b'],
    ['a/b', 'a/b/c'],
  ] as const) {
    const checker = new RowChecker(rules('server'));
    assert.equal(codes({ node: 'x', out: first }, checker), []);
    assert.equal(codes({ node: 'y', out: second }, checker), ['duplicate-output'], `${first}, ${second}`);
  }
  const checker = new RowChecker(rules('server'));
  for (const out of ['a/b', 'a/c', 'ab', 'b/a']) assert.equal(codes({ node: 'x', out }, checker), [], out);
  for (const out of ['/a', '..', 'a/../b', 'a//b', 'a/', './a', '.hidden', '-a', 'a\\b', 'a b', 'manifest.jsonl']) {
    assert.equal(codes({ node: 'x', out }, new RowChecker(rules('server'))), ['bad-out'], out);
  }
});

test("the leaves of a row: names of the table, then the row's own, none twice", () => {
  const row = good({ node: 'n', dns: 'localhost;x.example', ip: '10.0.0.1;127.0.0.1', days: '10' });
  const leaf = (name: string) => {
    const [inRun] = rules(name).profiles;
    return inRun && leafRow(row, inRun, rules(name));
  };
  assert.equal(leaf('serving-kubelet'), {
    commonName: 'n',
    organizations: [],
    dns: ['n', 'localhost', 'x.example'],
    ip: ['127.0.0.1', '10.0.0.1'],
    notBefore: now,
    notAfter: now + 10 * day,
  });
  assert.equal(leaf('client-kubelet')?.organizations, ['system:nodes']);
  assert.equal(leaf('client-kubelet')?.dns, []);
  assert.ok(leaf('serving-kube-apiserver')?.dns.includes('kubernetes.default.svc.cluster.local'));
  assert.ok(leaf('serving-kube-apiserver')?.ip.includes('10.43.0.1'));
});

test('subjects as RFC 4514 writes them', () => {
  const subject = (cn: string, organizations: string[]) =>
    subjectOfRow(good({ node: 'n', cn, organizations }), profile('client'));
  assert.is(subject('a, b', []), 'CN=a\\, b');
  assert.is(subject('#a"b\\c', ['x+y']), 'O=x\\+y,CN=\\#a\\"b\\\\c');
  assert.is(subject('a', ['bbb', 'aa']), 'O=aa+O=bbb,CN=a', 'DER sorts a SET');
});

test('lifetimes as K3s takes them', () => {
  assert.equal(leafDaysFrom(undefined), { days: 365 });
  assert.equal(leafDaysFrom(''), { days: 365 });
  assert.equal(leafDaysFrom('30'), { days: 30 });
  assert.equal(leafDaysFrom('-1'), { days: -1 });
  for (const ignored of ['x', '1.5', ' 3', '3d', '0x10']) assert.equal(leafDaysFrom(ignored), { days: 365, ignored });
  assert.is(leafNotBefore(now, 0), now - 3600);
  assert.is(leafNotBefore(now, now - 60), now - 60);
});

test('the leaf table: files and names are unique, files lie where K3s looks', () => {
  const unique = (values: readonly string[]) => assert.is(new Set(values).size, values.length);
  unique(leafProfiles.map(({ name }) => name));
  unique(leafProfiles.map(({ path }) => path));
  for (const { name, path, dns, ip, extendedKeyUsage } of leafProfiles) {
    if (!['server', 'client', 'peer'].includes(name)) assert.match(path, /^(agent|server\/tls)\//);
    if (dns.length + ip.length > 0) assert.ok(extendedKeyUsage.includes('serverAuth'), name);
  }
});

test.run();
