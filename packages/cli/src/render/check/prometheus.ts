import { type CheckRow, needsHelp } from '@k3s-pki/plan';
import type { CheckFrame, CheckSummary } from './report.ts';

type Labels = Readonly<Record<string, string | number>>;
type Sample = readonly [labels: Labels, value: number];

/** The report in Prometheus's text format, for node-exporter's textfile collector. Labels of a certificate are unique:
 *  file, part, position. Source: prometheus/docs `instrumenting/exposition_formats.md`. */
export function checkMetrics(
  { at, warnDays, renewDays }: CheckFrame,
  rows: readonly CheckRow[],
  summary: CheckSummary,
): string {
  const certificates = rows.flatMap((row) => (row.kind === 'certificate' ? [row] : []));
  const unread = rows.flatMap((row) => (row.kind === 'problem' ? [row] : []));
  const leaves = rows.filter(({ nextStart }) => nextStart?.action === 'keep' || nextStart?.action === 'fatal');
  const place = (row: CheckRow): Labels => ({
    path: row.path,
    ...(row.part === undefined ? {} : { part: row.part }),
    position: row.kind === 'certificate' ? row.position : 0,
  });
  const labels = certificates.map((row) => ({
    ...place(row),
    subject: row.subject,
    issuer: row.issuer,
    serial: row.serial,
  }));
  const samples = (value: (row: (typeof certificates)[number]) => number): Sample[] =>
    certificates.map((row, index) => [labels[index] ?? {}, value(row)]);
  return [
    metric(
      'certificate_not_after_seconds',
      'End of validity, seconds since 1970.',
      samples((row) => row.notAfter),
    ),
    metric(
      'certificate_not_before_seconds',
      'Begin of validity, seconds since 1970.',
      samples((row) => row.notBefore),
    ),
    metric(
      'certificates',
      'Number of certificates by status, as K3s names it.',
      Object.entries(summary.status).map(([status, count]) => [{ status }, count]),
    ),
    metric(
      'leaf_needs_help',
      "1 for a leaf that K3s's next start leaves broken.",
      leaves.map((row) => [place(row), needsHelp(row.nextStart) ? 1 : 0]),
    ),
    metric(
      'unreadable',
      '1 for a file or endpoint without a certificate that could be read.',
      merged(unread.map((row) => [{ path: row.path, reason: row.problem.code }, 1])),
    ),
    metric('warning_seconds', 'Time before the end from which a certificate counts as WARNING.', [
      [{}, warnDays * 86_400],
    ]),
    metric('renewal_seconds', 'Time before the end from which K3s renews at a start.', [[{}, renewDays * 86_400]]),
    metric('check_timestamp_seconds', 'When the check ran, seconds since 1970.', [[{}, at]]),
  ].join('');
}

function metric(name: string, help: string, samples: readonly Sample[]): string {
  const full = `k3s_pki_${name}`;
  const lines = samples.map(([labels, value]) => `${full}${labelText(labels)} ${value}\n`);
  return [`# HELP ${full} ${help}\n# TYPE ${full} gauge\n`, ...lines].join('');
}

/** Several broken blocks of a file are one series. */
function merged(samples: readonly Sample[]): Sample[] {
  return [...new Map(samples.map((sample) => [labelText(sample[0]), sample])).values()];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(String(value))}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
