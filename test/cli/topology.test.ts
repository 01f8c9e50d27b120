import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCore } from '@k3s-pki/core';
import { DOMParser, type Element, ParseError } from '@xmldom/xmldom';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { caPaths } from './authorities.ts';
import { caSets } from './ca-sets.ts';
import { blocks, fastKeys, folder, k3sPki, put, tree } from './program.ts';

const test = suite('topology');
const core = await createCore();
const now = Math.floor(Date.now() / 1000);
const sets = caSets(core, now);

const shared = await sets.authority();
const custom = await sets.written((path) => sets.below(shared, path));
const isolated = await sets.written(async (path) =>
  sets.below(await sets.authority(`${path.replace('/', '-')}`), path),
);
const byK3s = await sets.written(async (path) => sets.pair(await sets.selfSigned(path)));
const crossed = await sets.written(async (path) => sets.crossSigned(path, await sets.selfSigned(path)));
/** A name with everything that has a meaning in XML or Mermaid. */
const awkward = `<b> & "q" 'a' ]]> #35; \`c\` ルート認証局`;
const mixed = await sets.written(async (path) => {
  if (path === 'client-ca') return sets.below(shared, path, { subject: [['CN', awkward]] });
  if (path === 'server-ca') {
    return sets.below(shared, path, { notBefore: now - 900_000, notAfter: now - 9000 });
  }
  return path === 'etcd/peer-ca' ? undefined : sets.pair(await sets.selfSigned(path));
});
const twice = await sets.written((path) => sets.crossSignedTwice(path));
const all = { custom, isolated, byK3s, crossed, twice, mixed };

type Report = {
  kind: string;
  caHash: string;
  hashOf?: string;
  cas: Record<string, { shape: string; certificate?: string }>;
  certificates: Array<{
    sha256: string;
    subject: string;
    role: string;
    cas: string[];
    issuers: string[];
    files: string[];
  }>;
};
const report = (dir: string): Report => JSON.parse(k3sPki(['topology', dir, '--output', 'json']).stdout);

test('the kinds of sets are told apart', () => {
  assert.equal(
    Object.entries(all).map(([name, dir]) => [name, report(dir).kind]),
    [
      ['custom', 'custom'],
      ['isolated', 'isolated'],
      ['byK3s', 'default'],
      ['crossed', 'cross-signed'],
      ['twice', 'cross-signed'],
      ['mixed', 'mixed'],
    ],
  );
  const shapes = Object.entries(report(mixed).cas).map(([ca, { shape }]) => [ca, shape]);
  assert.equal(Object.fromEntries(shapes), {
    client: 'chained',
    server: 'chained',
    'request-header': 'self-signed',
    'etcd/peer': 'absent',
    'etcd/server': 'self-signed',
  });
});

test('issuers are those whose key made the signature, in the eyes of OpenSSL within Node', () => {
  for (const [name, dir] of Object.entries(all)) {
    const { certificates } = report(dir);
    const read = new Map(
      certificates.map(({ sha256, files }) => {
        const found = files
          .flatMap((file) => blocks(readFileSync(file, 'utf8')))
          .map((pem) => new X509Certificate(pem))
          .find(({ fingerprint256 }) => fingerprint256.replaceAll(':', '').toLowerCase() === sha256);
        return [sha256, found as X509Certificate];
      }),
    );
    for (const { sha256, issuers } of certificates) {
      const certificate = read.get(sha256) as X509Certificate;
      const signers = [...read].filter(
        ([id, issuer]) =>
          id !== sha256 && certificate.issuer === issuer.subject && certificate.verify(issuer.publicKey),
      );
      const selfSigned = certificate.issuer === certificate.subject && certificate.verify(certificate.publicKey);
      assert.equal(
        [...issuers].sort(),
        selfSigned ? [] : signers.map(([id]) => id).sort(),
        `${name} ${certificate.subject}`,
      );
    }
  }
});

