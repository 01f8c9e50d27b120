import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCore } from '@k3s-pki/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CaSet, verifyCaSet } from '../../packages/plan/src/plan.ts';
import { authorities, type Made } from '../cli/authorities.ts';
import { folder } from '../cli/program.ts';
import { openssl, present } from './judge.ts';

/** Path lengths, which Go does not count for CAs that it trusts as they are, against OpenSSL, which does. */
const ssl = present('interop/verify', openssl());

if (ssl) {
  const test = suite('interop/verify');
  const core = await createCore();
  const now = Math.floor(Date.now() / 1000);
  const { make, pem } = authorities(core, now);

  /** What OpenSSL says of a leaf of the first of `chain`, whose last is the root. */
  const error25 = async (chain: readonly Made[]): Promise<boolean> => {
    const place = folder();
    const leaf = await make('leaf', chain[0], { ca: undefined, keyUsage: ['digitalSignature'] } as never);
    for (const [name, made] of [
      ['leaf', [leaf]],
      ['between', chain.slice(0, -1)],
      ['root', chain.slice(-1)],
    ] as const) {
      writeFileSync(join(place, name), pem(...made));
    }
    const untrusted = chain.length > 1 ? ['-untrusted', 'between'] : [];
    const { status, stdout, stderr } = ssl.run(['verify', '-CAfile', 'root', ...untrusted, 'leaf'], { cwd: place });
    const refused = /error 25 /.test(stdout + stderr);
    assert.is(status !== 0, refused, stdout + stderr);
    return refused;
  };
  /** Whether our report warns of it. */
  const warned = (chain: readonly Made[]): boolean => {
    const bytes = Buffer.from(pem(...chain));
    const files: CaSet['files'] = (path) =>
      path === 'server/tls/client-ca.crt' ? { bytes, blocks: core.inspect(bytes) } : undefined;
    const { sections } = verifyCaSet({ files, facts: new Map(), inUse: false }, core, now);
    return sections.some(({ problems }) => problems.some(({ code }) => code === 'path-length'));
  };
  const limited = (pathLength: number | undefined) => ({ ca: pathLength === undefined ? {} : { pathLength } });

  test('three levels with every path length', async () => {
    const seen = { refused: 0, accepted: 0 };
    for (const top of [undefined, 0, 1, 2]) {
      const root = await make('root', undefined, limited(top));
      for (const middle of [undefined, 0, 1]) {
        const intermediate = await make('intermediate', root, limited(middle));
        for (const low of [undefined, 0]) {
          const ca = await make('ca', intermediate, limited(low));
          const shallow = await make('ca', root, limited(low));
          for (const chain of [
            [ca, intermediate, root],
            [shallow, root],
          ]) {
            const shown = JSON.stringify([chain.length, top, middle, low]);
            const theirs = await error25(chain);
            assert.is(warned(chain), theirs, shown);
            seen[theirs ? 'refused' : 'accepted'] += 1;
          }
        }
      }
    }
    assert.ok(seen.refused > 10 && seen.accepted > 10, JSON.stringify(seen));
  });

  test.after(() => core.close());
  test.run();
}
