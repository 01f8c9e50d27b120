import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certainOf, dataDirLeaves } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serverDataDir } from '../cli/data-dir.ts';
import { blocks, k3sPki } from '../cli/program.ts';
import { type Answer, goJudge, openssl, present, type Question } from './judge.ts';

const go = present('interop/renewed-leaves', goJudge());
const ssl = present('interop/renewed-leaves', openssl());

if (go && ssl) {
  const test = suite('interop/renewed-leaves');
  const dir = serverDataDir();
  // What K3s would never mend, so that every way of renewing is taken.
  writeFileSync(join(dir, 'server/tls/serving-kube-apiserver.crt'), 'gone');
  const run = k3sPki(['certificate', 'renew', '--data-dir', dir, '--all', '--output', 'json']);
  const read = (path: string) => readFileSync(join(dir, path), 'utf8');
  const leaves = dataDirLeaves('k3s').filter(({ path }) => existsSync(join(dir, `${path}.crt`)));
  const derOf = (pem: string) => pem.replace(/-----[^-]+-----|\s/g, '');

  test('K3s keeps every renewed leaf at its next start', () => {
    assert.is(run.code, 0, run.stderr);
    const server = leaves.filter(({ machine }) => machine === 'server');
    assert.is(server.length, 15);
    const verdicts = go.lines<unknown, { action: string; reason?: string }>(
      ['renewals'],
      server.map((leaf) => {
        const { commonName, organizations, dns, ip } = certainOf(leaf);
        const files = {
          cert: read(`${leaf.path}.crt`),
          key: read(`${leaf.path}.key`),
          ca: read(`server/tls/${leaf.ca}-ca.crt`),
          caKey: read(`server/tls/${leaf.ca}-ca.key`),
        };
        return { files, commonName, organizations, dns, ip, days: 120 };
      }),
    );
    assert.equal(
      verdicts.map(({ action }) => action),
      server.map(() => 'keep'),
    );
  });

  test('each verifies with its CA’s bundle for each of its usages, as Go does it', () => {
    const questions = leaves.flatMap(({ path, ca, profile }) =>
      profile.extendedKeyUsage.map((usage): Question => {
        const [leaf = ''] = blocks(read(`${path}.crt`));
        const roots = blocks(read(`server/tls/${ca}-ca.crt`)).map(derOf);
        return { leaf: derOf(leaf), roots, intermediates: [], at: Math.floor(Date.now() / 1000), usages: [usage] };
      }),
    );
    assert.ok(questions.length > 20);
    for (const answer of go.lines<Question, Answer>(['verify'], questions)) {
      assert.ok((answer.chains?.length ?? 0) > 0, JSON.stringify(answer));
    }
  });

  test('the fields are those of K3s: no key identifier of its own, critical usages, serial below 2^63', () => {
    for (const { path, ca } of leaves) {
      const text = ssl.ok(['x509', '-in', join(dir, `${path}.crt`), '-noout', '-text']);
      const caText = ssl.ok(['x509', '-in', join(dir, `server/tls/${ca}-ca.crt`), '-noout', '-text']);
      assert.not.match(text, 'Subject Key Identifier');
      assert.match(text, /X509v3 Key Usage: critical\n\s+Digital Signature, Key Encipherment\n/);
      assert.not.match(text, 'Basic Constraints');
      const own = /Authority Key Identifier:\s+(?:keyid:)?([0-9A-F:]+)/.exec(text)?.[1];
      assert.is(own, /Subject Key Identifier:\s+([0-9A-F:]+)/.exec(caText)?.[1], path);
      const serial = /serial=([0-9A-F]+)/.exec(
        ssl.ok(['x509', '-in', join(dir, `${path}.crt`), '-noout', '-serial']),
      )?.[1];
      assert.ok(BigInt(`0x${serial}`) < 1n << 63n);
      assert.is(ssl.run(['ec', '-in', join(dir, `${path}.key`), '-noout']).status, 0);
    }
    assert.ok(!readdirSync(dir).some((name) => name.startsWith('.k3s-pki')));
  });

  test.run();
}
