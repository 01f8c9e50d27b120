import { createHash } from 'node:crypto';
import type { Certificate, Core } from '@k3s-pki/core';

/** Where a CA hash came from: the root of the first chain, or the file's literal bytes. */
export interface CaHash {
  /** 64 lower-case hex characters. */
  readonly hash: string;
  readonly from: 'root' | 'file';
}

/**
 * The CA hash that a join token carries for `file`, a PEM bundle, whose certificates are `bundle` in file order.
 * One certificate: SHA-256 of the file's bytes. More: SHA-256 of the DER of the root that ends the first chain from
 * the first certificate; when no chain verifies, of the file's bytes again. `at` is seconds since 1970.
 * Source: K3s `pkg/clientaccess/token.go`, `hashCA` and `GetHash`.
 */
export function caHash(file: Uint8Array, bundle: readonly Certificate[], chains: Core['chains'], at: number): CaHash {
  const [first, ...rest] = bundle;
  if (first !== undefined && rest.length > 0) {
    const { roots, intermediates } = partition(rest);
    const result = chains({ leaf: first, roots, intermediates, at });
    const root = result.ok ? result.chains[0]?.at(-1) : undefined;
    if (root !== undefined) return { hash: root.sha256, from: 'root' };
  }
  return { hash: createHash('sha256').update(file).digest('hex'), from: 'file' };
}

/** K3s's notion of a root, used wherever it splits a bundle: no AKI, or AKI = SKI. The signature is not looked at. */
export function countsAsRoot(certificate: Certificate): boolean {
  return certificate.authorityKeyId === undefined || certificate.authorityKeyId === certificate.subjectKeyId;
}

/** Splits certificates as K3s does before it builds a chain. */
export function partition(certificates: readonly Certificate[]): {
  roots: Certificate[];
  intermediates: Certificate[];
} {
  return {
    roots: certificates.filter(countsAsRoot),
    intermediates: certificates.filter((certificate) => !countsAsRoot(certificate)),
  };
}
