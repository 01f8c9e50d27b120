import { createCore } from '@k3s-pki/core';
import { DatastoreError, holdsPassword, openDatastore, SealError, seal, unseal } from '@k3s-pki/datastore';
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
} from '@k3s-pki/k3s';
import { explainLine, logMessages } from '@k3s-pki/k3s/explain';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

/**
 * Whatever is read from outside, with damage: no crash, no hang, no secret in an error, and what is read is read again the
 * same. A failure prints its seed and path. `K3S_PKI_FUZZ_RUNS` is the number of runs of each property.
 */
const runs = Number(process.env.K3S_PKI_FUZZ_RUNS ?? 1000);
const test = suite('fuzz/parsers');
const core = await createCore();

/** Stands for a password; nothing else makes these letters. */
const secret = fc.stringMatching(/^Qx[a-z]{6,20}$/);
const hash = 'ab'.repeat(32);

const tokenish = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'K10',
        'K10K10',
        '::',
        ':',
        '.',
        hash,
        hash.slice(1),
        'server',
        'node',
        'abcdef',
        '\n',
        ' ',
        '\0',
      ),
      secret,
      fc.string({ unit: 'binary', maxLength: 8 }),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));

test('tokens: read, masked and written again', () => {
  check(
    fc.property(tokenish, (text) => {
      const masked = maskToken(text);
      for (const part of text.match(/Qx[a-z]{6,20}/g) ?? []) assert.not.ok(masked.includes(part), masked);
      const read = parseToken(text);
      if (!read.ok) return;
      const again = parseToken(formatToken(read.token));
      assert.ok(again.ok);
      if (again.ok && read.token.kind === 'password' && again.token.kind === 'password') {
        assert.is(again.token.password, read.token.password);
      }
    }),
    runs * 10,
  );
});

test('bootstrap data: read, or refused without a word of it; a change of nothing changes nothing', () => {
  const file = fc.record({ content: fc.uint8Array({ maxLength: 40 }), timestamp: fc.constant('2026-01-02T03:04:05Z') });
  const document = fc
    .array(fc.tuple(fc.oneof(fc.constantFrom('ServerCA', 'PasswdFile', '__proto__'), fc.string()), file))
    .map((entries) => formatBootstrapData(new Map(entries)));
  const json = fc.json().map((text) => new TextEncoder().encode(text));
  check(
    fc.property(damaged(fc.oneof(document, json)), (bytes) => {
      let read: ReturnType<typeof parseBootstrapData>;
      try {
        read = parseBootstrapData(bytes);
      } catch (error) {
        assert.ok(error instanceof BootstrapDataError, String(error));
        return;
      }
      const again = parseBootstrapData(replaceBootstrapFiles(bytes, new Map(), '2026-01-02T03:04:05Z'));
      assert.equal(
        [...again.files].map(([name, { content }]) => [name, [...content]]),
        [...read.files].map(([name, { content }]) => [name, [...content]]),
      );
    }),
    runs,
  );
});

test('sealed records: opened to what was sealed, or refused', async () => {
  const sealed = await seal(new TextEncoder().encode('{"ServerCA":null}'), 'Qxpassword', (count) =>
    new Uint8Array(count).fill(7),
  );
  await fc.assert(
    fc.asyncProperty(damaged(fc.constant(sealed)), async (bytes) => {
      try {
        assert.is(Buffer.from(await unseal(bytes, 'Qxpassword')).toString(), '{"ServerCA":null}');
      } catch (error) {
        assert.ok(error instanceof SealError, String(error));
        assert.not.ok(error.message.includes('Qxpassword'));
      }
    }),
    // Each costs 4,096 rounds of PBKDF2.
    { numRuns: Math.ceil(runs / 5) },
  );
});

