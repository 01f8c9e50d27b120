import type { Certificate, KeyFacts, PemBlock } from '@k3s-pki/core';

/** A file as K3s finds it; `undefined` stands for one that is not there. */
export interface PemFile {
  readonly bytes: Uint8Array;
  readonly blocks: readonly PemBlock[];
  /** Last change, seconds since 1970; absent where it is not known or has not happened yet. */
  readonly modified?: number;
}

/** What K3s makes of a bundle: every certificate, or why it reads none. */
export type BundleReading =
  | { readonly ok: true; readonly certificates: readonly [Certificate, ...Certificate[]] }
  /** No CERTIFICATE block at all. */
  | { readonly ok: false; readonly why: 'empty' }
  /** One block in it, at this 1-based line, is no certificate to Go; the others don't help. */
  | { readonly ok: false; readonly why: 'malformed'; readonly line: number; readonly reason: string };

/** Source: rancher/dynamiclistener `cert/pem.go`, ParseCertsPEM: blocks with headers are passed over. */
export function readBundle(file: PemFile): BundleReading {
  const certificates: Certificate[] = [];
  for (const block of decodedBlocks(file)) {
    if (block.label !== 'CERTIFICATE' || hasHeaders(file, block)) continue;
    const certificate = block.kind === 'certificate' ? block.certificate : undefined;
    const reason = block.kind === 'broken' ? block.reason : certificate?.refusal;
    if (certificate === undefined || reason !== undefined) {
      return { ok: false, why: 'malformed', line: block.line, reason: reason ?? 'not a certificate' };
    }
    certificates.push(certificate);
  }
  const [first, ...rest] = certificates;
  return first === undefined ? { ok: false, why: 'empty' } : { ok: true, certificates: [first, ...rest] };
}

/** The public keys that the API server and `rotate-ca` find in a service account key file, in file order. A block's
 *  label counts for nothing there; EC keys are read as SEC1 only, and "RSA PUBLIC KEY" and Ed25519 not at all.
 *  Source: k8s.io/client-go `util/keyutil`, ParsePublicKeysPEM. */
export function readPublicKeys(file: PemFile): KeyFacts[] {
  return decodedBlocks(file).flatMap((block) => {
    const key = publicKeyIn(block);
    return key === undefined ? [] : [key];
  });
}

/** The public key that the API server and `rotate-ca` find in one block of a service account key file. */
export function publicKeyIn(block: PemBlock): KeyFacts | undefined {
  const key = publicKeyOf(block);
  return key?.algorithm === 'rsa' || (key?.algorithm === 'ec' && key.spkiSha256 !== '') ? key : undefined;
}

function publicKeyOf(block: PemBlock): KeyFacts | undefined {
  if (block.kind === 'private-key') {
    return block.form === 'pkcs8' && block.key.algorithm === 'ec' ? undefined : block.key;
  }
  if (block.kind === 'public-key') return block.label === 'RSA PUBLIC KEY' ? undefined : block.key;
  if (block.kind === 'certificate' && block.certificate.refusal === undefined) return block.certificate.key;
  return undefined;
}

/** Why `tls.LoadX509KeyPair` refuses a bundle and its key. */
export type PairFailure =
  | { readonly why: 'no-certificate'; readonly log: string }
  | { readonly why: 'no-key'; readonly log: string }
  | { readonly why: 'malformed-certificate'; readonly log: string; readonly line: number; readonly reason: string }
  | { readonly why: 'encrypted-key'; readonly log: string }
  | { readonly why: 'malformed-key'; readonly log: string; readonly line: number; readonly reason: string }
  /** `rootFirst`: the key belongs to a later certificate of the bundle. */
  | { readonly why: 'mismatch'; readonly log: string; readonly subject: string; readonly rootFirst: boolean };

/** Whether the first key is the first certificate's; `log` is Go's text, or how it begins where the rest depends on the
 *  parser. A key whose label names another encoding than it has is taken for malformed here; Go tries them all.
 *  Source: Go `crypto/tls`, X509KeyPair. */
