import type { KeyFacts, KeyType } from '@k3s-pki/core';

/** `RSA 2048`, `P-256`, `Ed25519`; else the algorithm's own name. */
export function keyText({ algorithm, bits, curve }: Pick<KeyFacts, 'algorithm' | 'bits' | 'curve'>): string {
  if (algorithm === 'rsa') return `RSA ${bits}`;
  if (algorithm === 'ed25519') return 'Ed25519';
  return /^p\d+$/.test(curve ?? '') ? `P-${bits}` : `${algorithm} ${curve ?? ''}`.trim();
}

/** The same for a key that is to be made. */
export function keyTypeText(type: KeyType): string {
  const [algorithm = '', size = ''] = type.split(':');
  const bits = Number(size.replace('p', ''));
  return keyText({ algorithm, bits, ...(algorithm === 'ec' ? { curve: size } : {}) });
}
