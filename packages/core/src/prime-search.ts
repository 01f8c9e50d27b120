import { call, release, wasm } from './engine.ts';
import type { PrimeRequest } from './key-workers.ts';
import type { Lanes } from './types.ts';

/** Milliseconds between two reports of how many candidates a searcher has tested. */
export const reportInterval = 200;

/** The sieve and a batch of candidates. */
const FIRST_STEPS = 2;

/** Searches primes of RSA keys on the thread it is called on, in bounded steps. */
export class PrimeSearch {
  readonly #lanes: Lanes;
  readonly #single = new Map<number, wasm.RsaPrimeSearch>();
  readonly #pair = new Map<number, wasm.RsaPairSearch>();
  /** Primes that `begin` found. */
  readonly #early = new Map<number, Uint8Array<ArrayBuffer>>();

  constructor(lanes: Lanes) {
    this.#lanes = lanes;
  }

  /** One step, of 0.5 ms for a key of 2048 bits to 40 ms for one of 8192. Answers big-endian bytes once they are found:
   *  a prime, or one and then the other. The caller overwrites them. Throws CoreError. */
  step({ bits, both }: PrimeRequest): Uint8Array<ArrayBuffer> | undefined {
    const early = both ? undefined : this.#early.get(bits);
    if (early !== undefined) {
      this.#early.delete(bits);
      return early;
    }
    const found = both
      ? this.#of(this.#pair, bits, wasm.RsaPairSearch)
      : this.#of(this.#single, bits, wasm.RsaPrimeSearch);
    return call(() => found.step()) as Uint8Array<ArrayBuffer> | undefined;
  }

  /** The first steps of a search for one prime, after which V8 optimises its arithmetic on another thread. Throws CoreError. */
  begin(bits: number): void {
    for (let step = 0; step < FIRST_STEPS; step += 1) {
      const found = this.step({ bits, both: false });
      if (found === undefined) continue;
      this.#early.set(bits, found);
      return;
    }
  }

  /** Candidates tested so far. */
  tests(): number {
    return [...this.#single.values(), ...this.#pair.values()].reduce((sum, search) => sum + search.tests(), 0);
  }

  /** Wipes what the searches hold. */
  release(): void {
    for (const searches of [this.#single, this.#pair]) {
      for (const search of searches.values()) release(search);
      searches.clear();
    }
    for (const prime of this.#early.values()) prime.fill(0);
    this.#early.clear();
  }

  #of<T>(searches: Map<number, T>, bits: number, type: new (bits: number, lanes: string) => T): T {
    let search = searches.get(bits);
    if (search === undefined) {
      search = call(() => new type(bits, this.#lanes));
      searches.set(bits, search);
    }
    return search;
  }
}
