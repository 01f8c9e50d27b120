import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  formatToken,
  hashMismatch,
  maskToken,
  normaliseToken,
  parseToken,
  randomPassword,
  tokenFaults,
  tokenFileText,
} from '../src/k3s.ts';

const test = suite('token');
const hash = 'c0ffee'.padEnd(64, '0');
const bootstrap = 'abcdef.0123456789abcdef';

// Among them the cases of K3s's pkg/clientaccess/token_test.go.
for (const [text, expected] of [
  ['token', { kind: 'password', form: 'bare', caHash: '', user: '', password: 'token' }],
  ['pass:word', { kind: 'password', form: 'bare', caHash: '', user: '', password: 'pass:word' }],
  ['pass::word', { kind: 'password', form: 'bare', caHash: '', user: '', password: 'pass::word' }],
  ['k10::x', { kind: 'password', form: 'bare', caHash: '', user: '', password: 'k10::x' }],
  [bootstrap, { kind: 'bootstrap', form: 'bare', caHash: '', id: 'abcdef', secret: '0123456789abcdef' }],
  [`${bootstrap}\n`, { kind: 'password', form: 'bare', caHash: '', user: '', password: `${bootstrap}\n` }],
  [`K10${hash}:::token`, { kind: 'password', form: 'secure', caHash: hash, user: '', password: 'token' }],
  [`K10${hash}::server:a`, { kind: 'password', form: 'secure', caHash: hash, user: 'server', password: 'a' }],
  [`K10${hash}::server:a::b`, { kind: 'password', form: 'secure', caHash: hash, user: 'server', password: 'a::b' }],
  [
    `K10${hash}::${bootstrap}`,
    { kind: 'bootstrap', form: 'secure', caHash: hash, id: 'abcdef', secret: '0123456789abcdef' },
  ],
  ['K10::node:a', { kind: 'password', form: 'no-hash', caHash: '', user: 'node', password: 'a' }],
  ['K10user:a', { kind: 'password', form: 'no-separator', caHash: '', user: 'user', password: 'a' }],
  [`K10${hash}:server:a`, { kind: 'password', form: 'no-separator', caHash: '', user: hash, password: 'server:a' }],
  [
    `K10${bootstrap}`,
    { kind: 'bootstrap', form: 'no-separator', caHash: '', id: 'abcdef', secret: '0123456789abcdef' },
  ],
  [`K10${'X'.repeat(64)}::x:y`, { kind: 'password', form: 'secure', caHash: 'X'.repeat(64), user: 'x', password: 'y' }],
] as const) {
  test(`reads ${JSON.stringify(text)}`, () => {
    assert.equal(parseToken(text), { ok: true, token: expected });
  });
}

for (const [text, fault] of [
  ['', 'empty'],
  ['K10::', 'format'],
  ['K10::x', 'format'],
  ['K10::x:', 'format'],
  ['K10', 'format'],
  ['K10x', 'format'],
  ['K10XX::x:y', 'hash-length'],
  [`K10${hash}`, 'format'],
  [`K10${hash}::`, 'format'],
  [`K10${hash}0::server:a`, 'hash-length'],
  [`K10${'é'.repeat(64)}::server:a`, 'hash-length'],
] as const) {
  test(`refuses ${JSON.stringify(text)}: ${tokenFaults[fault]}`, () => {
    assert.equal(parseToken(text), { ok: false, fault });
  });
}

test('a hash is counted in octets', () => {
  assert.is(parseToken(`K10${'é'.repeat(32)}::server:a`).ok, true);
});

test('a token is written as it was read, or with another hash', () => {
  for (const text of [`K10${hash}::server:a:b`, `K10${hash}::${bootstrap}`, 'K10::node:a', 'K10:::a']) {
    const parsed = parseToken(text);
    assert.ok(parsed.ok);
    assert.is(formatToken(parsed.token), text);
    assert.is(formatToken(parsed.token, hash), `K10${hash}::${text.split('::').slice(1).join('::')}`);
  }
  const bare = parseToken('a');
  assert.ok(bare.ok);
  assert.is(formatToken(bare.token, hash), `K10${hash}:::a`);
});

test('normalised: the password alone, nothing of a bootstrap token', () => {
  for (const text of ['secret', 'K10::server:secret', `K10${hash}::node:secret`, 'K10x:secret']) {
    assert.is(normaliseToken(text), 'secret');
  }
  for (const text of [bootstrap, `K10${hash}::${bootstrap}`, '', 'K10X::x']) assert.is(normaliseToken(text), undefined);
});

test('masked: no secret, and not its length', () => {
  for (const [text, shown] of [
    [`K10${hash}::server:geheim`, `K10${hash}::server:********`],
    [`K10${hash}:server:geheim`, `K10${hash}:********`],
    ['K10geheim:geheim', 'K10********:********'],
    [`K10${'geheim'.padEnd(64, '.')}::geheim:geheim`, 'K10********::********:********'],
    ['K10geheim::server:x', '********'],
    ['geheim', '********'],
    ['abcdef.geheimgeheim0000', 'abcdef.********'],
    ['', '********'],
  ] as const) {
    assert.is(maskToken(text), shown);
    assert.not.match(maskToken(text), 'geheim');
  }
  assert.not.match(hashMismatch('geheim'.padEnd(64, '.'), hash), 'geheim');
});

test("K3s's own line for another CA", () => {
  const other = 'f'.repeat(64);
  assert.is(
    hashMismatch(hash, other),
    `token CA hash does not match the Cluster CA certificate hash: ${hash} != ${other}`,
  );
});

test('a random password is 16 octets in hexadecimal', () => {
  assert.is(
    randomPassword((octets) => new Uint8Array(octets).fill(0xab)),
    'ab'.repeat(16),
  );
});

test('the text of a file: white space around it is gone, other encodings are refused', () => {
  assert.is(tokenFileText(Buffer.from(' a b\r\n\n')), 'a b');
  assert.is(tokenFileText(Buffer.from('')), '');
  assert.is(tokenFileText(Buffer.from('\ufeffa\u0085')), '\ufeffa');
  assert.is(tokenFileText(Uint8Array.of(0x61, 0xff)), undefined);
});

test.run();
