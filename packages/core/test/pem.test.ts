import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createCore, type PemBlock } from '../src/core.ts';

const pem = suite('core/pem');
const core = await createCore();

const [key] = await core.generateKeys(['ed25519']);
assert.ok(key);
const root = core.issue(
  { subject: [['CN', 'root']], notBefore: 0, notAfter: 1, serial: '01', ca: {}, keyUsage: ['keyCertSign'] },
  key,
  key,
);
const certificate = core.toPem(root);
const privateKey = Buffer.from(key.toPem()).toString();

function kinds(text: string): (string | undefined)[] {
  return core.inspect(Buffer.from(text)).map((block) => (block.kind === 'broken' ? block.reason : block.kind));
}

pem('blocks have labels, lines and offsets', () => {
  const text = `# text: with a colon\r\n\r\n${certificate}between\n${privateKey.replaceAll('\n', '\r\n')}after`;
  const blocks = core.inspect(Buffer.from(text));
  assert.equal(
    blocks.map(({ label, line, kind }: PemBlock) => ({ label, line, kind })),
    [
      { label: 'CERTIFICATE', line: 3, kind: 'certificate' },
      { label: 'PRIVATE KEY', line: 4 + certificate.split('\n').length - 1, kind: 'private-key' },
    ],
  );
  assert.is(text.slice(blocks[0]?.start, blocks[0]?.end), certificate.trimEnd());
  assert.is(text.slice(blocks[1]?.start, blocks[1]?.end), privateKey.trimEnd().replaceAll('\n', '\r\n'));
});

pem('offsets count octets', () => {
  const file = Buffer.from(`Überschrift ✓\n${certificate}`);
  const [block] = core.inspect(file);
  assert.is(file.subarray(block?.start, block?.end).toString(), certificate.trimEnd());
});

pem('a file without blocks', () => {
  for (const text of ['', '\n', 'text', '-----BEGIN', '-----BEGIN CERTIFICATE', '-----END CERTIFICATE-----\n']) {
    assert.equal(kinds(text), [], text);
  }
  assert.equal(core.inspect(new Uint8Array([0, 255, 128, 10, 13])), []);
});

pem('a block that is cut off', () => {
  const lines = certificate.trimEnd().split('\n');
  for (let length = 1; length < lines.length; length += 1) {
    assert.equal(kinds(lines.slice(0, length).join('\n')), ['line 1: cut off, no END line follows']);
  }
  assert.equal(kinds(certificate.slice(0, -2)), ['line 1: cut off, no END line follows']);
});

pem('a cut-off block does not hide the next one', () => {
  const cut = certificate.split('\n').slice(0, 3).join('\n');
  assert.equal(kinds(`${cut}\n${certificate}`), ["line 4: BEGIN before the block's END line", 'certificate']);
});

pem('an END line of another label', () => {
  const mixed = certificate.replace('END CERTIFICATE', 'END PRIVATE KEY');
  assert.match(kinds(mixed)[0] ?? '', /^line \d+: the END line names another label$/);
});

pem('what is not base64', () => {
  const lines = certificate.split('\n');
  const with1 = (line: string): string => [lines[0], line, ...lines.slice(2)].join('\n');
  assert.equal(kinds(with1('MII*')), ['line 2: a character that is not base64']);
  assert.equal(kinds(with1('MII\u00a0')), ['line 2: a character that is not base64']);
  assert.equal(kinds(with1((lines[1] ?? '').slice(0, -1))), ["the block's base64 is cut off or damaged"]);
  assert.equal(kinds(with1((lines[1] ?? '').replace(/.$/, '='))), ["the block's base64 is cut off or damaged"]);
  assert.equal(kinds('-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'), ['the block is empty']);
});

pem('base64 that is not the DER its label promises', () => {
  for (const label of [
    'CERTIFICATE',
    'PRIVATE KEY',
    'RSA PRIVATE KEY',
    'EC PRIVATE KEY',
    'PUBLIC KEY',
    'RSA PUBLIC KEY',
  ]) {
    const [block] = core.inspect(Buffer.from(`-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`));
    assert.is(block?.kind, 'broken', label);
  }
  const wrong = privateKey.replaceAll('PRIVATE KEY', 'CERTIFICATE');
  assert.is(core.inspect(Buffer.from(wrong))[0]?.kind, 'broken');
});

pem('octets behind a certificate inside its block', () => {
  const der = Buffer.concat([root.der, Buffer.from([0])]);
  const text = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----`;
  assert.is(core.inspect(Buffer.from(text))[0]?.kind, 'broken');
});

pem('labels that are none of ours', () => {
  for (const label of [
    'EC PARAMETERS',
    'CERTIFICATE REQUEST',
    'TRUSTED CERTIFICATE',
    'X509 CRL',
    'DH PARAMETERS',
    '',
  ]) {
    assert.equal(kinds(`-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----`), ['other'], label);
  }
});

pem('a BEGIN line that K3s would overlook is no certificate', () => {
  // Go's encoding/pem and OpenSSL want BEGIN at the start of its line.
  assert.match(kinds(`\ufeff${certificate}`)[0] ?? '', /^line 1: text before BEGIN on its line$/);
  assert.match(kinds(`  ${certificate}`)[0] ?? '', /^line 1: text before BEGIN on its line$/);
  assert.equal(kinds(`see -----BEGIN CERTIFICATE-----\n`), []);
});

pem('a message never shows what a key holds', () => {
  const body = privateKey.split('\n')[1] ?? '';
  const broken = privateKey.replace(body, `${body.slice(0, -1)}*`);
  const [block] = core.inspect(Buffer.from(broken));
  assert.not(JSON.stringify(block).includes(body.slice(0, 8)));
});

pem('names for people', () => {
  // Fields of a request are not limited to what a terminal should see.
  const value = ' #a,b+c"d\\e<f>g;h\u001b[31m\u202eü\u200b ';
  const made = core.issue(
    {
      subject: [
        ['CN', value],
        ['O', '#x'],
      ],
      notBefore: 0,
      notAfter: 1,
      serial: '01',
      keyUsage: [],
    },
    key,
    key,
  );
  assert.is(made.subject, 'CN=\\ #a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h\\1b[31m\\e2\\80\\aeü\\e2\\80\\8b\\ ,O=\\#x');
});

pem('any octets at all: inspect never throws', () => {
  const seedText = Buffer.from(certificate + privateKey);
  let state = 42;
  const random = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >>> 8) % limit;
  };
  for (let round = 0; round < 2000; round += 1) {
    const file = Buffer.from(seedText);
    for (let change = 0; change <= random(4); change += 1) {
      file.writeUInt8(random(256), random(file.length));
    }
    for (const block of core.inspect(file)) {
      assert.ok(block.start < block.end && block.end <= file.length);
    }
  }
  const module = readFileSync(new URL('../wasm/k3s_pki_wasm_bg.wasm', import.meta.url));
  assert.equal(core.inspect(module), []);
});

pem.after(() => core.close());
pem.run();
