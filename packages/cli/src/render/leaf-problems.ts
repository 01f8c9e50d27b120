import type { Product } from '@k3s-pki/k3s';
import type { LeafProblem, RestorePlan, RotatePlan } from '@k3s-pki/plan';
import { exitCode, Failure, type Message } from '../failure.ts';
import { describeLeafProblem, unitOf } from '../messages/english/rotate.ts';
import { isoTime } from './structured.ts';
import { showIn } from './text.ts';

/** A problem for programs: its code and file, and the words that people get. */
export function leafProblemJson(problem: LeafProblem, root: string, product: Product) {
  const { error, hint } = describeLeafProblem(problem, showIn(root), product);
  const { severity, code, file } = problem;
  return { severity, code, file: showIn(root)(file), message: error, ...(hint === undefined ? {} : { hint }) };
}

/** What the reports of every plan for leaves begin with, for programs. */
export function leafChangeJson(
  { verb, product, timestamp, role, warnings }: RotatePlan | RestorePlan,
  root: string,
  dryRun: boolean,
) {
  return {
    command: verb,
    ok: true,
    ...(dryRun ? { dryRun } : {}),
    product,
    dataDir: root,
    time: isoTime(timestamp),
    role,
    restart: unitOf(product, role),
    warnings: warnings.map((problem) => leafProblemJson(problem, root, product)),
  };
}

export function leafMessages(problems: readonly LeafProblem[], root: string, product: Product): Message[] {
  return problems.map((problem) => describeLeafProblem(problem, showIn(root), product));
}

/** Every error of a run as one failure; wrong usage when it is all about unknown services. */
export function leafRefusal(
  command: string,
  problems: readonly LeafProblem[],
  root: string,
  product: Product,
): Failure {
  const errors = problems.filter(({ severity }) => severity === 'error');
  return new Failure(leafMessages(errors, root, product), {
    code: errors.every(({ code }) => code === 'unknown-service') ? exitCode.usage : exitCode.refused,
    report: {
      command,
      ok: false,
      dataDir: root,
      problems: problems.map((problem) => leafProblemJson(problem, root, product)),
    },
  });
}