test('roles in a set whose roots are cross-signed', () => {
  const { certificates } = report(crossed);
  const roles = certificates.map(({ role }) => role).sort();
  assert.equal(roles, [
    ...Array(5).fill('ca'),
    ...Array(5).fill('cross-signed-root'),
    ...Array(5).fill('former-root'),
    ...Array(5).fill('root'),
  ]);
  for (const { role, issuers } of certificates) {
    assert.is(issuers.length, { ca: 2, 'cross-signed-root': 1 }[role] ?? 0, role);
  }
});

test('after two rotations what came before is told from what is in use', () => {
  const roles = report(twice)
    .certificates.filter(({ subject }) => subject.startsWith('CN=k3s-client-ca'))
    .map(({ role, subject }) => `${role} ${subject.slice('CN=k3s-'.length)}`)
    .sort();
  assert.equal(roles, [
    'ca client-ca@1795000000',
    'cross-signed-root client-ca-root@1790000000',
    'cross-signed-root client-ca-root@1795000000',
    'former-ca client-ca@1790000000',
    'former-root client-ca-root@1790000000',
    'former-root client-ca@1700000000',
    'root client-ca-root@1795000000',
  ]);
});

test('the CA hash belongs to the root, or to a lone certificate', () => {
  for (const dir of [custom, isolated, crossed, twice]) {
    const { caHash, hashOf, certificates } = report(dir);
    assert.is(hashOf, caHash);
    assert.is(certificates.find(({ sha256 }) => sha256 === caHash)?.role, 'root');
  }
  const { hashOf, cas } = report(byK3s);
  assert.is(hashOf, cas.server?.certificate);
  assert.is(report(mixed).hashOf, undefined, 'the chain of an expired CA does not verify');
});

test('as text: a tree within 80 columns, with expiry and what each CA signs', () => {
  const { code, stdout, stderr } = k3sPki(['topology', custom]);
  assert.is(code, 0, stderr);
  assert.is(stderr, '');
  const until = new Date((now + 5 * 365 * 86_400) * 1000).toISOString().slice(0, 10);
  assert.match(stdout, /^ {2}CN=test-root +root +\d{4}-\d\d-\d\d$/m);
  assert.match(stdout, /^ {2}└─ CN=test-intermediate +intermediate +\d{4}-\d\d-\d\d$/m);
  for (const path of caPaths) {
    const branch = path === 'etcd/server-ca' ? '└─' : '├─';
    assert.match(stdout, new RegExp(`^ {5}${branch} CN=${sets.name(path)} +${path} +${until}$`, 'm'));
  }
  assert.match(stdout, /^ {2}server-ca +Kubernetes servers/m);
  assert.match(stdout, 'SHA-256 of CN=test-root');
  for (const dir of Object.values(all)) {
    for (const line of k3sPki(['topology', dir]).stdout.split('\n').slice(1)) assert.ok([...line].length <= 80, line);
  }
});

test('as text: what stands below two issuers is drawn once, expired and absent ones are named', () => {
  const rows = k3sPki(['topology', crossed]).stdout.split('\n');
  assert.is(rows.filter((row) => row.includes('as above')).length, 5);
  const { stdout } = k3sPki(['topology', mixed]);
  assert.match(stdout, 'one has expired');
  assert.match(stdout, 'not there: etcd/peer-ca');
});

test('a bundle that K3s does not read is told from one that is not there', () => {
  const dir = folder();
  for (const path of caPaths) put(dir, { [`tls/${path}.crt`]: readFileSync(join(custom, `tls/${path}.crt`)) });
  writeFileSync(join(dir, 'tls/client-ca.crt'), 'certificates will follow');
  rmSync(join(dir, 'tls/server-ca.crt'));
  const { kind, cas } = report(dir);
  assert.equal([kind, cas.client?.shape, cas.server?.shape], ['custom', 'unreadable', 'absent']);
  const { stdout } = k3sPki(['topology', dir]);
  assert.match(stdout, 'without a certificate that K3s reads: client-ca');
  assert.match(stdout, 'not there: server-ca');
});