export function judgePair(bundle: PemFile, keyFile: PemFile): PairFailure | undefined {
  const [inBundle, inKeyFile] = [decodedBlocks(bundle), decodedBlocks(keyFile)];
  const [first, ...rest] = inBundle.filter(({ label }) => label === 'CERTIFICATE');
  if (first === undefined) return { why: 'no-certificate', log: missingCertificate(labels(inBundle)) };
  const key = inKeyFile.find(({ label }) => /(^| )PRIVATE KEY$/.test(label));
  if (key === undefined) return { why: 'no-key', log: missingKey(labels(inKeyFile)) };
  if (first.kind !== 'certificate' || first.certificate.refusal !== undefined) {
    const reason = first.kind === 'certificate' ? first.certificate.refusal : first.kind === 'broken' && first.reason;
    return { why: 'malformed-certificate', log: 'x509:', line: first.line, reason: reason || 'not a certificate' };
  }
  const unparsed = 'tls: failed to parse private key';
  if (key.kind === 'encrypted-private-key') return { why: 'encrypted-key', log: unparsed };
  if (key.kind !== 'private-key' || key.key.spkiSha256 === '') {
    const reason = key.kind === 'broken' ? key.reason : `a ${key.label} that K3s does not read`;
    return { why: 'malformed-key', log: unparsed, line: key.line, reason };
  }
  const { certificate } = first;
  if (key.key.spkiSha256 === certificate.key.spkiSha256) return undefined;
  const log =
    key.key.algorithm === certificate.key.algorithm
      ? 'tls: private key does not match public key'
      : 'tls: private key type does not match public key type';
  const later = rest.some(
    (block) => block.kind === 'certificate' && block.certificate.key.spkiSha256 === key.key.spkiSha256,
  );
  return { why: 'mismatch', log, subject: certificate.subject, rootFirst: later };
}

function missingCertificate(skipped: readonly string[]): string {
  if (skipped.length === 0) return 'tls: failed to find any PEM data in certificate input';
  if (skipped.length === 1 && skipped[0]?.endsWith('PRIVATE KEY')) {
    return 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched';
  }
  return `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${skipped.join(' ')}]`;
}

function missingKey(skipped: readonly string[]): string {
  if (skipped.length === 0) return 'tls: failed to find any PEM data in key input';
  if (skipped.length === 1 && skipped[0] === 'CERTIFICATE') {
    return 'tls: found a certificate rather than a key in the PEM for the private key';
  }
  return `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${skipped.join(' ')}]`;
}

function labels(blocks: readonly PemBlock[]): string[] {
  return blocks.map(({ label }) => label);
}

/** The blocks that Go's encoding/pem hands to a parser. One that is cut off or not base64 is passed over there, one
 *  whose content is damaged is not. */
function decodedBlocks(file: PemFile): PemBlock[] {
  return file.blocks.filter((block) => block.kind !== 'broken' || decodes(file, block));
}

function decodes(file: PemFile, block: PemBlock): boolean {
  const lines = linesOf(file, block);
  if (lines[0] !== `-----BEGIN ${block.label}-----` || lines.at(-1) !== `-----END ${block.label}-----`) return false;
  const body = lines.slice(1, -1);
  const headers = body.findIndex((line) => !line.includes(':'));
  const base64 = body
    .slice(headers === -1 ? body.length : headers)
    .join('')
    .replace(/[ \t]/g, '');
  return base64.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(base64);
}

function hasHeaders(file: PemFile, block: PemBlock): boolean {
  return linesOf(file, block)[1]?.includes(':') === true;
}

function linesOf(file: PemFile, { start, end }: PemBlock): string[] {
  const text = new TextDecoder('latin1').decode(file.bytes.subarray(start, end));
  return text.split('\n').map((line) => line.trimEnd());
}
