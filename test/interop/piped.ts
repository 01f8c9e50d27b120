import { spawnSync } from 'node:child_process';
import { environment, program } from '../cli/program.ts';
import type { GoJudge } from './judge.ts';

/** What a judge says of a stream: lines that it repeats, then its verdict. */
export interface Piped<Verdict> {
  readonly sample: readonly string[];
  readonly verdict: Verdict;
}

/** What is common to the verdicts on streams: how many were judged and refused, and why the first ones were. */
export interface StreamVerdict {
  readonly judged: number;
  readonly refused: number;
  readonly reasons: readonly string[];
}

/**
 * Runs the program into a subcommand of the Go judge, which judges each item as it comes out. Throws when either fails
 * or the program has anything to say.
 */
export function piped<Verdict extends StreamVerdict>(
  judge: GoJudge,
  args: readonly string[],
  judgement: readonly string[],
): Piped<Verdict> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: bash fills it in
  const script = 'set -o pipefail; ours=("${@:1:$COUNT}"); "${ours[@]}" | "${@:$COUNT+1}"';
  const ours = [process.execPath, program(), ...args];
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', ...ours, judge.path, ...judgement], {
    env: environment({ COUNT: String(ours.length) }),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0 || stderr !== '') throw new Error(`exit code ${status}: ${stderr}`);
  const lines = stdout.trimEnd().split('\n');
  return { sample: lines.slice(0, -1), verdict: JSON.parse(lines.at(-1) ?? '') as Verdict };
}
