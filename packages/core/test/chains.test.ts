/** Chains, judged by the crypto/x509 of Go on PKIs that are made at random, most of them broken. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Certificate, type CertificateSpec, type ChainFailure, createCore, type PrivateKey } from '../src/core.ts';
import { askGo, base64, type GoAnswer, type GoQuestion, has, openssl, scratch } from './judges.ts';

const chains = suite('core/chains');
const core = await createCore();

/** Tomorrow: OpenSSL dates its certificates by the clock, so the question is asked by it too. */
const AT = Math.floor(Date.now() / 1000) + 86_400;
const YEAR = 31_536_000;
const keys = await core.generateKeys(['ec:p256', 'ec:p256', 'ed25519', 'ed25519']);
let serial = 1;

interface Issued {
  readonly certificate: Certificate;
  readonly key: PrivateKey;
}

function issue(name: string, key: PrivateKey, issuer?: Issued, more: Partial<CertificateSpec> = {}): Issued {
  return issueWithoutCa(name, key, issuer, { ca: {}, ...more });
}

function issueWithoutCa(name: string, key: PrivateKey, issuer?: Issued, more: Partial<CertificateSpec> = {}): Issued {
  serial += 1;
  const spec: CertificateSpec = {
    subject: [['CN', name]],
    notBefore: AT - YEAR,
    notAfter: AT + YEAR,
    serial: serial.toString(16).padStart(4, '0'),
    keyUsage: ['digitalSignature', 'keyCertSign'],
    ...more,
  };
  return { certificate: core.issue(spec, key, issuer?.key ?? key, issuer?.certificate), key };
}

const [first, second, third, fourth] = keys as [PrivateKey, PrivateKey, PrivateKey, PrivateKey];
const root = issue('root', first);
const middle = issue('middle', second, root);
const leaf = issue('leaf', third, middle);

function failure(request: {
  leaf: Issued;
  roots: Issued[];
  intermediates?: Issued[];
  at?: number;
  usages?: string[];
}): ChainFailure | 'ok' {
  const result = core.chains({
    leaf: request.leaf.certificate,
    roots: request.roots.map((one) => one.certificate),
    intermediates: (request.intermediates ?? []).map((one) => one.certificate),
    at: request.at ?? AT,
    ...(request.usages && { usages: request.usages }),
  });
  return result.ok ? 'ok' : result.failure;
}

chains('a chain over an intermediate is a list of the given certificates', () => {
  const result = core.chains({
    leaf: leaf.certificate,
    roots: [root.certificate],
    intermediates: [middle.certificate],
    at: AT,
  });
  assert.ok(result.ok);
  assert.is(result.chains.length, 1);
  const [chain] = result.chains;
  assert.ok(chain?.[0] === leaf.certificate && chain[1] === middle.certificate && chain[2] === root.certificate);
});

chains('the failures have their codes', () => {
  assert.is(failure({ leaf, roots: [root], intermediates: [middle] }), 'ok');
  assert.is(failure({ leaf, roots: [root] }), 'unknown-authority');
  assert.is(failure({ leaf, roots: [], intermediates: [middle] }), 'unknown-authority');
  assert.is(failure({ leaf: root, roots: [root] }), 'ok');
  assert.is(failure({ leaf, roots: [root], intermediates: [middle], at: AT + 2 * YEAR }), 'expired');
  assert.is(failure({ leaf, roots: [root], intermediates: [middle], at: AT - 2 * YEAR }), 'not-yet-valid');
  assert.is(failure({ leaf, roots: [issue('middle', fourth)] }), 'bad-signature');
  const plain = issueWithoutCa('plain', second, root);
  assert.is(failure({ leaf: issue('x', third, plain), roots: [root], intermediates: [plain] }), 'not-a-ca');
  const short = issue('short', first, undefined, { ca: { pathLength: 0 } });
  const below = issue('below', second, short);
  assert.is(failure({ leaf: issue('x', third, below), roots: [short], intermediates: [below] }), 'path-length');
  const client = issue('client', second, root, { extendedKeyUsage: ['clientAuth'] });
  assert.is(failure({ leaf: client, roots: [root] }), 'incompatible-usage');
  assert.is(failure({ leaf: client, roots: [root], usages: ['any'] }), 'ok');
  assert.is(failure({ leaf: client, roots: [root], usages: ['clientAuth'] }), 'ok');
});

