import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { reachableByAll } from '@k3s-pki/testkit';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { environment, fastKeys, folder, k3sPki, program, put, tree } from '../cli/program.ts';
import { type Chains, type FirstStart, goJudge, openssl, present } from './judge.ts';
import { leafCas, normalizedStructure, normalizedText, runRecipe } from './openssl-recipe.ts';
import { makePki, type Variant, variantNames, writeInputs } from './pki-variants.ts';

const command = 'generate-custom-ca-certs';
const ssl = present('interop/generate-custom-ca-certs', openssl());
const go = present('interop/generate-custom-ca-certs with Go', goJudge());

/** Variants that K3s's script or OpenSSL would judge otherwise than the table of variants says, and why. */
const exceptions: Partial<Record<Variant, { readonly accepted: boolean; readonly why: string }>> = {
  'two-intermediates-reversed': { accepted: true, why: 'the certificate of the key is found and put first' },
  'root-first': { accepted: true, why: 'the certificate of the key is found and put first' },
  'form-encrypted-legacy': { accepted: false, why: 'MD5 key derivation: the message says how to convert' },
  'form-encrypted-pbes1': { accepted: false, why: 'only PBES2 is opened' },
};

const all = ['root-ca', 'intermediate-ca', ...leafCas];

if (ssl !== undefined) {
  const test = suite('custom CAs against OpenSSL and Go');

  test('the defaults are what the script makes, but for keys, serials, dates and signatures', () => {
    const [ours, recipe] = [folder(), folder()];
    assert.is(k3sPki([command, '--data-dir', ours]).code, 0);
    const made = runRecipe(recipe);
    assert.is(made.status, 0, made.stderr);
    const modes = (dir: string) =>
      Object.fromEntries(Object.entries(tree(dir)).map(([path, entry]) => [path, entry.slice(0, 4)]));
    assert.equal(modes(ours), modes(recipe));
    for (const name of all) {
      const [mine, theirs] = [ours, recipe].map((dir) => join(dir, 'server/tls', `${name}.pem`)) as [string, string];
      assert.is(normalizedText(ssl, mine), normalizedText(ssl, theirs), name);
      assert.is(normalizedStructure(ssl, mine), normalizedStructure(ssl, theirs), name);
      const label = (file: string) => readFileSync(file, 'utf8').match(/-----BEGIN [^-]+-----/g);
      for (const end of ['pem', 'crt', 'key']) {
        assert.equal(label(mine.replace(/pem$/, end)), label(theirs.replace(/pem$/, end)), `${name}.${end}`);
      }
      ssl.ok(['pkey', '-in', mine.replace(/pem$/, 'key'), '-check', '-noout']);
    }
    ssl.ok(['rsa', '-in', join(ours, 'server/tls/service.key'), '-check', '-noout']);
    verified(ours);
  });

  for (const variant of variantNames) {
    test(`inputs: ${variant}`, () => {
      const dir = folder();
      const set = makePki(variant);
      writeInputs(set, join(dir, 'server/tls'));
      const before = tree(dir);
      const env = set.passphrase === undefined ? {} : { K3S_PKI_PASSPHRASE: set.passphrase };
      const run = k3sPki([command, '--data-dir', dir, ...fastKeys], { env });
      const accepted = exceptions[variant]?.accepted ?? set.flaw === undefined;
      if (accepted) {
        assert.is(run.code, 0, run.stderr);
        verified(dir);
      } else {
        assert.is(run.code, 1, `${set.flaw}: ${run.stdout}`);
        assert.match(run.stderr, /^k3s-pki: error: .*server\/tls\//, run.stderr);
        assert.equal(tree(dir), before);
      }
    });
  }

  test("K3s's documented steps work unchanged with the program in the place of the script", () => {
    const [ssd, bin] = [folder(), folder()];
    symlinkSync(program({ name: 'generate-custom-ca-certs' }), join(bin, 'generate-custom-ca-certs'));
    symlinkSync(process.execPath, join(bin, 'node'));
    const source = makePki('root-and-intermediate');
    writeInputs(source, join(ssd, 'etc/ssl'));
    const steps = join(folder(), 'steps.sh');
    put(join(steps, '..'), {
      'steps.sh': `set -e
mkdir -p "$BASE/var/lib/rancher/k3s/server/tls"
cp "$BASE/etc/ssl/root-ca.pem" "$BASE/etc/ssl/intermediate-ca.pem" "$BASE/etc/ssl/intermediate-ca.key" "$BASE/var/lib/rancher/k3s/server/tls"
DATA_DIR="$BASE/var/lib/rancher/k3s" generate-custom-ca-certs
mkdir -p "$BASE/opt/k3s/server/tls"
cp "$BASE"/var/lib/rancher/k3s/server/tls/root-ca.* "$BASE"/var/lib/rancher/k3s/server/tls/intermediate-ca.* "$BASE/opt/k3s/server/tls"
cp "$BASE/var/lib/rancher/k3s/server/tls/service.key" "$BASE/opt/k3s/server/tls"
DATA_DIR="$BASE/opt/k3s" generate-custom-ca-certs
`,
    });
    const run = spawnSync('sh', [steps], {
      encoding: 'utf8',
      env: { ...environment(), BASE: ssd, PATH: `${bin}:${process.env.PATH}` },
    });
    assert.is(run.status, 0, run.stderr);
    for (const dir of ['var/lib/rancher/k3s', 'opt/k3s']) verified(join(ssd, dir));
    const keys = (dir: string) =>
      readFileSync(join(ssd, dir, 'server/tls/service.key'), 'utf8').match(/BEGIN RSA/g)?.length;
    assert.equal([keys('var/lib/rancher/k3s'), keys('opt/k3s')], [1, 2]);
  });

  if (process.getuid?.() === 0) {
    test('an unreadable key is refused, and nothing is changed, for a user without permission', () => {
      const dir = folder();
      writeInputs(makePki('root'), join(dir, 'server/tls'));
      chmodSync(dir, 0o755);
      chmodSync(join(dir, 'server'), 0o755);
      mkdirSync(join(dir, 'server/tls/etcd'));
      chmodSync(join(dir, 'server/tls'), 0o755);
      const before = tree(dir);
      const run = spawnSync(reachableByAll(process.execPath), [reachableByAll(program()), command, '--data-dir', dir], {
        encoding: 'utf8',
        env: environment(),
        uid: 65534,
        gid: 65534,
      });
      assert.is(run.status, 1);
      assert.match(run.stderr, /error: .*permission/);
      assert.equal(tree(dir), before);
    });
  } else process.stdout.write('not run: interop/permission, not root\n');

  test.run();

  /** OpenSSL and Go accept every CA of a set, and K3s's own packages would start on it. */
  function verified(dir: string): void {
    const tls = join(dir, 'server/tls');
    const args = ['verify', '-CAfile', join(tls, 'root-ca.pem'), '-untrusted', join(tls, 'intermediate-ca.pem')];
    const judged = ssl?.ok([...args, ...leafCas.map((ca) => join(tls, `${ca}.crt`))]);
    assert.is(judged?.match(/: OK$/gm)?.length, leafCas.length);
    for (const ca of leafCas) ssl?.ok(['pkey', '-in', join(tls, `${ca}.key`), '-noout', '-check']);
    if (go === undefined) return;
    const start = go.json<FirstStart>(['first-start', join(dir, 'server')]);
    assert.is(start.ok, true, JSON.stringify(start, null, 1));
    const chains = go.json<Chains>(['chains', join(tls, 'root-ca.pem'), tls]);
    assert.is(chains.length, 5);
    assert.ok(
      chains.every(({ ok }) => ok),
      JSON.stringify(chains, null, 1),
    );
  }
}
