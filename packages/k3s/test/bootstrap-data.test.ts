import {
  BootstrapDataError,
  bootstrapFields,
  bootstrapKey,
  classifyRecord,
  type Disk,
  formatBootstrapData,
  parseBootstrapData,
  reconcile,
  replaceBootstrapFiles,
} from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('bootstrap-data');
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();
const base64 = (value: string) => Buffer.from(value).toString('base64');

test('the key is the first 12 hex characters of SHA-256', () => {
  // SHA-256 of nothing and of "abc": FIPS 180-4, examples.
  assert.is(bootstrapKey(''), '/bootstrap/e3b0c44298fc');
  assert.is(bootstrapKey('abc'), '/bootstrap/ba7816bf8f01');
});

test('a record is told by its key and its size', () => {
  const token = { token: `K10${'a'.repeat(64)}::server:abc`, passphrase: 'abc' };
  const kind = (key: string, size = 1) => classifyRecord(key, size, token);
  assert.equal(kind(bootstrapKey('abc')), { kind: 'current', passphrase: 'abc' });
  assert.equal(kind(bootstrapKey('')), { kind: 'no-token', passphrase: '' });
  assert.equal(kind(bootstrapKey(token.token)), { kind: 'unnormalised', passphrase: token.token });
  assert.equal(kind(bootstrapKey('other')), { kind: 'foreign' });
  assert.equal(kind(bootstrapKey('abc'), 0), { kind: 'locked' });
});

test('both formats are read', () => {
  const now = parseBootstrapData(
    bytes(
      `{"ClientCA":{"Timestamp":"2026-01-02T03:04:05.123456789+02:00","Content":"${base64('pem')}"},"Empty":{"Timestamp":"0001-01-01T00:00:00Z","Content":null}}\n`,
    ),
  );
  assert.is(now.format, 'timestamped');
  assert.is(text(now.files.get('ClientCA')?.content), 'pem');
  assert.is(now.files.get('ClientCA')?.timestamp, '2026-01-02T03:04:05.123456789+02:00');
  assert.is(now.files.get('Empty')?.content.length, 0);
  const old = parseBootstrapData(bytes(`{"ClientCA":"${base64('pem')}","ServerCA":null}`));
  assert.is(old.format, 'content-only');
  assert.is(text(old.files.get('ClientCA')?.content), 'pem');
  assert.is(old.files.get('ClientCA')?.timestamp, undefined);
});

test('what is no bootstrap data is refused without a word of it', () => {
  const secret = 'c2VjcmV0';
  for (const document of [
    '',
    `${secret}`,
    `"${secret}"`,
    `["${secret}"]`,
    '5',
    `{"ClientCA":{"Content":"${secret}!"}}`,
    `{"ClientCA":{"Content":5}}`,
    `{"ClientCA":5}`,
    `{"ClientCA":"${secret}","ServerCA":{"Content":"${secret}"}}`,
    `{"ClientCA":{"Timestamp":"${secret}","Content":"${secret}"}}`,
    `{"ClientCA":"${secret}`,
  ]) {
    try {
      parseBootstrapData(bytes(document));
    } catch (error) {
      assert.instance(error, BootstrapDataError);
      assert.not.match(String((error as Error).message), secret);
      continue;
    }
    assert.unreachable(document);
  }
});

test('fields, members and numbers that are not known are carried through', () => {
  const document = `{"Future":{"Timestamp":"2026-01-01T00:00:00Z","Content":"${base64('f')}","Mode":9007199254740993},"ClientCA":{"Timestamp":"2026-01-01T00:00:00Z","Content":"${base64('old')}","Note":"x"}}`;
  const changed = text(
    replaceBootstrapFiles(bytes(document), new Map([['ClientCA', bytes('new')]]), '2026-02-02T00:00:00Z'),
  );
  assert.is(
    changed,
    `{"Future":{"Timestamp":"2026-01-01T00:00:00Z","Content":"${base64('f')}","Mode":9007199254740993},"ClientCA":{"Timestamp":"2026-02-02T00:00:00Z","Content":"${base64('new')}","Note":"x"}}\n`,
  );
});

test('the older format goes over to the newer one with the first change', () => {
  const old = bytes(`{"ClientCA":"${base64('old')}","ServerCA":"${base64('same')}"}`);
  const { format, files } = parseBootstrapData(
    replaceBootstrapFiles(old, new Map([['ClientCA', bytes('new')]]), '2026-02-02T00:00:00Z'),
  );
  assert.is(format, 'timestamped');
  assert.equal(
    [...files].map(([name, file]) => [name, file.timestamp, text(file.content)]),
    [
      ['ClientCA', '2026-02-02T00:00:00Z', 'new'],
      ['ServerCA', '0001-01-01T00:00:00Z', 'same'],
    ],
  );
});

test('disk against datastore: three seconds decide', () => {
  const stored = Date.parse('2026-01-01T00:00:00Z') / 1000;
  const data = parseBootstrapData(
    formatBootstrapData(
      new Map([
        ['ClientCA', { content: bytes('a'), timestamp: '2026-01-01T00:00:00.9Z' }],
        ['PasswdFile', { content: bytes('b'), timestamp: '2026-01-01T00:00:00Z' }],
        ['Future', { content: bytes('c'), timestamp: '2026-01-01T00:00:00Z' }],
      ]),
    ),
  );
  const start = (content: string, modified: number, bare: string[] = []) => {
    const disk: Disk = {
      file: (path) =>
        path === 'server/tls/client-ca.crt'
          ? { content: bytes(content), modified }
          : path === 'server/cred/passwd'
            ? { content: bytes('b'), modified: 0 }
            : undefined,
      bare: (folder) => bare.includes(folder),
    };
    const { start, fields } = reconcile(data, disk);
    return [start, ...fields.map(({ state }) => state)];
  };
  assert.equal(start('a', stored + 99), ['unchanged', 'same', 'same', 'unknown']);
  assert.equal(start('x', stored + 2), ['rewrites', 'disk-older', 'same', 'unknown']);
  assert.equal(start('x', stored + 3), ['stops', 'disk-newer', 'same', 'unknown']);
  assert.equal(start('x', stored - 99), ['rewrites', 'disk-older', 'same', 'unknown']);
  assert.equal(start('x', stored + 3, ['server/tls/etcd']), ['rewrites', 'disk-older', 'same', 'unknown']);
});

test('every field has a file of its own', () => {
  assert.is(new Set(bootstrapFields.map(({ file }) => file)).size, 15);
});

test.run();
