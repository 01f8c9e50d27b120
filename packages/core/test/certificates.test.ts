/** What we issue, read by parsers that we did not write: OpenSSL, node:crypto, Go. */
import { createHash, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Certificate,
  type CertificateSpec,
  CoreError,
  createCore,
  type KeyType,
  type PrivateKey,
} from '../src/core.ts';
import { askGo, base64, has, openssl, scratch } from './judges.ts';

const certificates = suite('core/certificates');
const core = await createCore();

const DAY = 86_400;
const AT = 1_800_000_000;
const CA_USAGES = ['digitalSignature', 'keyEncipherment', 'keyCertSign'];
const TYPES: readonly KeyType[] = ['rsa:2048', 'ec:p256', 'ec:p384', 'ec:p521', 'ed25519'];
const keys = await core.generateKeys(TYPES);
const keyOf = (type: KeyType): PrivateKey => keys[TYPES.indexOf(type)] as PrivateKey;
const root = (type: KeyType, more: Partial<CertificateSpec> = {}): Certificate =>
  core.issue(spec('root', more), keyOf(type), keyOf(type));

const ALGORITHMS: Record<string, string> = {
  'rsa:2048': 'sha256WithRSAEncryption',
  'ec:p256': 'ecdsa-with-SHA256',
  'ec:p384': 'ecdsa-with-SHA384',
  'ec:p521': 'ecdsa-with-SHA512',
  ed25519: 'ed25519',
};

function spec(name: string, more: Partial<CertificateSpec> = {}): CertificateSpec {
  return {
    subject: [['CN', name]],
    notBefore: AT,
    notAfter: AT + 7300 * DAY,
    serial: '0102030405060708',
    ca: {},
    keyUsage: CA_USAGES,
    ...more,
  };
}

for (const issuerType of TYPES) {
  for (const subjectType of TYPES) {
    certificates(`a ${subjectType} certificate signed by a ${issuerType} key, by node:crypto`, () => {
      const parent = root(issuerType);
      const child = core.issue(spec('child'), keyOf(subjectType), keyOf(issuerType), parent);
      const [judged, judgedParent] = [child, parent].map((one) => new X509Certificate(core.toPem(one)));
      assert.ok(judged !== undefined && judgedParent !== undefined);
      assert.ok(judged.verify(judgedParent.publicKey));
      assert.ok(judged.checkIssued(judgedParent));
      assert.ok(judged.ca);
      assert.not(judgedParent.verify(createPublicKey(Buffer.from(keyOf(other(issuerType)).toPem()))));
      assert.is(child.signatureAlgorithm, ALGORITHMS[issuerType]);
      assert.ok(core.signatureHolds(child, parent));
      assert.not(core.signatureHolds(parent, child) && issuerType !== subjectType);
    });
  }
}

certificates('RSA keys of unusual sizes and exponents sign', () => {
  for (const [modulusLength, publicExponent] of [
    [1024, 65537],
    [2047, 65537],
    [2048, 3],
    [2048, 0xffff_0001],
    [2056, 65537],
    [2080, 17],
    [4608, 65537],
    [5120, 3],
  ] as const) {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent });
    const key = core.openKey(Buffer.from(privateKey.export({ type: 'pkcs1', format: 'pem' })));
    const made = core.issue(spec('rsa'), key, key);
    assert.ok(new X509Certificate(made.der).verify(publicKey), `${modulusLength} bits, e ${publicExponent}`);
  }
});

certificates('an RSA key too short to sign is refused', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 768 });
  const key = core.openKey(Buffer.from(privateKey.export({ type: 'pkcs1', format: 'pem' })));
  assert.is(key.type.bits, 768);
  assert.throws(() => core.issue(spec('rsa'), key, key), code('weak-key'));
});

