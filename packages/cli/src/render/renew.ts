import type { Writable } from 'node:stream';
import type { Product } from '@k3s-pki/k3s';
import type { Holder, LeafProblem, RenewPlan, RenewProblem } from '@k3s-pki/plan';
import { exitCode, Failure, type Message } from '../failure.ts';
import { describeCauses, describeRenewProblem } from '../messages/english/renew.ts';
import { describeHolder, unitOf } from '../messages/english/rotate.ts';
import { day } from '../messages/english.ts';
import { painter } from '../terminal.ts';
import { version } from '../version.ts';
import { number } from './issue.ts';
import { leafMessages, leafProblemJson } from './leaf-problems.ts';
import { isoTime } from './structured.ts';
import { aligned, octal, showIn } from './text.ts';

const command = 'certificate renew';

/** Every error of a run as one failure; wrong usage when it is all about unknown services. */
export function renewRefusal(
  { leafProblems, problems }: { leafProblems: readonly LeafProblem[]; problems: readonly RenewProblem[] },
  root: string,
  product: Product,
): Failure {
  const leafErrors = leafProblems.filter(({ severity }) => severity === 'error');
  const errors = problems.filter(({ severity }) => severity === 'error');
  const isUsage = errors.length === 0 && leafErrors.every(({ code }) => code === 'unknown-service');
  return new Failure([...leafMessages(leafErrors, root, product), ...renewMessages(errors, root, product)], {
    code: isUsage ? exitCode.usage : exitCode.refused,
    report: {
      command,
      ok: false,
      dataDir: root,
      problems: [
        ...leafProblems.map((problem) => leafProblemJson(problem, root, product)),
        ...problems.map((problem) => renewProblemJson(problem, root, product)),
      ],
    },
  });
}

export function renewMessages(problems: readonly RenewProblem[], root: string, product: Product): Message[] {
  return problems.map((problem) => describeRenewProblem(problem, showIn(root), product));
}

/** The plan, or the report of a finished run, for programs. Paths are absolute. */
export function renewJson(plan: RenewPlan, root: string, holders: readonly Holder[], dryRun: boolean) {
  const { verb, product, role, withinDays, leaves, kept, warnings } = plan;
  const show = showIn(root);
  return {
    command: verb,
    ok: true,
    ...(dryRun ? { dryRun } : {}),
    version,
    product,
    dataDir: root,
    withinDays,
    renewed: leaves.map(({ certificate, key, ca, issuer, causes, ...leaf }) => ({
      path: show(certificate.path),
      key: { path: show(key.path), kind: key.kind },
      causes,
      reason: describeCauses(causes, withinDays),
      ca,
      issuer: issuer.subject,
      commonName: leaf.commonName,
      organizations: leaf.organizations,
      dns: leaf.dns,
      ip: leaf.ip,
      extendedKeyUsage: leaf.extendedKeyUsage,
      notBefore: isoTime(leaf.notBefore),
      notAfter: isoTime(leaf.notAfter),
      mode: octal(certificate.mode),
    })),
    kept: kept.map(({ path, notAfter }) => ({ path: show(path), notAfter: isoTime(notAfter) })),
    running: holders.length > 0,
    restart: leaves.length > 0 ? unitOf(product, role) : null,
    warnings: warnings.map((problem) => renewProblemJson(problem, root, product)),
  };
}

/** The plan or the report for people: each leaf with its cause, and what is left to do. */
export function renewText(
  plan: RenewPlan,
  root: string,
  { holders, dryRun, stdout }: { holders: readonly Holder[]; dryRun: boolean; stdout: Writable },
): string {
  const paint = painter(stdout);
  const { product, role, withinDays, leaves, kept } = plan;
  const done = paint('green', '✔');
  if (leaves.length === 0) {
    if (kept.length === 0) return `${done} nothing to renew in ${root}: no certificate is there, a start makes them\n`;
    const soonest = day(Math.min(...kept.map(({ notAfter }) => notAfter)));
    return `${done} nothing to renew in ${root}: ${number(kept.length, 'certificate')} ${kept.length === 1 ? 'stays as it is, until' : 'stay as they are, the first until'} ${soonest}\n`;
  }
  const head = dryRun
    ? `${paint('bold', 'Plan')}: renew ${number(leaves.length, 'certificate')} in ${root}; nothing is written`
    : `${done} ${paint('bold', `${number(leaves.length, 'certificate')} renewed`)} in ${root}`;
  const rows = leaves.map(({ certificate, key, causes, notAfter }) => [
    certificate.path,
    day(notAfter),
    key.kind === 'new' ? 'new' : 'kept',
    describeCauses(causes, withinDays),
  ]);
  const [first = '', ...lines] = aligned([['certificate', 'expires', 'key', 'because'], ...rows]);
  return [
    head,
    '',
    paint('dim', first),
    ...lines,
    ...(kept.length === 0
      ? []
      : ['', `${number(kept.length, 'certificate')} ${kept.length === 1 ? 'stays as it is' : 'stay as they are'}`]),
    ...(dryRun ? [] : ['', ...restart(product, role, holders, paint)]),
    '',
  ].join('\n');
}

function restart(
  product: Product,
  role: RenewPlan['role'],
  holders: readonly Holder[],
  paint: ReturnType<typeof painter>,
): string[] {
  const unit = unitOf(product, role);
  if (holders.length === 0) return ['the next start finds them valid'];
  return [
    ...holders.map((holder) => `${describeHolder(holder)}, with the old certificates in memory`),
    paint('bold', 'To use the new ones'),
    `  systemctl restart ${unit}`,
  ];
}

function renewProblemJson(problem: RenewProblem, root: string, product: Product) {
  const { error, hint } = describeRenewProblem(problem, showIn(root), product);
  const { severity, code, file } = problem;
  return { severity, code, file: showIn(root)(file), message: error, ...(hint === undefined ? {} : { hint }) };
}
