import { Worker } from 'node:worker_threads';
import { workerUrl } from './assets.ts';
import { CoreError } from './errors.ts';
import type { CoreErrorCode, KeyType } from './types.ts';

/** What a worker answers: PEM bytes in a buffer of their own, or a failure. */
export type WorkerReply =
  | { readonly pem: Uint8Array<ArrayBuffer> }
  | { readonly code: CoreErrorCode; readonly message: string };

/** One RSA key to be made; `place` is its index in the caller's list. */
export interface KeyJob {
  readonly place: number;
  readonly type: KeyType;
}

/** A run of workers over one list of jobs. */
export interface KeyRun {
  /** Resolves when every job was taken by `take`. Rejects with CoreError. */
  readonly finished: Promise<void>;
  /** Ends the workers; `finished` then rejects with `reason` unless it is settled. */
  stop(reason: CoreError): void;
}

/** Makes the keys of `jobs`, the longest first, in at most `most` workers. `take` gets the PEM bytes of a
 *  key and overwrites them; what it throws ends the run. */
export function runKeyWorkers(
  module: WebAssembly.Module,
  jobs: readonly KeyJob[],
  most: number,
  take: (job: KeyJob, pem: Uint8Array) => void,
): KeyRun {
  const queue = [...jobs].sort((a, b) => bits(b.type) - bits(a.type));
  const count = Math.min(most, queue.length);
  const workers: Worker[] = [];
  const { promise: finished, resolve, reject } = Promise.withResolvers<void>();
  let left = jobs.length;

  const end = (reason?: unknown): void => {
    for (const worker of workers.splice(0)) {
      worker.removeAllListeners();
      // A worker that is ended while it dies may still emit: nobody is interested any more.
      worker.on('error', () => {});
      void worker.terminate();
    }
    if (reason === undefined) {
      resolve();
    } else {
      reject(reason);
    }
  };

  const start = (): void => {
    const worker = new Worker(workerUrl, { workerData: module, stdin: false });
    workers.push(worker);
    let job = queue.shift();
    const next = (): void => {
      if (job !== undefined) {
        worker.postMessage(job.type);
      }
    };
    worker.on('message', (reply: WorkerReply) => {
      if ('code' in reply) {
        end(new CoreError(reply.code, reply.message));
        return;
      }
      try {
        if (job !== undefined) {
          take(job, reply.pem);
        }
      } catch (thrown) {
        end(thrown);
        return;
      } finally {
        reply.pem.fill(0);
      }
      left -= 1;
      job = queue.shift();
      if (left === 0) {
        end();
      } else {
        next();
      }
    });
    worker.on('error', (cause) => end(new CoreError('internal', 'a key worker failed', { cause })));
    worker.on('exit', (code) => end(new CoreError('internal', `a key worker ended early with exit code ${code}`)));
    next();
  };

  for (let index = 0; index < count; index += 1) {
    start();
  }
  return { finished, stop: end };
}

function bits(type: KeyType): number {
  return Number(type.split(':')[1] ?? 0);
}
