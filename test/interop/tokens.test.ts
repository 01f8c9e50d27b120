import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCore } from '@k3s-pki/core';
import { formatToken, normaliseToken, parseToken, serviceKeys, tokenFaults } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder, k3sPki, put } from '../cli/program.ts';
import { goJudge, type JudgedKey, present } from './judge.ts';

/** A line of `judge tokens`; texts are base64. */
interface JudgedToken {
  readonly hash: string;
  readonly user: string;
  readonly password: string;
  readonly id?: string;
  readonly secret?: string;
  readonly error?: string;
  readonly normal?: string;
}

const test = suite('interop/tokens');
const judge = present('interop/tokens', goJudge());

/** Texts made of the pieces that a token's grammar turns on, of every number of pieces, and some that are cut. */
function generatedTokens(count: number, seed: number): string[] {
  const hash = 'c0ffee'.padEnd(64, '0');
  const pieces = [
    ...['K10', 'K1', 'k10', ':', '::', ':::', '.', '', ' ', '\n', '\u00e9', '\u{1f511}'],
    ...[hash, hash.toUpperCase(), hash.slice(1), `${hash}0`, '\u00e9'.repeat(32), '\u00e9'.repeat(64)],
    ...['server', 'node', 'secret', 'abcdef', '0123456789abcdef', 'abcdef.0123456789abcdef', 'ABCDEF.0123456789abcdef'],
  ];
  let state = seed;
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const letters = (length: number) => Array.from({ length }, () => 'abcxyz019'[next(9)]).join('');
  return Array.from({ length: count }, () => {
    const lead = next(3) === 0 ? '' : `K10${[hash, '', 'x'][next(3)]}${['', '::'][next(2)]}`;
    const body = () => Array.from({ length: next(6) }, () => pieces[next(pieces.length)]).join('');
    const text = lead + (next(4) === 0 ? `${letters(6)}.${letters(15 + next(2))}` : body());
    return next(8) === 0 ? [...text].slice(0, next(70)).join('') : text;
  });
}

if (judge !== undefined) {
  test('thousands of generated tokens: K3s reads in them what we read', () => {
    const texts = [...new Set(generatedTokens(20_000, 7))];
    const answers = judge.lines<string, JudgedToken>(
      ['tokens'],
      texts.map((text) => Buffer.from(text).toString('base64')),
    );
    const seen = new Map<string, number>();
    for (const [index, text] of texts.entries()) {
      const ours = parseToken(text);
      const theirs = answers[index];
      const shown = JSON.stringify(text);
      const kind = ours.ok ? `${ours.token.kind} ${ours.token.form}` : ours.fault;
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
      assert.is(ours.ok ? undefined : tokenFaults[ours.fault], theirs?.error, shown);
      if (!ours.ok) continue;
      const { token } = ours;
      const base64 = (value: string) => Buffer.from(value).toString('base64');
      assert.is(base64(token.caHash), theirs?.hash, shown);
      if (token.kind === 'bootstrap') {
        assert.equal([token.id, token.secret], [theirs?.id, theirs?.secret], shown);
        assert.is(normaliseToken(text), undefined);
      } else {
        assert.equal([base64(token.user), base64(token.password)], [theirs?.user, theirs?.password], shown);
        assert.is(base64(normaliseToken(text) ?? ''), theirs?.normal, shown);
      }
    }
    // Every way that a token can go was gone often.
    for (const kind of [
      ...['password secure', 'password no-hash', 'password no-separator', 'password bare'],
      ...['bootstrap secure', 'bootstrap no-hash', 'bootstrap no-separator', 'bootstrap bare'],
      ...['hash-length', 'format', 'empty'],
    ]) {
      assert.ok((seen.get(kind) ?? 0) >= (kind === 'empty' ? 1 : 10), `${kind}: ${seen.get(kind)}`);
    }
  });

  test('a token that is written in full reads as the same token', () => {
    const hash = 'ab'.repeat(32);
    const texts = [...new Set(generatedTokens(3000, 11))].filter((text) => parseToken(text).ok);
    const written = texts.map((text) => {
      const parsed = parseToken(text);
      return parsed.ok ? formatToken(parsed.token, hash) : '';
    });
    const ask = (tokens: readonly string[]) =>
      judge.lines<string, JudgedToken>(
        ['tokens'],
        tokens.map((text) => Buffer.from(text).toString('base64')),
      );
    const [before, after] = [ask(texts), ask(written)];
    for (const [index, answer] of after.entries()) {
      assert.equal(answer, { ...before[index], hash: Buffer.from(hash).toString('base64') }, texts[index]);
    }
  });

  const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;
  const form = (key: KeyObject, type: 'pkcs1' | 'sec1' | 'pkcs8') => key.export({ type, format: 'pem' }) as string;
  const spki = (key: KeyObject) => createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string;

  test('the API server accepts tokens of the keys that we say, in our order', async () => {
    const core = await createCore();
    const edwards = generateKeyPairSync('ed25519').privateKey;
    const [one, two, three] = [rsa(), ec('P-256'), ec('P-521')];
    const certificate = core.toPem(makeCertificate());
    const content = [
      ...[form(one, 'pkcs8'), 'text\n', form(two, 'sec1'), spki(three), form(edwards, 'pkcs8'), certificate],
      ...[form(ec('P-384'), 'pkcs8'), spki(rsa()), form(one, 'pkcs1'), spki(two)],
    ].join('');
    const file = join(folder(), 'service.key');
    writeFileSync(file, content);
    const [answer] = judge.json<{ keys: JudgedKey[] }[]>(['service-keys', file]);
    const read = serviceKeys(core.inspect(Buffer.from(content))).filter(({ role }) => role !== 'unread');
    assert.equal(
      read.map(({ key }) => key?.spkiSha256),
      answer?.keys.map(({ spkiSha256 }) => spkiSha256),
    );
    assert.equal(
      read.map(({ role }) => role),
      ['signs', 'verifies', 'verifies', 'verifies', 'verifies', 'repeats', 'repeats'],
    );

    function makeCertificate() {
      const key = core.openKey(Buffer.from(form(ec('P-256'), 'sec1')));
      return core.issue(
        { subject: [['CN', 'a']], notBefore: 0, notAfter: 2e9, serial: '01', ca: {}, keyUsage: ['keyCertSign'] },
        key,
        key,
      );
    }
  });

  test("a staged service.key: Kubernetes' loader finds the new key and every old one", () => {
    const dir = folder();
    const keys = [rsa(), ec('P-256'), rsa()];
    put(dir, {
      'server/tls/service.key': keys
        .map((key) => form(key, key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'sec1'))
        .join('\n'),
    });
    const run = k3sPki(['service-account', 'rotate', '--data-dir', dir, '--out', join(dir, 's'), '--output', 'json']);
    assert.is(run.code, 0, run.stderr);
    const [answer] = judge.json<{ keys: JudgedKey[] }[]>(['service-keys', join(dir, 's/tls/service.key')]);
    const kids = answer?.keys.map(({ spkiSha256 }) => Buffer.from(spkiSha256, 'hex').toString('base64url'));
    assert.equal(
      JSON.parse(run.stdout).keys.map(({ kid }: { kid: string }) => kid),
      kids,
    );
    assert.equal(
      kids?.slice(1),
      keys.map((key) =>
        createHash('sha256')
          .update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
          .digest('base64url'),
      ),
    );
  });
}

test.run();
