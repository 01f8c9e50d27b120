import { isAbsolute, join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Product } from '@k3s-pki/k3s';
import { type Diagnosis, type DoctorFinding, type DoctorInputs, doctorSections, type Holder } from '@k3s-pki/plan';
import {
  type DoctorPlace,
  describeStart,
  doctorSectionNames,
  explainDoctorFinding,
} from '../messages/english/doctor.ts';
import { painter } from '../terminal.ts';
import { version } from '../version.ts';

export interface DoctorReport {
  /** Data dir, absolute. */
  readonly root: string;
  readonly product: Product;
  readonly holders: readonly Holder[];
  readonly inputs: DoctorInputs;
  readonly diagnosis: Diagnosis;
}

type Paint = ReturnType<typeof painter>;

/** Lines for people. They are not wrapped: K3s's lines and the commands among them have to stay whole. */
export function doctorText(report: DoctorReport, stdout: Writable): string {
  const { diagnosis, root, product } = report;
  const paint = painter(stdout);
  const place = placeOf(report);
  const said = new Set<string>();
  const findingLines = (finding: DoctorFinding): string[] => {
    const { text, k3s, mend } = explainDoctorFinding(finding, place);
    const file = finding.file === undefined ? '' : `${place.show(finding.file)}: `;
    const lines = [`    ${mark(finding.severity, paint)} ${file}${text}`];
    if (k3s !== undefined) lines.push(`      ${paint('dim', 'K3s logs:')} ${k3s}`);
    if (mend !== undefined && !said.has(mend)) lines.push(`      ${paint('cyan', 'mend:')} ${mend}`);
    if (mend !== undefined) said.add(mend);
    return lines;
  };
  const sections = doctorSections
    .filter((section) => section !== 'server' || report.inputs.server !== undefined)
    .flatMap((section) => {
      const findings = diagnosis.findings.filter((finding) => finding.section === section);
      const head = `${mark(worst(findings), paint)} ${doctorSectionNames[section].padEnd(28)}  ${facts(section, report)}`;
      return [head.trimEnd(), ...findings.flatMap(findingLines)];
    });
  return [
    `${paint('bold', `${product} in ${root}`)}${report.holders.length === 0 ? '' : ', which a server uses now'}`,
    '',
    ...sections,
    '',
    ...startLines(report, place, paint),
    '',
  ].join('\n');
}

function startLines({ diagnosis }: DoctorReport, place: DoctorPlace, paint: Paint): string[] {
  const { start, ok } = diagnosis;
  const isBad = start.outcome === 'fatal' || start.outcome === 'hangs';
  const sign = mark(isBad ? 'error' : 'note', paint);
  const lines = isBad ? fatalLines(diagnosis, place).map((line) => `  ${line}`) : [];
  return [
    `${sign} ${paint('bold', 'Next start:')} ${describeStart(start, place)}`,
    ...lines,
    ...start.rewritten.map((file) => `  ${place.show(file)}`),
    ...(ok || isBad ? [] : ['  what is marked ✘ above stays broken']),
  ];
}

/** K3s's lines of everything that keeps the server from starting, or our words where its own are not known. */
function fatalLines({ findings }: Diagnosis, place: DoctorPlace): string[] {
  const lines = findings
    .filter(({ start }) => start !== undefined)
    .map((finding) => {
      const { k3s, text } = explainDoctorFinding(finding, place);
      return k3s ?? (finding.file === undefined ? text : `${place.show(finding.file)}: ${text}`);
    });
  return [...new Set(lines)];
}

function facts(section: DoctorFinding['section'], { inputs, diagnosis }: DoctorReport): string {
  const { records, kubeconfigs } = inputs;
  switch (section) {
    case 'authorities': {
      const hash = diagnosis.verification.firstStart.caHash?.hash;
      return hash === undefined ? '' : `CA hash ${hash}`;
    }
    case 'datastore':
      return records.kind === 'seen' ? records.where : '';
    case 'kubeconfigs':
      return kubeconfigs.length === 0 ? 'none' : `${kubeconfigs.length} looked at`;
    case 'version':
      return inputs.version === undefined ? '' : `${inputs.version}, renews within ${inputs.days} days of the end`;
    case 'server':
      return inputs.server?.kind === 'seen' ? inputs.server.host : '';
    default:
      return '';
  }
}

function worst(findings: readonly DoctorFinding[]): DoctorFinding['severity'] {
  if (findings.some(({ severity }) => severity === 'error')) return 'error';
  return findings.some(({ severity }) => severity === 'warning') ? 'warning' : 'note';
}

function mark(severity: DoctorFinding['severity'], paint: Paint): string {
  return { error: paint('red', '✘'), warning: paint('yellow', '!'), note: paint('green', '✔') }[severity];
}

/** The report for programs. Paths are absolute. */
export function doctorJson(report: DoctorReport) {
  const { diagnosis, root, product, holders, inputs } = report;
  const { start, ok, verification, findings } = diagnosis;
  const place = placeOf(report);
  const { records } = inputs;
  return {
    command: 'doctor',
    ok,
    version,
    dataDir: root,
    product,
    inUse: holders.length > 0,
    release: inputs.version ?? null,
    renewalDays: inputs.days,
    caHash: verification.firstStart.caHash?.hash ?? null,
    datastore: records.kind === 'seen' ? { seen: true, where: records.where } : { seen: false },
    nextStart: {
      outcome: start.outcome,
      certain: start.certain,
      lines: start.outcome === 'fatal' || start.outcome === 'hangs' ? fatalLines(diagnosis, place) : [],
      rewritten: start.rewritten.map(place.show),
    },
    findings: findings.map((finding) => {
      const { text, k3s, mend } = explainDoctorFinding(finding, place);
      const { section, severity, file, start: effect } = finding;
      const shown = file === undefined ? {} : { file: place.show(file) };
      const rest = { ...shown, ...(effect === undefined ? {} : { nextStart: effect }), message: text, k3s, mend };
      return { section, severity, code: codeOf(finding), ...rest };
    }),
  };
}

/** The code of what was judged elsewhere, else our own. */
function codeOf({ code, values }: DoctorFinding): string {
  if (code === 'record') return values.finding.code;
  if (code !== 'authority') return code;
  const { problem } = values;
  return problem.code === 'k3s-start' ? problem.values.finding.code : problem.code;
}

function placeOf({ root, product }: Pick<DoctorReport, 'root' | 'product'>): DoctorPlace {
  return { root, product, show: (path) => (isAbsolute(path) ? path : join(root, path)) };
}
