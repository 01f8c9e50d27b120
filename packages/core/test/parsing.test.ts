/** Certificates with changed octets: read or refused as Go's crypto/x509, the parser of K3s, does. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Certificate, createCore } from '../src/core.ts';
import { askGo, base64, type GoAnswer, has, openssl, scratch } from './judges.ts';

const parsing = suite('core/parsing');
const core = await createCore();

const ROUNDS = 3000;

/** What Go refuses and we read: its net/url is not followed, and a key on another curve is described. */
const KNOWN = [
  /^parse: x509: cannot parse URI/,
  /^parse: x509: unsupported elliptic curve/,
  /^parse: ecdsa: invalid uncompressed/,
];

const USAGES = ['digitalSignature', 'nonRepudiation', 'keyEncipherment', 'dataEncipherment', 'keyAgreement'].concat([
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
]);

if (has('go', 'core/parsing') && has('openssl', 'core/parsing')) {
  const certificates = await seeds();

  parsing('the unchanged ones', () => {
    compare(certificates);
  });

  parsing(`${ROUNDS} changed ones`, () => {
    let state = 20_260_601;
    const random = (limit: number): number => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % limit;
    };
    // Octets that DER gives a meaning to come more often than chance would bring them.
    const telling = [
      0, 1, 2, 3, 4, 5, 6, 0x30, 0x31, 0x80, 0x81, 0x82, 0xff, 0xa0, 0xa3, 0x0c, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1e,
    ];
    const changed: Uint8Array[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const der = Buffer.from(certificates[random(certificates.length)] as Uint8Array);
      for (let change = 0; change <= random(2); change += 1) {
        // Not the signature's last octets: they change nothing in parsing.
        const at = random(der.length - 64);
        const kinds = [
          random(256),
          der.readUInt8(at) ^ (1 << random(8)),
          telling[random(telling.length)] ?? 0,
          der.readUInt8(random(der.length)),
        ];
        der.writeUInt8(kinds[random(4)] ?? 0, at);
      }
      changed.push(der);
    }
    const { read, refused } = compare(changed);
    assert.ok(read > ROUNDS / 5 && refused > ROUNDS / 5, `${read} read, ${refused} refused`);
  });

  parsing('every shorter piece', () => {
    const [der] = certificates as [Uint8Array];
    compare(Array.from({ length: der.length }, (_, length) => der.subarray(0, length)));
  });

  parsing('odd times', () => {
    const [der] = certificates as [Uint8Array];
    const at = Buffer.from(der).indexOf(Buffer.from('170d', 'hex'));
    // Fits the 13 octets of a UTCTime with seconds and Z.
    const texts = [
      '500101000000Z',
      '491231235959Z',
      '000229000000Z',
      '010229000000Z',
      '991332000000Z',
      '270131240000Z',
    ].concat([
      '270131006000Z',
      '270131000060Z',
      '27013100000Z0',
      '270131000000z',
      '2701310000+01',
      ' 70131000000Z',
      '680229120000Z',
    ]);
    const changed = texts.map((text) =>
      Buffer.concat([der.subarray(0, at + 2), Buffer.from(text), der.subarray(at + 15)]),
    );
    const { read } = compare(changed);
    assert.is(read, 4);
  });
}

parsing.after(() => core.close());
parsing.run();

function compare(ders: readonly Uint8Array[]): { read: number; refused: number } {
  const counts = { read: 0, refused: 0 };
  const answers = askGo(ders.map((der) => ({ Op: 'parse' as const, Leaf: base64(der) })));
  for (const [index, der] of ders.entries()) {
    const answer = answers[index] as GoAnswer;
    const [block] = core.inspect(Buffer.from(core.toPem({ der } as unknown as Certificate)));
    const where = `${answer.error ?? 'read by Go'}\n${JSON.stringify(block)}\n${base64(der)}`;
    if (block?.kind !== 'certificate') {
      assert.not(answer.ok, where);
      counts.refused += 1;
    } else if (answer.facts === undefined) {
      assert.ok(
        KNOWN.some((known) => known.test(answer.error ?? '')),
        where,
      );
      counts.refused += 1;
    } else {
      assert.equal(ours(block.certificate), theirs(answer.facts), where);
      counts.read += 1;
    }
  }
  return counts;
}

