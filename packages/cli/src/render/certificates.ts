import type { Certificate, KeyFacts } from '@k3s-pki/core';
import { isoTime } from './structured.ts';

/** A certificate for programs. */
export function certificateJson(certificate: Certificate) {
  const { subject, issuer, key, serial, notBefore, notAfter, sha256 } = certificate;
  return {
    subject,
    issuer,
    key: { algorithm: key.algorithm, bits: key.bits },
    serial,
    notBefore: isoTime(notBefore),
    notAfter: isoTime(notAfter),
    sha256,
  };
}

/** `RSA 4096`, `P-256`, `Ed25519`. */
export function keyName({ algorithm, bits, curve }: KeyFacts): string {
  if (algorithm === 'rsa') return `RSA ${bits}`;
  if (algorithm === 'ec') return curve?.replace(/^p/, 'P-') ?? 'EC';
  return algorithm === 'ed25519' ? 'Ed25519' : algorithm;
}

/** `rsa:4096` as people say it. */
export function keyTypeName(type: string): string {
  const [algorithm = '', size = ''] = type.split(':');
  return { rsa: `RSA ${size}`, ec: size.toUpperCase().replace('P', 'P-'), ed25519: 'Ed25519' }[algorithm] ?? type;
}
