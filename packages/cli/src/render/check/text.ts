import type { Writable } from 'node:stream';
import type { CertificateRow, CheckRow } from '@k3s-pki/plan';
import { describeCheckProblem, describeNextStart, duration, residualText } from '../../messages/english/check.ts';
import { count } from '../../messages/english/rotate.ts';
import { day, moment } from '../../messages/english.ts';
import { columns, painter } from '../../terminal.ts';
import { number } from '../issue.ts';
import { aligned, wrap } from '../text.ts';
import { type CheckSummary, sourceText, statusWord, usageWords } from './report.ts';

type Paint = ReturnType<typeof painter>;

/** Rows of one file or endpoint for people. */
export function rowsText(
  rows: readonly CheckRow[],
  { stdout, wide, renewDays }: { stdout: Writable; wide: boolean; renewDays: number },
): string {
  const paint = painter(stdout);
  const width = Math.max(60, columns(stdout));
  const lines: string[] = [];
  let source = '';
  for (const row of rows) {
    if (sourceText(row) !== source) {
      source = sourceText(row);
      lines.push(paint('bold', source));
    }
    const [first = '', ...rest] = factsOf(row, wide, renewDays).flatMap((fact) => wrap(fact, width - indent, ''));
    lines.push(`  ${painted(row, paint)}  ${first}`, ...rest.map((line) => `${' '.repeat(indent)}${line}`));
  }
  return `${lines.join('\n')}\n`;
}

/** The last lines: how many of each. */
export function summaryText(summary: CheckSummary, stdout: Writable): string {
  const paint = painter(stdout);
  const colours = { OK: 'green', WARNING: 'yellow', EXPIRED: 'red', 'NOT YET VALID': 'red' } as const;
  const counts = Object.entries(summary.status).flatMap(([status, count]) =>
    count === 0 ? [] : [paint(colours[status as keyof typeof colours], `${count} ${status}`)],
  );
  const parts = [
    `${number(summary.certificates, 'certificate')} in ${number(summary.files, 'place')}${counts.length > 0 ? `: ${counts.join(', ')}` : ''}`,
    ...(summary.problems > 0 ? [paint('red', `${number(summary.problems, 'place')} could not be read`)] : []),
    ...(summary.needHelp > 0 ? [paint('red', needHelpText(summary.needHelp))] : []),
  ];
  return `\n${parts.join('\n')}\n`;
}

function needHelpText(leaves: number): string {
  return `${count(leaves, 'leaf stays', 'leaves stay')} broken at a start; see k3s-pki certificate renew`;
}

/** One line for each certificate, under K3s's column heads. */
export function tableText(
  rows: readonly CheckRow[],
  { stdout, wide, renewDays }: { stdout: Writable; wide: boolean; renewDays: number },
): string {
  const head = ['PATH', 'SUBJECT', 'USAGES', 'EXPIRES', 'RESIDUAL TIME', 'STATUS', 'NEXT START'];
  const cells = rows.map((row) => [
    sourceText(row),
    ...(row.kind === 'problem'
      ? [describeCheckProblem(row.problem), '-', '-', '-', statusWord(row)]
      : [row.subject, usageWords(row).join(','), day(row.notAfter), residualWords(row), row.status]),
    row.nextStart === undefined ? '-' : describeNextStart(row.nextStart, renewDays),
    ...(wide ? wideCells(row) : []),
  ]);
  const paint = painter(stdout);
  const [first = '', ...lines] = aligned([wide ? [...head, 'ISSUER', 'SANS', 'SERIAL'] : head, ...cells]);
  return [paint('bold', first.trimStart()), ...lines.map((line) => line.trimStart()), ''].join('\n');
}

/** Column of a row's text: two blanks, the longest status word, two blanks. */
const indent = 17;

function painted(row: CheckRow, paint: Paint): string {
  const word = statusWord(row).padEnd(indent - 4);
  return paint(word.startsWith('OK') ? 'green' : word.startsWith('WARNING') ? 'yellow' : 'red', word);
}

function factsOf(row: CheckRow, wide: boolean, renewDays: number): string[] {
  const next = row.nextStart === undefined ? [] : [`next start: ${describeNextStart(row.nextStart, renewDays)}`];
  if (row.kind === 'problem') return [describeCheckProblem(row.problem), ...next];
  const { subject, issuer, notBefore, notAfter, subjectAltNames, serial, sha256, refusal } = row;
  const { dns = [], ip = [] } = subjectAltNames ?? {};
  return [
    subject === '' ? '(no subject)' : subject,
    ...(row.status === 'NOT YET VALID' ? [`valid from ${moment(notBefore)}, in ${duration(startsIn(row))}`] : []),
    `expires ${moment(notAfter)}, ${residualText(row.residualSeconds)}`,
    `${usageWords(row).join(', ')}, ${issuer === subject ? 'self-issued' : `issued by ${issuer}`}`,
    ...(refusal === undefined ? [] : [`K3s does not read it: ${refusal}`]),
    ...next,
    ...(wide && dns.length + ip.length > 0 ? [`names: ${[...dns, ...ip].join(', ')}`] : []),
    ...(wide ? [`serial: ${serial}`, `SHA-256: ${sha256}`] : []),
  ];
}

function wideCells(row: CheckRow): string[] {
  if (row.kind === 'problem') return ['-', '-', '-'];
  const { dns = [], ip = [] } = row.subjectAltNames ?? {};
  return [row.issuer, [...dns, ...ip].join(',') || '-', row.serial];
}

function residualWords(row: CertificateRow): string {
  return row.status === 'NOT YET VALID' ? `in ${duration(startsIn(row))}` : residualText(row.residualSeconds);
}

function startsIn({ notBefore, notAfter, residualSeconds }: CertificateRow): number {
  return notBefore - (notAfter - residualSeconds);
}
