import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { workerUrl } from './assets.ts';
import { CoreError } from './errors.ts';
import { type PrimeSearch, reportInterval } from './prime-search.ts';
import type { CoreErrorCode, Lanes } from './types.ts';

/** What a worker starts with. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly lanes: Lanes;
}

/** What a worker is asked for: a prime for a key of this size, or both primes of one. */
export interface PrimeRequest {
  readonly bits: number;
  readonly both: boolean;
}

/** What a worker answers: a prime or both, each answer in a buffer of its own, or a failure. */
export type WorkerReply =
  | { readonly prime: Uint8Array<ArrayBuffer> }
  | { readonly tests: number }
  | { readonly code: CoreErrorCode; readonly message: string };

/** One RSA key to be made; `place` is its index in the caller's list. */
export interface KeyJob {
  readonly place: number;
  readonly bits: number;
}

/** A run of searchers over one list of jobs. */
export interface KeyRun {
  /** Resolves when every job was taken by `take`. Rejects with CoreError. */
  readonly finished: Promise<void>;
  /** Ends the workers; `finished` then rejects with `reason` unless it is settled. */
  stop(reason: CoreError): void;
}

interface Half {
  readonly job: KeyJob;
  readonly primes: Uint8Array[];
  /** Primes of it that are searched now. */
  searchers: number;
  made: boolean;
}

interface Task {
  readonly half: Half;
  readonly request: PrimeRequest;
}

/** Milliseconds after which a search on this thread lets the event loop run. */
const SLICE = 5;

/**
 * Makes the keys of `jobs`, the longest first, in at most `count` workers, and on this thread where there is a `local`
 * search. While there are many keys each searcher makes whole ones, since two primes are tested in less time together.
 * Towards the end the unit of work is a prime, so that searchers share a key. Searches have no memory, so one without
 * work of its own joins the search that has the fewest searchers, and the first prime wins. `take` gets the two primes
 * of a key, which are overwritten after it, and answers whether they make one; when not, one more prime is searched.
 * What it throws ends the run. `tell` gets the number of candidates tested so far, a few times a second.
 */
export function runKeyWorkers(
  start: WorkerStart,
  jobs: readonly KeyJob[],
  take: (job: KeyJob, p: Uint8Array, q: Uint8Array) => boolean,
  tell: (tests: number) => void,
  count: number = availableParallelism(),
  program: URL = workerUrl,
  local?: PrimeSearch,
): KeyRun {
  const halves = jobs
    .map((job): Half => ({ job, primes: [], searchers: 0, made: false }))
    .sort((a, b) => b.job.bits - a.job.bits);
  const workers: Worker[] = [];
  const tests = new Map<Worker | PrimeSearch, number>();
  const { promise: finished, resolve, reject } = Promise.withResolvers<void>();
  let ended = false;

  const end = (reason?: unknown): void => {
    ended = true;
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

  const report = (searcher: Worker | PrimeSearch, number: number): void => {
    tests.set(searcher, number);
    tell([...tests.values()].reduce((sum, each) => sum + each, 0));
  };

  const searchers = count + (local === undefined ? 0 : 1);

  /** A whole key while two or more a searcher are left; a key that lacks a searcher for one of its primes, the longest
   *  first; else the one with the fewest searchers. */
  const choose = (): Task | undefined => {
    const open = halves.filter(({ made }) => !made);
    const untouched = open.filter(({ primes, searchers }) => primes.length + searchers === 0);
    const [first] = untouched;
    if (first !== undefined && untouched.length >= 2 * searchers) return assign(first, true);
    const lacking = open.find(({ primes, searchers }) => primes.length + searchers < 2);
    const half = lacking ?? open.sort((a, b) => a.searchers - b.searchers)[0];
    return half && assign(half, false);
  };

  const assign = (half: Half, both: boolean): Task => {
    half.searchers += both ? 2 : 1;
    return { half, request: { bits: half.job.bits, both } };
  };

  /** Takes what was found; ends the run when it was the last. */
  const keep = ({ half, request }: Task, found: Uint8Array): void => {
    half.searchers -= request.both ? 2 : 1;
    const middle = request.both ? found.length / 2 : found.length;
    half.primes.push(found.subarray(0, middle));
    if (request.both) half.primes.push(found.subarray(middle));
    const [p, q] = half.primes;
    if (!half.made && p !== undefined && q !== undefined) half.made = take(half.job, p, q);
    wipe(half.primes.splice(half.made ? 0 : 1));
    if (halves.every(({ made }) => made)) end();
  };

  const employ = (): void => {
    // Loading it costs a millisecond, which a single key on this thread does without.
    const { Worker } = process.getBuiltinModule('node:worker_threads');
    const worker = new Worker(program, { workerData: start });
    workers.push(worker);
    let task: Task | undefined;
    const next = (): void => {
      task = choose();
      if (task !== undefined) worker.postMessage(task.request);
    };
    worker.on('message', (reply: WorkerReply) => {
      if ('tests' in reply) {
        report(worker, reply.tests);
        return;
      }
      if ('code' in reply) {
        end(new CoreError(reply.code, reply.message));
        return;
      }
      try {
        if (task !== undefined) keep(task, reply.prime);
        if (!ended) next();
      } catch (thrown) {
        end(thrown);
      }
    });
    worker.on('error', (cause) => end(new CoreError('internal', 'a key worker failed', { cause })));
    worker.on('exit', (code) => end(new CoreError('internal', `a key worker ended early with exit code ${code}`)));
    next();
  };

  const searchHere = async (search: PrimeSearch): Promise<void> => {
    let told = performance.now();
    try {
      for (let task = choose(); task !== undefined && !ended; task = choose()) {
        let found: Uint8Array | undefined;
        while (found === undefined && !ended && !task.half.made) {
          const until = performance.now() + SLICE;
          do found = search.step(task.request);
          while (found === undefined && performance.now() < until);
          if (found !== undefined) keep(task, found);
          if (!ended && performance.now() - told > reportInterval) {
            told = performance.now();
            report(search, search.tests());
          }
          await setImmediate();
        }
      }
    } catch (thrown) {
      end(thrown);
    } finally {
      search.release();
    }
  };

  for (let index = Math.min(count, 2 * jobs.length); index > 0; index -= 1) employ();
  if (local !== undefined) void searchHere(local);
  return { finished, stop: end };
}

function wipe(primes: readonly Uint8Array[]): void {
  for (const prime of primes) prime.fill(0);
}