test('YAML says what JSON says', () => {
  const yaml = k3sPki(['topology', crossed, '--output', 'yaml']);
  assert.is(yaml.code, 0);
  assert.equal(parse(yaml.stdout), report(crossed));
});

test('Mermaid: every certificate is a box, every issuer an arrow, and no character of a name escapes its quotes', () => {
  for (const [name, dir] of Object.entries(all)) {
    const { certificates, hashOf } = report(dir);
    const lines = k3sPki(['topology', dir, '--output', 'mermaid']).stdout.trimEnd().split('\n');
    assert.is(lines[0], 'flowchart TD');
    assert.match(lines[1] ?? '', /^ {2}%% [^{}]+$/);
    const forms = {
      box: /^ {2}c\d+\("([^"`<>&;]|<br\/>|#\d+;)+"\)$/u,
      leaves: /^ {2}l\d\[\["[^"`<>&#;]+"\]\]$/,
      hash: /^ {2}hash>"join token CA hash<br\/>K10[0-9a-f]{16}\.\.\."\]$/,
      issues: /^ {2}c\d+ --> c\d+$/,
      signs: /^ {2}c\d+ ==> l\d$/,
      hashes: /^ {2}c\d+ -\.-\|SHA256\| hash$/,
    };
    const seen: Record<string, number> = {};
    for (const line of lines.slice(2)) {
      const form = Object.entries(forms).find(([, pattern]) => pattern.test(line))?.[0];
      assert.ok(form, `${name}: ${line}`);
      seen[form] = (seen[form] ?? 0) + 1;
    }
    const present = certificates.filter(({ role }) => role === 'ca').length;
    const edges = certificates.flatMap(({ issuers }) => issuers).length;
    assert.is(seen.box, certificates.length, name);
    assert.is(seen.issues ?? 0, edges, name);
    assert.is(seen.leaves, present, name);
    assert.is(seen.signs, present, name);
    assert.is(seen.hashes ?? 0, hashOf === undefined ? 0 : 1, name);
  }
});

/** Reads strictly: anything that is not well-formed throws. */
const svgOf = (dir: string): { text: string; root: Element } => {
  const { code, stdout, stderr } = k3sPki(['topology', dir, '--output', 'svg']);
  assert.is(code, 0, stderr);
  const parser = new DOMParser({
    onError: (level, message) => {
      throw new ParseError(`${level}: ${message}`);
    },
  });
  return { text: stdout, root: parser.parseFromString(stdout, 'image/svg+xml').documentElement as Element };
};
const elements = (root: Element, name: string): Element[] => [...root.getElementsByTagName(name)];