test('datastore endpoints: taken in, or refused without the password', async () => {
  const endpoint = fc
    .tuple(
      fc.constantFrom('postgres://', 'mysql://', 'https://', 'http://', 'nats://', ''),
      fc.constantFrom('user', ''),
      secret,
      fc.constantFrom('@', '@tcp(', '@unix('),
      fc.oneof(fc.constantFrom('db:5432', '[::1]:3306)', 'a,b:1', '/run/x)'), fc.string({ maxLength: 12 })),
      fc.oneof(fc.constantFrom('/kubernetes', '/k?sslmode=require', '?tls=skip-verify'), fc.string({ maxLength: 12 })),
    )
    .map(([scheme, user, password, at, host, rest]) => `${scheme}${user}:${password}${at}${host}${rest}`);
  await fc.assert(
    fc.asyncProperty(endpoint, async (text) => {
      holdsPassword(text);
      try {
        const limits = { signal: new AbortController().signal, timeout: 1000 };
        const store = await openDatastore({ endpoint: text, tls: {}, server: '/nowhere', ...limits, clock: Date.now });
        assert.not.match(store.description, /Qx[a-z]{6,20}/);
        await store.close();
      } catch (error) {
        assert.ok(error instanceof DatastoreError, String(error));
        assert.not.match(`${error.message} ${error.mend}`, /Qx[a-z]{6,20}/);
      }
    }),
    { numRuns: runs },
  );
});

test('password files: read and written again', () => {
  const text = fc
    .array(fc.oneof(fc.constantFrom('a', 'server', ',', '"', '""', '\n', '\r\n'), fc.string({ maxLength: 4 })), {
      maxLength: 30,
    })
    .map((parts) => parts.join(''));
  check(
    fc.property(text, (given) => {
      let rows: ReturnType<typeof parsePasswd>;
      try {
        rows = parsePasswd(given);
      } catch (error) {
        assert.ok(error instanceof PasswdError, String(error));
        return;
      }
      assert.equal(parsePasswd(formatPasswd(rows)), rows);
    }),
    runs * 10,
  );
});

test('PEM files: every block lies in the file, in order', async () => {
  const [key] = await core.generateKeys(['ec:p256']);
  if (key === undefined) throw new Error('no key');
  const spec = {
    subject: [['CN', 'ca']],
    notBefore: 0,
    notAfter: 4e9,
    serial: '01',
    ca: {},
    keyUsage: ['keyCertSign'],
  } as const;
  const certificate = core.toPem(core.issue(spec, key, key));
  const bundle = Buffer.concat([Buffer.from(`text\r\n${certificate}${certificate}`), key.toPem(), key.toPem('pkcs8')]);
  check(
    fc.property(damaged(fc.constant(new Uint8Array(bundle))), (bytes) => {
      let last = 0;
      for (const { start, end, line } of core.inspect(bytes)) {
        assert.ok(last <= start && start < end && end <= bytes.length, `${last} ${start} ${end}`);
        assert.ok(line >= 1);
        last = end;
      }
    }),
    runs,
  );
});

test('lines of a log: explained or not, never for ever', () => {
  const line = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          ...logMessages.flatMap(({ texts }) => texts),
          'level=fatal msg="',
          '{"msg":"',
          '"}',
          '\\',
          '{',
          '%',
        ),
        fc.string(),
      ),
      { maxLength: 6 },
    )
    .map((parts) => parts.join(''));
  check(
    fc.property(line, (text) => void explainLine(text)),
    Math.ceil(runs / 10),
  );
});

test.after(() => core.close());
test.run();

function check<T>(property: fc.IPropertyWithHooks<T>, numRuns: number): void {
  fc.assert(property, { numRuns });
}

/** Bytes changed, cut off, doubled; as often whole. */
function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edit = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom('set', 'cut', 'insert', 'double'));
  return fc.tuple(bytes, fc.array(edit, { maxLength: 4 })).map(([whole, edits]) =>
    edits.reduce((now: Uint8Array, [place, value, how]) => {
      const at = now.length === 0 ? 0 : place % now.length;
      switch (how) {
        case 'set':
          return now.map((byte, index) => (index === at ? value : byte));
        case 'cut':
          return now.slice(0, at);
        case 'insert':
          return Buffer.concat([now.subarray(0, at), Uint8Array.of(value), now.subarray(at)]);
        default:
          return Buffer.concat([now, now.subarray(at)]);
      }
    }, whole),
  );
}
