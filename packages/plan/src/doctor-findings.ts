import type { FatalReason, Overlooked, RenewalReason } from '@k3s-pki/k3s';
import type { BootstrapFinding } from './bootstrap.ts';
import type { HashOrigin } from './token.ts';
import type { VerifyProblem } from './verify.ts';

/** The parts of the report, in its order. */
export const doctorSections = [
  'authorities',
  'datastore',
  'certificates',
  'token',
  'kubeconfigs',
  'modes',
  'clock',
  'version',
  'server',
] as const;
export type DoctorSection = (typeof doctorSections)[number];

/** What is inconsistent, or worth knowing; the words are the catalogue's. Times are seconds since 1970. */
export interface DoctorFindingValues {
  /** What `verify` says of the CAs that the next start will have. */
  authority: { readonly problem: VerifyProblem };
  /** Nothing is there yet. */
  'first-start': Record<never, never>;
  /** A CA or half of it is missing, and whether the datastore brings it back could not be seen. */
  'perhaps-replaced': { readonly problem: VerifyProblem };
  'datastore-not-seen': { readonly reason: string; readonly hint?: string };
  'no-datastore-yet': Record<never, never>;
  record: { readonly finding: BootstrapFinding };
  'no-record': { readonly where: string };
  'disk-newer': { readonly files: readonly string[] };
  'record-of-other-token': { readonly keys: readonly string[]; readonly from: string };
  /** A token of the configuration comes before `server/token`, and has no record. */
  'stale-token': { readonly from: string; readonly opens: string };
  'record-damaged': { readonly key: string; readonly reason: string };
  /** CAs that `rotate-ca` has saved and no start has taken over. */
  'rotation-waits': { readonly files: readonly string[] };
  'disk-older': { readonly files: readonly string[] };
  /** `cred`, `tls` or `tls/etcd` is missing or empty. */
  'fresh-disk': { readonly files: readonly string[] };
  'leaf-fatal': { readonly reason: FatalReason };
  'leaf-overlooked': { readonly faults: readonly Overlooked[]; readonly service: string | undefined };
  /** The certificate cannot be used until the start. */
  'leaf-expired': { readonly notAfter: number };
  'leaves-renewed': {
    readonly leaves: ReadonlyArray<{ readonly file: string; readonly reasons: readonly RenewalReason[] }>;
    readonly days: number;
  };
  'supervisor-refused': { readonly expired: boolean };
  'supervisor-marked': Record<never, never>;
  'supervisor-unreadable': Record<never, never>;
  'token-absent': Record<never, never>;
  'token-unreadable': { readonly reason: string };
  /** Octets of K3s's own line about hashes, and what the token's was made from. */
  'token-hash': { readonly line: string; readonly origin: HashOrigin };
  'token-password': { readonly users: readonly string[] };
  'node-token-copy': { readonly target: string };
  'passwd-absent': Record<never, never>;
  'passwd-columns': { readonly found: number };
  'passwd-user': { readonly user: string };
  'kubeconfig-ca': { readonly part: string; readonly rewritten: boolean };
  'kubeconfig-client': { readonly part: string; readonly detail: string; readonly rewritten: boolean };
  'kubeconfig-unreadable': { readonly reason: string };
  'kubeconfig-reference': { readonly target: string };
  'readable-secret': { readonly mode: number };
  unreadable: { readonly why: string };
  /** The machine's time lies this many seconds before what was written last. */
  'clock-behind': { readonly seconds: number };
  /** Server's minus this machine's. */
  'clock-differs': { readonly seconds: number; readonly server: string };
  'version-unknown': { readonly days: number };
  'server-not-seen': { readonly reason: string; readonly hint?: string };
  'server-other-cas': { readonly server: string; readonly line: string };
  'server-untrusted': { readonly reason: string; readonly hint?: string };
}
export type DoctorCode = keyof DoctorFindingValues;

/** One finding. `file` is absolute, or relative to the data dir. */
export type DoctorFinding = {
  [Code in DoctorCode]: {
    readonly section: DoctorSection;
    readonly severity: 'error' | 'warning' | 'note';
    readonly code: Code;
    readonly file?: string;
    readonly values: DoctorFindingValues[Code];
    /** What it does to the next start. `fatal`: K3s stops with an error; `hangs`: it never comes up. */
    readonly start?: 'fatal' | 'hangs';
  };
}[DoctorCode];

/** A finding of `section`. */
export function found<Code extends DoctorCode>(
  section: DoctorSection,
  severity: DoctorFinding['severity'],
  code: Code,
  values: DoctorFindingValues[Code],
  rest: { readonly file?: string; readonly start?: 'fatal' | 'hangs' } = {},
): DoctorFinding {
  return { section, severity, code, values, ...rest } as DoctorFinding;
}
