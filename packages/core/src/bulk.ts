import { Worker } from 'node:worker_threads';
import { bulkWorkerUrl } from './assets.ts';
import { joinLeaves, readLeaves } from './bulk-leaves.ts';
import { packRows } from './bulk-rows.ts';
import type { BulkIssuer, BulkOptions, BulkProfile, IssuedLeaves, LeafRow } from './bulk-types.ts';
import { load } from './engine.ts';
import { CoreError } from './errors.ts';
import type { CoreErrorCode } from './types.ts';
import { setFlag } from './v8-flags.ts';

/** What a bulk worker starts with. */
export interface BulkStart {
  readonly module: WebAssembly.Module;
  /** DER and PEM; the worker overwrites the keys. */
  readonly profiles: ReadonlyArray<Omit<BulkProfile, 'ca'> & { readonly ca: Uint8Array }>;
  readonly lanes: string;
  readonly many: boolean;
  readonly checkAll: boolean;
}

/** A batch; `rows` as `packRows` gives them. Answered in order. */
export interface BulkJob {
  readonly profile: number;
  readonly rows: Uint8Array<ArrayBuffer>;
  /** Memory of an earlier batch for the leaves. */
  readonly memory?: ArrayBuffer | undefined;
}

/** The first answer, `ready`, is to the start; the others are packed leaves or a failure. */
export type BulkReply =
  | { readonly ready: true }
  | { readonly leaves: Uint8Array<ArrayBuffer> }
  | { readonly code: CoreErrorCode; readonly message: string };

/** Rows per batch: from 128 on the engine's rate is flat, twice as many halve what messages between threads cost. */
const BATCH = 256;
/** The same without the batch engine, where a row takes a millisecond, or tens of them for an RSA key. */
const SLOW_BATCH = 8;
const RSA_BATCH = 1;
/** Batches under way per worker: one in the works, and enough behind it to outlast a stop of the main thread. */
const DEPTH = 4;
/** Rows from which the large table pays: it takes 6 ms longer to make and saves 3 us a row. */
const MANY = 2000;

/** Starts the workers of a bulk issuance, and hands each its copy of the profiles. Rejects with CoreError: `malformed`
 *  when a CA's key is not its certificate's, `unsupported` for lanes that this CPU has not. */
export async function openBulk(profiles: readonly BulkProfile[], options: BulkOptions): Promise<BulkIssuer> {
  const module = await load();
  // The workers fill the other processors, and V8 would wait for a thread there at each collection.
  setFlag('--no-parallel-scavenge');
  const { workers, expected = Number.POSITIVE_INFINITY } = options;
  const start: Omit<BulkStart, 'profiles'> = {
    module,
    lanes: options.lanes ?? 'auto',
    many: expected >= MANY * workers,
    checkAll: options.check === 'all',
  };
  const pool = Array.from({ length: Math.max(1, workers) }, () => new BulkWorker(start, profiles));
  const issuer = new WorkerPool(pool, profiles.map(rowsPerMessage));
  try {
    await Promise.all(pool.map((worker) => worker.ready));
    return issuer;
  } catch (thrown) {
    await issuer.close();
    throw thrown;
  }
}

class WorkerPool implements BulkIssuer {
  readonly batchSize: number;
  readonly depth: number;
  readonly #workers: readonly BulkWorker[];
  /** By profile. */
  readonly #rowsPerMessage: readonly number[];
  readonly #spare: ArrayBuffer[] = [];

  constructor(workers: readonly BulkWorker[], rowsPerMessage: readonly number[]) {
    this.#workers = workers;
    this.#rowsPerMessage = rowsPerMessage;
    this.batchSize = rowsPerMessage.includes(Number.POSITIVE_INFINITY) ? BATCH : SLOW_BATCH;
    this.depth = workers.length * DEPTH;
  }

