/** A key worker: gets the compiled module, then searches one prime per message, which is the size of its key. */
import { parentPort, workerData } from 'node:worker_threads';
import { call, start, wasm } from './engine.ts';
import { type CoreError, coreError } from './errors.ts';
import type { WorkerReply, WorkerStart } from './key-workers.ts';

const { module, lanes } = workerData as WorkerStart;
start(module);

const searches = new Map<number, wasm.RsaPrimeSearch>();
/** Milliseconds between two reports of how many candidates were tested. */
const interval = 200;
let told = performance.now();

parentPort?.on('message', (bits: number) => {
  try {
    const search = searches.get(bits) ?? call(() => new wasm.RsaPrimeSearch(bits, lanes));
    searches.set(bits, search);
    let prime: Uint8Array<ArrayBuffer> | undefined;
    do {
      prime = call(() => search.step()) as Uint8Array<ArrayBuffer> | undefined;
      if (performance.now() - told > interval) report();
    } while (prime === undefined);
    // The buffer is moved, not copied: nothing of the prime stays on this side.
    parentPort?.postMessage({ prime } satisfies WorkerReply, [prime.buffer]);
  } catch (thrown) {
    const { code, message }: CoreError = coreError(thrown);
    parentPort?.postMessage({ code, message } satisfies WorkerReply);
  }
});

function report(): void {
  told = performance.now();
  const tests = [...searches.values()].reduce((sum, search) => sum + search.tests(), 0);
  parentPort?.postMessage({ tests } satisfies WorkerReply);
}
