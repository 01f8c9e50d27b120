import type { Lanes } from '@k3s-pki/core';
import { exitCode, Failure } from './failure.ts';

const words: readonly Lanes[] = ['auto', 'fma', 'simd', 'scalar'];

/** `K3S_PKI_LANES` forces one arithmetic, for tests and doubts. Throws Failure on a word that is none. */
export function lanesOf(env: Readonly<Record<string, string | undefined>>): Lanes {
  const word = env.K3S_PKI_LANES || 'auto';
  const lanes = words.find((each) => each === word);
  if (lanes !== undefined) return lanes;
  const error = `K3S_PKI_LANES is ${JSON.stringify(word)}, which is no arithmetic of this program`;
  throw new Failure([{ error, hint: `unset it, or choose one of ${words.join(', ')}` }], { code: exitCode.usage });
}