if (has('go', 'core/chains')) {
  chains('random PKIs: the same chains in the same order, or none on both sides', () => {
    const random = generator(20_260_601);
    const questions: GoQuestion[] = [];
    const ours: string[][][] = [];
    const reasons: string[] = [];
    for (let round = 0; round < 300; round += 1) {
      const ladder = random() < 0.4;
      const pki = randomPki(random, ladder);
      const usages = pick(random, [[], [], ['clientAuth'], ['any'], ['serverAuth', 'clientAuth'], ['codeSigning']]);
      for (let question = 0; question < 4; question += 1) {
        const asked = {
          leaf: (ladder ? (pki.at(-1 - question) ?? leaf) : pick(random, pki)).certificate,
          roots: some(random, ladder ? pki.slice(0, 1) : pki, ladder ? 0.9 : 0.3),
          intermediates: some(random, pki, ladder ? 0.95 : 0.7),
          at: AT,
          usages,
        };
        const result = core.chains(asked);
        ours.push(result.ok ? result.chains.map((chain) => chain.map((one) => one.sha256)) : []);
        reasons.push(result.ok ? 'ok' : result.failure);
        questions.push({
          Op: 'verify',
          Leaf: base64(asked.leaf.der),
          Roots: asked.roots.map((one) => base64(one.der)),
          Intermediates: asked.intermediates.map((one) => base64(one.der)),
          At: AT,
          Usages: usages,
        });
      }
    }
    const seen = new Map<string, number>();
    for (const [index, answer] of askGo(questions).entries()) {
      assert.equal(ours[index], answer.chains ?? [], `question ${index}: ${reasons[index]}, Go: ${answer.error}`);
      const allowed = FAILURES.find(([text]) => kind(answer).includes(text))?.[1] ?? [];
      const reason = reasons[index] ?? '';
      assert.ok(answer.ok || allowed.includes(reason), `question ${index}: ${reason}, Go: ${answer.error}`);
      seen.set(reason, (seen.get(reason) ?? 0) + 1);
    }
    // The generator would prove little if it made only good or only hopeless PKIs.
    for (const reason of ['ok', 'expired', 'not-a-ca', 'path-length', 'incompatible-usage', 'bad-signature']) {
      assert.ok((seen.get(reason) ?? 0) >= 10, `${reason}: ${seen.get(reason)} of ${questions.length}`);
    }
    assert.ok(
      ours.some((found) => found.length > 1),
      'several chains',
    );
  });
}

