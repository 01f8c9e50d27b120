import type { Certificate, Core, KeyFacts } from '@k3s-pki/core';
import { type PemFile, readBundle } from './pem-readers.ts';
import { subjectParts } from './subject.ts';

/** A file as K3s meets it at a start: not there, not a regular file, or one. A key's bytes may be left empty. */
export type FoundFile = 'absent' | 'unreadable' | PemFile;

/** The four files that decide over one leaf. */
export interface LeafFiles {
  readonly certificate: FoundFile;
  readonly key: FoundFile;
  readonly caCertificate: FoundFile;
  readonly caKey: FoundFile;
}

/** What K3s's configuration asks of a leaf, as far as it is known. Addresses are in Go's canonical text form. */
export interface ExpectedLeaf {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly extendedKeyUsage: readonly string[];
  /** Whether `dns` and `ip` are all names that K3s would ask for; then surplus ones can be told. */
  readonly complete: boolean;
}

/** Why K3s makes a leaf anew. */
export const renewalReasons = [
  'expired',
  'within-window',
  'common-name',
  'organizations',
  'names-missing',
  'authority-key-id',
  'certificate-missing',
  'key-missing',
] as const;
export type RenewalReason = (typeof renewalReasons)[number];

/** Why the start ends with an error. */
export type FatalReason =
  | 'ca-key'
  | 'ca-certificate'
  | 'ca-key-mismatch'
  | 'key-unusable'
  | 'key-unreadable'
  | 'certificate-unreadable';

/** What is wrong with a leaf that K3s keeps, because it does not look. */
export type Overlooked =
  | 'unparsable'
  | 'key-unusable'
  | 'key-mismatch'
  | 'not-yet-valid'
  | 'surplus-names'
  | 'usages'
  | 'bad-signature'
  | 'old-chain';

/** What K3s does with one leaf at its next start. */
export type LeafOutlook =
  | { readonly action: 'keep'; readonly overlooked: readonly Overlooked[] }
  | { readonly action: 'renew'; readonly key: 'new' | 'kept'; readonly reasons: readonly RenewalReason[] }
  | { readonly action: 'fatal'; readonly reason: FatalReason; readonly reasons: readonly RenewalReason[] };

/**
 * What K3s does with a leaf at its next start. `at` is seconds since 1970, `days` the renewal window.
 * Source: K3s `pkg/daemons/control/deps/deps.go`, createClientCertKey, expired, fieldsChanged; dynamiclistener
 * `cert/io.go`, LoadOrGenerateKeyFile, and `cert/pem.go`. The CA pair is taken to be in place, as createSigningCertKey
 * leaves it; a missing half of it is the business of `judgeFirstStart`.
 */
export function judgeLeaf(
  files: LeafFiles,
  expected: ExpectedLeaf,
  { at, days, signatureHolds }: { at: number; days: number; signatureHolds: Core['signatureHolds'] },
): LeafOutlook {
  const certificates = readCertificates(files.certificate);
  const authorities = readCertificates(files.caCertificate);
  const [certificate] = certificates;
  const reasons = certificate === undefined ? [] : whyRenew(certificate, expected, authorities[0], at, days);
  const forced = reasons.length > 0;
  if (files.certificate === 'absent') reasons.push('certificate-missing');
  if (files.key === 'absent') reasons.push('key-missing');
  if (reasons.length === 0) {
    const [ca] = authorities;
    const signed = ca === undefined || certificate === undefined || signatureHolds(certificate, ca);
    const overlooked = whatIsOverlooked(certificates, readKey(files.key), expected, authorities, at);
    return { action: 'keep', overlooked: signed ? overlooked : [...overlooked, 'bad-signature'] };
  }
  const fatal = whyFatal(files, forced, authorities[0]);
  if (fatal !== undefined) return { action: 'fatal', reason: fatal, reasons };
  return { action: 'renew', key: forced || files.key === 'absent' ? 'new' : 'kept', reasons };
}

/** The certificates of a file as dynamiclistener's CertsFromFile gives them: none when one of them is malformed. */
export function readCertificates(file: FoundFile): readonly Certificate[] {
  if (typeof file === 'string') return [];
  const bundle = readBundle(file);
  return bundle.ok ? bundle.certificates : [];
}

/** The key that dynamiclistener's ParsePrivateKeyPEM finds: the first that it can parse. */
export function readKey(file: FoundFile): KeyFacts | undefined {
  if (typeof file === 'string') return undefined;
  for (const block of file.blocks) {
    // Without a digest the core could not compute the public half: a curve that Go does not know either.
    if (block.kind === 'private-key' && block.key.spkiSha256 !== '') return block.key;
  }
  return undefined;
}

function whyRenew(
  certificate: Certificate,
  expected: ExpectedLeaf,
  ca: Certificate | undefined,
  at: number,
  days: number,
): RenewalReason[] {
  const reasons: RenewalReason[] = [];
  const left = certificate.notAfter - at;
  if (left <= days * 86_400) reasons.push(left < 0 ? 'expired' : 'within-window');
  const { commonName, organizations } = subjectParts(certificate.subject);
  const { dns = [], ip = [] } = certificate.subjectAltNames ?? {};
  if (commonName !== expected.commonName) reasons.push('common-name');
  if (!sameSet(organizations, expected.organizations)) reasons.push('organizations');
  if (!hasAll(dns, expected.dns) || !hasAll(ip, expected.ip)) reasons.push('names-missing');
  if (ca !== undefined && certificate.authorityKeyId !== ca.subjectKeyId) reasons.push('authority-key-id');
  return reasons;
}

/** The order is that of createClientCertKey: CA key, CA certificate, own key, signature. */
function whyFatal(files: LeafFiles, forced: boolean, ca: Certificate | undefined): FatalReason | undefined {
  const caKey = readKey(files.caKey);
  if (caKey === undefined) return 'ca-key';
  if (ca === undefined) return 'ca-certificate';
  // A start that can't read it can't write it either: it is no regular file.
  if (files.key === 'unreadable') return 'key-unreadable';
  if (files.certificate === 'unreadable') return 'certificate-unreadable';
  if (!forced && files.key !== 'absent' && readKey(files.key) === undefined) return 'key-unusable';
  return caKey.spkiSha256 === ca.key.spkiSha256 ? undefined : 'ca-key-mismatch';
}

function whatIsOverlooked(
  [certificate, ...chain]: readonly Certificate[],
  key: KeyFacts | undefined,
  expected: ExpectedLeaf,
  authorities: readonly Certificate[],
  at: number,
): Overlooked[] {
  const found: Overlooked[] = [];
  if (key === undefined) found.push('key-unusable');
  if (certificate === undefined) return ['unparsable', ...found];
  if (key !== undefined && key.spkiSha256 !== certificate.key.spkiSha256) found.push('key-mismatch');
  if (at < certificate.notBefore) found.push('not-yet-valid');
  const { dns = [], ip = [] } = certificate.subjectAltNames ?? {};
  if (expected.complete && !(hasAll(expected.dns, dns) && hasAll(expected.ip, ip))) found.push('surplus-names');
  if (!hasAll(certificate.extendedKeyUsage ?? [], expected.extendedKeyUsage)) found.push('usages');
  const digests = (list: readonly Certificate[]) => list.map(({ sha256 }) => sha256).join();
  if (authorities.length > 0 && digests(chain) !== digests(authorities)) found.push('old-chain');
  return found;
}

function hasAll(whole: readonly string[], part: readonly string[]): boolean {
  const known = new Set(whole);
  return part.every((one) => known.has(one));
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return hasAll(a, b) && hasAll(b, a);
}
