import type { Core } from '@k3s-pki/core';
import {
  type BootstrapData,
  bootstrapFields,
  type FileSet,
  type PemFile,
  type Product,
  type Reconciliation,
  rotationFields,
  tlsFile,
} from '@k3s-pki/k3s';
import { diagnoseBootstrap, type ExaminedRecord } from './bootstrap.ts';
import type { CaSet } from './ca-set.ts';
import { type DoctorFinding, doctorSections, found } from './doctor-findings.ts';
import { type CertificateInputs, judgeCertificates } from './doctor-leaves.ts';
import { judgeKubeconfigs, judgeSecrets, judgeTokens, type SecretInputs } from './doctor-secrets.ts';
import { type Verification, verifyCaSet } from './verify.ts';

/** What the datastore shows. */
export type DoctorRecords =
  | { readonly kind: 'not-seen'; readonly reason: string; readonly hint?: string }
  /** No server has run here yet. */
  | { readonly kind: 'none-yet' }
  | {
      readonly kind: 'seen';
      /** For people, as `tokenFrom`, the source of the token that fits best. */
      readonly where: string;
      readonly tokenFrom: string;
      readonly records: readonly ExaminedRecord[];
      /** Of the one record that this token opens. */
      readonly opened?: { readonly data: BootstrapData; readonly reconciliation: Reconciliation };
      /** A token of the configuration that has another password. */
      readonly staleToken?: string;
    };

/** Everything that was looked at. Times are seconds since 1970. */
export interface DoctorInputs extends CertificateInputs, SecretInputs {
  readonly product: Product;
  readonly at: number;
  readonly set: CaSet;
  /** Whether `cred`, `tls` or `tls/etcd` is missing or empty, so that a start writes all from the datastore. */
  readonly bare: boolean;
  readonly records: DoctorRecords;
  /** The newest file or record of the cluster. */
  readonly newest?: { readonly file: string; readonly modified: number };
  readonly version?: string;
  readonly server?: ServerSight;
}

/** What another server of the cluster shows. */
export type ServerSight =
  | { readonly kind: 'not-seen'; readonly reason: string; readonly hint?: string }
  | {
      readonly kind: 'seen';
      readonly host: string;
      /** K3s's own words about its CA hash, when that is not the one of this disk. */
      readonly otherCas?: string;
      readonly untrusted?: { readonly reason: string; readonly hint?: string };
      /** Its clock, if it said. */
      readonly at?: number;
    };

/** How the next start ends, as far as the files, the datastore and the clock tell. */
export interface NextServerStart {
  readonly outcome: 'starts' | 'rewrites' | 'first' | 'hangs' | 'fatal';
  /** Whether the datastore, which decides, was looked at. */
  readonly certain: boolean;
  /** Relative to the data dir: what is written anew from the datastore. */
  readonly rewritten: readonly string[];
}

export interface Diagnosis {
  /** Nothing is broken, and the next start is not fatal. Warnings alone leave it true. */
  readonly ok: boolean;
  readonly start: NextServerStart;
  /** Of the CAs that the next start will have. */
  readonly verification: Verification;
  /** In the order of the sections. */
  readonly findings: readonly DoctorFinding[];
}

/** Seconds by which clocks and file times may differ. Source: K3s `systemTimeSkew`. */
const tolerance = 3;
/** Seconds; a leaf begins an hour before it is made, so that a difference this far below is harmless. */
const clockTolerance = 60;

/**
 * Judges a server's files, its datastore and what belongs to them as one whole: what the datastore will write at the next
 * start is taken to be there. Composes `reconcile`, `judgeFirstStart`, `judgeLeaf` and `diagnoseBootstrap`. Pure.
 * Source: K3s `pkg/cluster/bootstrap.go` (first the datastore), then `pkg/daemons/control/deps` (CAs, then leaves).
 */
