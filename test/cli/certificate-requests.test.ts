import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openssl, present } from '../interop/judge.ts';
import { blocks, fastKeys, folder, k3sPki, tree } from './program.ts';

// Requests are made by OpenSSL, which is the other side here.
const judge = present('certificate requests, OpenSSL', openssl());
const cluster = folder();
k3sPki(['generate-custom-ca-certs', '--data-dir', cluster, ...fastKeys]);
const tls = join(cluster, 'server/tls');
const keyTypes = {
  'ec:p256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'ec:p384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'ec:p521': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  'rsa:2048': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  'rsa:1024': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
  ed25519: ['-algorithm', 'ED25519'],
} as const;

const test = suite('certificate requests');

if (judge !== undefined) {
  /** Writes `NODE.key` and a request `requests/NODE.csr`. */
  const request = (
    cwd: string,
    node: string,
    subject: string,
    options: { extensions?: readonly string[]; key?: keyof typeof keyTypes; form?: 'PEM' | 'DER'; name?: string } = {},
  ) => {
    const { extensions = [], key = 'ec:p256', form = 'PEM', name = `${node}.csr` } = options;
    mkdirSync(join(cwd, 'requests'), { recursive: true });
    const keyFile = join(cwd, `${node}.key`);
    judge.ok(['genpkey', ...keyTypes[key], '-out', keyFile]);
    const added = extensions.flatMap((extension) => ['-addext', extension]);
    const out = join(cwd, 'requests', name);
    judge.ok(['req', '-new', '-key', keyFile, '-subj', subject, ...added, '-outform', form, '-out', out, '-batch']);
  };
  const issue = (cwd: string, args: readonly string[], input = '') =>
    k3sPki(['certificate', 'issue', '--ca-dir', tls, '--csr', 'requests', ...args], { cwd, input });

  test("a folder of requests, PEM and DER, of every key type: the key is the request's, the names are the node's", () => {
    const cwd = folder();
    const types = ['ec:p256', 'ec:p384', 'ec:p521', 'rsa:2048', 'ed25519'] as const;
    for (const [index, key] of types.entries()) {
      // The second form is K3s's agents': no name at all.
      const subject = index % 2 === 0 ? `/O=system:nodes/CN=system:node:edge-${index}` : '/';
      request(cwd, `edge-${index}`, subject, { key, form: index === 3 ? 'DER' : 'PEM' });
    }
    const run = issue(cwd, ['--profile', 'client-kubelet', '--out', 'out']);
    assert.is(run.code, 0, run.stderr);
    assert.is(run.stderr, '');
    const files = Object.keys(tree(join(cwd, 'out')));
    assert.not.ok(files.some((path) => path.endsWith('.key')));
    const ca = readFileSync(join(tls, 'client-ca.crt'), 'utf8');
    for (const index of types.keys()) {
      const pem = readFileSync(join(cwd, `out/edge-${index}/agent/client-kubelet.crt`), 'utf8');
      const certificate = new X509Certificate(pem);
      assert.is(pem, (blocks(pem)[0] ?? '') + ca);
      assert.is(certificate.subject, `O=system:nodes\nCN=system:node:edge-${index}`);
      assert.equal(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
      assert.ok(certificate.verify(new X509Certificate(ca).publicKey));
      const key = createPublicKey(readFileSync(join(cwd, `edge-${index}.key`)));
      assert.ok(certificate.publicKey.equals(key), `edge-${index}`);
    }
    const lines = readFileSync(join(cwd, 'out/manifest.jsonl'), 'utf8').trim().split('\n');
    assert.is(lines.length, types.length);
    const again = issue(cwd, ['--profile', 'client-kubelet', '--out', 'out', '--resume']);
    assert.match(again.stdout, '5 nodes complete from an earlier run');
  });

  test('a request cannot take more than the profile and the row give', () => {
    const cwd = folder();
    request(cwd, 'good', '/CN=good', { extensions: ['subjectAltName=DNS:good,DNS:localhost,IP:127.0.0.1'] });
    request(cwd, 'masters', '/O=system:masters/CN=masters');
    request(cwd, 'other', '/CN=another-node');
    request(cwd, 'dns', '/CN=dns', { extensions: ['subjectAltName=DNS:kubernetes'] });
    request(cwd, 'ip', '/CN=ip', { extensions: ['subjectAltName=IP:10.43.0.1'] });
    request(cwd, 'usage', '/CN=usage', { extensions: ['extendedKeyUsage=serverAuth,clientAuth'] });
    request(cwd, 'sign', '/CN=sign', { extensions: ['keyUsage=keyCertSign'] });
    request(cwd, 'ca', '/CN=ca', { extensions: ['basicConstraints=critical,CA:TRUE'] });
    request(cwd, 'mail', '/CN=mail/emailAddress=a@example.org', { extensions: ['subjectAltName=email:a@example.org'] });
    request(cwd, 'weak', '/CN=weak', { key: 'rsa:1024' });
    // Proof of possession: another key's signature, and a name changed after signing.
    request(cwd, 'forged', '/CN=forged', { form: 'DER', name: 'forged.der' });
    const forged = readFileSync(join(cwd, 'requests/forged.der'));
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    writeFileSync(join(cwd, 'requests/forged.der'), forged);
    request(cwd, 'changed', '/CN=changes', { form: 'DER', name: 'changed.der' });
    const changed = readFileSync(join(cwd, 'requests/changed.der'));
    changed[changed.indexOf('changes') + 6] = 'd'.charCodeAt(0);
    writeFileSync(join(cwd, 'requests/changed.der'), changed);
    writeFileSync(join(cwd, 'requests/empty.csr'), 'nothing');
    const run = issue(cwd, ['--profile', 'serving-kubelet', '--out', 'out']);
    assert.is(run.code, 1);
    assert.not.ok(Object.keys(tree(cwd)).includes('out'));
    for (const [name, reason] of [
      ['masters.csr', 'the request asks for "O=system:masters", which serving-kubelet for this node does not have'],
      ['other.csr', 'asks for "CN=another-node"'],
      ['dns.csr', 'asks for "DNS:kubernetes"'],
      ['ip.csr', 'asks for "IP:10.43.0.1"'],
      ['usage.csr', 'asks for "clientAuth"'],
      ['sign.csr', 'asks for "keyCertSign"'],
      ['ca.csr', 'asks for "to be a CA"'],
      ['mail.csr', 'asks for "an email address"'],
      ['weak.csr', "the request's key is weak (RSA 1024)"],
      ['forged.der', 'not a certification request that can be granted: '],
      ['changed.der', 'a request whose signature was not made by its own key'],
      ['empty.csr', 'no CERTIFICATE REQUEST block'],
    ] as const) {
      const found = run.stderr.split('\n').filter((line) => line.includes(`/requests/${name}: `));
      assert.ok(
        found.some((line) => line.includes(reason)),
        `${name}: ${run.stderr}`,
      );
    }
    assert.not.match(run.stderr, 'good.csr');
    const skipped = issue(cwd, ['--profile', 'serving-kubelet', '--out', 'out', '--skip-bad']);
    assert.is(skipped.code, 0, skipped.stderr);
    assert.match(skipped.stdout, '1 node issued');
    const good = new X509Certificate(readFileSync(join(cwd, 'out/good/agent/serving-kubelet.crt')));
    assert.is(good.subjectAltName, 'DNS:good, DNS:localhost, IP Address:127.0.0.1');
  });

  test('rows give names and lifetimes to requests', () => {
    const cwd = folder();
    request(cwd, 'edge-1', '/CN=edge-1', { extensions: ['subjectAltName=IP:10.0.0.1,IP:fd00::1,DNS:edge-1.example'] });
    request(cwd, 'edge-9', '/CN=edge-9');
    const args = ['--profile', 'serving-kubelet', '--from', '-', '--jsonl', '-', '--manifest', 'm.jsonl'];
    const run = issue(cwd, args, 'node,dns,ip,days\nedge-1,edge-1.example,10.0.0.1;fd00::1,7\n');
    assert.is(run.code, 0, run.stderr);
    assert.is(run.stderr, 'k3s-pki: warning: 1 request for nodes that no row names: edge-9\n');
    const { certificate, key } = JSON.parse(run.stdout);
    assert.is(key, undefined);
    const { subjectAltName, validFrom, validTo } = new X509Certificate(certificate);
    assert.match(subjectAltName ?? '', 'IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1');
    assert.is(Date.parse(validTo) - Date.parse(validFrom), 7 * 86_400_000);
    const missing = issue(cwd, args.slice(0, -1).concat('n.jsonl'), 'node\nedge-2\n');
    assert.is(missing.code, 1);
    assert.match(
      missing.stderr,
      'standard input: line 2: not a certification request that can be granted: there is no file edge-2.csr',
    );
  });

  test('wrong usage', () => {
    const cwd = folder();
    const several = issue(cwd, ['--profile', 'client,server', '--out', 'out']);
    assert.is(several.code, 2);
    assert.match(several.stderr, '--csr takes one profile');
    const none = issue(cwd, ['--profile', 'client', '--out', 'out']);
    assert.is(none.code, 1);
    assert.match(none.stderr, 'requests: there is no such file or folder');
  });
}

test.run();
