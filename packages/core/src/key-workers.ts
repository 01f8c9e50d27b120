import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { workerUrl } from './assets.ts';
import { CoreError } from './errors.ts';
import type { CoreErrorCode, Lanes } from './types.ts';

/** What a worker starts with. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly lanes: Lanes;
}

/** What a worker answers to the size of a key: a prime for it in a buffer of its own, or a failure. */
export type WorkerReply =
  | { readonly prime: Uint8Array<ArrayBuffer> }
  | { readonly tests: number }
  | { readonly code: CoreErrorCode; readonly message: string };

/** One RSA key to be made; `place` is its index in the caller's list. */
export interface KeyJob {
  readonly place: number;
  readonly bits: number;
}

/** A run of workers over one list of jobs. */
export interface KeyRun {
  /** Resolves when every job was taken by `take`. Rejects with CoreError. */
  readonly finished: Promise<void>;
  /** Ends the workers; `finished` then rejects with `reason` unless it is settled. */
  stop(reason: CoreError): void;
}

interface Half {
  readonly job: KeyJob;
  readonly primes: Uint8Array[];
  /** Workers that search a prime for it now. */
  searchers: number;
  made: boolean;
}

/**
 * Makes the keys of `jobs`, the longest first, in at most `count` workers. The unit of work is a prime, so that workers
 * share a key. Searches have no memory, so a worker without work of its own joins the search that has the fewest
 * workers, and the first prime wins. `take` gets the two primes of a key, which are overwritten after it, and answers
 * whether they make one; when not, one more prime is searched. What it throws ends the run. `tell` gets the number of
 * candidates tested so far, a few times a second.
 */
export function runKeyWorkers(
  start: WorkerStart,
  jobs: readonly KeyJob[],
  take: (job: KeyJob, p: Uint8Array, q: Uint8Array) => boolean,
  tell: (tests: number) => void,
  count: number = availableParallelism(),
  program: URL = workerUrl,
): KeyRun {
  const halves = jobs
    .map((job): Half => ({ job, primes: [], searchers: 0, made: false }))
    .sort((a, b) => b.job.bits - a.job.bits);
  const workers: Worker[] = [];
  const tests = new Map<Worker, number>();
  const { promise: finished, resolve, reject } = Promise.withResolvers<void>();

  const end = (reason?: unknown): void => {
    for (const worker of workers.splice(0)) {
      worker.removeAllListeners();
      // A worker that is ended while it dies may still emit: nobody is interested any more.
      worker.on('error', () => {});
      void worker.terminate();
    }
    for (const { primes } of halves) wipe(primes.splice(0));
    if (reason === undefined) resolve();
    else reject(reason);
  };

  /** A key that lacks a searcher for one of its primes, the longest first; else the one with the fewest searchers. */
  const choose = (): Half | undefined => {
    const open = halves.filter(({ made }) => !made);
    const lacking = open.find(({ primes, searchers }) => primes.length + searchers < 2);
    return lacking ?? open.sort((a, b) => a.searchers - b.searchers)[0];
  };

  const keep = (half: Half, prime: Uint8Array): void => {
    half.primes.push(prime);
    const [p, q] = half.primes;
    if (!half.made && p !== undefined && q !== undefined) half.made = take(half.job, p, q);
    if (half.made) wipe(half.primes.splice(0));
    else wipe(half.primes.splice(1));
  };

  const employ = (): void => {
    const worker = new Worker(program, { workerData: start });
    workers.push(worker);
    let half: Half | undefined;
    const next = (): void => {
      half = choose();
      if (half === undefined) return;
      half.searchers += 1;
      worker.postMessage(half.job.bits);
    };
    worker.on('message', (reply: WorkerReply) => {
      if ('tests' in reply) {
        tests.set(worker, reply.tests);
        tell([...tests.values()].reduce((sum, each) => sum + each, 0));
        return;
      }
      if ('code' in reply) {
        end(new CoreError(reply.code, reply.message));
        return;
      }
      try {
        if (half !== undefined) {
          half.searchers -= 1;
          keep(half, reply.prime);
        }
        if (halves.every(({ made }) => made)) end();
        else next();
      } catch (thrown) {
        end(thrown);
      }
    });
    worker.on('error', (cause) => end(new CoreError('internal', 'a key worker failed', { cause })));
    worker.on('exit', (code) => end(new CoreError('internal', `a key worker ended early with exit code ${code}`)));
    next();
  };

  for (let index = Math.min(count, 2 * jobs.length); index > 0; index -= 1) employ();
  return { finished, stop: end };
}

function wipe(primes: readonly Uint8Array[]): void {
  for (const prime of primes) prime.fill(0);
}
