import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Chains, type FirstStart, goJudge, type JudgedHash, type Keys, openssl, present } from './judge.ts';
import { leafCas, normalizedStructure, normalizedText, runRecipe } from './openssl-recipe.ts';
import { makePki, type Variant, without, writeInputs } from './pki-variants.ts';

const go = present('interop/recipe', goJudge());
const ssl = present('interop/recipe', openssl());

if (go && ssl) {
  const test = suite('interop/recipe');
  let folder = '';
  let runs = 0;
  let fromNothing: ReturnType<typeof made>;

  test.before(() => {
    folder = mkdtempSync(join(tmpdir(), 'k3s-pki-recipe-'));
    fromNothing = made('nothing');
  });

  test.after(() => rmSync(folder, { recursive: true, force: true }));

  const made = (variant: Variant, product?: string, also: Variant = 'nothing') => {
    const dataDir = join(folder, `run-${runs++}`);
    const inputs = { files: { ...makePki(variant).files, ...makePki(also).files } as Record<string, string> };
    writeInputs(inputs, dataDir);
    return { dataDir, tls: join(dataDir, 'server/tls'), inputs, ...runRecipe(dataDir, product) };
  };
  const octal = (path: string) => (statSync(path).mode & 0o777).toString(8);

  test('from nothing it leaves what the script leaves', () => {
    const { status, tls } = fromNothing;
    assert.is(status, 0);
    const files = readdirSync(tls, { recursive: true, withFileTypes: true })
      .map(
        (entry) =>
          `${octal(join(entry.parentPath, entry.name))} ${join(entry.parentPath, entry.name).slice(tls.length + 1)}`,
      )
      .sort((a, b) => (a.slice(4) < b.slice(4) ? -1 : 1));
    const trio = (name: string) => [`640 ${name}.crt`, `600 ${name}.key`, `640 ${name}.pem`];
    assert.equal(files, [
      ...trio('client-ca'),
      '750 etcd',
      ...trio('etcd/peer-ca'),
      ...trio('etcd/server-ca'),
      ...trio('intermediate-ca'),
      ...trio('request-header-ca'),
      ...trio('root-ca'),
      ...trio('server-ca'),
      '600 service.key',
    ]);
    const keys = go.json<Keys>([
      'keys',
      ...['root-ca', 'intermediate-ca', ...leafCas, 'service'].map((n) => join(tls, `${n}.key`)),
    ]);
    assert.equal(
      keys.map(({ keys }) => keys.map(({ label, algorithm, bits }) => `${label}: ${algorithm} ${bits}`).join()),
      [
        ...Array(2).fill('RSA PRIVATE KEY: rsa 4096'),
        ...Array(5).fill('EC PRIVATE KEY: ec 256'),
        'RSA PRIVATE KEY: rsa 2048',
      ],
    );
  });

  test('profile, names and lifetimes are those of the script', () => {
    const { tls } = fromNothing;
    const kept = normalizedText(ssl, join(tls, 'root-ca.pem'))
      .split('\n')
      .map((line) => line.trim());
    for (const line of ['Subject: CN = k3s-root-ca@TIME', 'Public-Key: (4096 bit)', 'Exponent: 65537 (0x10001)']) {
      assert.ok(kept.includes(line), `${line} in ${kept.join('\n')}`);
    }
    const leaf = normalizedText(ssl, join(tls, 'etcd/peer-ca.crt'));
    assert.is(
      leaf.slice(leaf.indexOf('X509v3 Subject')),
      [
        'X509v3 Subject Key Identifier:',
        '                OCTETS',
        '            X509v3 Authority Key Identifier:',
        '                OCTETS',
        '            X509v3 Basic Constraints: critical',
        '                CA:TRUE',
        '            X509v3 Key Usage: critical',
        '                Digital Signature, Key Encipherment, Certificate Sign',
        '    Signature Algorithm: sha256WithRSAEncryption',
        '    OCTETS',
      ].join('\n'),
    );
    const certificate = (name: string) => new X509Certificate(readFileSync(join(tls, name)));
    const days = (name: string) =>
      (Date.parse(certificate(name).validTo) - Date.parse(certificate(name).validFrom)) / 864e5;
    assert.equal(['root-ca.pem', 'intermediate-ca.pem', 'client-ca.pem'].map(days), [7300, 3700, 3700]);
    assert.match(certificate('etcd/server-ca.crt').subject, /^CN=k3s-etcd-server-ca@\d{10}$/);
    const rke2 = readFileSync(join(made('root-and-intermediate', 'rke2').tls, 'client-ca.crt'));
    assert.match(new X509Certificate(rke2).subject, /^CN=rke2-client-ca@\d{10}$/);
    // One counter for intermediate and leaf CAs.
    const serial = (name: string) => BigInt(`0x${certificate(name).serialNumber}`);
    assert.is(serial('etcd/server-ca.pem') - serial('intermediate-ca.pem'), 5n);
  });

  test('what it makes comes up, chains to the root and hashes to it', () => {
    const variants: Variant[] = [
      'root-and-intermediate',
      'root-without-key',
      'root-with-authority-key-id',
      'root-bundle',
      'two-intermediates',
      'keys-rsa:2048',
      'keys-ec:p384',
      'keys-ec:p521',
      'keys-ed25519',
      'keys-mixed',
      'form-pkcs1',
      'form-sec1',
      'form-pkcs8',
      'form-ec-parameters',
      'form-crlf',
      'form-text',
      'form-bag-attributes',
      'path-length-root-2',
      'path-length-intermediate-1',
      'eku-both',
      'no-key-usage',
    ];
    for (const variant of ['nothing', ...variants] as const) {
      const { status, stderr, tls, dataDir } = variant === 'nothing' ? fromNothing : made(variant);
      assert.is(status, 0, `${variant}: ${stderr}`);
      assert.is(go.json<FirstStart>(['first-start', join(dataDir, 'server')]).ok, true, variant);
      const root = join(tls, 'root-ca.pem');
      for (const judged of go.json<Chains>(['chains', root, tls]))
        assert.is(judged.ok, true, `${variant}: ${judged.name}`);
      for (const name of leafCas) {
        const bundle = join(tls, `${name}.crt`);
        assert.match(
          ssl.ok(['verify', '-CAfile', root, '-untrusted', bundle, bundle]),
          /: OK$/m,
          `${variant}: ${name}`,
        );
      }
      const [hash] = go.json<JudgedHash[]>(['ca-hash', join(tls, 'server-ca.crt')]);
      const rootDer = new X509Certificate(readFileSync(root)).raw;
      assert.is(hash?.hash, createHash('sha256').update(rootDer).digest('hex'), variant);
    }
  });

  test('a new service key goes before the old ones', () => {
    const { inputs, tls } = made('root-and-intermediate', 'k3s', 'service-key-two');
    const [after] = go.json<Keys>(['keys', join(tls, 'service.key')]);
    assert.is(after?.keys.length, 3);
    assert.ok(readFileSync(join(tls, 'service.key'), 'utf8').endsWith(inputs.files['service.key'] ?? '-'));
  });

  test('a key that is needed and missing ends it with 1', () => {
    const noRootKey = join(folder, 'no-root-key');
    writeInputs(without(makePki('root'), 'root-ca.key'), noRootKey);
    assert.is(runRecipe(noRootKey).status, 1);
    const { status, tls } = made('half-intermediate-certificate');
    assert.is(status, 1);
    assert.not(existsSync(join(tls, 'client-ca.crt')));
  });

  test('two runs differ in nothing but keys, serials, times and signatures', () => {
    const [one, other] = [made('keys-rsa:2048'), made('keys-rsa:2048')];
    for (const name of ['root-ca', 'intermediate-ca', ...leafCas]) {
      const [a, b] = [join(one.tls, `${name}.crt`), join(other.tls, `${name}.crt`)];
      assert.not.equal(readFileSync(a), readFileSync(b));
      assert.is(normalizedText(ssl, a), normalizedText(ssl, b), name);
      assert.is(normalizedStructure(ssl, a), normalizedStructure(ssl, b), name);
    }
  });

  test('the normaliser keeps every difference of profile', () => {
    const sound = made('root-and-intermediate').tls;
    const changed: Variant[] = [
      'path-length-root-2',
      'eku-both',
      'no-key-usage',
      'keys-ec:p384',
      'root-without-key-ids',
    ];
    for (const variant of changed) {
      const other = made(variant).tls;
      for (const view of [normalizedText, normalizedStructure]) {
        assert.is.not(view(ssl, join(other, 'root-ca.pem')), view(ssl, join(sound, 'root-ca.pem')), variant);
      }
    }
  });

  test.run();
}
