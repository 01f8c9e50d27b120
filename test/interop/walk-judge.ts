import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { FirstStart, GoJudge, Judged } from './judge.ts';

/** What K3s's start meets in a data dir, or has made of it. */
export interface WalkVerdict {
  readonly ok: boolean;
  /** What rotate-ca logs when it changes nothing. */
  readonly refused: ReadonlyArray<{ readonly field: string; readonly text: string }> | null;
  readonly cas: readonly Judged[];
  readonly leaves: ReadonlyArray<Judged & { readonly action?: 'keep' | 'renew' }>;
  readonly serviceKey: FirstStart['serviceKey'];
  /** SPKI digests in file order. */
  readonly serviceKeys: readonly string[];
  readonly listener: Judged;
}

/** The Go judge as one process for a whole walk: a process per step would take longer than the steps. */
export class WalkJudge {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor({ path }: GoJudge) {
    this.#child = spawn(path, ['walks'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  /** What a start would meet; nothing is written. `at` is seconds since 1970. */
  judge(dir: string, at: number): Promise<WalkVerdict> {
    return this.#ask({ do: 'judge', dir, at });
  }

  /** A start of K3s: leaves are made, renewed, kept. */
  start(dir: string, at: number): Promise<WalkVerdict> {
    return this.#ask({ do: 'start', dir, at });
  }

  /** `rotate-ca --path STAGED` and the restart, or what it refuses. */
  load(dir: string, staged: string, at: number): Promise<WalkVerdict> {
    return this.#ask({ do: 'load', dir, staged, at });
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    await once(this.#child, 'exit');
  }

  async #ask(step: object): Promise<WalkVerdict> {
    this.#child.stdin?.write(`${JSON.stringify(step)}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error('the judge ended');
    return JSON.parse(value);
  }
}
