/** A key worker: gets the compiled module, then searches what each message asks for. */
import { parentPort, workerData } from 'node:worker_threads';
import { start } from './engine.ts';
import { type CoreError, coreError } from './errors.ts';
import type { PrimeRequest, WorkerReply, WorkerStart } from './key-workers.ts';
import { PrimeSearch, reportInterval } from './prime-search.ts';

const { module, lanes } = workerData as WorkerStart;
start(module);

const search = new PrimeSearch(lanes);
let told = performance.now();

parentPort?.on('message', (request: PrimeRequest) => {
  try {
    let prime: Uint8Array<ArrayBuffer> | undefined;
    do {
      prime = search.step(request);
      if (performance.now() - told > reportInterval) report();
    } while (prime === undefined);
    // The buffer is moved, not copied: nothing of the primes stays on this side.
    parentPort?.postMessage({ prime } satisfies WorkerReply, [prime.buffer]);
  } catch (thrown) {
    const { code, message }: CoreError = coreError(thrown);
    parentPort?.postMessage({ code, message } satisfies WorkerReply);
  }
});

function report(): void {
  told = performance.now();
  parentPort?.postMessage({ tests: search.tests() } satisfies WorkerReply);
}