export function diagnose(inputs: DoctorInputs, core: Pick<Core, 'inspect' | 'chains' | 'signatureHolds'>): Diagnosis {
  const { set, records } = inputs;
  const files = filesAfterStart(inputs, core);
  const verification = verifyCaSet({ ...set, files }, core, inputs.at);
  const findings = [
    ...judgeAuthorities(inputs, verification),
    ...judgeRecords(inputs),
    ...judgeCertificates(inputs, files, core),
    ...judgeTokens(inputs, files, core),
    ...judgeKubeconfigs(inputs, files, core),
    ...judgeSecrets(inputs),
    ...judgeClock(inputs),
    ...(inputs.version === undefined ? [found('version', 'note', 'version-unknown', { days: inputs.days })] : []),
    ...judgeServer(inputs),
  ];
  const place = ({ section }: DoctorFinding) => doctorSections.indexOf(section);
  findings.sort((a, b) => place(a) - place(b));
  const is = (start: DoctorFinding['start']) => findings.some((finding) => finding.start === start);
  const rewritten = rewrittenFiles(records);
  const outcome = is('fatal')
    ? 'fatal'
    : is('hangs')
      ? 'hangs'
      : rewritten.length > 0
        ? 'rewrites'
        : findings.some(({ code }) => code === 'first-start')
          ? 'first'
          : 'starts';
  return {
    ok: findings.every(({ severity }) => severity !== 'error'),
    start: { outcome, certain: records.kind !== 'not-seen', rewritten: outcome === 'fatal' ? [] : rewritten },
    verification,
    findings,
  };
}

/** The CAs and the service key as they will lie there when the datastore has been written over them. */
function filesAfterStart({ set, records }: DoctorInputs, { inspect }: Pick<Core, 'inspect'>): FileSet {
  const opened = records.kind === 'seen' ? records.opened : undefined;
  if (opened?.reconciliation.start !== 'rewrites') return set.files;
  const written = new Map<string, PemFile>();
  for (const { name, file } of bootstrapFields) {
    const bytes = opened.data.files.get(name)?.content;
    if (bytes === undefined || bytes.length === 0) continue;
    written.set(file, { bytes, blocks: inspect(bytes) });
  }
  return (path) => written.get(path) ?? set.files(path);
}

function rewrittenFiles(records: DoctorRecords): string[] {
  const reconciliation = records.kind === 'seen' ? records.opened?.reconciliation : undefined;
  if (reconciliation?.start !== 'rewrites') return [];
  return reconciliation.fields.flatMap(({ file, state }) =>
    file !== undefined && (state === 'disk-older' || state === 'absent') ? [file] : [],
  );
}

function judgeAuthorities({ set, records }: DoctorInputs, { sections, empty }: Verification): DoctorFinding[] {
  const isOpen = records.kind === 'seen' && records.opened !== undefined;
  if (empty && !set.inUse && !isOpen) return [found('authorities', 'note', 'first-start', {})];
  return sections
    .flatMap(({ problems }) => problems)
    .map((problem) => {
      const { severity, file } = problem;
      const effect = problem.code === 'k3s-start' ? problem.values.finding.effect : undefined;
      if (effect === 'replaced' && records.kind === 'not-seen') {
        return found('authorities', 'warning', 'perhaps-replaced', { problem }, { file });
      }
      const start = effect === 'fatal' || effect === 'hangs' ? { start: effect } : {};
      return found('authorities', severity, 'authority', { problem }, { file, ...start });
    });
}

const rotated = new Set<string>(rotationFields.map(({ file }) => file));

