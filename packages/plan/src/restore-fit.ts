import type { Certificate, Core, PemBlock } from '@k3s-pki/core';

/** What K3s does with a leaf at its next start: it keeps it, or makes it anew because another CA signed it, because it has
 *  expired, or because it expires within the renewal window. */
export type LeafFate = 'kept' | 'other-ca' | 'expired' | 'renewed';

/** Days before a leaf's end in which K3s renews it at a start. Source: K3s `pkg/daemons/config`, CertificateRenewDays. */
export const renewalDays = 120;

/**
 * The fate of a leaf whose CA bundle begins with `ca`. `at` is seconds since 1970.
 * Source: K3s `pkg/daemons/control/deps/deps.go`, `fieldsChanged` (key identifiers) and `expired`.
 */
export function leafFate(
  leaf: Certificate,
  ca: Certificate | undefined,
  { signatureHolds }: Pick<Core, 'signatureHolds'>,
  at: number,
): LeafFate {
  if (ca === undefined || leaf.authorityKeyId !== ca.subjectKeyId || !signatureHolds(leaf, ca)) return 'other-ca';
  if (at > leaf.notAfter) return 'expired';
  return at + renewalDays * 86_400 >= leaf.notAfter ? 'renewed' : 'kept';
}

export function firstCertificate(blocks: readonly PemBlock[] | undefined): Certificate | undefined {
  for (const block of blocks ?? []) if (block.kind === 'certificate') return block.certificate;
  return undefined;
}

/** SHA-256 of the public half of the first private key. */
export function firstKey(blocks: readonly PemBlock[] | undefined): string | undefined {
  for (const block of blocks ?? []) if (block.kind === 'private-key') return block.key.spkiSha256;
  return undefined;
}
