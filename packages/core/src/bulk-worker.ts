/** A bulk worker: gets the compiled module and the profiles, then issues one batch per message. */
import { parentPort, workerData } from 'node:worker_threads';
import type { BulkJob, BulkReply, BulkStart } from './bulk.ts';
import { packRows } from './bulk-rows.ts';
import { call, start, wasm } from './engine.ts';
import { coreError } from './errors.ts';

const issuer = answer(() => {
  const { module, profiles, lanes, many, checkAll } = workerData as BulkStart;
  start(module);
  const made = new wasm.LeafIssuer(lanes, many, checkAll);
  for (const { ca, caKey, keyUsage, extendedKeyUsage, keyType } of profiles) {
    try {
      made.addProfile(ca, caKey, [...keyUsage], [...extendedKeyUsage], keyType);
    } finally {
      caKey.fill(0);
    }
  }
  // Batches without rows: the engine is made by the first one, and lanes that this CPU has not are refused there.
  for (const index of profiles.keys()) {
    made.issue(index, packRows([]));
  }
  return { reply: { ready: true }, value: made };
});

parentPort?.on('message', ({ profile, rows, memory }: BulkJob) => {
  answer(() => {
    const leaves = issuer?.issue(profile, rows, memory && new Uint8Array(memory)) as Uint8Array<ArrayBuffer>;
    // Moved, not copied: nothing of the keys stays on this side.
    return { reply: { leaves }, moved: [leaves.buffer] };
  });
});

/** Posts what `work` gives, or its failure. */
function answer<T>(work: () => { reply: BulkReply; moved?: ArrayBuffer[]; value?: T }): T | undefined {
  try {
    const { reply, moved = [], value } = call(work);
    parentPort?.postMessage(reply, moved);
    return value;
  } catch (thrown) {
    const { code, message } = coreError(thrown);
    parentPort?.postMessage({ code, message } satisfies BulkReply);
    return undefined;
  }
}
