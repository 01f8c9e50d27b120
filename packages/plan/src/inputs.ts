import type { Certificate, Core, KeyFacts } from '@k3s-pki/core';
import type { Problems } from './problem.ts';
import type { Snapshot, SnapshotFile } from './snapshot.ts';

/** The X.509 arithmetic that a plan needs; pure functions of their arguments. */
export type X509 = Pick<Core, 'signatureHolds' | 'chains'>;

export type ReadableFile = SnapshotFile & { kind: 'file' };

/** A file of the snapshot that can be read and holds something; problems are noted, `undefined` where there is none. */
export function readable(snapshot: Snapshot, path: string, problems: Problems): ReadableFile | undefined {
  const file = snapshot.files.get(path);
  if (file === undefined) return undefined;
  if (file.kind === 'unreadable') {
    problems.error('unreadable', path, { why: file.why });
    return undefined;
  }
  if (file.size === 0) {
    problems.error('empty', path, {});
    return undefined;
  }
  for (const block of file.blocks) {
    if (block.kind === 'broken') problems.error('broken-pem', path, { line: block.line, reason: block.reason });
  }
  return file;
}

/** The certificates of a file, in file order; an empty list was noted as a problem. */
export function certificatesIn(file: ReadableFile, path: string, problems: Problems): Certificate[] {
  const certificates = file.blocks.flatMap((block) => (block.kind === 'certificate' ? [block.certificate] : []));
  const broken = file.blocks.some((block) => block.kind === 'broken');
  if (certificates.length === 0 && !broken) {
    const trusted = file.blocks.some((block) => block.label === 'TRUSTED CERTIFICATE');
    problems.error('no-certificate', path, { der: file.der, trusted });
  }
  return certificates;
}

/** The facts of the first private key in a file. A key that could not be opened is a problem only if it is `needed`. */
export function keyIn(file: ReadableFile, path: string, needed: boolean, problems: Problems): KeyFacts | undefined {
  const block = file.blocks.find(({ kind }) => kind === 'private-key' || kind === 'encrypted-private-key');
  if (block === undefined) {
    if (!file.blocks.some(({ kind }) => kind === 'broken')) {
      const publicOnly = file.blocks.some(({ kind }) => kind === 'public-key' || kind === 'certificate');
      problems.error('no-key', path, { der: file.der, publicOnly });
    }
    return undefined;
  }
  if ((file.mode & 0o077) !== 0) problems.warn('loose-mode', path, { mode: file.mode });
  if (block.kind === 'private-key') return block.key;
  if (block.kind === 'encrypted-private-key' && block.scheme === 'legacy') {
    if (needed) problems.error('legacy-encryption', path, {});
    return undefined;
  }
  if (file.opened === 'wrong-passphrase') problems.error('wrong-passphrase', path, {});
  else if (typeof file.opened === 'object') return file.opened;
  else if (needed) problems.error('passphrase-needed', path, {});
  return undefined;
}

/** Whether `certificate` may sign CAs of a cluster, as K3s and Go see it. Every defect is noted. `below` is the number
 *  of CA certificates that will stand between it and an end entity. Source: RFC 5280, section 4.2.1; K3s refuses or
 *  hangs on a CA without serverAuth (`rotate-ca` verifies with Go's default usage). */
export function checkSigner(
  certificate: Certificate,
  path: string,
  below: number,
  at: number,
  problems: Problems,
): void {
  const { subject, basicConstraints, keyUsage, extendedKeyUsage: usages, key } = certificate;
  if (basicConstraints?.ca !== true) problems.error('not-a-ca', path, { subject });
  if (at > certificate.notAfter) problems.error('expired', path, { subject, notAfter: certificate.notAfter });
  if (at < certificate.notBefore) problems.error('not-yet-valid', path, { subject, notBefore: certificate.notBefore });
  if (keyUsage !== undefined && !keyUsage.includes('keyCertSign')) problems.error('no-cert-sign', path, { subject });
  if (usages !== undefined && !usages.includes('anyExtendedKeyUsage')) {
    if (!usages.includes('serverAuth')) problems.error('usage-without-server-auth', path, { subject, usages });
    else if (!usages.includes('clientAuth')) problems.warn('usage-without-client-auth', path, { subject, usages });
  }
  const pathLength = basicConstraints?.pathLength;
  if (pathLength !== undefined && pathLength < below) {
    problems.error('path-length', path, { subject, pathLength, needed: below });
  }
  if (key.algorithm === 'rsa' && key.bits < 2048) problems.error('weak-key', path, { subject, bits: key.bits });
  const supported =
    key.algorithm === 'rsa' ||
    key.algorithm === 'ed25519' ||
    (key.algorithm === 'ec' && ['p256', 'p384', 'p521'].includes(key.curve ?? ''));
  if (!supported) problems.error('unsupported-key', path, { subject, algorithm: key.curve ?? key.algorithm });
  if (/sha1|md[245]/i.test(certificate.signatureAlgorithm)) {
    problems.error('weak-signature', path, { subject, algorithm: certificate.signatureAlgorithm });
  }
}

/** Why one certificate is not the issuer of another; undefined when it is. */
export function whyNotIssuer(
  certificate: Certificate,
  issuer: Certificate,
  x509: X509,
): 'name' | 'key-id' | 'signature' | undefined {
  if (certificate.issuerDer !== issuer.subjectDer) return 'name';
  const { authorityKeyId } = certificate;
  if (authorityKeyId !== undefined && issuer.subjectKeyId !== undefined && authorityKeyId !== issuer.subjectKeyId) {
    return 'key-id';
  }
  return x509.signatureHolds(certificate, issuer) ? undefined : 'signature';
}

export function isSelfIssued(certificate: Certificate): boolean {
  return certificate.subjectDer === certificate.issuerDer;
}