function ours(one: Certificate): object {
  return {
    serial: one.serial,
    subject: one.subjectDer,
    issuer: one.issuerDer,
    notBefore: one.notBefore,
    notAfter: one.notAfter,
    spki: one.key.spkiSha256,
    subjectKeyId: one.subjectKeyId ?? '',
    authorityKeyId: one.authorityKeyId ?? '',
    constraints: one.basicConstraints && [one.basicConstraints.ca, one.basicConstraints.pathLength ?? -1],
    keyUsage: (one.keyUsage ?? []).map((usage) => USAGES.indexOf(usage)),
    extended: (one.extendedKeyUsage ?? []).length,
    dns: one.subjectAltNames?.dns ?? [],
    ip: one.subjectAltNames?.ip ?? [],
  };
}

function theirs(facts: NonNullable<GoAnswer['facts']>): object {
  return {
    serial: facts.serial,
    subject: facts.subjectDer,
    issuer: facts.issuerDer,
    notBefore: facts.notBefore,
    notAfter: facts.notAfter,
    spki: facts.spkiSha256,
    subjectKeyId: facts.subjectKeyId,
    authorityKeyId: facts.authorityKeyId,
    constraints: facts.constrained ? [facts.ca, facts.pathLength] : undefined,
    keyUsage: USAGES.map((_, bit) => bit).filter((bit) => (facts.keyUsage >> bit) & 1),
    extended: (facts.usages ?? []).length + (facts.unknownUsages ?? []).length,
    dns: facts.dns ?? [],
    ip: facts.ip ?? [],
  };
}

/** One of ours, and two with everything that OpenSSL can put in. */
async function seeds(): Promise<Uint8Array[]> {
  const [key] = await core.generateKeys(['ec:p256']);
  assert.ok(key);
  const own = core.issue(
    {
      subject: [
        ['CN', 'root'],
        ['O', 'org'],
      ],
      notBefore: 1_700_000_000,
      notAfter: 1_900_000_000,
      serial: '7f01',
      ca: { pathLength: 1 },
      keyUsage: ['digitalSignature', 'keyCertSign'],
      extendedKeyUsage: ['serverAuth', '1.2.3.4'],
      subjectAltNames: { dns: ['a.example'], ip: ['10.0.0.1', '2001:db8::1'] },
    },
    key,
    key,
  );
  writeFileSync(
    join(scratch, 'everything.cnf'),
    `[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
string_mask = default
[name]
C = DE
ST = Hessen
O = Acme & Sons
OU = Röt
emailAddress = a@example.com
CN = name
[extensions]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always, issuer:always
basicConstraints = critical, CA:true, pathlen:3
keyUsage = critical, keyCertSign, cRLSign, decipherOnly, keyAgreement
extendedKeyUsage = clientAuth, serverAuth
subjectAltName = DNS:x.y, IP:192.0.2.1, email:a@example.com, URI:https://x.y/z
nameConstraints = critical, permitted;DNS:.example.com, excluded;IP:10.0.0.0/255.0.0.0, permitted;email:example.com
certificatePolicies = 1.2.3.4, 1.2.3.5
policyConstraints = inhibitPolicyMapping:2
inhibitAnyPolicy = 1
authorityInfoAccess = OCSP;URI:http://ocsp.example.com/
crlDistributionPoints = URI:http://crl.example.com/x
`,
  );
  const theirs = ['RSA', 'ED25519'].map((algorithm) => {
    openssl(['genpkey', '-algorithm', algorithm, '-out', 'seed.key']);
    const args = ['-config', 'everything.cnf', '-utf8', '-days', '20000', '-outform', 'DER'];
    return openssl(['req', '-x509', '-new', '-key', 'seed.key', ...args]);
  });
  // Version 1, as old roots are: no extensions.
  openssl(['req', '-new', '-key', 'seed.key', '-subj', '/CN=old', '-out', 'seed.csr']);
  const old = openssl(['x509', '-req', '-in', 'seed.csr', '-signkey', 'seed.key', '-days', '9000', '-outform', 'DER']);
  return [own.der, ...theirs, old];
}
