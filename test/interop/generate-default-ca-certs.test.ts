import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder, k3sPki } from '../cli/program.ts';
import { type FirstStart, goJudge, openssl, present } from './judge.ts';
import { leafCas, normalizedText } from './openssl-recipe.ts';

/** The CAs that K3s makes itself, beside those that dynamiclistener makes. */
const go = present('interop/generate-default-ca-certs', goJudge());
const ssl = present('interop/generate-default-ca-certs', openssl());

if (go && ssl) {
  const test = suite('interop/generate-default-ca-certs');
  const [ours, theirs] = [folder(), folder()];
  const run = k3sPki(['generate-default-ca-certs', '--data-dir', ours, '--token-file', join(ours, 'join')]);
  go.json(['default-cas', 'k3s', join(theirs, 'server')]);

  test("the certificates are dynamiclistener's, but for keys, serials, dates, signatures and the order of extensions", () => {
    assert.is(run.code, 0, run.stderr);
    for (const ca of leafCas) {
      const [mine, other] = [ours, theirs].map((dir) => extensionsSorted(join(dir, 'server/tls', `${ca}.crt`)));
      assert.equal(mine, other, ca);
      const key = (dir: string) => readFileSync(join(dir, 'server/tls', `${ca}.key`), 'utf8').split('\n')[0];
      assert.is(key(ours), key(theirs));
    }
  });

  test('K3s starts on them, and its token is the one that was written before', () => {
    const start = go.json<FirstStart>(['first-start', join(ours, 'server')]);
    assert.is(start.ok, true, JSON.stringify(start, null, 1));
    const written = readFileSync(join(ours, 'join'), 'utf8');
    const credentials = written.trimEnd().split('::')[1] ?? '';
    const { token } = go.json<{ token: string }>(['token-of', join(ours, 'server/tls/server-ca.crt'), credentials]);
    assert.is(written, `${token}\n`);
    assert.not.ok(existsSync(join(ours, 'server/token')));
  });

  test.run();

  function extensionsSorted(file: string): string[] {
    const text = normalizedText(ssl as NonNullable<typeof ssl>, file);
    const [head = '', tail = ''] = text.split(/X509v3 extensions:\n/);
    // An extension is its name and the indented value below; a serial of one octet stands in decimal and hexadecimal.
    const extensions = tail.split(/\n(?= {12}X509v3)/).map((each) => each.trim());
    const signature = extensions.map((each) => each.replace(/\n {4}Signature Algorithm[\s\S]*/, ''));
    return [head.trim(), ...signature.sort()];
  }
}
