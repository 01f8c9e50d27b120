import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, fastKeys, folder, k3sPki } from '../cli/program.ts';
import { type Answer, type FirstStart, goJudge, present, type Question } from './judge.ts';
import { leafCas } from './openssl-recipe.ts';

/** What a topology protects against, as the API server sees it: every certificate of client-ca.crt is an anchor. */
const go = present('interop/topology', goJudge());

if (go) {
  const test = suite('interop/topology');
  const set = (topology: string) => {
    const dir = folder();
    const run = k3sPki(['generate-custom-ca-certs', '--data-dir', dir, '--topology', topology, ...fastKeys]);
    assert.is(run.code, 0, run.stderr);
    return join(dir, 'server');
  };
  const [shared, isolated] = [set('shared'), set('isolated')];

  for (const [topology, server] of [
    ['shared', shared],
    ['isolated', isolated],
  ] as const) {
    test(`${topology}: K3s starts on it`, () => {
      const start = go.json<FirstStart>(['first-start', server]);
      assert.is(start.ok, true, JSON.stringify(start, null, 1));
      assert.is(start.caHash.of, 'root');
    });

    test(`${topology}: a certificate of system:masters from a CA is ${topology === 'shared' ? 'taken' : 'refused'} at another`, () => {
      for (const issuer of leafCas) {
        const paths = [join(server, 'tls', `${issuer}.crt`), join(server, 'tls', `${issuer}.key`)];
        const { leaf } = go.json<{ leaf: string }>(['sign', ...paths, 'admin', 'system:masters']);
        for (const verifier of leafCas) {
          const question: Question = {
            leaf,
            roots: derOf(join(server, 'tls', `${verifier}.crt`)),
            intermediates: derOf(join(server, 'tls', `${issuer}.crt`)),
            at: Math.floor(Date.now() / 1000) + 60,
            usages: ['clientAuth'],
          };
          const [answer] = go.lines<Question, Answer>(['verify'], [question]);
          const taken = topology === 'shared' || issuer === verifier;
          assert.is(answer?.chains !== undefined, taken, `${issuer} at ${verifier}: ${JSON.stringify(answer)}`);
        }
      }
    });
  }

  test.run();
}

function derOf(path: string): string[] {
  return blocks(readFileSync(path, 'utf8')).map((block) => new X509Certificate(block).raw.toString('base64'));
}