function judgeRecords({ records, bare, at }: DoctorInputs): DoctorFinding[] {
  if (records.kind === 'none-yet') return [found('datastore', 'note', 'no-datastore-yet', {})];
  if (records.kind === 'not-seen') {
    const { reason, hint } = records;
    return [found('datastore', 'warning', 'datastore-not-seen', { reason, ...(hint === undefined ? {} : { hint }) })];
  }
  const { where, tokenFrom, staleToken, opened } = records;
  const findings = diagnoseBootstrap(records.records, at).flatMap((finding): DoctorFinding[] => {
    switch (finding.code) {
      case 'no-record':
        // With kine K3s takes such a datastore for a new one, and saves what the disk has.
        return where.startsWith('etcd')
          ? [found('datastore', 'error', 'no-record', { where }, { start: 'fatal' })]
          : [found('datastore', 'warning', 'no-record', { where })];
      case 'disk-newer':
        return [found('datastore', 'error', 'disk-newer', { files: finding.files }, { start: 'fatal' })];
      case 'disk-differs':
        return differences(finding.files, opened?.reconciliation, bare);
      case 'damaged': {
        const { key, reason } = finding;
        return [found('datastore', 'error', 'record-damaged', { key, reason }, { start: 'fatal' })];
      }
      case 'foreign':
        // Beside a record of this token it stops nobody; `several` says what it does stop.
        return finding.severity === 'warning' ? [found('datastore', 'warning', 'record', { finding })] : [];
      // What is written to the disk is judged there.
      case 'pair-broken':
      case 'expired':
        return [];
      case 'several':
      case 'locked':
        return [found('datastore', 'warning', 'record', { finding })];
      default:
        return [found('datastore', finding.severity, 'record', { finding })];
    }
  });
  const readable = records.records.some(({ kind }) => kind !== 'foreign');
  if (records.records.length > 0 && !readable) {
    const keys = records.records.map(({ key }) => key);
    findings.push(found('datastore', 'error', 'record-of-other-token', { keys, from: tokenFrom }, { start: 'fatal' }));
  }
  if (staleToken !== undefined && opened !== undefined) {
    const values = { from: staleToken, opens: tokenFrom };
    findings.push(found('datastore', 'error', 'stale-token', values, { start: 'fatal' }));
  }
  return findings;
}

/** Files that the next start writes from the datastore. Beside a file that is newer nothing is written at all. */
function differences(
  files: readonly string[],
  reconciliation: Reconciliation | undefined,
  bare: boolean,
): DoctorFinding[] {
  if (reconciliation?.start !== 'rewrites') return [];
  if (bare) return [found('datastore', 'note', 'fresh-disk', { files })];
  const state = new Map(reconciliation.fields.map((field) => [field.file, field.state]));
  const waiting = files.filter((file) => rotated.has(file) && state.get(file) === 'disk-older');
  const others = files.filter((file) => !waiting.includes(file));
  return [
    ...(waiting.length > 0 ? [found('datastore', 'warning', 'rotation-waits', { files: waiting })] : []),
    ...(others.length > 0 ? [found('datastore', 'warning', 'disk-older', { files: others })] : []),
  ];
}

function judgeClock({ newest, at, server }: DoctorInputs): DoctorFinding[] {
  const findings: DoctorFinding[] = [];
  if (newest !== undefined && newest.modified - at > tolerance) {
    const seconds = newest.modified - at;
    findings.push(found('clock', 'warning', 'clock-behind', { seconds }, { file: newest.file }));
  }
  const theirs = server?.kind === 'seen' ? server.at : undefined;
  if (server?.kind === 'seen' && theirs !== undefined && Math.abs(theirs - at) > clockTolerance) {
    findings.push(found('clock', 'warning', 'clock-differs', { seconds: theirs - at, server: server.host }));
  }
  return findings;
}

function judgeServer({ server }: DoctorInputs): DoctorFinding[] {
  if (server === undefined) return [];
  if (server.kind === 'not-seen') {
    const { reason, hint } = server;
    return [found('server', 'warning', 'server-not-seen', { reason, ...(hint === undefined ? {} : { hint }) })];
  }
  const { host, otherCas, untrusted } = server;
  const file = tlsFile.caBundle('server');
  return [
    ...(otherCas === undefined
      ? []
      : [found('server', 'warning', 'server-other-cas', { server: host, line: otherCas }, { file })]),
    ...(untrusted === undefined ? [] : [found('server', 'error', 'server-untrusted', untrusted)]),
  ];
}
