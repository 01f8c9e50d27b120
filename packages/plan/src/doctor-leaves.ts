import type { Core, PemBlock } from '@k3s-pki/core';
import {
  certificatesOf,
  type DataDirLeaf,
  dataDirLeaves,
  dynamicCert,
  dynamicCertMarker,
  type FileSet,
  type FoundFile,
  type Product,
  readCertificates,
  serviceFiles,
  servicesOf,
  tlsFile,
} from '@k3s-pki/k3s';
import { type DataDirView, nextStartOf } from './check.ts';
import { type DoctorFinding, found } from './doctor-findings.ts';
import { listenerState } from './rotate-ca-status.ts';

export interface CertificateInputs {
  readonly product: Product;
  readonly at: number;
  /** Leaves, their keys and the supervisor's certificate (as PEM), relative to the data dir. */
  readonly leaves: DataDirView;
  readonly hasMarker: boolean;
  /** K3s's renewal window in days. */
  readonly days: number;
}

type X509 = Pick<Core, 'chains' | 'signatureHolds'>;
type Renewed = {
  readonly file: string;
  readonly reasons: Extract<ReturnType<typeof nextStartOf>, { action: 'renew' }>['reasons'];
};

/** What the next start does with the leaves, on the CAs that it will have. */
export function judgeCertificates(inputs: CertificateInputs, cas: FileSet, x509: X509): DoctorFinding[] {
  const { product, days } = inputs;
  const findings: DoctorFinding[] = [];
  const renewed: Renewed[] = [];
  for (const leaf of dataDirLeaves(product)) {
    if (leaf.machine === 'server') findings.push(...judgeOne(leaf, inputs, cas, x509, renewed));
  }
  if (renewed.length > 0) findings.push(found('certificates', 'note', 'leaves-renewed', { leaves: renewed, days }));
  return [...findings, ...judgeSupervisor(inputs, cas, x509)];
}

function judgeOne(
  leaf: DataDirLeaf,
  { product, at, days, leaves }: CertificateInputs,
  cas: FileSet,
  { signatureHolds }: X509,
  renewed: Renewed[],
): DoctorFinding[] {
  const file = `${leaf.path}.crt`;
  const [certificate, key] = [leaves(file), leaves(`${leaf.path}.key`)];
  // A server that has not started yet has none of them.
  if (certificate === 'absent' && key === 'absent') return [];
  const view: DataDirView = (path) => cas(path) ?? leaves(path);
  const place = { root: '', kind: 'leaf', leaf } as const;
  const outlook = nextStartOf(place, view, certificate, { at, days, signatureHolds });
  switch (outlook.action) {
    case 'fatal':
      // The CAs have a section of their own, where their missing halves stand.
      return outlook.reason.startsWith('ca-')
        ? []
        : [found('certificates', 'error', 'leaf-fatal', { reason: outlook.reason }, { file, start: 'fatal' })];
    case 'renew': {
      renewed.push({ file, reasons: outlook.reasons });
      const [first] = readCertificates(certificate);
      return outlook.reasons.includes('expired') && first !== undefined
        ? [found('certificates', 'warning', 'leaf-expired', { notAfter: first.notAfter }, { file })]
        : [];
    }
    case 'keep': {
      const faults = outlook.overlooked.filter((fault) => fault !== 'surplus-names');
      if (faults.length === 0) return [];
      const service = servicesOf(product).find((each) => serviceFiles(each).includes(file))?.name;
      const severity = faults.every((fault) => fault === 'old-chain') ? 'warning' : 'error';
      return [found('certificates', severity, 'leaf-overlooked', { faults, service }, { file })];
    }
    default:
      return [];
  }
}

/** Whether clients that trust the CAs in use, and only these, accept the supervisor's certificate. */
function judgeSupervisor({ leaves, hasMarker, at }: CertificateInputs, cas: FileSet, x509: X509): DoctorFinding[] {
  const secret = leaves(dynamicCert);
  const isThere = secret !== 'absent';
  if (hasMarker && isThere) {
    return [found('certificates', 'note', 'supervisor-marked', {}, { file: dynamicCertMarker })];
  }
  const [leaf, ...sent] = certificatesIn(secret);
  if (leaf === undefined) {
    return isThere ? [found('certificates', 'warning', 'supervisor-unreadable', {}, { file: dynamicCert })] : [];
  }
  const [first, ...rest] = certificatesOf(cas(tlsFile.caBundle('server')));
  if (first === undefined) return [];
  if (listenerState([leaf, ...sent], [first, ...rest], x509, at) !== 'refused') return [];
  return [found('certificates', 'error', 'supervisor-refused', { expired: at > leaf.notAfter }, { file: dynamicCert })];
}

function certificatesIn(file: FoundFile) {
  if (typeof file === 'string') return [];
  const isCertificate = (block: PemBlock) => (block.kind === 'certificate' ? [block.certificate] : []);
  return file.blocks.flatMap(isCertificate);
}
