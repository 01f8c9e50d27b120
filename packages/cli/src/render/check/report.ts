import { type CertificateRow, type CheckRow, certificateStatuses, needsHelp } from '@k3s-pki/plan';

/** What a report says besides its rows. */
export interface CheckFrame {
  readonly command: 'certificate check';
  readonly version: string;
  readonly product: string;
  /** Seconds since 1970. */
  readonly at: number;
  readonly warnDays: number;
  /** K3s's window. */
  readonly renewDays: number;
}

/** Numbers of rows, counted while they pass. */
export interface CheckSummary {
  readonly files: number;
  readonly certificates: number;
  readonly status: Readonly<Record<CertificateRow['status'], number>>;
  readonly problems: number;
  /** Leaves that a next start leaves broken. */
  readonly needHelp: number;
}

/** Status words of rows without a certificate. */
export type ProblemStatus = 'UNREADABLE' | 'UNREACHABLE' | 'MISSING';

export class CheckCounter {
  readonly #status = Object.fromEntries(certificateStatuses.map((status) => [status, 0])) as Record<
    CertificateRow['status'],
    number
  >;
  #files = 0;
  #problems = 0;
  #needHelp = 0;

  /** Rows of one file or endpoint. */
  count(rows: readonly CheckRow[]): void {
    if (rows.length > 0) this.#files += 1;
    for (const row of rows) {
      if (row.kind === 'problem') this.#problems += 1;
      else this.#status[row.status] += 1;
      if (needsHelp(row.nextStart)) this.#needHelp += 1;
    }
  }

  get summary(): CheckSummary {
    const certificates = Object.values(this.#status).reduce((sum, count) => sum + count, 0);
    const status = { ...this.#status };
    return { files: this.#files, certificates, status, problems: this.#problems, needHelp: this.#needHelp };
  }
}

export function statusWord(row: CheckRow): CertificateRow['status'] | ProblemStatus {
  if (row.kind === 'certificate') return row.status;
  const { code } = row.problem;
  if (code === 'timeout' || code === 'connection') return 'UNREACHABLE';
  return code === 'absent' || code === 'certificate-missing' ? 'MISSING' : 'UNREADABLE';
}

/** K3s's names of usages. Source: K3s `pkg/util/cert.go`, GetCertUsages. */
export function usageWords({ keyUsage = [], extendedKeyUsage = [] }: CertificateRow): readonly string[] {
  const words = [
    ...(keyUsage.includes('keyCertSign') ? ['CertSign'] : []),
    ...(extendedKeyUsage.includes('serverAuth') ? ['ServerAuth'] : []),
    ...(extendedKeyUsage.includes('clientAuth') ? ['ClientAuth'] : []),
  ];
  return words.length === 0 ? ['Unknown'] : words;
}

/** `/etc/rancher/k3s/k3s.yaml users/default/client-certificate-data`; nothing that would steer a terminal. */
export function sourceText({ path, part }: CheckRow): string {
  const text = part === undefined ? path : `${path} ${part}`;
  return text.replace(/\p{Cc}/gu, '\ufffd');
}
