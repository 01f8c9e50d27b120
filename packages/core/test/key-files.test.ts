/** Key files as people have them, made by OpenSSL, and what a file can have wrong. */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CoreError, createCore } from '../src/core.ts';
import { has, openssl, scratch, spkiSha256 } from './judges.ts';

const files = suite('core/key-files');
const core = await createCore();

const GENERATE: Record<string, string[]> = {
  rsa2048: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  rsa3072e3: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072', '-pkeyopt', 'rsa_keygen_pubexp:3'],
  p256: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  p521: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  ed25519: ['-algorithm', 'ED25519'],
};

const CIPHERS: Record<string, string[]> = {
  'the default': ['-v2', 'aes-256-cbc'],
  'AES-128, SHA-1': ['-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA1'],
  'AES-192, SHA-256': ['-v2', 'aes-192-cbc', '-v2prf', 'hmacWithSHA256'],
  'AES-256, SHA-384': ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA384'],
  'AES-256, SHA-512, 10000 iterations': ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA512', '-iter', '10000'],
  '3DES': ['-v2', 'des3'],
  scrypt: ['-scrypt'],
};

if (has('openssl', 'core/key-files')) {
  const passphrase = Buffer.from('correct horse');
  for (const [name, args] of Object.entries(GENERATE)) {
    const pkcs8 =
      openssl(['genpkey', ...args, '-out', `${name}.pem`], '') && readFileSync(join(scratch, `${name}.pem`));
    const expected = spkiSha256(createPublicKey(createPrivateKey(pkcs8)));
    const opens = (what: string, pem: () => Uint8Array, secret?: Uint8Array): void => {
      files(`${name}: ${what}`, () => {
        const key = core.openKey(pem(), secret);
        assert.is(key.type.spkiSha256, expected);
        // What we write, OpenSSL reads, checks and writes again as the same octets.
        const ours = Buffer.from(key.toPem('pkcs8'));
        assert.is(openssl(['pkey', '-check'], ours).toString(), `Key is valid\n${ours}`);
        key.wipe();
      });
    };
    opens('PKCS#8', () => pkcs8);
    if (name !== 'ed25519') {
      opens('the traditional form', () => openssl(['pkey', '-traditional', '-in', `${name}.pem`]));
    }
    for (const [cipher, options] of Object.entries(CIPHERS)) {
      const encrypted = (): Buffer =>
        openssl(['pkcs8', '-topk8', '-in', `${name}.pem`, '-passout', 'pass:correct horse', ...options]);
      opens(`encrypted with ${cipher}`, encrypted, passphrase);
    }
    files(`${name}: a wrong, a missing and an empty passphrase`, () => {
      const pem = openssl(['pkcs8', '-topk8', '-in', `${name}.pem`, '-passout', 'pass:correct horse']);
      for (const wrong of ['Correct horse', '', 'correct horse\n']) {
        assert.throws(() => core.openKey(pem, Buffer.from(wrong)), code('wrong-passphrase'));
      }
      assert.throws(() => core.openKey(pem), code('passphrase-needed'));
    });
  }

  files('a key of EC with its EC PARAMETERS block, the block after it, CRLF, text and blanks', () => {
    const bare = openssl(['ec', '-in', 'p256.pem']).toString();
    const parameters = openssl(['ecparam', '-name', 'prime256v1']).toString();
    const expected = spkiSha256(createPublicKey(bare));
    for (const text of [
      parameters + bare,
      bare + parameters,
      `Bag Attributes\n    friendlyName: ${bare}`.replace(': ', ':\n'),
      bare.replaceAll('\n', '\r\n'),
      bare.replaceAll('\n', '  \t\n'),
      bare.trimEnd(),
      `\n\n${bare}\nText behind: with a colon\n`,
      bare.replace(/(.{64})\n/, (_, line: string) => `${line.slice(0, 10)}\n${line.slice(10)}\n`),
      bare.replace(/-----\n(?:.|\n)*\n-----E/, (body) => `-----\n${body.slice(6, -7).replaceAll('\n', '')}\n-----E`),
    ]) {
      assert.is(core.openKey(Buffer.from(text)).type.spkiSha256, expected, text);
    }
  });

  files('a SEC1 key without its public key', () => {
    const bare = openssl(['ec', '-in', 'p384.pem', '-no_public']);
    assert.is(core.openKey(bare).type.spkiSha256, spkiSha256(createPublicKey(bare)));
  });

  files('a SEC1 key with a compressed public key', () => {
    for (const name of ['p256', 'p384', 'p521']) {
      const bare = openssl(['ec', '-in', `${name}.pem`, '-conv_form', 'compressed']);
      assert.is(
        core.openKey(bare).type.spkiSha256,
        core.openKey(openssl(['pkey', '-in', `${name}.pem`])).type.spkiSha256,
      );
    }
  });

  files("OpenSSL's old encryption is recognised and not opened", () => {
    const pem = openssl(['rsa', '-in', 'rsa2048.pem', '-traditional', '-aes128', '-passout', 'pass:x']);
    const [block] = core.inspect(pem);
    assert.is(block?.kind, 'encrypted-private-key');
    assert.is(block?.kind === 'encrypted-private-key' && block.scheme, 'legacy');
    assert.throws(() => core.openKey(pem, Buffer.from('x')), code('unsupported'));
  });

  files('PBES1 is refused by name', () => {
    const args = ['pkcs8', '-topk8', '-in', 'p256.pem', '-passout', 'pass:x', '-v1', 'PBE-SHA1-3DES'];
    assert.throws(() => core.openKey(openssl(args), Buffer.from('x')), code('unsupported'));
  });

  files('other algorithms and curves are described and refused', () => {
    for (const [args, algorithm, curve] of [
      [['-algorithm', 'X25519'], '1.3.101.110', undefined],
      [['-algorithm', 'ED448'], '1.3.101.113', undefined],
      [['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'], 'ec', '1.3.132.0.10'],
      [
        ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-pkeyopt', 'ec_param_enc:explicit'],
        'ec',
        'explicit',
      ],
    ] as const) {
      const pem = openssl(['genpkey', ...args]);
      const [block] = core.inspect(pem);
      assert.ok(block?.kind === 'private-key');
      assert.equal(block.key, { algorithm, bits: 0, ...(curve && { curve }), spkiSha256: '' });
      assert.throws(() => core.openKey(pem), code('unsupported'));
    }
  });

  files('public keys', () => {
    for (const name of Object.keys(GENERATE)) {
      const pem = openssl(['pkey', '-in', `${name}.pem`, '-pubout']);
      const [block] = core.inspect(pem);
      assert.ok(block?.kind === 'public-key');
      assert.is(block.key.spkiSha256, spkiSha256(createPublicKey(pem)));
    }
    const pkcs1 = openssl(['rsa', '-in', 'rsa2048.pem', '-RSAPublicKey_out']);
    const [block] = core.inspect(pkcs1);
    assert.ok(block?.kind === 'public-key');
    assert.is(block.key.spkiSha256, spkiSha256(createPublicKey(pkcs1)));
  });

  files('a public key that is not that of the private one is found', () => {
    const one = openssl(['ec', '-in', 'p256.pem', '-outform', 'DER']);
    const other = openssl(['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-outform', 'DER']);
    // The last 65 octets are the public point.
    const mixed = Buffer.concat([one.subarray(0, -65), other.subarray(-65)]);
    assert.throws(() => core.openKey(pem('EC PRIVATE KEY', mixed)), code('malformed'));
    assert.is(core.inspect(pem('EC PRIVATE KEY', mixed))[0]?.kind, 'broken');
  });

  files('a changed number in an RSA key is found, whichever it is', () => {
    const der = openssl(['rsa', '-in', 'rsa2048.pem', '-traditional', '-outform', 'DER']);
    // Spread over n, e, d, p, q, dp, dq and qinv; not the tags and lengths between them.
    for (let at = 40; at < der.length; at += 61) {
      const changed = Buffer.from(der);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x10, at);
      assert.throws(() => core.openKey(pem('RSA PRIVATE KEY', changed)), code('malformed'), `octet ${at}`);
    }
  });

  files('every shorter piece of a key is refused and nothing crashes', () => {
    for (const [name, label] of [
      ['p256', 'PRIVATE KEY'],
      ['ed25519', 'PRIVATE KEY'],
    ] as const) {
      const der = openssl(['pkey', '-in', `${name}.pem`, '-outform', 'DER']);
      for (let length = 0; length < der.length; length += 1) {
        assert.throws(() => core.openKey(pem(label, der.subarray(0, length))), code('malformed'));
      }
    }
  });

  files('two keys and no key', () => {
    const two = Buffer.concat([readFileSync(join(scratch, 'p256.pem')), readFileSync(join(scratch, 'ed25519.pem'))]);
    assert.throws(() => core.openKey(two), code('malformed'));
    assert.throws(() => core.openKey(Buffer.alloc(0)), code('malformed'));
    assert.throws(() => core.openKey(openssl(['pkey', '-in', 'p256.pem', '-pubout'])), code('malformed'));
  });
}

files('a PKCS#8 key of version 2 with its public key', () => {
  // RFC 8410, section 10.3, the second example.
  const key = `-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
`;
  const publicKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`;
  assert.is(core.openKey(Buffer.from(key)).type.spkiSha256, spkiSha256(createPublicKey(publicKey)));
  const other = key.replace('ZuE=', 'ZuI=');
  assert.throws(() => core.openKey(Buffer.from(other)), code('malformed'));
});

files.after(() => core.close());
files.run();

function pem(label: string, der: Uint8Array): Buffer {
  const body = Buffer.from(der).toString('base64').replaceAll(/.{64}/g, '$&\n');
  return Buffer.from(`-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`);
}

function code(expected: string): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.instance(thrown, CoreError);
    assert.is((thrown as CoreError).code, expected);
    return true;
  };
}
