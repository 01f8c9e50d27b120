/** A key worker: gets the compiled module, then makes one key per message. */
import { parentPort, workerData } from 'node:worker_threads';
import { call, start, wasm } from './engine.ts';
import { type CoreError, coreError } from './errors.ts';
import type { WorkerReply } from './key-workers.ts';
import type { KeyType } from './types.ts';

start(workerData as WebAssembly.Module);

parentPort?.on('message', (type: KeyType) => {
  try {
    const key = call(() => wasm.generateKey(type));
    let pem: Uint8Array<ArrayBuffer>;
    try {
      pem = call(() => key.pem()) as Uint8Array<ArrayBuffer>;
    } finally {
      key.free();
    }
    // The buffer is moved, not copied: nothing of the key stays on this side.
    parentPort?.postMessage({ pem } satisfies WorkerReply, [pem.buffer]);
  } catch (thrown) {
    const { code, message }: CoreError = coreError(thrown);
    parentPort?.postMessage({ code, message } satisfies WorkerReply);
  }
});