  async issue(profile: number, rows: readonly LeafRow[]): Promise<IssuedLeaves> {
    const size = this.#rowsPerMessage[profile] ?? Number.POSITIVE_INFINITY;
    if (rows.length <= size) {
      return this.#issuePart(profile, rows, 0);
    }
    // Slow rows are spread over the workers.
    const parts: Promise<IssuedLeaves>[] = [];
    for (let first = 0; first < rows.length; first += size) {
      parts.push(this.#issuePart(profile, rows.slice(first, first + size), first));
    }
    const settled = await Promise.allSettled(parts);
    const done = settled.flatMap((part) => (part.status === 'fulfilled' ? [part.value] : []));
    const failed = settled.find((part) => part.status === 'rejected');
    if (failed !== undefined) {
      for (const leaves of done) {
        leaves.release();
      }
      throw failed.reason;
    }
    return joinLeaves(done, size);
  }

  /** `first`: the number of the first row in the caller's batch, by which errors name rows. */
  async #issuePart(profile: number, rows: readonly LeafRow[], first: number): Promise<IssuedLeaves> {
    const packed = packRows(rows);
    const least = this.#workers.reduce((a, b) => (b.waiting < a.waiting ? b : a));
    try {
      const leaves = await least.issue({ profile, rows: packed, memory: this.#spare.pop() });
      return readLeaves(leaves, rows.length, (memory) => {
        // New memory for each batch costs 0.3 us a leaf in page faults.
        if (this.#spare.length < this.depth) {
          this.#spare.push(memory);
        }
      });
    } catch (thrown) {
      if (first > 0 && thrown instanceof CoreError) {
        const message = thrown.message.replace(/^row (\d+)/, (_, row) => `row ${first + Number(row)}`);
        throw new CoreError(thrown.code, message, { cause: thrown.cause });
      }
      throw thrown;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}

function rowsPerMessage({ ca, keyType }: BulkProfile): number {
  if (keyType === 'ec:p256' && ca.key.algorithm === 'ec' && ca.key.curve === 'p256') {
    return Number.POSITIVE_INFINITY;
  }
  return keyType.startsWith('rsa:') ? RSA_BATCH : SLOW_BATCH;
}

type Settle = { readonly resolve: (reply: BulkReply) => void; readonly reject: (reason: CoreError) => void };

/** A worker and the promises of what it was asked, in order. */
class BulkWorker {
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #asked: Settle[] = [];
  #ended: CoreError | undefined;

  constructor(start: Omit<BulkStart, 'profiles'>, profiles: readonly BulkProfile[]) {
    // Copies that are moved: the profiles' keys stay the caller's, and none is left in a message's buffer.
    const copies = profiles.map(({ ca, caKey, ...rest }) => ({ ...rest, ca: ca.der, caKey: new Uint8Array(caKey) }));
    this.#worker = new Worker(bulkWorkerUrl, {
      workerData: { ...start, profiles: copies } satisfies BulkStart,
      transferList: copies.map(({ caKey }) => caKey.buffer),
      stdin: false,
    });
    this.#worker.on('message', (reply: BulkReply) => {
      const asked = this.#asked.shift();
      if ('code' in reply) {
        asked?.reject(new CoreError(reply.code, reply.message));
      } else {
        asked?.resolve(reply);
      }
    });
    this.#worker.on('error', (cause) => this.#end(new CoreError('internal', 'a bulk worker failed', { cause })));
    this.#worker.on('exit', (code) =>
      this.#end(new CoreError('internal', `a bulk worker ended early with exit code ${code}`)),
    );
    this.ready = this.#ask().then(() => {});
  }

  /** Batches that it was given and has not answered. */
  get waiting(): number {
    return this.#asked.length;
  }

  async issue(job: BulkJob): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#ended !== undefined) {
      throw this.#ended;
    }
    const reply = this.#ask();
    this.#worker.postMessage(job, job.memory === undefined ? [job.rows.buffer] : [job.rows.buffer, job.memory]);
    const answer = await reply;
    if (!('leaves' in answer)) {
      throw new CoreError('internal', 'a bulk worker answered out of order');
    }
    return answer.leaves;
  }

  async close(): Promise<void> {
    this.#end(new CoreError('aborted', 'the bulk issuance was closed'));
    await this.#worker.terminate();
  }

  #ask(): Promise<BulkReply> {
    return new Promise((resolve, reject) => this.#asked.push({ resolve, reject }));
  }

  #end(reason: CoreError): void {
    this.#ended ??= reason;
    for (const { reject } of this.#asked.splice(0)) {
      reject(this.#ended);
    }
  }
}
