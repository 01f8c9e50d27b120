import type { Certificate, Core } from '@k3s-pki/core';
import {
  certainOf,
  type FoundFile,
  judgeLeaf,
  type LeafOutlook,
  type Place,
  readCertificates,
  tlsFile,
} from '@k3s-pki/k3s';

/** K3s's own words. Source: K3s `pkg/util/cert.go`, GetCertStatus. */
export const certificateStatuses = ['OK', 'WARNING', 'EXPIRED', 'NOT YET VALID'] as const;
export type CertificateStatus = (typeof certificateStatuses)[number];

/** Why there is no certificate where one was looked for. */
export interface CheckProblemValues {
  /** `namedBy` is the kubeconfig that names the file. */
  absent: { readonly namedBy?: string };
  unreadable: { readonly why: 'permission' | 'not-a-file' | 'too-large' | 'io' };
  'dangling-link': { readonly target: string };
  empty: Record<never, never>;
  /** `line` is 1-based. */
  'broken-block': { readonly line: number; readonly label: string; readonly reason: string };
  'no-certificate': { readonly holdsKey: boolean };
  'bad-kubeconfig': { readonly reason: string };
  'bad-secret': Record<never, never>;
  /** Seconds that were waited. */
  timeout: { readonly seconds: number };
  /** `code` is the system's or OpenSSL's: ECONNREFUSED, ENOTFOUND, ERR_SSL_WRONG_VERSION_NUMBER, ... */
  connection: { readonly code: string };
  /** A leaf whose key is there, without its certificate. */
  'certificate-missing': { readonly key: string };
}

export type CheckProblemCode = keyof CheckProblemValues;

export type CheckProblem = {
  [Code in CheckProblemCode]: { readonly code: Code; readonly values: CheckProblemValues[Code] };
}[CheckProblemCode];

/** What K3s does about a file: with a leaf; an agent fetches its files at every start; a copy is written anew at every
 *  start; a CA is never renewed. */
export type NextStart =
  | LeafOutlook
  | { readonly action: 'fetch' }
  | { readonly action: 'rewrite' }
  | { readonly action: 'never' };

/** Where a row's certificate was found. */
export interface RowSource {
  /** An absolute path, or `host:port` of an endpoint. */
  readonly path: string;
  /** What of it: `users/default/client-certificate-data` of a kubeconfig, `tls.crt` of a Secret. */
  readonly part?: string;
}

/** One certificate. Times are seconds since 1970, UTC. It keeps no DER, so that any number of rows fits. */
export interface CertificateRow extends RowSource, Omit<Certificate, 'der' | 'subjectDer' | 'issuerDer'> {
  readonly kind: 'certificate';
  /** Place in the file or chain, from 0. */
  readonly position: number;
  readonly status: CertificateStatus;
  /** Until `notAfter`; negative afterwards. */
  readonly residualSeconds: number;
  readonly nextStart?: NextStart;
}

export interface ProblemRow extends RowSource {
  readonly kind: 'problem';
  readonly problem: CheckProblem;
  readonly nextStart?: NextStart;
}

export type CheckRow = CertificateRow | ProblemRow;

/** Status of a certificate `at` seconds since 1970, with a warning `days` before its end. Source: as above. */
export function statusOf(
  { notBefore, notAfter }: Pick<Certificate, 'notBefore' | 'notAfter'>,
  at: number,
  days: number,
): CertificateStatus {
  if (at < notBefore) return 'NOT YET VALID';
  if (at > notAfter) return 'EXPIRED';
  return notAfter - at < days * 86_400 ? 'WARNING' : 'OK';
}

/** The row of a certificate. */
export function certificateRow(
  source: RowSource,
  { der, subjectDer, issuerDer, ...facts }: Certificate,
  { position, at, days, nextStart }: { position: number; at: number; days: number; nextStart: NextStart | undefined },
): CertificateRow {
  return {
    kind: 'certificate',
    ...source,
    position,
    status: statusOf(facts, at, days),
    ...facts,
    residualSeconds: facts.notAfter - at,
    ...(nextStart === undefined ? {} : { nextStart }),
  };
}

/** How a data dir's files are seen; paths are relative to it. */
export type DataDirView = (path: string) => FoundFile;

/** What K3s does about the file in `place` at its next start, or while it runs; `days` is its renewal window. */
export function nextStartOf(
  place: Place,
  view: DataDirView,
  file: FoundFile,
  { at, days, signatureHolds }: { at: number; days: number; signatureHolds: Core['signatureHolds'] },
): NextStart {
  switch (place.kind) {
    case 'ca':
      return { action: 'never' };
    case 'signing-ca':
    case 'admin-kubeconfig':
      return { action: 'rewrite' };
    case 'agent-ca':
      return { action: 'fetch' };
    case 'supervisor':
      return supervisorOutlook(file, view(tlsFile.caBundle('server')), { at, days, signatureHolds });
    case 'leaf': {
      if (place.leaf.machine === 'agent') return { action: 'fetch' };
      const { path, ca } = place.leaf;
      const files = {
        certificate: file,
        key: view(`${path}.key`),
        caCertificate: view(tlsFile.caBundle(ca)),
        caKey: view(tlsFile.caKey(ca)),
      };
      return judgeLeaf(files, certainOf(place.leaf), { at, days, signatureHolds });
    }
  }
}

/** When `--fail-on` makes the exit code 3: at a status, or at a number of days before the end. */
export type FailOn = 'warning' | 'expired' | { readonly days: number };

/** Whether a row is one that `--fail-on` waits for. What cannot be read always is: it may be anything. With `warning`
 *  so is a leaf that K3s keeps although it is unusable, or on which its start ends. */
export function failsOn(row: CheckRow, failOn: FailOn): boolean {
  if (row.kind === 'problem') return true;
  if (row.status === 'EXPIRED' || row.status === 'NOT YET VALID') return true;
  if (failOn === 'expired') return false;
  if (failOn === 'warning') return row.status === 'WARNING' || needsHelp(row.nextStart);
  return row.residualSeconds < failOn.days * 86_400;
}

/** Whether a next start leaves something broken. */
export function needsHelp(nextStart: NextStart | undefined): boolean {
  if (nextStart?.action === 'fatal') return true;
  return nextStart?.action === 'keep' && nextStart.overlooked.some((fault) => fault !== 'surplus-names');
}

/** A running server looks every six hours, and keeps the key. Which CA signed it, it does not look at.
 *  Source: dynamiclistener `listener.go`, checkExpiration; `factory/gen.go`, Renew. */
function supervisorOutlook(
  file: FoundFile,
  caFile: FoundFile,
  { at, days, signatureHolds }: { at: number; days: number; signatureHolds: Core['signatureHolds'] },
): NextStart {
  const [certificate] = readCertificates(file);
  if (certificate === undefined) return { action: 'keep', overlooked: ['unparsable'] };
  const left = certificate.notAfter - at;
  if (left <= days * 86_400) {
    return { action: 'renew', key: 'kept', reasons: [left < 0 ? 'expired' : 'within-window'] };
  }
  const [ca] = readCertificates(caFile);
  const signed = ca === undefined || signatureHolds(certificate, ca);
  return { action: 'keep', overlooked: signed ? [] : ['bad-signature'] };
}
