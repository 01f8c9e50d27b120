import type { Writable } from 'node:stream';
import { type Product, type Rotation, rotationLog } from '@k3s-pki/k3s';
import type { Verification, VerifyProblem, VerifySection } from '@k3s-pki/plan';
import type { LocatedCaSet } from '../ca-set.ts';
import type { ShowInSet } from '../messages/english/rotation.ts';
import { explainVerifyProblem, sectionNames, topologyNames } from '../messages/english/verify.ts';
import { day, type ShowPath } from '../messages/english.ts';
import { painter } from '../terminal.ts';
import { version } from '../version.ts';
import { certificateJson, keyName } from './certificates.ts';
import { rotationJson, rotationText } from './rotation.ts';
import { quoted } from './text.ts';

/** The set in use, and what `rotate-ca` would say on a server that has it. */
export interface Against {
  readonly against: LocatedCaSet;
  readonly rotation: Rotation;
  readonly show: ShowInSet;
}

/** What `verify` found. With `against`, `verification` is of the set that a server would have afterwards. */
export interface VerifyReport {
  readonly ok: boolean;
  readonly product: Product;
  readonly located: LocatedCaSet;
  readonly verification: Verification;
  /** Where each file of `verification` lies. */
  readonly show: ShowPath;
  readonly against?: Against;
}

type Paint = ReturnType<typeof painter>;

/** Lines for people. They are not wrapped: K3s's words and the commands among them have to stay whole. */
interface Page {
  readonly paint: Paint;
  /** How to mend it, unless the page has said so already. */
  readonly mend: (indent: string, text: string | undefined) => string[];
}

export function verifyText(report: VerifyReport, stdout: Writable): string {
  const paint = painter(stdout);
  const said = new Set<string>();
  const mend = (indent: string, text: string | undefined) => {
    if (text === undefined || said.has(text)) return [];
    said.add(text);
    return [`${indent}${paint('cyan', 'hint:')} ${text}`];
  };
  const page = { paint, mend };
  const lines =
    report.against === undefined ? verificationLines(report, page) : againstLines(report, report.against, page);
  return [...lines, ''].join('\n');
}

function verificationLines({ located, verification, show, ok }: VerifyReport, page: Page): string[] {
  const { topology, firstStart } = verification;
  const hash = firstStart.caHash?.hash;
  return [
    `${mark(ok, page)} ${page.paint('bold', topologyNames[topology.kind])} in ${located.tls}`,
    '',
    ...sectionLines(verification, show, page),
    '',
    ...(hash === undefined ? [] : [page.paint('bold', 'CA hash of the join token'), `  K10${hash}`, '']),
    `${mark(ok, page)} ${summary(verification)}`,
  ];
}

function summary({ sections, ok }: Verification): string {
  const problems = sections.flatMap((section) => section.problems);
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const warnings = problems.length - errors;
  const counts = [count(errors, 'error'), count(warnings, 'warning')].filter((text) => text !== '').join(', ');
  const verdict = ok ? 'K3s comes up with exactly these CAs' : 'K3s does not come up with exactly these CAs';
  return counts === '' ? verdict : `${verdict} (${counts})`;
}

function count(number: number, one: string): string {
  return number === 0 ? '' : `${number} ${one}${number === 1 ? '' : 's'}`;
}

function sectionLines({ sections }: Verification, show: ShowPath, page: Page): string[] {
  const shown = sections.filter(
    ({ name, problems, chain }) =>
      problems.length > 0 || (name !== 'folder' && (name !== 'authorities' || chain.length > 0)),
  );
  return shown.flatMap((section) => [
    `${sectionMark(section, page)} ${sectionNames[section.name].padEnd(20)}  ${sectionFacts(section)}`.trimEnd(),
    ...section.problems.flatMap((problem) => problemLines(problem, show, page)),
  ]);
}

