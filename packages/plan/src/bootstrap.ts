import type { Certificate, Core, KeyFacts, PemBlock } from '@k3s-pki/core';
import {
  type BootstrapData,
  type BootstrapRecordKind,
  bootstrapFields,
  type FieldState,
  type Reconciliation,
} from '@k3s-pki/k3s';

/** What can be said of a field without its secret. `opaque`: neither certificates nor keys in PEM. */
export interface FieldFacts {
  readonly name: string;
  /** Relative to the data dir; absent for a field that K3s has no file for. */
  readonly file?: string;
  readonly state: FieldState;
  /** Octets. */
  readonly size: number;
  /** RFC 3339, as Go wrote it. */
  readonly timestamp?: string;
  readonly content:
    | { readonly kind: 'certificates'; readonly certificates: readonly Certificate[] }
    | { readonly kind: 'keys'; readonly keys: readonly KeyFacts[] }
    | { readonly kind: 'opaque' };
}

/** The fields of opened bootstrap data, known ones first and in K3s's order. */
export function bootstrapFacts(
  data: BootstrapData,
  inspect: Core['inspect'],
  { fields }: Reconciliation,
): readonly FieldFacts[] {
  const order = new Map<string, number>(bootstrapFields.map(({ name }, index) => [name, index]));
  const rank = ({ name }: { readonly name: string }) => order.get(name) ?? order.size;
  return [...fields]
    .sort((a, b) => rank(a) - rank(b))
    .map(({ name, file, state }) => {
      const { content, timestamp } = data.files.get(name) ?? { content: new Uint8Array(), timestamp: undefined };
      return {
        name,
        ...(file === undefined ? {} : { file }),
        state,
        size: content.length,
        ...(timestamp === undefined ? {} : { timestamp }),
        content: contentOf(inspect(content)),
      };
    });
}

/** What is wrong with the records of a datastore, or worth knowing. The words are the catalogue's. */
export type BootstrapFinding = { readonly severity: 'error' | 'warning' } & (
  | { readonly code: 'no-record' }
  /** `readable`: how many of them this token opens. */
  | { readonly code: 'several'; readonly keys: readonly string[]; readonly readable: number }
  | { readonly code: 'locked'; readonly key: string }
  | { readonly code: 'foreign'; readonly key: string }
  | { readonly code: 'to-migrate'; readonly key: string; readonly kind: 'no-token' | 'unnormalised' }
  | { readonly code: 'damaged'; readonly key: string; readonly reason: string }
  | { readonly code: 'old-format'; readonly key: string }
  | { readonly code: 'fields-missing'; readonly names: readonly string[] }
  | { readonly code: 'disk-newer'; readonly files: readonly string[] }
  | { readonly code: 'disk-differs'; readonly files: readonly string[] }
  | { readonly code: 'pair-broken'; readonly certificate: string; readonly key: string }
  | { readonly code: 'expired'; readonly name: string; readonly subject: string; readonly notAfter: number }
);

/** A record as the doctor finds it: `reason` says why it does not open. */
export interface ExaminedRecord {
  readonly key: string;
  readonly kind: BootstrapRecordKind;
  readonly reason?: string;
  readonly opened?: { readonly data: BootstrapData; readonly facts: readonly FieldFacts[] };
}

/** Without these K3s would make CAs of its own beside those of the cluster. */
const needed = bootstrapFields.filter(({ name }) => /CA(Key)?$|^ServiceKey$/.test(name));

/** Judges the records of a datastore. `now` is seconds since 1970. Source: K3s `pkg/cluster/storage.go`. */
export function diagnoseBootstrap(records: readonly ExaminedRecord[], now: number): readonly BootstrapFinding[] {
  if (records.length === 0) return [{ severity: 'error', code: 'no-record' }];
  const several: BootstrapFinding[] =
    records.length === 1
      ? []
      : [
          {
            severity: 'error',
            code: 'several',
            keys: records.map(({ key }) => key),
            readable: records.filter(({ opened }) => opened !== undefined).length,
          },
        ];
  const hasOwn = records.some(({ kind }) => kind === 'current');
  return [...several, ...records.flatMap((record) => diagnoseRecord(record, hasOwn, now))];
}