certificates('the facts of what was issued', () => {
  const parent = root('ec:p384');
  const child = core.issue(
    spec('leaf', {
      subject: [
        ['O', 'system:masters'],
        ['O', 'second'],
        ['CN', 'system:admin'],
      ],
      serial: '00ff',
      ca: { pathLength: 0 },
      extendedKeyUsage: ['serverAuth', 'clientAuth', '1.2.3.4'],
      subjectAltNames: { dns: ['kubernetes', 'a.example'], ip: ['10.43.0.1', '2001:db8::1'] },
    }),
    keyOf('ec:p256'),
    keyOf('ec:p384'),
    parent,
  );
  const judged = new X509Certificate(core.toPem(child));
  assert.is(child.serial, 'ff');
  assert.is(judged.serialNumber, 'FF');
  assert.is(child.subject, 'O=system:masters,O=second,CN=system:admin');
  assert.is(judged.subject, 'O=system:masters\nO=second\nCN=system:admin');
  assert.is(child.issuer, 'CN=root');
  assert.is(child.issuerDer, parent.subjectDer);
  assert.is(child.notBefore, judged.validFromDate.getTime() / 1000);
  assert.is(child.notAfter, judged.validToDate.getTime() / 1000);
  assert.is(child.sha256, judged.fingerprint256.replaceAll(':', '').toLowerCase());
  assert.equal(child.basicConstraints, { ca: true, pathLength: 0 });
  assert.equal(child.keyUsage, CA_USAGES);
  assert.equal(child.extendedKeyUsage, ['serverAuth', 'clientAuth', '1.2.3.4']);
  assert.equal(child.subjectAltNames, { dns: ['kubernetes', 'a.example'], ip: ['10.43.0.1', '2001:db8::1'] });
  assert.is(child.authorityKeyId, parent.subjectKeyId);
  assert.is(parent.authorityKeyId, parent.subjectKeyId);
  assert.is(child.key.spkiSha256, keyOf('ec:p256').type.spkiSha256);
  assert.is(child.subjectKeyId, sha1OfBits(judged));
  assert.ok(judged.checkHost('a.example'));
  assert.ok(judged.checkIP('2001:db8::1'));
  assert.equal(judged.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2', '1.2.3.4']);
  const [block] = core.inspect(Buffer.from(core.toPem(child)));
  assert.ok(block?.kind === 'certificate');
  assert.equal(block.certificate, child);
});

certificates('a self-signed certificate without an authority key identifier, as the CAs that K3s makes itself', () => {
  const made = root('ec:p256', { authorityKeyId: false });
  assert.is(made.authorityKeyId, undefined);
  assert.ok(made.subjectKeyId);
});

certificates('a leaf as K3s makes them: no subject key identifier, no basic constraints', () => {
  const { ca: _, ...leaf } = spec('leaf', { subjectKeyId: false, keyUsage: ['digitalSignature'] });
  const made = core.issue(leaf, keyOf('ec:p256'), keyOf('ec:p256'), root('ec:p256'));
  assert.is(made.subjectKeyId, undefined);
  assert.is(made.basicConstraints, undefined);
  assert.ok(made.authorityKeyId);
});

certificates('requests that cannot be met', () => {
  const own = keyOf('ec:p256');
  for (const [what, more] of Object.entries<Partial<CertificateSpec>>({
    'no serial': { serial: '' },
    'serial zero': { serial: '0000' },
    'serial of 21 octets': { serial: '01'.repeat(21) },
    'serial of 20 octets with the top bit': { serial: 'ff'.repeat(20) },
    'odd serial': { serial: '123' },
    'not hexadecimal': { serial: 'xy' },
    'ends before it begins': { notAfter: AT - 1 },
    'before 1950': { notBefore: -700_000_000_0 },
    'after 9999': { notAfter: 300_000_000_000 },
    'not a time': { notBefore: Number.NaN },
    'not whole seconds': { notAfter: AT + 0.5 },
    'without end': { notAfter: Number.POSITIVE_INFINITY },
    'empty name': { subject: [['CN', '']] },
    'long name': { subject: [['CN', 'x'.repeat(65)]] },
    'no name at all': { subject: [] },
    'unknown usage': { keyUsage: ['keyCertsign'] },
    'unknown extended usage': { extendedKeyUsage: ['server'] },
    'bad IP': { subjectAltNames: { dns: [], ip: ['10.0.0.256'] } },
    'bad DNS': { subjectAltNames: { dns: ['a b'], ip: [] } },
    'empty DNS': { subjectAltNames: { dns: [''], ip: [] } },
  })) {
    assert.throws(() => core.issue(spec('x', more), own, own), code('malformed'), what);
  }
  assert.throws(() => core.issue(spec('x'), own, keyOf('ec:p384')), code('malformed'));
  assert.throws(() => core.issue(spec('x'), own, own, root('ec:p384')), code('malformed'));
});

certificates('names of 64 characters, not octets', () => {
  const name = 'ü'.repeat(64);
  const made = root('ec:p256', { subject: [['CN', name]] });
  assert.is(new X509Certificate(made.der).subject, `CN=${name}`);
});

if (has('openssl', 'core/certificates')) {
  for (const type of TYPES) {
    certificates(`openssl verify accepts a chain under a ${type} root, up to all key types`, () => {
      const top = root(type);
      writeFileSync(join(scratch, 'root.pem'), core.toPem(top));
      for (const middleType of TYPES) {
        const middle = core.issue(spec('middle'), keyOf(middleType), keyOf(type), top);
        const leaf = core.issue(spec('leaf'), keyOf('ec:p256'), keyOf(middleType), middle);
        writeFileSync(join(scratch, 'middle.pem'), core.toPem(middle));
        writeFileSync(join(scratch, 'leaf.pem'), core.toPem(leaf));
        const args = ['-x509_strict', '-check_ss_sig', '-attime', `${AT + 1}`, '-CAfile', 'root.pem'];
        assert.is(openssl(['verify', ...args, '-untrusted', 'middle.pem', 'leaf.pem']).toString(), 'leaf.pem: OK\n');
      }
    });
  }

  certificates('the octets are those of OpenSSL but for key identifiers, key and signature', () => {
    writeFileSync(join(scratch, 'own.key'), keyOf('ec:p256').toPem());
    writeFileSync(
      join(scratch, 'script.cnf'),
      `[req]
distinguished_name = name
prompt = no
string_mask = utf8only
[name]
CN = root
[v3_ca]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
basicConstraints = critical, CA:true
keyUsage = critical, digitalSignature, keyEncipherment, keyCertSign
`,
    );
    const request = ['req', '-x509', '-new', '-key', 'own.key', '-config', 'script.cnf', '-extensions', 'v3_ca'];
    const theirs = openssl([
      ...request,
      '-sha256',
      '-days',
      '7300',
      '-set_serial',
      '0x0102030405060708',
      '-outform',
      'DER',
    ]);
    const judged = new X509Certificate(theirs);
    const ours = root('ec:p256', {
      notBefore: judged.validFromDate.getTime() / 1000,
      notAfter: judged.validToDate.getTime() / 1000,
    });
    // ECDSA signatures differ in length by a few octets: compare the TBSCertificate, all of it.
    assert.is(tbs(ours.der), tbs(theirs));
  });

  certificates("the issuer's name is taken as it is encoded", () => {
    for (const [mask, encoding] of [
      ['default', 'TeletexString or Latin-1'],
      ['MASK:0x6', 'TeletexString'],
      ['MASK:0x800', 'BMPString'],
      ['utf8only', 'UTF8String'],
    ] as const) {
      const options = ['-config', 'names.cnf', '-extensions', 'v3_ca', '-days', '9000', '-outform', 'DER'];
      writeFileSync(join(scratch, 'names.cnf'), readNames(mask));
      writeFileSync(join(scratch, 'own.key'), keyOf('ec:p384').toPem());
      const der = openssl(['req', '-x509', '-new', '-utf8', '-key', 'own.key', ...options]);
      const [block] = core.inspect(Buffer.from(core.toPem({ der } as unknown as Certificate)));
      assert.ok(block?.kind === 'certificate', encoding);
      const parent = block.certificate;
      assert.match(parent.subject, /^C=DE,ST=Hessen,O=Printable Org,O=Sëcond,OU=one\+CN=multi valued,emailAddress=/);
      const child = core.issue(
        spec('child', { notBefore: parent.notBefore }),
        keyOf('ec:p256'),
        keyOf('ec:p384'),
        parent,
      );
      assert.is(child.issuerDer, parent.subjectDer);
      assert.ok(Buffer.from(child.der).includes(Buffer.from(parent.subjectDer, 'hex')));
      writeFileSync(join(scratch, 'root.pem'), core.toPem(parent));
      writeFileSync(join(scratch, 'child.pem'), core.toPem(child));
      const verified = openssl(['verify', '-attime', `${parent.notBefore + 1}`, '-CAfile', 'root.pem', 'child.pem']);
      assert.is(verified.toString(), 'child.pem: OK\n');
    }
  });

  certificates('an issuer without a subject key identifier is named by its key', () => {
    const parent = root('ec:p384', { subjectKeyId: false });
    assert.is(parent.subjectKeyId, undefined);
    const child = core.issue(spec('child'), keyOf('ec:p256'), keyOf('ec:p384'), parent);
    assert.is(child.authorityKeyId, sha1OfBits(new X509Certificate(parent.der)));
  });

  certificates('times before and from 2050', () => {
    const made = root('ed25519', {
      notBefore: Date.UTC(2049, 11, 31, 23, 59, 59) / 1000,
      notAfter: Date.UTC(2050, 0) / 1000,
    });
    const parsed = openssl(['asn1parse', '-inform', 'DER'], made.der).toString();
    assert.match(parsed, /UTCTIME +:491231235959Z/);
    assert.match(parsed, /GENERALIZEDTIME +:20500101000000Z/);
    const late = root('ed25519', { notAfter: Date.UTC(9999, 11, 31, 23, 59, 59) / 1000 });
    assert.match(openssl(['asn1parse', '-inform', 'DER'], late.der).toString(), /GENERALIZEDTIME +:99991231235959Z/);
  });

  certificates('key usages in bit order, minimal', () => {
    const all = 'digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyAgreement,keyCertSign,cRLSign';
    for (const usages of [
      'digitalSignature',
      'keyCertSign,cRLSign',
      all,
      `${all},encipherOnly,decipherOnly`,
      'decipherOnly',
    ]) {
      const reversed = usages.split(',').reverse();
      const ours = root('ed25519', { keyUsage: reversed });
      assert.equal(ours.keyUsage, usages.split(','));
      writeFileSync(join(scratch, 'own.key'), keyOf('ed25519').toPem());
      const args = ['-key', 'own.key', '-subj', '/CN=x', '-days', '1', '-addext', `keyUsage=critical,${usages}`];
      const theirs = openssl(['req', '-x509', '-new', ...args, '-outform', 'DER']);
      const extension = (der: Uint8Array): string => {
        const at = Buffer.from(der).indexOf(Buffer.from('0603551d0f0101ff', 'hex'));
        return Buffer.from(der)
          .subarray(at, at + 14)
          .toString('hex')
          .slice(0, 2 * (10 + Buffer.from(der).readUInt8(at + 9)));
      };
      assert.is(extension(ours.der), extension(theirs));
    }
  });

  certificates('a P-521 issuer beside others, as openssl x509 -text has it', () => {
    const text = openssl(['x509', '-noout', '-text', '-inform', 'DER'], root('ec:p521').der).toString();
    assert.is(text.match(/Signature Algorithm: ecdsa-with-SHA512/g)?.length, 2);
    assert.match(text, /NIST CURVE: P-521/);
  });

  certificates('signatures of other makers', () => {
    const pss = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:digest'];
    const hashes = ['-sha1', '-sha256', '-sha384', '-sha512'].map((hash) => [hash]);
    const rsa = [...hashes, ['-sha256', ...pss], ['-sha384', ...pss]];
    const makers: Record<string, [string[], string[][]]> = {
      'P-256': [['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], hashes],
      'P-384': [['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'], hashes],
      'P-521': [['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'], hashes],
      // 1024 and 1032 bits have no room for two SHA-512 hashes.
      'RSA-1024': [['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'], rsa],
      'RSA-1032': [['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1032'], rsa],
      'RSA-2048': [
        ['-algorithm', 'RSA'],
        [...rsa, ['-sha512', ...pss]],
      ],
      'RSA-3072': [
        ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072'],
        [...rsa, ['-sha512', ...pss]],
      ],
      'RSA-2048, e 3': [['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_pubexp:3'], rsa],
      Ed25519: [['-algorithm', 'ED25519'], [[]]],
    };
    for (const [name, [key, signings]] of Object.entries(makers)) {
      openssl(['genpkey', ...key, '-out', 'other.key']);
      for (const signing of signings) {
        const what = `${name} ${signing}`;
        const request = ['req', '-x509', '-new', '-key', 'other.key', '-subj', '/CN=x', '-outform', 'DER'];
        const der = openssl([...request, ...signing]);
        const good = parsed(der);
        assert.ok(core.signatureHolds(good, good), what);
        // The last octet of the signature, and one of the serial.
        for (const at of [der.length - 1, 20]) {
          const changed = Buffer.from(der);
          changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
          const bad = parsed(changed);
          assert.not(core.signatureHolds(bad, good), what);
        }
      }
    }
  });
}

if (has('go', 'core/certificates') && has('openssl', 'core/certificates')) {
  certificates('parameters of PSS, as Go takes or refuses them', () => {
    const pss = (...more: string[]): string[] =>
      ['rsa_padding_mode:pss', ...more].flatMap((option) => ['-sigopt', option]);
    const variants = [
      ['-sha256', ...pss('rsa_pss_saltlen:digest')],
      ['-sha256', ...pss('rsa_pss_saltlen:0')],
      ['-sha256', ...pss('rsa_pss_saltlen:20')],
      ['-sha256', ...pss('rsa_pss_saltlen:max')],
      ['-sha256', ...pss('rsa_pss_saltlen:32', 'rsa_mgf1_md:sha1')],
      ['-sha384', ...pss('rsa_pss_saltlen:digest', 'rsa_mgf1_md:sha256')],
      ['-sha512', ...pss('rsa_pss_saltlen:64', 'rsa_mgf1_md:sha512')],
      ['-sha1', ...pss('rsa_pss_saltlen:20')],
      ['-sha512-256', ...pss('rsa_pss_saltlen:32')],
      ['-sha224'],
      ['-md5'],
    ];
    openssl(['genpkey', '-algorithm', 'RSA', '-out', 'pss.key']);
    const made = variants.map((options) =>
      openssl(['req', '-x509', '-new', '-key', 'pss.key', '-subj', '/CN=x', ...options, '-outform', 'DER']),
    );
    const answers = askGo(made.map((der) => ({ Op: 'signature', Leaf: base64(der), Parent: base64(der) })));
    for (const [index, der] of made.entries()) {
      const certificate = parsed(der);
      const held = core.signatureHolds(certificate, certificate);
      assert.is(held, answers[index]?.ok, `${variants[index]}: ${answers[index]?.error}`);
    }
    assert.equal(made.map((der) => parsed(der).signatureAlgorithm).slice(-4), [
      'rsassaPss',
      'rsassaPss',
      'sha224WithRSAEncryption',
      'md5WithRSAEncryption',
    ]);
  });

  certificates('Go reads and verifies every pair of types', () => {
    const questions = TYPES.flatMap((issuerType) => {
      const parent = root(issuerType);
      return TYPES.map((type) => {
        const child = core.issue(spec('child'), keyOf(type), keyOf(issuerType), parent);
        return { Op: 'signature' as const, Leaf: base64(child.der), Parent: base64(parent.der) };
      });
    });
    assert.ok(askGo(questions).every((answer) => answer.ok));
  });
}

certificates.after(() => core.close());
certificates.run();

function other(type: KeyType): KeyType {
  return TYPES[(TYPES.indexOf(type) + 1) % TYPES.length] as KeyType;
}

function parsed(der: Uint8Array): Certificate {
  const [block] = core.inspect(Buffer.from(core.toPem({ der } as unknown as Certificate)));
  if (block?.kind !== 'certificate') {
    throw new Error(`no certificate: ${JSON.stringify(block)}`);
  }
  return block.certificate;
}

/** SHA-1 of the subjectPublicKey bits, from node:crypto's SubjectPublicKeyInfo. */
function sha1OfBits(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  // An EC point of P-256 is 65 octets, of P-384 97; it ends the structure.
  const size = spki.length > 100 ? 97 : 65;
  return createHash('sha1').update(spki.subarray(-size)).digest('hex');
}

/** The TBSCertificate of a certificate whose outer header has four octets or three. */
function tbs(der: Uint8Array): string {
  const bytes = Buffer.from(der);
  const at = bytes.readUInt8(1) === 0x82 ? 4 : 3;
  const length = bytes.readUInt8(at + 1) === 0x82 ? bytes.readUInt16BE(at + 2) + 4 : bytes.readUInt8(at + 2) + 3;
  return bytes.subarray(at, at + length).toString('hex');
}

function readNames(mask: string): string {
  return `[req]
distinguished_name = name
prompt = no
string_mask = ${mask}
[name]
C = DE
ST = Hessen
0.O = Printable Org
1.O = Sëcond
OU = one
+CN = multi valued
emailAddress = a@example.com
[v3_ca]
subjectKeyIdentifier = hash
basicConstraints = critical, CA:true
`;
}

function code(expected: string): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.instance(thrown, CoreError);
    assert.is((thrown as CoreError).code, expected);
    return true;
  };
}
