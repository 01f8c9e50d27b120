import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { workerUrl } from './assets.ts';
import type { OpenBulk } from './bulk-types.ts';
import { takeSearch } from './early-search.ts';
import { call, load, release, wasm } from './engine.ts';
import { CoreError } from './errors.ts';
import { type KeyJob, type KeyRun, runKeyWorkers } from './key-workers.ts';
import { CorePrivateKey, handle } from './private-key.ts';
import type {
  Certificate,
  CertificateRequest,
  CertificateSpec,
  ChainFailure,
  ChainRequest,
  ChainResult,
  Core,
  GenerateOptions,
  KeyType,
  Lanes,
  PemBlock,
  PrivateKey,
} from './types.ts';

export type * from './bulk-types.ts';
export { CoreError } from './errors.ts';
export type * from './types.ts';

/** Loads the core. Throws CoreError `internal` when its file is missing or this Node cannot run it. */
export async function createCore(options: { readonly lanes?: Lanes } = {}): Promise<Core> {
  return new WasmCore(await load(), options.lanes ?? 'auto');
}

/** Starts the workers of a bulk issuance; see `bulk.ts`, which is loaded when it is asked for. */
export const openBulk: OpenBulk = async (profiles, options) => (await import('./bulk.ts')).openBulk(profiles, options);

class WasmCore implements Core {
  readonly #module: WebAssembly.Module;
  readonly #lanes: Lanes;
  readonly #runs = new Set<KeyRun>();

  constructor(module: WebAssembly.Module, lanes: Lanes) {
    this.#module = module;
    this.#lanes = lanes;
  }

  inspect(file: Uint8Array): PemBlock[] {
    const blocks = JSON.parse(call(() => wasm.inspect(file))) as Plain<PemBlock>[];
    return blocks.map((block) => {
      if (block.kind === 'certificate') {
        return { ...block, certificate: certificate(block.certificate) };
      }
      return block;
    });
  }

  signatureHolds(certificate: Certificate, issuer: Certificate): boolean {
    return call(() => wasm.signatureHolds(certificate.der, issuer.der));
  }

  chains(request: ChainRequest): ChainResult {
    const all = [request.leaf, ...request.intermediates, ...request.roots];
    const pool = new wasm.Pool();
    try {
      for (const root of request.roots) {
        call(() => pool.root(root.der));
      }
      for (const intermediate of request.intermediates) {
        call(() => pool.intermediate(intermediate.der));
      }
      const usages = [...(request.usages ?? [])];
      const found = JSON.parse(call(() => pool.chains(request.leaf.der, request.at, usages))) as FoundChains;
      if (!found.ok) {
        return found;
      }
      const chains = found.chains.map((chain) => chain.flatMap((index) => all[index] ?? []));
      return { ok: true, chains };
    } finally {
      release(pool);
    }
  }

  openKey(pem: Uint8Array, passphrase?: Uint8Array): PrivateKey {
    return new CorePrivateKey(call(() => wasm.openKey(pem, passphrase)));
  }

