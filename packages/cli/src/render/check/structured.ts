import type { CheckRow } from '@k3s-pki/plan';
import { describeCheckProblem, describeNextStart } from '../../messages/english/check.ts';
import { isoTime } from '../structured.ts';
import { type CheckFrame, type CheckSummary, statusWord, usageWords } from './report.ts';

/** The report for programs: one object a certificate, in order; what cannot be read is among them with its reason. */
export function checkReport(frame: CheckFrame, rows: readonly CheckRow[], summary: CheckSummary, ok: boolean) {
  const certificates = rows.map((row) => rowJson(row, frame.renewDays));
  return { ...frameJson(frame), certificates, summary, ok };
}

/** The same as JSON, in pieces, so that rows need not be kept: one line for each. */
export class CheckJson {
  readonly #frame: CheckFrame;
  #first = true;

  constructor(frame: CheckFrame) {
    this.#frame = frame;
  }

  rows(rows: readonly CheckRow[]): string {
    return rows.map((row) => `${this.#lead()}${JSON.stringify(rowJson(row, this.#frame.renewDays))}`).join('');
  }

  end(summary: CheckSummary, ok: boolean): string {
    const rest = JSON.stringify({ summary, ok }, null, 2);
    return `${this.#first ? this.#lead() : ''}\n  ],${rest.slice(1)}\n`;
  }

  /** What stands before a row; before the first one it is the head of the document. */
  #lead(): string {
    if (!this.#first) return ',\n    ';
    this.#first = false;
    const head = JSON.stringify(frameJson(this.#frame), null, 2);
    return `${head.slice(0, -2)},\n  "certificates": [\n    `;
  }
}

function frameJson({ command, version, product, at, warnDays, renewDays }: CheckFrame) {
  return { command, version, product, at: isoTime(at), warnDays, renewDays };
}

function rowJson(row: CheckRow, renewDays: number) {
  const { path, part, nextStart } = row;
  const source = part === undefined ? { path } : { path, part };
  const next =
    nextStart === undefined ? {} : { nextStart: { ...nextStart, text: describeNextStart(nextStart, renewDays) } };
  if (row.kind === 'problem') {
    const { problem } = row;
    return { ...source, status: statusWord(row), code: problem.code, reason: describeCheckProblem(problem), ...next };
  }
  const { position, status, subject, issuer, notBefore, notAfter, residualSeconds, key, serial, sha256 } = row;
  const { dns = [], ip = [] } = row.subjectAltNames ?? {};
  return {
    ...source,
    position,
    status,
    subject,
    issuer,
    usages: usageWords(row),
    keyUsage: row.keyUsage ?? [],
    extendedKeyUsage: row.extendedKeyUsage ?? [],
    ca: row.basicConstraints?.ca === true,
    dns,
    ip,
    key: { algorithm: key.algorithm, bits: key.bits, ...(key.curve === undefined ? {} : { curve: key.curve }) },
    notBefore: isoTime(notBefore),
    notAfter: isoTime(notAfter),
    residualSeconds,
    serial,
    sha256,
    ...(row.refusal === undefined ? {} : { refusal: row.refusal }),
    ...next,
  };
}
