import type { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { type FieldVerdict, type Product, rotationLog } from '@k3s-pki/k3s';
import type { RotationReport, Verification, VerifyProblem, VerifySection } from '@k3s-pki/plan';
import type { LocatedCaSet } from '../ca-set.ts';
import {
  describeConsequence,
  describeRotationFailure,
  describeRotationFinding,
  type RotationPaths,
} from '../messages/english/rotation.ts';
import { explainVerifyProblem, sectionNames, topologyNames, verdictNames } from '../messages/english/verify.ts';
import { day, type ShowPath } from '../messages/english.ts';
import { columns, isTerminal, painter } from '../terminal.ts';
import { version } from '../version.ts';
import { certificateJson, keyName } from './certificates.ts';
import { quoted, wrap } from './text.ts';

/** What `verify` found. With `rotation`, `verification` is of the set that a server would have afterwards. */
export interface VerifyReport {
  readonly ok: boolean;
  readonly product: Product;
  readonly located: LocatedCaSet;
  readonly verification: Verification;
  /** Where each file of `verification` lies. */
  readonly show: ShowPath;
  readonly rotation?: RotationReport & { readonly against: LocatedCaSet };
}

type Paint = ReturnType<typeof painter>;

/** Lines of text for people. K3s's own lines are never wrapped, so that they can be searched for. */
interface Page {
  readonly paint: Paint;
  /** `text` behind `indent`, wrapped on a terminal; later lines are two columns further in. */
  readonly flow: (indent: string, text: string) => string[];
  /** How to mend it, unless the page has said so already. */
  readonly mend: (indent: string, text: string | undefined) => string[];
}

export function verifyText(report: VerifyReport, stdout: Writable): string {
  const paint = painter(stdout);
  const width = isTerminal(stdout) ? columns(stdout) : Number.POSITIVE_INFINITY;
  const flow = (indent: string, text: string) => {
    const [first = '', ...rest] = wrap(text, width - stripVTControlCharacters(indent).length - 2, '');
    return [indent + first, ...rest.map((line) => `${indent}  ${line}`)];
  };
  const said = new Set<string>();
  const mend = (indent: string, text: string | undefined) => {
    if (text === undefined || said.has(text)) return [];
    said.add(text);
    return flow(`${indent}${paint('cyan', 'mend:')} `, text);
  };
  const page = { paint, flow, mend };
  const lines =
    report.rotation === undefined ? verificationLines(report, page) : rotationLines(report, report.rotation, page);
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
    ...page.flow(`    ${sign} `, `${show(problem.file)}: ${text}`),
    ...(k3s === undefined ? [] : [`      ${page.paint('dim', 'K3s logs:')} ${k3s}`]),
    ...page.mend('      ', mend),
  ];
}

function rotationLines(report: VerifyReport, rotation: NonNullable<VerifyReport['rotation']>, page: Page): string[] {
  const { located, product, verification, show, ok } = report;
  const { against, verdict, consequences } = rotation;
  const paths: RotationPaths = { current: against.show, proposed: located.show };
  const { fields, findings, log, unfit, accepted } = rotation.rotation;
  const nextStart = verification.sections.filter(({ problems }) => problems.length > 0);
  const command = `${product} certificate rotate-ca ${accepted ? '' : '--force '}--path=${quoted(located.server)}`;
  return [
    ...page.flow(`${mark(ok, page)} `, page.paint('bold', verdictNames[verdict])),
    ...(unfit && verdict !== 'nothing'
      ? page.flow(`${mark(false, page)} `, 'loaded all the same, a server would not come up on them: do not load them')
      : []),
    `  new     ${located.tls}`,
    `  in use  ${against.tls}`,
    '',
    ...fields.flatMap((field) => fieldLines(field, paths, page)),
    ...findings.flatMap((finding) => {
      const { error, hint } = describeRotationFinding(finding, paths);
      const sign = finding.effect === 'fatal' ? mark(false, page) : page.paint('yellow', '!');
      return [...page.flow(`${sign} `, error), ...page.mend('  ', hint)];
    }),
    '',
    ...(log === undefined ? [] : [page.paint('bold', "K3s's log"), `  certificate error ID NNNNN: ${log}`, '']),
    ...(nextStart.length === 0
      ? []
      : [
          page.paint('bold', 'The set after the rotation'),
          ...sectionLines({ ...verification, sections: nextStart }, show, page),
          '',
        ]),
    ...(consequences.length === 0
      ? []
      : [
          page.paint(
            'bold',
            accepted ? 'What has to follow' : 'What --force would break, and what would have to follow',
          ),
          ...consequences.flatMap((consequence) => page.flow('  • ', describeConsequence(consequence))),
          '',
        ]),
    ...(verdict === 'nothing' || unfit
      ? []
      : [page.paint('bold', accepted ? 'To load them' : 'To load them all the same'), `  ${command}`]),
  ];
}

function fieldLines({ field, file, from, changed, failure }: FieldVerdict, paths: RotationPaths, page: Page): string[] {
  const state = from === 'current' ? 'kept' : changed ? 'new' : 'the same';
  const sign = failure !== undefined ? mark(false, page) : changed ? mark(true, page) : page.paint('dim', '-');
  const line = `${sign} ${field.padEnd(18)}  ${state}`;
  if (failure === undefined) return [line];
  const { error, hint } = describeRotationFailure(file, failure, paths);
  return [
    line,
    ...page.flow('    ', error),
    `    ${page.paint('dim', 'K3s logs:')} ${field}: ${failure.log.trimEnd()}`,
    ...page.mend('    ', hint),
  ];
}

/** The report for programs. Paths are absolute. */
export function verifyJson(report: VerifyReport) {
  const { ok, located, verification, show, rotation } = report;
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
        return { severity, code, file: show(file), message: text, k3s, mend };
      }),
    })),
    ...(rotation === undefined ? {} : { rotation: rotationJson(rotation, located) }),
  };
}

function rotationJson(
  { verdict, rotation, consequences, against }: NonNullable<VerifyReport['rotation']>,
  located: LocatedCaSet,
) {
  const paths: RotationPaths = { current: against.show, proposed: located.show };
  const { accepted, unfit, log, fields, findings, caHash, trust, serviceKeysLost } = rotation;
  return {
    against: against.tls,
    verdict,
    accepted,
    unfit,
    log,
    ...(log === undefined ? {} : { forcedLog: log.replace(rotationLog.refused, rotationLog.forced) }),
    fields: fields.map(({ field, file, from, changed, failure }) => ({
      field,
      file: paths[from](file),
      from,
      changed,
      ok: failure === undefined,
      ...(failure === undefined
        ? {}
        : {
            code: failure.code,
            k3s: `${field}: ${failure.log.trimEnd()}`,
            ...messageJson(describeRotationFailure(file, failure, paths)),
          }),
    })),
    findings: findings.map((finding) => ({
      code: finding.code,
      effect: finding.effect,
      file: located.show(finding.file),
      ...messageJson(describeRotationFinding(finding, paths)),
    })),
    consequences: consequences.map((consequence) => ({
      code: consequence.code,
      ...consequence.values,
      message: describeConsequence(consequence),
    })),
    caHash: { before: caHash.before?.hash, after: caHash.after?.hash, kept: caHash.kept },
    trust,
    serviceKeysLost,
  };
}

function messageJson({ error, hint }: { error: string; hint?: string }) {
  return { message: error, mend: hint };
}