function sectionFacts({ name, certificate, chain, keys }: VerifySection): string {
  if (name === 'service-key') return keys === 0 ? '' : `${keys} ${keys === 1 ? 'key' : 'keys'}`;
  if (name === 'authorities') return chain.map(({ subject }) => subject).join(', ');
  return certificate === undefined
    ? ''
    : `${certificate.subject}, ${keyName(certificate.key)}, until ${day(certificate.notAfter)}`;
}

function sectionMark({ problems }: VerifySection, page: Page): string {
  if (problems.some(({ severity }) => severity === 'error')) return mark(false, page);
  return problems.length === 0 ? mark(true, page) : page.paint('yellow', '!');
}

function mark(ok: boolean, { paint }: Page): string {
  return ok ? paint('green', '✔') : paint('red', '✘');
}

function problemLines(problem: VerifyProblem, show: ShowPath, page: Page): string[] {
  const { text, k3s, mend } = explainVerifyProblem(problem, show);
  const sign = problem.severity === 'error' ? page.paint('red', '✘') : page.paint('yellow', '!');
  return [
    `    ${sign} ${show(problem.file)}: ${text}`,
    ...(k3s === undefined ? [] : [`      ${page.paint('dim', 'K3s logs:')} ${k3s}`]),
    ...page.mend('      ', mend),
  ];
}

function againstLines(report: VerifyReport, { against, rotation, show }: Against, page: Page): string[] {
  const { located, product, verification } = report;
  // What K3s says of its next start stands among the checks already.
  const rest = verification.sections
    .map((section) => ({ ...section, problems: section.problems.filter(({ code }) => code !== 'k3s-start') }))
    .filter(({ problems }) => problems.length > 0);
  const force = rotation.accepted ? '' : '--force ';
  return [
    `${page.paint('bold', 'new')}     ${located.tls}`,
    `${page.paint('bold', 'in use')}  ${against.tls}`,
    '',
    ...rotationText(rotation, show, page.paint),
    ...(rest.length === 0
      ? []
      : [
          '',
          page.paint('bold', 'Beside that'),
          ...sectionLines({ ...verification, sections: rest }, show.proposed, page),
        ]),
    ...(rotation.log === undefined
      ? []
      : [
          '',
          page.paint('bold', "K3s's log"),
          `  certificate error ID NNNNN: ${rotation.log}`,
          `  with --force: ${rotation.log.replace(rotationLog.refused, rotationLog.forced)}`,
        ]),
    ...(rotation.unfit
      ? []
      : [
          '',
          page.paint('bold', rotation.accepted ? 'To load them' : 'To load them all the same'),
          `  ${product} certificate rotate-ca ${force}--path=${quoted(located.server)}`,
        ]),
  ];
}

/** The report for programs. Paths are absolute. */
export function verifyJson(report: VerifyReport) {
  const { ok, located, verification, show, against } = report;
  const { topology, firstStart, sections } = verification;
  return {
    command: 'verify',
    ok,
    version,
    tls: located.tls,
    topology: { kind: topology.kind, cas: topology.cas },
    caHash: firstStart.caHash?.hash,
    tokenPrefix: firstStart.caHash === undefined ? undefined : `K10${firstStart.caHash.hash}::`,
    sections: sections.map(({ name, certificate, chain, keys, problems }) => ({
      name,
      ok: problems.every(({ severity }) => severity !== 'error'),
      ...(certificate === undefined ? {} : { certificate: certificateJson(certificate) }),
      ...(name === 'service-key' ? { keys } : { chain: chain.map(({ subject }) => subject) }),
      problems: problems.map((problem) => {
        const { text, k3s, mend } = explainVerifyProblem(problem, show);
        const { severity, file } = problem;
        const code = problem.code === 'k3s-start' ? problem.values.finding.code : problem.code;
        return { severity, code, file: show(file), message: text, k3s, hint: mend };
      }),
    })),
    ...(against === undefined
      ? {}
      : { against: against.against.tls, rotation: rotationJson(against.rotation, against.show) }),
  };
}