  async generateKeys(types: readonly KeyType[], options: GenerateOptions = {}): Promise<PrivateKey[]> {
    const { signal, onProgress, workers } = options;
    for (const type of types) {
      call(() => wasm.checkKeyType(type));
    }
    const keys: (PrivateKey | undefined)[] = types.map(() => undefined);
    let done = 0;
    let tests = 0;
    const tell = (): void => onProgress?.({ done, total: types.length, tests });
    const keep = (place: number, key: PrivateKey): void => {
      keys[place] = key;
      done += 1;
      tell();
    };
    const jobs = types.map((type, place) => ({ place, type }));
    const long = jobs.flatMap(({ place, type }): KeyJob[] => {
      const [algorithm, size] = type.split(':');
      return algorithm === 'rsa' ? [{ place, bits: Number(size) }] : [];
    });
    const short = jobs.filter(({ type }) => !type.startsWith('rsa:'));
    const aborted = (): CoreError =>
      new CoreError('aborted', 'the key generation was stopped', { cause: signal?.reason });
    let run: KeyRun | undefined;
    const abort = (): void => run?.stop(aborted());
    try {
      if (signal?.aborted) {
        throw aborted();
      }
      if (long.length > 0) {
        const start = { module: this.#module, lanes: this.#lanes };
        const threads = Math.min((workers ?? availableParallelism()) - 1, worthwhileThreads(long));
        const take = (job: KeyJob, p: Uint8Array, q: Uint8Array): boolean => {
          const key = call(() => wasm.rsaKeyFromPrimes(p, q));
          if (key !== undefined) keep(job.place, new CorePrivateKey(key));
          return key !== undefined;
        };
        const count = (total: number): void => {
          tests = total;
          tell();
        };
        run = runKeyWorkers(start, long, take, count, threads, workerUrl, takeSearch(this.#lanes));
        this.#runs.add(run);
        // Awaited below; without a handler here a worker's early death would end the process.
        run.finished.catch(() => {});
        signal?.addEventListener('abort', abort, { once: true });
      }
      for (const job of short) {
        // A key takes about a millisecond: the event loop runs between two of them.
        await setImmediate();
        if (signal?.aborted) {
          throw aborted();
        }
        keep(job.place, new CorePrivateKey(call(() => wasm.generateKey(job.type))));
      }
      await run?.finished;
      return keys.filter((key) => key !== undefined);
    } catch (thrown) {
      run?.stop(aborted());
      for (const key of keys) {
        key?.wipe();
      }
      throw thrown;
    } finally {
      signal?.removeEventListener('abort', abort);
      if (run !== undefined) {
        this.#runs.delete(run);
      }
    }
  }

  issue(spec: CertificateSpec, subjectKey: PrivateKey, issuerKey: PrivateKey, issuer?: Certificate): Certificate {
    return sign(spec, (blank) => blank.issue(handle(subjectKey), handle(issuerKey), issuer?.der));
  }

  inspectRequest(der: Uint8Array): CertificateRequest {
    return JSON.parse(call(() => wasm.inspectRequest(der))) as CertificateRequest;
  }

  issueForRequest(spec: CertificateSpec, request: Uint8Array, issuerKey: PrivateKey, issuer: Certificate): Certificate {
    return sign(spec, (blank) => blank.issueForRequest(request, handle(issuerKey), issuer.der));
  }

  toPem(certificate: Certificate): string {
    return call(() => wasm.certificatePem(certificate.der));
  }

  lanes(): Exclude<Lanes, 'auto'> {
    if (this.#lanes !== 'auto') {
      return this.#lanes;
    }
    try {
      // It proves the multiply-add before it searches anything.
      release(call(() => new wasm.RsaPrimeSearch(2048, 'fma')));
      return 'fma';
    } catch {
      return 'simd';
    }
  }

  async close(): Promise<void> {
    const runs = [...this.#runs];
    for (const run of runs) {
      run.stop(new CoreError('aborted', 'the core was closed'));
    }
    await Promise.allSettled(runs.map((run) => run.finished));
  }
}

/** Threads beside this one that are worth their start, which costs 30 ms each. */
function worthwhileThreads(jobs: readonly KeyJob[]): number {
  // Measured: 24 ms for a key of 2048 bits, 90 for 3072, 220 for 4096.
  const milliseconds = jobs.reduce((sum, { bits }) => sum + 24 * (bits / 2048) ** 3.2, 0);
  return Math.floor(milliseconds / 45);
}

/** Fills a blank and has it signed. */
function sign(spec: CertificateSpec, issue: (blank: InstanceType<typeof wasm.Blank>) => string): Certificate {
  const blank = new wasm.Blank(octets(spec.serial), seconds(spec.notBefore), seconds(spec.notAfter));
  try {
    return call(() => {
      blank.keyIds(spec.subjectKeyId ?? true, spec.authorityKeyId ?? true);
      for (const [attribute, value] of spec.subject) {
        blank.subject(attribute, value);
      }
      if (spec.ca !== undefined) {
        blank.ca(spec.ca.pathLength);
      }
      blank.usages([...spec.keyUsage], [...(spec.extendedKeyUsage ?? [])]);
      blank.altNames([...(spec.subjectAltNames?.dns ?? [])], [...(spec.subjectAltNames?.ip ?? [])]);
      return certificate(JSON.parse(issue(blank)) as Plain<Certificate>);
    });
  } finally {
    release(blank);
  }
}

type FoundChains =
  | { readonly ok: true; readonly chains: readonly number[][] }
  | { readonly ok: false; readonly failure: ChainFailure; readonly detail: string };

/** What JSON carries: octets are base64. */
type Plain<T> = T extends Uint8Array ? string : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

function certificate(plain: Plain<Certificate>): Certificate {
  // A copy of its own: a small Buffer lies in a pool that others share.
  const der = new Uint8Array(Buffer.from(plain.der, 'base64'));
  return Object.freeze({ ...plain, der });
}

function seconds(time: number): number {
  if (!Number.isSafeInteger(time)) {
    throw new CoreError('malformed', 'a time that is not whole seconds');
  }
  return time;
}

function octets(hex: string): Uint8Array {
  const found = /^(?:[0-9a-f]{2})+$/i.test(hex) ? Buffer.from(hex, 'hex') : undefined;
  if (found === undefined) {
    throw new CoreError('malformed', 'a serial that is not whole octets in hexadecimal');
  }
  return found;
}