function diagnoseRecord(
  { key, kind, reason, opened }: ExaminedRecord,
  hasOwn: boolean,
  now: number,
): BootstrapFinding[] {
  if (kind === 'locked') return [{ severity: 'error', code: 'locked', key }];
  if (kind === 'foreign') return [{ severity: hasOwn ? 'warning' : 'error', code: 'foreign', key }];
  if (opened === undefined) return [{ severity: 'error', code: 'damaged', key, reason: reason ?? '' }];
  const findings: BootstrapFinding[] = [];
  if (kind !== 'current') findings.push({ severity: 'warning', code: 'to-migrate', key, kind });
  if (opened.data.format === 'content-only') findings.push({ severity: 'warning', code: 'old-format', key });
  const { facts } = opened;
  const missing = needed.filter(({ name }) => (opened.data.files.get(name)?.content.length ?? 0) === 0);
  if (missing.length > 0) {
    findings.push({ severity: 'error', code: 'fields-missing', names: missing.map(({ name }) => name) });
  }
  const inState = (...states: FieldState[]) =>
    facts.flatMap(({ file, state }) => (file !== undefined && states.includes(state) ? [file] : []));
  const [newer, different] = [inState('disk-newer'), inState('disk-older', 'absent')];
  if (newer.length > 0) findings.push({ severity: 'error', code: 'disk-newer', files: newer });
  if (different.length > 0) findings.push({ severity: 'warning', code: 'disk-differs', files: different });
  return [...findings, ...facts.flatMap((field) => diagnoseCa(field, facts, now))];
}

function diagnoseCa({ name, content }: FieldFacts, facts: readonly FieldFacts[], now: number): BootstrapFinding[] {
  if (content.kind !== 'certificates') return [];
  const [first] = content.certificates;
  const pair = facts.find((other) => other.name === `${name}Key`)?.content;
  if (first === undefined) return [];
  const findings: BootstrapFinding[] = [];
  if (pair?.kind === 'keys' && pair.keys[0]?.spkiSha256 !== first.key.spkiSha256) {
    findings.push({ severity: 'error', code: 'pair-broken', certificate: name, key: `${name}Key` });
  }
  for (const { subject, notAfter } of content.certificates) {
    if (notAfter < now) findings.push({ severity: 'error', code: 'expired', name, subject, notAfter });
  }
  return findings;
}

/** What `bootstrap restore` writes. Paths are relative to the data dir. */
export interface RestoreBootstrapPlan {
  readonly verb: 'bootstrap restore';
  readonly writes: readonly PlannedBootstrapFile[];
  /** Files that are there already, byte for byte. */
  readonly unchanged: readonly string[];
  readonly directories: ReadonlyArray<{ readonly path: string; readonly mode: number }>;
  /** Where replaced files are copied to; absent when none is replaced. */
  readonly backup?: string;
}

export interface PlannedBootstrapFile {
  readonly field: string;
  readonly file: string;
  /** Of the file that is there, else 0600. */
  readonly mode: number;
  /** The copy of the file that is replaced; absent for a new file. */
  readonly copy?: string;
}

/** Plans to write the disk's files from the datastore, as a start on an empty data dir does. `modes` answers the mode of
 *  a file that is there. `now` is seconds since 1970. Source: K3s `pkg/bootstrap`, `WriteToDiskFromStorage`. */
export function planRestoreBootstrap(
  facts: readonly FieldFacts[],
  modes: (file: string) => number | undefined,
  now: number,
): RestoreBootstrapPlan {
  const backup = `server/bootstrap-backups/files-${now}`;
  const writes: PlannedBootstrapFile[] = [];
  const unchanged: string[] = [];
  for (const { name, file, state, size } of facts) {
    // K3s does not write what was not there when the data was saved.
    if (file === undefined || size === 0) continue;
    if (state === 'same') {
      unchanged.push(file);
      continue;
    }
    const mode = modes(file);
    writes.push({
      field: name,
      file,
      mode: mode ?? 0o600,
      ...(mode === undefined ? {} : { copy: `${backup}/${file}` }),
    });
  }
  const replaces = writes.some(({ copy }) => copy !== undefined);
  const folders = writes.flatMap(({ file, copy }) => [file, ...(copy === undefined ? [] : [copy])]).flatMap(parents);
  return Object.freeze({
    verb: 'bootstrap restore',
    writes,
    unchanged,
    directories: [...new Set(folders)]
      .sort()
      .map((path) => ({ path, mode: path === 'server/tls/etcd' ? 0o755 : 0o700 })),
    ...(replaces ? { backup } : {}),
  });
}

function parents(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

function contentOf(blocks: readonly PemBlock[]): FieldFacts['content'] {
  const certificates = blocks.flatMap((block) => (block.kind === 'certificate' ? [block.certificate] : []));
  if (certificates.length > 0) return { kind: 'certificates', certificates };
  const keys = blocks.flatMap((block) =>
    block.kind === 'private-key' || block.kind === 'public-key' ? [block.key] : [],
  );
  return keys.length > 0 ? { kind: 'keys', keys } : { kind: 'opaque' };
}
