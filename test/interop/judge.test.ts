import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Answer,
  type Chains,
  goJudge,
  type JudgedHash,
  type Keys,
  openssl,
  present,
  puzzles,
  type Question,
} from './judge.ts';
import {
  type Ca,
  derOf,
  encodeKey,
  type KeyType,
  makeCa,
  makeKey,
  makePki,
  type Variant,
  variantNames,
} from './pki-variants.ts';

const go = present('interop/judge', goJudge());
const ssl = present('interop/judge', openssl());

if (go && ssl) {
  const test = suite('interop/judge');
  const now = Math.floor(Date.now() / 1000);
  let folder = '';

  test.before(() => {
    folder = mkdtempSync(join(tmpdir(), 'k3s-pki-judge-'));
  });

  test.after(() => rmSync(folder, { recursive: true, force: true }));

  const base64 = (pem: string) => Buffer.from(derOf(pem)).toString('base64');
  const sha256 = (pem: string) => createHash('sha256').update(derOf(pem)).digest('hex');
  const asked = (questions: readonly Question[]) => go.lines<Question, Answer>(['verify'], questions);
  const file = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };

  test('wrong usage exits with 2, no verdict with 1, both without output', () => {
    for (const args of [[], ['judge'], ['keys'], ['ca-hash'], ['chains', 'one'], ['verify', 'more']]) {
      assert.equal([go.run(args).status, go.run(args).stdout], [2, ''], args.join(' '));
    }
    assert.is(go.run(['first-start', join(folder, 'missing')]).status, 1);
    assert.is(go.run(['keys', join(folder, 'missing')]).status, 1);
    assert.is(go.run(['verify'], 'no JSON\n').status, 1);
  });

  // What Go says of a leaf below a CA below each variant's intermediate; undefined: it finds the chain.
  const said: Partial<Record<Variant, string | undefined>> = {
    'root-and-intermediate': undefined,
    'root-with-authority-key-id': undefined,
    'root-without-key-ids': undefined,
    'intermediate-without-key-id': undefined,
    'keys-rsa:1024': undefined,
    'keys-rsa:2048': undefined,
    'keys-ec:p384': undefined,
    'keys-ec:p521': undefined,
    'keys-ed25519': undefined,
    'keys-mixed': undefined,
    'expired-root': 'expired',
    'expired-intermediate': 'expired',
    'not-yet-valid-root': 'not-yet-valid',
    'not-yet-valid-intermediate': 'not-yet-valid',
    'path-length-root-0': 'path-length',
    'path-length-root-1': 'path-length',
    'path-length-root-2': undefined,
    'path-length-intermediate-0': 'path-length',
    'path-length-intermediate-1': undefined,
    'not-a-ca-root': 'unknown-authority not-a-ca',
    'not-a-ca-intermediate': 'unknown-authority not-a-ca',
    'no-basic-constraints-root': 'unknown-authority not-a-ca',
    'no-basic-constraints-intermediate': 'unknown-authority not-a-ca',
    // The rule that a parent must be a CA applies from version 3 on.
    'v1-root': undefined,
    'no-cert-sign-root': 'unknown-authority not-a-ca',
    'no-cert-sign-intermediate': 'unknown-authority not-a-ca',
    'no-key-usage': undefined,
    'eku-client-root': 'incompatible-usage',
    'eku-client-intermediate': 'incompatible-usage',
    'eku-both': undefined,
    // An anchor's own signature is not looked at.
    'sha1-root': undefined,
    'sha1-intermediate': 'unknown-authority insecure-algorithm',
    'wrong-issuer-name': 'unknown-authority',
    'same-name-other-key': 'unknown-authority bad-signature',
    'same-name-and-key-id': 'unknown-authority bad-signature',
    // Key identifiers only sort the candidates.
    'other-key-id': undefined,
    'broken-signature': 'unknown-authority bad-signature',
    'unknown-critical-extension': 'unsupported',
    'name-constraints': undefined,
  };

  test('verify: every variant is what its name says', () => {
    const names = Object.keys(said) as Variant[];
    const questions: Question[] = [];
    const fingerprints: string[][] = [];
    for (const name of names) {
      const files = makePki(name).files as Record<string, string>;
      const [root = '', certificate = '', key = ''] = ['root-ca.pem', 'intermediate-ca.pem', 'intermediate-ca.key'].map(
        (f) => files[f],
      );
      const noIdentifier = name === 'intermediate-without-key-id';
      const leafCa = makeCa({ name: 'test-leaf-ca', authorityKeyId: !noIdentifier }, { certificate, key });
      const leaf = makeCa({ name: 'test-leaf', ca: false, keyUsage: 'digitalSignature' }, leafCa);
      questions.push({
        leaf: base64(leaf.certificate),
        roots: [base64(root)],
        intermediates: [base64(leafCa.certificate), base64(certificate)],
        at: now,
      });
      fingerprints.push([leaf, leafCa].map((ca) => sha256(ca.certificate)).concat(sha256(certificate), sha256(root)));
    }
    for (const [i, answer] of asked(questions).entries()) {
      const name = names[i] as Variant;
      const wanted = said[name];
      if (wanted === undefined) assert.equal(answer, { chains: [fingerprints[i]] }, name);
      else assert.is([answer.failure, answer.hint].join(' ').trim(), wanted, `${name}: ${answer.reason}`);
    }
  });

  test('verify: usages, both ends of the validity, several chains, malformed input', () => {
    const root = makeCa({ name: 'root' });
    const twin = makeCa({ name: 'root', key: { pem: root.key } });
    const validity = { notBefore: now - 1000, notAfter: now + 1000 };
    const leaf = makeCa({ name: 'leaf', ca: false, extendedKeyUsage: 'clientAuth', ...validity }, root);
    const question = (change: Partial<Question>): Question => ({
      leaf: base64(leaf.certificate),
      roots: [base64(root.certificate)],
      intermediates: [],
      at: now,
      usages: ['any'],
      ...change,
    });
    const failures = (...changes: Partial<Question>[]) => asked(changes.map(question)).map(({ failure }) => failure);
    assert.equal(failures({ usages: [] }, { usages: ['serverAuth'] }), ['incompatible-usage', 'incompatible-usage']);
    assert.equal(failures({ usages: ['clientAuth'] }, { usages: ['serverAuth', 'clientAuth'] }), [
      undefined,
      undefined,
    ]);
    assert.equal(failures({ at: now - 1001 }, { at: now - 1000 }), ['not-yet-valid', undefined]);
    assert.equal(failures({ at: now + 1000 }, { at: now + 1001 }), [undefined, 'expired']);
    assert.equal(failures({ roots: [] }), ['unknown-authority']);
    assert.equal(
      failures({ leaf: 'AAAA' }, { roots: ['AAAA'] }, { intermediates: ['AAAA'] }),
      Array(3).fill('malformed'),
    );
    const [both] = asked([question({ roots: [root, twin].map((ca) => base64(ca.certificate)) })]);
    const chains = [root, twin].map((ca) => [sha256(leaf.certificate), sha256(ca.certificate)]);
    assert.equal([...(both?.chains ?? [])].sort(), chains.sort());
    assert.is(go.run(['verify'], JSON.stringify(question({ usages: ['bogus'] }))).status, 1);
  });

  test('puzzles: the same shapes for a seed, every class among them, and the answers of verify', () => {
    const options = { seed: 1, count: 1000, at: now };
    const first = puzzles(go, options);
    const classes = (set: typeof first) =>
      set.map(({ answer }) => [answer.failure, answer.hint, answer.chains?.length].join());
    assert.equal(classes(puzzles(go, options)), classes(first));
    assert.not.equal(classes(puzzles(go, { ...options, seed: 4 })), classes(first));
    assert.equal(
      asked(first.map(({ question }) => question)),
      first.map(({ answer }) => answer),
    );
    const met = new Set(first.map(({ answer }) => answer.failure));
    for (const failure of [
      'expired',
      'not-yet-valid',
      'path-length',
      'incompatible-usage',
      'unknown-authority',
      'unsupported',
    ]) {
      assert.ok(met.has(failure), failure);
    }
    const hints = new Set(first.map(({ answer }) => answer.hint));
    for (const hint of ['not-a-ca', 'bad-signature', 'insecure-algorithm']) assert.ok(hints.has(hint), hint);
    const found = first.filter(({ answer }) => answer.chains !== undefined);
    assert.ok(found.length > first.length / 4, `${found.length} of ${first.length} have a chain`);
    assert.ok(found.some(({ answer }) => (answer.chains?.length ?? 0) > 2));
    assert.ok(found.some(({ answer }) => answer.chains?.some((chain) => chain.length > 3)));
  });

  test('ca-hash: which certificate is hashed', () => {
    const root = makeCa({ name: 'root' });
    const intermediate = makeCa({ name: 'intermediate' }, root);
    const ca = makeCa({ name: 'server-ca' }, intermediate);
    const bundle = (...cas: Ca[]) => cas.map(({ certificate }) => certificate).join('');
    const hash = (content: string, ...options: string[]) =>
      go.json<JudgedHash[]>(['ca-hash', ...options, file('bundle.crt', content)])[0];
    const ofFile = (content: string) => createHash('sha256').update(content).digest('hex');
    const usual = bundle(ca, intermediate, root);
    assert.is(hash(usual)?.hash, sha256(root.certificate));
    assert.is(hash(bundle(ca, root, intermediate))?.hash, sha256(root.certificate), 'leaf, root, intermediate');
    for (const [name, content] of Object.entries({
      'a lone certificate': bundle(root),
      'the root first': bundle(root, intermediate, ca),
      'no root': bundle(ca, intermediate),
      'clientAuth alone': bundle(makeCa({ extendedKeyUsage: 'clientAuth' }, root), root),
    })) {
      assert.equal([hash(content)?.hash, hash(content)?.of], [ofFile(content), 'file'], name);
    }
    const later = String(now + 40 * 365 * 86400);
    assert.equal([hash(usual, '--at', later)?.of, hash(usual, '--at', later)?.failure], ['file', 'expired']);
    // An intermediate without an authorityKeyIdentifier is a root to K3s.
    const orphan = makeCa({ name: 'intermediate', authorityKeyId: false }, root);
    assert.is(hash(bundle(makeCa({}, orphan), orphan, root))?.hash, sha256(orphan.certificate));
    assert.is(hash('no PEM')?.failure, 'certificate-unreadable');
  });

  test('chains: the given root is the only anchor', () => {
    const tls = join(folder, 'tls');
    mkdirSync(join(tls, 'etcd'), { recursive: true });
    const root = makeCa({ name: 'root' });
    for (const name of ['client-ca', 'server-ca', 'request-header-ca', 'etcd/server-ca']) {
      writeFileSync(join(tls, `${name}.crt`), makeCa({ name }, root).certificate);
    }
    writeFileSync(join(tls, 'etcd/peer-ca.crt'), '');
    const judged = (ca: Ca) => go.json<Chains>(['chains', file('root.pem', ca.certificate), tls]);
    assert.equal(
      judged(root).map(({ name, ok }) => [name, ok]),
      [
        ['client', true],
        ['server', true],
        ['request-header', true],
        ['etcd/server', true],
        ['etcd/peer', false],
      ],
    );
    assert.equal(
      judged(makeCa({ name: 'root' })).map(({ failure }) => failure),
      [...Array(4).fill('unknown-authority'), 'certificate-unreadable'],
    );
  });

  test("keys: Go and Node's OpenSSL agree on every type and form", () => {
    const types: KeyType[] = ['rsa:1024', 'rsa:2048', 'ec:p256', 'ec:p384', 'ec:p521', 'ed25519'];
    for (const type of types) {
      const key = makeKey(type, 'keys');
      const [family, detail = ''] = type.split(':');
      const forms = family === 'ed25519' ? (['pkcs8'] as const) : (['pkcs8', 'traditional'] as const);
      const spki = createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'der' });
      for (const form of forms) {
        const [read] = go.json<Keys>(['keys', file('one.key', encodeKey(key, form))]);
        const [block] = read?.keys ?? [];
        assert.is(block?.algorithm, family, type);
        assert.is(block?.curve, family === 'ec' ? detail : undefined, type);
        if (family === 'rsa') assert.is(block?.bits, Number(detail));
        assert.is(block?.spkiSha256, createHash('sha256').update(spki).digest('hex'), `${type} ${form}`);
      }
    }
  });

  test('keys: several keys of a file, and what is none', () => {
    const key = makeKey('ec:p256');
    const many =
      encodeKey(key, 'ec-parameters') + makeKey('ed25519') + encodeKey(key, 'encrypted') + encodeKey(key, 'public');
    const [read] = go.json<Keys>(['keys', file('many.key', many)]);
    assert.equal(
      read?.keys.map(({ label, algorithm, failure }) => [label, algorithm ?? failure]),
      [
        ['EC PARAMETERS', 'key-unreadable'],
        ['EC PRIVATE KEY', 'ec'],
        ['PRIVATE KEY', 'ed25519'],
        ['ENCRYPTED PRIVATE KEY', 'key-unreadable'],
        ['PUBLIC KEY', 'key-unreadable'],
      ],
    );
  });

  test('every variant can be made, and its certificates and keys are what OpenSSL reads', () => {
    for (const name of variantNames) {
      const set = makePki(name);
      // Sets that differ from a sound one in a file's form are not for Node to read.
      if (/^(form|half|intermediate-without|service|nothing)/.test(name)) continue;
      const files = set.files as Record<string, string>;
      const certificate = new X509Certificate(files['intermediate-ca.pem'] ?? files['root-ca.pem'] ?? '');
      const key = createPrivateKey(files['intermediate-ca.key'] ?? files['root-ca.key'] ?? '');
      const paired = !/^wrong-.*-key$|reversed$|root-first/.test(name);
      assert.is(certificate.checkPrivateKey(key), paired, name);
    }
  });

  test.run();
}
