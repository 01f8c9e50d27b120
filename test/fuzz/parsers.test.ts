import { X509Certificate } from 'node:crypto';
import { CoreError, createCore } from '@k3s-pki/core';
import {
  BootstrapDataError,
  formatBootstrapData,
  formatPasswd,
  formatToken,
  maskToken,
  PasswdError,
  parseBootstrapData,
  parsePasswd,
  parseToken,
  replaceBootstrapFiles,
  tokenFileText,
} from '@k3s-pki/k3s';
import { explainLine, logMessages } from '@k3s-pki/k3s/explain';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { damaged, damagedText, fuzz, secret, seedsOf, tellsNothing } from './fuzz.ts';

/** K3s's own formats, with damage: no crash, no hang, no secret in an error, and what is read is written and read again
 *  the same. What the core parses is fuzzed by `fuzz/` besides. */
const test = suite('fuzz/parsers');
const core = await createCore();
test.after(() => core.close());

const hash = 'ab'.repeat(32);
const tokenWords = ['K10', '::', ':', '.', hash, hash.slice(1), 'server', 'node', 'abcdef', '\n', ' ', '\0', '\ufeff'];

test('tokens: read, masked and written again', async () => {
  const seeds = seedsOf('tokens');
  const word = fc.oneof(fc.constantFrom('K10K10', ...tokenWords), secret, fc.string({ unit: 'binary', maxLength: 8 }));
  const text = fc.oneof(
    fc.array(word, { maxLength: 8 }).map((parts) => parts.join('')),
    damagedText(seeds, tokenWords),
  );
  const holds = (token: string) => {
    tokenFileText(Buffer.from(token));
    const masked = maskToken(token);
    for (const part of token.match(/Qx[a-z]{6,20}/g) ?? []) assert.not.ok(masked.includes(part), masked);
    const read = parseToken(token);
    if (!read.ok) return;
    const again = parseToken(formatToken(read.token));
    assert.ok(again.ok);
    if (again.ok && read.token.kind === 'password' && again.token.kind === 'password') {
      assert.is(again.token.password, read.token.password);
    }
  };
  await fuzz('tokens', text, holds, { share: 10, kept: seeds.map((seed) => Buffer.from(seed).toString()) });
});

test('bootstrap data: read, or refused without a word of it; a change of nothing changes nothing', async () => {
  const seeds = seedsOf('bootstrap');
  const file = fc.record({ content: fc.uint8Array({ maxLength: 40 }), timestamp: fc.constant('2026-01-02T03:04:05Z') });
  const field = fc.oneof(fc.constantFrom('ServerCA', 'PasswdFile', '__proto__'), fc.string());
  const document = fc.array(fc.tuple(field, file)).map((entries) => formatBootstrapData(new Map(entries)));
  const json = fc.json().map((text) => new TextEncoder().encode(text));
  const words = ['null', '[', '{', '":', '"Content"', '"Timestamp":0', ',', '1e400', '"\\ud800"', '=='];
  const contents = ({ files }: ReturnType<typeof parseBootstrapData>) =>
    [...files].map(([name, { content }]) => [name, [...content]]);
  await fuzz(
    'bootstrap data',
    fc.oneof(document, json, damaged(seeds, words)),
    (bytes) => {
      let read: ReturnType<typeof parseBootstrapData>;
      try {
        read = parseBootstrapData(bytes);
      } catch (error) {
        assert.instance(error, BootstrapDataError);
        tellsNothing((error as Error).message);
        return;
      }
      const again = parseBootstrapData(replaceBootstrapFiles(bytes, new Map(), '2026-01-02T03:04:05Z'));
      assert.equal(contents(again), contents(read));
    },
    { share: 2, kept: seeds },
  );
});

test('password files: read and written again', async () => {
  const seeds = seedsOf('passwd');
  const words = ['a', 'server', ',', '"', '""', '\n', '\r\n', '\r'];
  const text = fc.oneof(
    fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 4 })), { maxLength: 30 }),
    damagedText(seeds, words).map((whole) => [whole]),
  );
  const holds = (given: string) => {
    let rows: ReturnType<typeof parsePasswd>;
    try {
      rows = parsePasswd(given);
    } catch (error) {
      assert.instance(error, PasswdError);
      tellsNothing((error as Error).message);
      return;
    }
    // Go's reader makes LF of CR LF, within quotes too; its writer leaves both.
    if (rows.flat().some((value) => value.includes('\r'))) return;
    assert.equal(parsePasswd(formatPasswd(rows)), rows);
  };
  // The last two took the square of their length, and the whole stack.
  const long = ['a,b\n'.repeat(1 << 16), `"${'a'.repeat(1 << 23)}",b\n`];
  const kept = [...seeds.map((seed) => Buffer.from(seed).toString()), ...long];
  await fuzz(
    'password files',
    text.map((parts) => parts.join('')),
    holds,
    { share: 10, kept },
  );
});

test('PEM files: every block lies in the file, in order, and OpenSSL reads the same certificate', async () => {
  const seeds = seedsOf('pem');
  const words = [
    '-----BEGIN CERTIFICATE-----\n',
    '-----END CERTIFICATE-----\n',
    '-----',
    '\r\n',
    ' ',
    '=',
    'Proc-Type: 4,ENCRYPTED\n',
  ];
  await fuzz(
    'PEM files',
    damaged(seeds, words),
    (bytes) => {
      let last = 0;
      for (const block of core.inspect(bytes)) {
        assert.ok(last <= block.start && block.start < block.end && block.end <= bytes.length);
        assert.ok(block.line >= 1);
        last = block.end;
        if (block.kind === 'broken') tellsNothing(block.reason);
        if (block.kind !== 'certificate') continue;
        const theirs = openssl(block.certificate.der);
        if (theirs === undefined) continue;
        assert.is(theirs.fingerprint256.replaceAll(':', '').toLowerCase(), block.certificate.sha256);
        assert.is(theirs.serialNumber.toLowerCase().replace(/^0+/, ''), block.certificate.serial.replace(/^0+/, ''));
        assert.is(Number(theirs.validFromDate) / 1000, block.certificate.notBefore);
        assert.is(Number(theirs.validToDate) / 1000, block.certificate.notAfter);
      }
      try {
        core.openKey(bytes).wipe();
      } catch (error) {
        assert.instance(error, CoreError);
        tellsNothing((error as Error).message);
      }
    },
    { share: 2, kept: seeds },
  );
});

/** Undefined where it refuses what Go takes. */
function openssl(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

test('lines of a log: explained or not, never for ever', async () => {
  const known = logMessages.flatMap(({ texts }) => texts);
  const word = fc.oneof(fc.constantFrom(...known, 'level=fatal msg="', '{"msg":"', '"}', '\\', '{', '%'), fc.string());
  const line = fc.array(word, { maxLength: 6 }).map((parts) => parts.join(''));
  await fuzz('lines of a log', line, (text) => void explainLine(text), { share: 0.1 });
});

test.run();
