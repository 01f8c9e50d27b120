import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { FieldState, Reconciliation } from '@k3s-pki/k3s';
import type { BootstrapFinding, ExaminedRecord, FieldFacts, RestoreBootstrapPlan } from '@k3s-pki/plan';
import type { OpenRecord, OpenStore } from '../bootstrap-record.ts';
import type { Context } from '../context.ts';
import { describeBootstrapFinding, fieldStates, nextStart, recordKinds } from '../messages/english/bootstrap.ts';
import { day } from '../messages/english.ts';
import { columns, painter } from '../terminal.ts';
import { certificateJson, keyName } from './certificates.ts';
import { type OutputFormat, writeStructured } from './structured.ts';
import { aligned, octal, showIn, wrap } from './text.ts';

/** A record for programs. */
export function showJson(record: OpenRecord, facts: readonly FieldFacts[], { start }: Reconciliation) {
  const show = showIn(record.root);
  return {
    command: 'bootstrap show',
    ok: true,
    ...storeJson(record),
    key: record.entry.key,
    revision: record.entry.revision,
    kind: record.kind,
    format: record.data.format,
    start,
    fields: facts.map(({ name, file, state, size, timestamp, content }) => ({
      name,
      file: file === undefined ? null : show(file),
      state,
      size,
      timestamp: timestamp ?? null,
      ...(content.kind === 'certificates' ? { certificates: content.certificates.map(certificateJson) } : {}),
      ...(content.kind === 'keys'
        ? { keys: content.keys.map(({ algorithm, bits, spkiSha256 }) => ({ algorithm, bits, spkiSha256 })) }
        : {}),
    })),
  };
}

/** A record for people. */
export function showText(
  record: OpenRecord,
  facts: readonly FieldFacts[],
  { start }: Reconciliation,
  stdout: Writable,
): string {
  const paint = painter(stdout);
  const { entry, token, kind } = record;
  const rows = facts.map((field) => [field.name, fieldStates[field.state], describeContent(field)]);
  const [head = '', ...lines] = aligned([['FIELD', 'ON DISK', 'CONTENT'], ...rows]);
  const colour = (line: string, state: FieldState | undefined) =>
    state === 'disk-newer' ? paint('red', line) : state === 'same' ? line : paint('yellow', line);
  return [
    ...storeLines(record, paint),
    `  record  ${entry.key}, revision ${entry.revision}, ${recordKinds[kind]} (${token.from})`,
    '',
    paint('dim', head),
    ...lines.map((line, index) => colour(line, facts[index]?.state)),
    '',
    ...wrap(`Next start of K3s: ${nextStart[start]}`, Math.min(columns(stdout), 100), '  ').map((line, index) =>
      index === 0 ? line.trimStart() : line,
    ),
    '',
  ].join('\n');
}

export interface DoctorReport {
  readonly found: OpenStore;
  readonly records: readonly ExaminedRecord[];
  readonly findings: readonly BootstrapFinding[];
  readonly healthy: boolean;
}

export function doctorJson({ found, records, findings, healthy }: DoctorReport) {
  return {
    command: 'bootstrap doctor',
    ok: healthy,
    ...storeJson(found),
    records: records.map(({ key, kind, opened }) => ({ key, kind, opens: opened !== undefined })),
    findings: findings.map((finding) => ({ ...finding, ...messageJson(finding, found.root) })),
  };
}

export function doctorText({ found, records, findings, healthy }: DoctorReport, stdout: Writable): string {
  const paint = painter(stdout);
  const width = Math.min(columns(stdout), 100);
  const rows = records.map(({ key, kind, opened }) => [
    key,
    recordKinds[kind],
    opened !== undefined ? 'opens' : kind === 'locked' ? '' : 'does not open',
  ]);
  const lines = findings.flatMap((finding) => {
    const { error, hint } = describeBootstrapFinding(finding, showIn(found.root));
    const label =
      finding.severity === 'error' ? paint(['bold', 'red'], 'error:') : paint(['bold', 'yellow'], 'warning:');
    const [first = '', ...rest] = wrap(error, width - 9, '  ');
    return [
      `${label} ${first.trimStart()}`,
      ...rest,
      ...(hint === undefined
        ? []
        : wrap(`${hint}`, width - 2, '  ').map((line, index) =>
            index === 0 ? `  ${paint('cyan', 'do:')} ${line.trimStart()}` : `    ${line}`,
          )),
    ];
  });
  return [
    ...storeLines(found, paint),
    ...(rows.length === 0 ? [] : ['', ...aligned(rows)]),
    '',
    ...(lines.length === 0 ? [] : [...lines, '']),
    healthy
      ? paint('green', 'The bootstrap data is in order.')
      : paint('red', 'Something has to be done before the next start.'),
    '',
  ].join('\n');
}

/** What is told of every change to the datastore. */
export interface ChangeReport {
  readonly command: string;
  readonly found: OpenStore;
  readonly dryRun: boolean;
  /** What happens to each key. */
  readonly changes: ReadonlyArray<{ readonly key: string; readonly action: 'written' | 'removed' }>;
  /** Of the data dir, relative to it: what changes with the records. */
  readonly files?: ReadonlyArray<{ readonly path: string; readonly action: 'written' | 'removed' }>;
  /** Path of the backup; absent in a dry run and when there is nothing to do. */
  readonly backup?: string;
  readonly next: readonly string[];
}