test('SVG: well-formed, self-contained, with a title and a description', () => {
  for (const [name, dir] of Object.entries(all)) {
    const { text, root } = svgOf(dir);
    assert.is(root.tagName, 'svg', name);
    const known = ['svg', 'title', 'desc', 'style', 'rect', 'text', 'tspan', 'line', 'path', 'circle'];
    for (const element of [root, ...elements(root, '*')]) {
      assert.ok(known.includes(element.tagName), element.tagName);
      for (const { name: attribute } of [...element.attributes]) {
        assert.not.match(attribute, /^on|href|^src$/);
      }
    }
    assert.not.match(text.replace('xmlns="http://www.w3.org/2000/svg"', ''), /https?:|url\(|@import|data:/);
    const labels = root.getAttribute('aria-labelledby')?.split(' ') ?? [];
    assert.equal(
      labels.map((id) => elements(root, '*').find((element) => element.getAttribute('id') === id)?.tagName),
      ['title', 'desc'],
    );
    assert.match(elements(root, 'style')[0]?.textContent ?? '', '@media (prefers-color-scheme: dark)');
  }
});

test('SVG: a name shows as it is, whatever it holds', () => {
  const { text, root } = svgOf(mixed);
  const certificate = report(mixed).certificates.find(({ cas }) => cas.includes('client'));
  assert.match(certificate?.subject ?? '', 'ルート認証局');
  assert.ok(elements(root, 'text').some(({ textContent }) => textContent === certificate?.subject));
  assert.ok(elements(root, 'desc')[0]?.textContent?.includes(certificate?.subject ?? 'no subject'));
  assert.not.match(text, '<b>');
});

test('SVG: the length of a bar is the time that is left', () => {
  const { root } = svgOf(custom);
  const bars = elements(root, 'rect').filter((rect) => rect.getAttribute('height') === '14');
  const length = (role: string) =>
    Number(bars.find((bar) => bar.getAttribute('class') === role)?.getAttribute('width'));
  // 20, 10 and 5 years.
  assert.ok(Math.abs(length('root') / length('intermediate') - 2) < 0.02, `${length('root')}`);
  assert.ok(Math.abs(length('root') / length('ca') - 4) < 0.05, `${length('ca')}`);
  assert.is(bars.length, 7);
  const expired = elements(svgOf(mixed).root, 'rect').filter((bar) => bar.getAttribute('class') === 'ended');
  assert.equal(
    expired.map((bar) => bar.getAttribute('width')),
    ['3'],
  );
});

test('a data dir, its server folder and its tls folder are the same; nothing is written', () => {
  const dir = folder();
  assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', dir, ...fastKeys]).code, 0);
  const before = tree(dir);
  const seen = ['.', 'server', 'server/tls'].map((path) => k3sPki(['topology', path], { cwd: dir }));
  assert.equal(
    seen.map(({ code }) => code),
    [0, 0, 0],
  );
  assert.is(new Set(seen.map(({ stdout }) => stdout)).size, 1);
  assert.match(seen[0]?.stdout ?? '', `custom CAs below one root in ${join(dir, 'server/tls')}`);
  assert.equal(tree(dir), before);
});

test('root and intermediate alone are a tree too', () => {
  const dir = folder();
  put(dir, {
    'tls/root-ca.pem': sets.pem(shared.root),
    'tls/intermediate-ca.pem': sets.pem(shared.intermediate),
  });
  const { code, stdout } = k3sPki(['topology', dir]);
  assert.is(code, 0);
  assert.match(stdout, /└─ CN=test-intermediate +intermediate/);
});

test('where there is no CA, one line says so', () => {
  const dir = folder();
  mkdirSync(join(dir, 'empty/tls'), { recursive: true });
  writeFileSync(join(dir, 'file'), '');
  for (const [name, error] of [
    ['nowhere', 'no such folder'],
    ['file', 'not a folder'],
    ['.', 'no CA is in it'],
    ['empty', 'no CA certificate is in it'],
  ] as const) {
    const run = k3sPki(['topology', name], { cwd: dir });
    assert.is(run.code, 1);
    assert.is(run.stdout, '');
    assert.match(run.stderr, new RegExp(`^k3s-pki: error: ${dir}.*: ${error}`));
    assert.match(run.stderr, /^k3s-pki: hint: /m);
  }
  const noDir = k3sPki(['topology']);
  assert.is(noDir.code, 2);
  assert.match(noDir.stderr, 'topology needs DIR');
  assert.is(k3sPki(['topology', custom, '--output', 'png']).code, 2);
});

test('a file that cannot be read is named, the rest is drawn', () => {
  const dir = folder();
  for (const path of caPaths) put(dir, { [`tls/${path}.crt`]: readFileSync(join(custom, `tls/${path}.crt`)) });
  rmSync(join(dir, 'tls/server-ca.crt'));
  mkdirSync(join(dir, 'tls/server-ca.crt'));
  chmodSync(join(dir, 'tls/server-ca.crt'), 0o755);
  const { code, stdout, stderr } = k3sPki(['topology', dir]);
  assert.is(code, 0);
  assert.match(stderr, `warning: ${join(dir, 'tls/server-ca.crt')}: not a regular file`);
  assert.match(stdout, 'not there: server-ca');
});

test.after(() => core.close());
test.run();
