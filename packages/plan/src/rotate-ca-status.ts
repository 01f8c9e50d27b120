import type { Certificate, Core } from '@k3s-pki/core';

/**
 * Where a listener stands in a rotation. `new`: its certificate was signed by the new server CA. `old`: by another one, but
 * whoever has the new bundle accepts it. `refused`: nobody who has the new bundle alone accepts it.
 */
export type ListenerState = 'new' | 'old' | 'refused';

/** Judges a served chain, leaf first, against the new server CA bundle. `at` is seconds since 1970. */
export function listenerState(
  [leaf, ...sent]: readonly [Certificate, ...Certificate[]],
  bundle: readonly [Certificate, ...Certificate[]],
  { chains, signatureHolds }: Pick<Core, 'chains' | 'signatureHolds'>,
  at: number,
): ListenerState {
  const [ca] = bundle;
  if (leaf.issuerDer === ca.subjectDer && signatureHolds(leaf, ca)) return 'new';
  return chains({ leaf, roots: bundle, intermediates: sent, at, usages: ['serverAuth'] }).ok ? 'old' : 'refused';
}
