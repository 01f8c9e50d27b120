import { Worker } from 'node:worker_threads';
import { bulkWorkerUrl } from './assets.ts';
import { readLeaves } from './bulk-leaves.ts';
import { packRows } from './bulk-rows.ts';
import type { BulkIssuer, BulkOptions, BulkProfile, IssuedLeaves, LeafRow } from './bulk-types.ts';
import { load } from './engine.ts';
import { CoreError } from './errors.ts';
import type { CoreErrorCode } from './types.ts';

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
/** Batches under way per worker: one in the works, and enough behind it to outlast a stop of the main thread. */
const DEPTH = 4;
/** Rows from which the large table pays: it takes 6 ms longer to make and saves 3 us a row. */
const MANY = 2000;

/** Starts the workers of a bulk issuance, and hands each its copy of the profiles. Rejects with CoreError: `malformed`
 *  when a CA's key is not its certificate's, `unsupported` for lanes that this CPU has not. */
export async function openBulk(profiles: readonly BulkProfile[], options: BulkOptions): Promise<BulkIssuer> {
  const module = await load();
  const { workers, expected = Number.POSITIVE_INFINITY } = options;
  const start: Omit<BulkStart, 'profiles'> = {
    module,
    lanes: options.lanes ?? process.env.K3S_PKI_LANES ?? 'auto',
    many: expected >= MANY * workers,
    checkAll: options.check === 'all',
  };
  const pool = Array.from({ length: Math.max(1, workers) }, () => new BulkWorker(start, profiles));
  const issuer = new WorkerPool(pool);
  try {
    await Promise.all(pool.map((worker) => worker.ready));
    return issuer;
  } catch (thrown) {
    await issuer.close();
    throw thrown;
  }
}

class WorkerPool implements BulkIssuer {
  readonly batchSize: number = BATCH;
  readonly depth: number;
  readonly #workers: readonly BulkWorker[];
  readonly #spare: ArrayBuffer[] = [];

  constructor(workers: readonly BulkWorker[]) {
    this.#workers = workers;
    this.depth = workers.length * DEPTH;
  }

  async issue(profile: number, rows: readonly LeafRow[]): Promise<IssuedLeaves> {
    const packed = packRows(rows);
    const least = this.#workers.reduce((a, b) => (b.waiting < a.waiting ? b : a));
    const leaves = await least.issue({ profile, rows: packed, memory: this.#spare.pop() });
    return readLeaves(leaves, rows.length, (memory) => {
      // New memory for each batch costs 0.3 us a leaf in page faults.
      if (this.#spare.length < this.depth) {
        this.#spare.push(memory);
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
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