if (has('go', 'core/chains') && has('openssl', 'core/chains')) {
  chains('certificates of version 1, as old roots are', () => {
    const old = oldCertificate('old', 'old.key');
    const below = issue('below', second, old);
    const leafBelow = issue('leaf', third, below);
    const oldBelow = oldCertificate('old below', 'below.key', old);
    const questions: GoQuestion[] = [];
    const ours: boolean[] = [];
    for (const [asked, roots, intermediates] of [
      [below, [old], []],
      [leafBelow, [old], [below]],
      [oldBelow, [old], []],
      [issue('x', third, oldBelow), [old], [oldBelow]],
      [old, [old], []],
      [old, [], [old]],
    ] as const) {
      const ders = (pool: readonly Issued[]): string[] => pool.map((one) => base64(one.certificate.der));
      ours.push(failure({ leaf: asked, roots: [...roots], intermediates: [...intermediates] }) === 'ok');
      questions.push({
        Op: 'verify',
        Leaf: base64(asked.certificate.der),
        Roots: ders(roots),
        Intermediates: ders(intermediates),
        At: AT,
      });
    }
    assert.equal(
      ours,
      askGo(questions).map((answer) => answer.ok),
    );
    assert.equal(ours, [true, true, true, false, true, false]);
  });

  chains('name constraints of DNS names and addresses', () => {
    const names = [
      ['a.example.com'],
      ['example.com', 'b.A.Example.com'],
      ['*.example.com'],
      ['*.a.example.com', 'xexample.com'],
      ['other.test'],
      ['a.example.com.'],
      ['.example.com'],
      ['localhost', 'kubernetes.default.svc.cluster.local'],
      [],
    ];
    const addresses = [
      [],
      ['10.1.2.3'],
      ['10.255.0.1', '192.168.0.1'],
      ['127.0.0.1', '::1'],
      ['2001:db8::7'],
      ['11.0.0.1'],
    ];
    const questions: GoQuestion[] = [];
    const ours: boolean[] = [];
    const reasons: string[] = [];
    for (const constraints of [
      'permitted;DNS:example.com',
      'permitted;DNS:.example.com',
      'excluded;DNS:a.example.com',
      'excluded;DNS:.a.example.com, permitted;DNS:example.com',
      'permitted;DNS:EXAMPLE.com, permitted;DNS:local, permitted;DNS:localhost',
      'permitted;IP:10.0.0.0/255.0.0.0',
      'excluded;IP:10.128.0.0/255.128.0.0, permitted;DNS:example.com',
      'permitted;IP:10.0.0.0/255.0.0.0, permitted;IP:2001:db8:0:0:0:0:0:0/ffff:ffff:0:0:0:0:0:0',
      'excluded;IP:0.0.0.0/0.0.0.0, excluded;IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0',
      'permitted;dirName:dir',
      'permitted;email:example.com',
    ]) {
      const constrained = constrainedCa(constraints);
      const between = issue('between', second, constrained, { subjectAltNames: { dns: ['between.test'], ip: [] } });
      const plain = issue('plain', second, constrained);
      for (const [row, dns] of names.entries()) {
        // Two sets of addresses for every set of names: all of them would be 1782 questions.
        for (const ip of [addresses[row % addresses.length], addresses[(row + 3) % addresses.length]]) {
          for (const [parent, intermediates] of [
            [constrained, []],
            [plain, [plain]],
            [between, [between]],
          ] as const) {
            const below = issue('below', third, parent, { subjectAltNames: { dns, ip: ip ?? [] } });
            const asked = {
              leaf: below.certificate,
              roots: [constrained.certificate],
              intermediates: intermediates.map((one) => one.certificate),
              at: AT,
            };
            const result = core.chains(asked);
            ours.push(result.ok);
            reasons.push(`${constraints} on ${dns} ${ip}: ${result.ok ? 'ok' : `${result.failure}, ${result.detail}`}`);
            questions.push({
              Op: 'verify',
              Leaf: base64(asked.leaf.der),
              Roots: asked.roots.map((one) => base64(one.der)),
              Intermediates: asked.intermediates.map((one) => base64(one.der)),
              At: AT,
            });
          }
        }
      }
    }
    for (const [index, answer] of askGo(questions).entries()) {
      assert.is(ours[index], answer.ok, `${reasons[index]}; Go: ${answer.error}`);
    }
    assert.ok(ours.includes(true) && ours.includes(false));
  });
}

/** By OpenSSL, without extensions, so of version 1. */
function oldCertificate(name: string, file: string, issuer?: Issued): Issued {
  openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', file]);
  openssl(['req', '-new', '-key', file, '-subj', `/CN=${name}`, '-out', 'old.csr']);
  let signer = ['-signkey', file];
  if (issuer !== undefined) {
    writeFileSync(join(scratch, 'issuer.key'), issuer.key.toPem());
    writeFileSync(join(scratch, 'issuer.pem'), core.toPem(issuer.certificate));
    signer = ['-CA', 'issuer.pem', '-CAkey', 'issuer.key', '-set_serial', '7'];
  }
  const der = openssl(['x509', '-req', '-in', 'old.csr', ...signer, '-days', '9000', '-outform', 'DER']);
  const [block] = core.inspect(Buffer.from(core.toPem({ der } as unknown as Certificate)));
  assert.ok(block?.kind === 'certificate');
  return { certificate: block.certificate, key: core.openKey(openssl(['pkey', '-in', file])) };
}

