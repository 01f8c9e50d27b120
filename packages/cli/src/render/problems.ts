import type { Problem } from '@k3s-pki/plan';
import { describe, type ShowPath } from '../messages/english.ts';

/** A problem for programs: its code and file, and the words that people get. */
export function problemJson(problem: Problem, show: ShowPath) {
  const { error, hint } = describe(problem, show);
  const { severity, code, file } = problem;
  return { severity, code, file: show(file), message: error, ...(hint === undefined ? {} : { hint }) };
}
