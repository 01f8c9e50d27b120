import { X509Certificate } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, folder, k3sPki, put, tree } from '../cli/program.ts';
import {
  type Answer,
  type FirstStart,
  goJudge,
  openssl,
  present,
  type Question,
  type RotationAnswer,
} from './judge.ts';
import { leafCas, normalizedStructure, normalizedText, runRotationRecipe } from './openssl-recipe.ts';

/** Rotations of a cluster whose CAs K3s made itself, judged by Go, as K3s would, and by OpenSSL. */
const go = present('interop/rotate-default-ca-certs', goJudge());
const ssl = present('interop/rotate-default-ca-certs', openssl());

if (go && ssl) {
  const test = suite('interop/rotate-default-ca-certs');
  const password = 'c0ffee00c0ffee00c0ffee00c0ffee00';

  const pristine = folder();
  go.json(['default-cas', 'k3s', join(pristine, 'server')]);
  put(pristine, {
    'server/token': `K10${go.json<{ hash: string }[]>(['ca-hash', bundle(pristine, 'server-ca')])[0]?.hash}::server:${password}\n`,
  });

  test('the certificates are those of the script, but for keys, serials, dates and signatures', () => {
    const [ours, recipe] = [copyOf(pristine), copyOf(pristine)];
    rotate(ours);
    const ran = runRotationRecipe(recipe);
    assert.is(ran.status, 0, ran.stderr);
    const shown = (dir: string) =>
      Object.fromEntries(
        Object.entries(tree(join(dir, 'server/rotate-ca/tls'))).map(([path, entry]) => [path, entry.slice(0, 4)]),
      );
    const theirs = shown(recipe);
    for (const ca of leafCas) {
      const copy = `${ca.replace(/-ca$/, '')}-root-old.key`;
      assert.is(theirs[copy], '0640', 'the old key, for the group to read');
      delete theirs[copy];
    }
    assert.equal(shown(ours), theirs);
    for (const ca of leafCas) {
      for (const name of [
        `${ca}.pem`,
        ...['ssigned', 'xsigned', 'old'].map((end) => `${ca.replace(/-ca$/, '')}-root-${end}.pem`),
      ]) {
        const [mine, other] = [ours, recipe].map((dir) => join(dir, 'server/rotate-ca/tls', name)) as [string, string];
        assert.is(normalizedText(ssl, mine), normalizedText(ssl, other), name);
        assert.is(normalizedStructure(ssl, mine), normalizedStructure(ssl, other), name);
      }
    }
  });

  for (const [order, ...args] of [
    ["the script's order"],
    ['cross-signed roots first', '--cross-signed-first'],
  ] as const) {
    test(`three rotations in a row, ${order}: accepted, tokens right, leaves verify both ways`, () => {
      const dir = copyOf(pristine);
      const generations = [{ leaves: sign(dir), bundles: bundlesOf(dir) }];
      for (const round of [1, 2, 3]) {
        rotate(dir, ...args);
        const answer = judged(dir);
        assert.equal(answer.refused, [], `rotation ${round} needs no --force`);
        for (const ca of leafCas) {
          assert.ok(answer.oldTrustsNew[ca] && answer.newTrustsOld[ca], `rotation ${round}: ${ca}`);
        }
        const staged = join(dir, 'server/rotate-ca');
        const start = go.json<FirstStart>(['first-start', staged]);
        assert.is(start.ok, true, JSON.stringify(start, null, 1));
        const bundle = join(staged, 'tls/server-ca.crt');
        const { token } = go.json<{ token: string }>(['token-of', bundle, `server:${password}`]);
        assert.is(readFileSync(join(staged, 'token'), 'utf8'), `${token}\n`);
        assert.is(start.caHash.of, 'root');
        assert.is(token, `K10${start.caHash.hash}::server:${password}`);
        load(dir);
        generations.push({ leaves: sign(dir), bundles: bundlesOf(dir) });
      }
      for (const [made, { leaves, bundles }] of generations.entries()) {
        for (const [held, holder] of generations.entries()) {
          const words = `a leaf of the CAs after rotation ${made}, at whoever holds the bundle after rotation ${held}`;
          // Alone, as the CSR API hands it out, where the holder's bundle is newer; with its bundle where it is older.
          const alone = held >= made;
          for (const ca of leafCas) {
            const question = {
              leaf: leaves[ca] ?? '',
              roots: holder.bundles[ca] ?? [],
              intermediates: alone ? [] : (bundles[ca] ?? []),
            };
            assert.ok(goVerifies(question), `Go: ${ca}: ${words}`);
            // The first issuer of the right name in the script's order is the self-signed root, where OpenSSL stops.
            assert.is(openSslVerifies(question), alone || args.length > 0, `OpenSSL: ${ca}: ${words}`);
          }
        }
      }
    });
  }

  test("the script's own bundle loses the first CAs at the second rotation; ours picks up where the script left off", () => {
    const dir = copyOf(pristine);
    const first = sign(dir);
    for (const round of [1, 2]) {
      const ran = runRotationRecipe(dir);
      assert.is(ran.status, 0, ran.stderr);
      if (round === 1) {
        load(dir);
        const ours = copyOf(dir);
        rotate(ours, '--force');
        assert.ok(goVerifies({ leaf: first['client-ca'] ?? '', roots: stagedBundle(ours), intermediates: [] }));
      }
    }
    assert.not.ok(goVerifies({ leaf: first['client-ca'] ?? '', roots: stagedBundle(dir), intermediates: [] }));
    load(dir);
    rotate(dir, '--force');
    assert.equal(judged(dir).refused, []);
    // And the script goes on from ours: its second certificate and key are where it looks for them.
    load(dir);
    const again = runRotationRecipe(dir);
    assert.is(again.status, 0, again.stderr);
  });

  test.run();

  /** What K3s's checks say of the staged set. */
  function judged(dir: string): RotationAnswer {
    const question = { current: join(dir, 'server'), proposed: join(dir, 'server/rotate-ca'), at: soon() };
    const [answer] = go?.lines<unknown, RotationAnswer>(['rotate-ca'], [question]) ?? [];
    assert.ok(answer);
    return answer;
  }

  function goVerifies(question: Omit<Question, 'at' | 'usages'>): boolean {
    const [answer] =
      go?.lines<Question, Answer>(['verify'], [{ ...question, at: soon(), usages: ['clientAuth'] }]) ?? [];
    return answer?.chains !== undefined;
  }

  function openSslVerifies({ leaf, roots, intermediates }: Omit<Question, 'at' | 'usages'>): boolean {
    const work = folder();
    const pem = (certificates: readonly string[]) =>
      certificates.map((der) => new X509Certificate(Buffer.from(der, 'base64')).toString()).join('');
    put(work, { 'leaf.pem': pem([leaf]), 'roots.pem': pem(roots), 'rest.pem': pem([leaf, ...intermediates]) });
    const args = ['verify', '-no-CApath', '-purpose', 'sslclient', '-CAfile', join(work, 'roots.pem')];
    return ssl?.run([...args, '-untrusted', join(work, 'rest.pem'), join(work, 'leaf.pem')]).status === 0;
  }

  /** A leaf of each CA in use, in base64, as K3s signs it. */
  function sign(dir: string): Record<string, string> {
    return Object.fromEntries(
      leafCas.map((ca) => {
        const key = join(dir, 'server/tls', `${ca}.key`);
        const { leaf } = go?.json<{ leaf: string }>(['sign', bundle(dir, ca), key, 'someone', 'some']) ?? { leaf: '' };
        return [ca, leaf];
      }),
    );
  }

  function bundlesOf(dir: string): Record<string, string[]> {
    return Object.fromEntries(leafCas.map((ca) => [ca, derOf(bundle(dir, ca))]));
  }

  function stagedBundle(dir: string): string[] {
    return derOf(join(dir, 'server/rotate-ca/tls/client-ca.crt'));
  }
}

/** A minute from now, in seconds since 1970: all that was made is valid then. */
function soon(): number {
  return Math.floor(Date.now() / 1000) + 60;
}

function derOf(path: string): string[] {
  return blocks(readFileSync(path, 'utf8')).map((block) => new X509Certificate(block).raw.toString('base64'));
}

function bundle(dir: string, ca: string): string {
  return join(dir, 'server/tls', `${ca}.crt`);
}

function rotate(dir: string, ...args: string[]): void {
  const run = k3sPki(['rotate-default-ca-certs', '--data-dir', dir, ...args]);
  assert.is(run.code, 0, run.stderr);
}

/** What rotate-ca and a restart do. */
function load(dir: string): void {
  for (const name of [...leafCas.flatMap((ca) => [`${ca}.crt`, `${ca}.key`]), 'service.key']) {
    cpSync(join(dir, 'server/rotate-ca/tls', name), join(dir, 'server/tls', name));
  }
}

function copyOf(dir: string): string {
  const copy = folder();
  cpSync(join(dir, 'server'), join(copy, 'server'), { recursive: true });
  return copy;
}