export function changeJson({ command, found, dryRun, changes, files, backup, next }: ChangeReport) {
  return {
    command,
    ok: true,
    ...(dryRun ? { dryRun } : {}),
    ...storeJson(found),
    changes,
    ...(files === undefined
      ? {}
      : { files: files.map(({ path, action }) => ({ path: join(found.root, path), action })) }),
    backup: backup ?? null,
    next,
  };
}

export function changeText(report: ChangeReport, stdout: Writable): string {
  const { command, found, dryRun, changes, files = [], backup, next } = report;
  const paint = painter(stdout);
  const width = Math.min(columns(stdout), 100);
  const told = (action: string) => (dryRun ? `would be ${action}` : action);
  const rows = changes.map(({ key, action }) => [key, told(action)]);
  const others = files.map(({ path, action }) => [join(found.root, path), told(action)]);
  return [
    ...(dryRun ? [`${paint('bold', 'Plan')}: ${command}; nothing is written`] : []),
    ...storeLines(found, paint),
    '',
    ...(rows.length === 0 ? ['  nothing to do'] : aligned(rows)),
    ...aligned(others),
    ...(backup === undefined ? [] : ['', `  backup  ${backup}`]),
    ...(next.length === 0 ? [] : ['', ...next.flatMap((line) => wrap(line, width, '  '))]),
    '',
  ].join('\n');
}

/** Prints a change, or the plan of one. */
export async function printChange(report: ChangeReport, output: OutputFormat, { stdout }: Context): Promise<void> {
  if (output !== 'text') await writeStructured(stdout, output, changeJson(report));
  else stdout.write(changeText(report, stdout));
}

export interface ExportReport {
  readonly record: OpenRecord;
  readonly path: string;
  /** Octets of the file. */
  readonly size: number;
  readonly recipients: readonly string[];
  readonly dryRun: boolean;
}

export function exportJson({ record, path, size, recipients, dryRun }: ExportReport) {
  return {
    command: 'bootstrap export',
    ok: true,
    ...(dryRun ? { dryRun } : {}),
    ...storeJson(record),
    file: path,
    size,
    fields: [...record.data.files.keys()],
    recipients,
  };
}

export function exportText({ record, path, size, recipients, dryRun }: ExportReport, stdout: Writable): string {
  const paint = painter(stdout);
  const who = recipients.length === 0 ? 'whoever knows the passphrase' : recipients.join(', ');
  return [
    ...(dryRun ? [`${paint('bold', 'Plan')}: bootstrap export; nothing is written`] : []),
    ...storeLines(record, paint),
    '',
    `  ${path}  0600  ${size} bytes, ${record.data.files.size} fields`,
    `  can be opened by ${who}`,
    '',
  ].join('\n');
}

export function restoreJson({ writes, unchanged, backup }: RestoreBootstrapPlan, record: OpenRecord, dryRun: boolean) {
  const show = showIn(record.root);
  return {
    command: 'bootstrap restore',
    ok: true,
    ...(dryRun ? { dryRun } : {}),
    ...storeJson(record),
    files: writes.map(({ field, file, mode, copy }) => ({
      field,
      path: show(file),
      action: copy === undefined ? 'made' : 'replaced',
      mode: octal(mode),
      copy: copy === undefined ? null : show(copy),
    })),
    unchanged: unchanged.map(show),
    backup: backup === undefined ? null : show(backup),
  };
}

export function restoreText(
  { writes, unchanged, backup }: RestoreBootstrapPlan,
  record: OpenRecord,
  dryRun: boolean,
  stdout: Writable,
): string {
  const paint = painter(stdout);
  const show = showIn(record.root);
  const would = dryRun ? 'would be ' : '';
  const rows = writes.map(({ file, mode, copy }) => [
    show(file),
    octal(mode),
    `${would}${copy === undefined ? 'made' : 'replaced'}`,
  ]);
  return [
    ...(dryRun ? [`${paint('bold', 'Plan')}: bootstrap restore; nothing is written`] : []),
    ...storeLines(record, paint),
    '',
    ...(rows.length === 0 ? ['  nothing to do'] : aligned(rows)),
    ...(unchanged.length === 0
      ? []
      : ['', `  ${unchanged.length} ${unchanged.length === 1 ? 'file is' : 'files are'} the same already`]),
    ...(backup === undefined ? [] : ['', `  the replaced files ${dryRun ? 'would be' : 'are'} in ${show(backup)}`]),
    '',
  ].join('\n');
}

function storeJson({ store, source, token }: OpenStore) {
  return { datastore: store.description, foundBy: source, token: token.from };
}

function storeLines({ store, source }: OpenStore, paint: ReturnType<typeof painter>): string[] {
  const place = store.description.endsWith(source) ? '' : ` (from ${source})`;
  return [`${paint('bold', 'Bootstrap data')} in ${store.description}${place}`];
}

function describeContent({ content, size }: FieldFacts): string {
  switch (content.kind) {
    case 'certificates': {
      const [first] = content.certificates;
      if (first === undefined) return '';
      const more = content.certificates.length - 1;
      const chain = more === 0 ? '' : `, ${more} more`;
      return `${first.subject}, until ${day(first.notAfter)}, ${first.sha256.slice(0, 16)}${chain}`;
    }
    case 'keys':
      return `${content.keys.length === 1 ? 'key' : `${content.keys.length} keys`}: ${content.keys.map(keyName).join(', ')}`;
    default:
      return size === 0 ? 'empty' : `${size} bytes`;
  }
}

function messageJson(finding: BootstrapFinding, root: string) {
  const { error, hint } = describeBootstrapFinding(finding, showIn(root));
  return { message: error, ...(hint === undefined ? {} : { hint }) };
}