/** A root by OpenSSL: the core writes no name constraints. */
function constrainedCa(constraints: string): Issued {
  writeFileSync(join(scratch, 'constrained.key'), first.toPem());
  writeFileSync(
    join(scratch, 'constrained.cnf'),
    `[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
CN = constrained
[dir]
O = org
[extensions]
basicConstraints = critical, CA:true
nameConstraints = critical, ${constraints}
`,
  );
  const args = ['-key', 'constrained.key', '-config', 'constrained.cnf', '-days', '9000', '-outform', 'DER'];
  const der = openssl(['req', '-x509', '-new', ...args]);
  const [block] = core.inspect(Buffer.from(core.toPem({ der } as unknown as Certificate)));
  assert.ok(block?.kind === 'certificate');
  return { certificate: block.certificate, key: first };
}

/** Go's texts, and the codes that may stand for each. An unknown authority has its hint's code when there is one. */
const HINTS = [
  'unknown-authority',
  'bad-signature',
  'not-a-ca',
  'expired',
  'not-yet-valid',
  'path-length',
  'unsupported',
];
const FAILURES: readonly (readonly [string, readonly string[]])[] = [
  ['is before', ['not-yet-valid']],
  ['is after', ['expired']],
  ['too many intermediates', ['path-length']],
  ['not authorized to sign other certificates', ['not-a-ca']],
  ['incompatible key usage', ['incompatible-usage']],
  ['signature check attempts limit reached', ['unsupported']],
  ['unknown authority', HINTS],
];

function kind(answer: GoAnswer): string {
  return answer.error ?? '';
}

/** Up to a dozen certificates with few names and keys, so that names and key identifiers often lie; a ladder is one
 *  issued by the other, each with a name of its own. */
function randomPki(random: () => number, ladder: boolean): Issued[] {
  const made: Issued[] = [];
  const size = 3 + Math.floor(random() * 10);
  const usual = random() < 0.5 ? 0.9 : 0.6;
  while (made.length < size) {
    const key = pick(random, keys);
    const any = random() < 0.25 ? undefined : made[Math.floor(random() * made.length)];
    const issuer = ladder ? made.at(-1) : any;
    const often = <T>(normal: T, others: readonly T[]): T => (random() < usual ? normal : pick(random, others));
    const validity = often('now', ['past', 'future']);
    const ca = often<'yes' | 'no' | 0 | 1 | 2>('yes', ['no', 0, 1, 2]);
    const more: Partial<CertificateSpec> = {
      keyUsage: often(['keyCertSign'], [['digitalSignature'], [], ['keyCertSign', 'cRLSign']]),
      extendedKeyUsage: often(
        [],
        [['serverAuth'], ['clientAuth'], ['serverAuth', 'clientAuth'], ['anyExtendedKeyUsage'], ['1.2.3']],
      ),
      subjectAltNames: often({ dns: [], ip: [] }, [
        { dns: ['a'], ip: [] },
        { dns: ['b'], ip: [] },
      ]),
      subjectKeyId: often(true, [false]),
      authorityKeyId: often(true, [false]),
      notBefore: validity === 'future' ? AT + 1 : AT - YEAR,
      notAfter: validity === 'past' ? AT - 1 : AT + YEAR,
    };
    const name = ladder ? `${made.length}` : pick(random, ['a', 'b', 'c', 'd', 'e', 'f']);
    if (ca === 'no') {
      made.push(issueWithoutCa(name, key, issuer, more));
    } else {
      made.push(issue(name, key, issuer, { ...more, ca: ca === 'yes' ? {} : { pathLength: ca } }));
    }
  }
  return made;
}

/** xorshift32: the same PKIs at every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function pick<T>(random: () => number, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)] as T;
}

function some(random: () => number, pki: readonly Issued[], share: number): Certificate[] {
  return pki.filter(() => random() < share).map((one) => one.certificate);
}

chains.after(() => core.close());
chains.run();
