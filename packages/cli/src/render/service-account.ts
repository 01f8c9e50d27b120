import type { Writable } from 'node:stream';
import type { Product, ServiceKey } from '@k3s-pki/k3s';
import type { ServiceAccountPlan, ServiceAccountProblem } from '@k3s-pki/plan';
import { Failure } from '../failure.ts';
import { describeServiceAccount, serviceAccountNext } from '../messages/english/service-account.ts';
import { columns, painter } from '../terminal.ts';
import { version } from '../version.ts';
import { keyName, keyTypeName } from './certificates.ts';
import { aligned, numbered, octal, quoted } from './text.ts';

/** Every problem of a run as one failure. */
export function serviceAccountRefusal(problems: readonly ServiceAccountProblem[]): Failure {
  const errors = problems.filter(({ severity }) => severity === 'error');
  return new Failure(errors.map(describeServiceAccount), {
    report: { command: 'service-account rotate', ok: false, problems: problems.map(problemJson) },
  });
}

/** The keys of a file, for people. */
export function serviceKeysText(path: string, keys: readonly ServiceKey[], stdout: Writable): string {
  const paint = painter(stdout);
  const rows = keys.map((found, index) => [
    String(index + 1),
    found.role,
    found.key === undefined ? '-' : keyName(found.key),
    found.kid ?? '-',
    found.label,
  ]);
  const [head = '', ...lines] = aligned([['#', 'role', 'key', 'key id (kid)', 'PEM block'], ...rows]);
  return [paint('bold', path), paint('dim', head), ...lines, ''].join('\n');
}

/** The keys of a file, for programs; `reason` says why K3s does not start on it. */
export function serviceKeysJson(path: string, keys: readonly ServiceKey[], reason: string | undefined) {
  return {
    command: 'service-account list',
    ok: reason === undefined,
    file: path,
    keys: keys.map(serviceKeyJson),
    reason,
  };
}

/** The plan for people; nothing was written. */
export function serviceAccountPlanText(plan: ServiceAccountPlan, stdout: Writable): string {
  const paint = painter(stdout);
  return [
    `${paint('bold', 'Plan')}: a new service account key in front of those of ${plan.source}; nothing is written`,
    '',
    ...table(
      [
        ['new', keyTypeName(plan.newKey), 'signs'],
        ...plan.kept.map(({ kid, key }) => [kid, keyName(key), 'kept']),
        ...plan.dropped.map(({ kid, key }) => [kid, keyName(key), 'left out']),
      ],
      paint,
    ),
    '',
    `${octal(plan.mode)}  ${plan.stage}/${plan.file}${plan.replaces === 'absent' ? '' : '  (replaced)'}`,
    '',
  ].join('\n');
}

export function serviceAccountPlanJson({ warnings, ...plan }: ServiceAccountPlan) {
  return { command: plan.verb, ok: true, dryRun: true, ...plan, warnings: warnings.map(problemJson) };
}

/** What the report of a finished run is made of; `keys` were read back from the disk. */
export interface ServiceAccountReport {
  readonly plan: ServiceAccountPlan;
  readonly product: Product;
  readonly keys: readonly ServiceKey[];
}

export function serviceAccountReportText({ plan, product, keys }: ServiceAccountReport, stdout: Writable): string {
  const paint = painter(stdout);
  const rows = keys.flatMap(({ kid = '', key }, index) => {
    const how = ['new, signs', 'kept, signed until now'][index] ?? 'kept';
    return key === undefined ? [] : [[kid, keyName(key), how]];
  });
  return [
    `${paint('green', '✔')} ${paint('bold', 'service account keys')} in ${plan.stage}/${plan.file}`,
    '',
    ...table(rows, paint),
    '',
    paint('bold', 'Next'),
    ...serviceAccountNext(product).flatMap((step, index) => [
      ...numbered(index + 1, step, Math.min(columns(stdout), 100)),
      // On a line of its own and never wrapped, to be pasted.
      ...(index === 0 ? [`       ${loadCommand(plan, product)}`] : []),
    ]),
    '',
  ].join('\n');
}

export function serviceAccountReportJson({ plan, product, keys }: ServiceAccountReport) {
  return {
    command: plan.verb,
    ok: true,
    version,
    product,
    source: plan.source,
    stage: plan.stage,
    file: `${plan.stage}/${plan.file}`,
    mode: octal(plan.mode),
    keys: keys.map(serviceKeyJson),
    dropped: plan.dropped.map(({ kid, key }) => ({ kid, key: { algorithm: key.algorithm, bits: key.bits } })),
    rotateCa: loadCommand(plan, product),
    warnings: plan.warnings.map(problemJson),
  };
}

function loadCommand({ stage }: ServiceAccountPlan, product: Product): string {
  return `${product} certificate rotate-ca --path=${quoted(stage)}`;
}

function table(rows: string[][], paint: ReturnType<typeof painter>): string[] {
  const [head = '', ...lines] = aligned([['key id (kid)', 'key', ''], ...rows]);
  return [paint('dim', head), ...lines];
}

function serviceKeyJson({ role, kid, key, label, line }: ServiceKey) {
  return { role, kid, key: key && { algorithm: key.algorithm, bits: key.bits, curve: key.curve }, label, line };
}

function problemJson(problem: ServiceAccountProblem) {
  const { error, hint } = describeServiceAccount(problem);
  return { severity: problem.severity, code: problem.code, file: problem.file, message: error, hint };
}
