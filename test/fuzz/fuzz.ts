/** What the suites of this folder share: runs, their time, seeds that are kept, and damage. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';

/** Of each target. `K3S_PKI_FUZZ_RUNS` also has each target print executions, time and seed; `K3S_PKI_FUZZ_SEED` runs one again. */
const runs = Number(process.env.K3S_PKI_FUZZ_RUNS ?? 1000);
const isLong = process.env.K3S_PKI_FUZZ_RUNS !== undefined;
const seed = Number(process.env.K3S_PKI_FUZZ_SEED ?? Math.floor(Math.random() * 0x7fff_ffff));
/** One execution may take so long; a file is at most 1 MiB. */
const longestSeconds = 5;

/** Runs `holds` on the kept seeds as they are, then on as many inputs as `share` of the runs. It throws where something
 *  does not hold, and may not take long. */
export async function fuzz<T>(
  target: string,
  inputs: fc.Arbitrary<T>,
  holds: (input: T) => unknown,
  { share = 1, kept = [] }: { readonly share?: number; readonly kept?: readonly T[] } = {},
): Promise<void> {
  const started = performance.now();
  let executions = 0;
  const timed = async (input: T) => {
    const begun = performance.now();
    executions += 1;
    await holds(input);
    const seconds = (performance.now() - begun) / 1000;
    assert.ok(seconds < longestSeconds, `took ${seconds.toFixed(1)} s`);
  };
  for (const input of kept) await timed(input);
  // An interrupted shrinking tells less than the whole input, but it ends.
  const options = { numRuns: Math.ceil(runs * share), seed, interruptAfterTimeLimit: 8 * 3600_000 };
  await fc.assert(fc.asyncProperty(inputs, timed), options);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (isLong) console.log(`${target}: ${executions} executions, ${seconds} s, seed ${seed}`);
}

/** The kept inputs of a target. */
export function seedsOf(target: string): Uint8Array[] {
  const folder = join(import.meta.dirname, 'seeds', target);
  const seeds = readdirSync(folder).sort();
  assert.ok(seeds.length > 0, folder);
  return seeds.map((name) => new Uint8Array(readFileSync(join(folder, name))));
}

/** One of the seeds with some damage: octets and bits changed, cut off, taken out, doubled, put in from another seed, words
 *  of the format put in, and now and then a few octets many thousand times. */
export function damaged(seeds: readonly Uint8Array[], words: readonly string[] = []): fc.Arbitrary<Uint8Array> {
  const seedOf = fc.constantFrom(...seeds);
  const kind = fc.oneof(
    { weight: 400, arbitrary: fc.constantFrom('set', 'flip', 'cut', 'remove', 'double', 'insert', 'splice', 'word') },
    { weight: 1, arbitrary: fc.constant('flood') },
  );
  const edit = fc.tuple(kind, fc.nat(), fc.nat(40), fc.nat(255), fc.constantFrom('', ...words));
  const edits = fc.array(edit, { maxLength: 6 });
  return fc.tuple(seedOf, seedOf, edits).map(([seed, other, list]) =>
    list.reduce((now: Uint8Array, [how, place, length, value, word]) => {
      const at = now.length === 0 ? 0 : place % (now.length + 1);
      const [before, after] = [now.subarray(0, at), now.subarray(at)];
      switch (how) {
        case 'set':
          return joined(before, [value], after.subarray(1));
        case 'flip':
          return joined(before, [(after[0] ?? 0) ^ (1 << (value & 7))], after.subarray(1));
        case 'cut':
          return before;
        case 'remove':
          return joined(before, after.subarray(length));
        case 'double':
          return joined(before, after.subarray(0, length), after);
        case 'insert':
          return joined(before, [value], after);
        case 'splice':
          return joined(before, other.subarray(place % (other.length + 1)).subarray(0, value));
        case 'word':
          return joined(before, Buffer.from(word), after);
        default:
          return joined(before, flood(after.subarray(0, 1 + (length % 8)), 1 << (value % 19)), after);
      }
    }, seed),
  );
}

/** The same as text. */
export function damagedText(seeds: readonly Uint8Array[], words: readonly string[] = []): fc.Arbitrary<string> {
  return damaged(seeds, words).map((octets) => Buffer.from(octets).toString('utf8'));
}

/** Stands for a password in seeds and generated inputs; nothing else makes these letters. */
export const secret = fc.stringMatching(/^Qx[a-z]{6,20}$/);

/** Holds for a text that a person reads: no secret in it, no control character but line ends, nothing of JavaScript's. */
export function tellsNothing(text: string): void {
  assert.not.match(text, /Qx[a-z]{6,20}/);
  assert.not.match(text, /(?!\n)\p{Cc}/u);
  assert.not.match(text, /Cannot |is not a function|not iterable|undefined|JSON at position|Unexpected /);
}

function joined(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Buffer.concat(parts.map((part) => Uint8Array.from(part)));
}

function flood(octets: Uint8Array, size: number): Uint8Array {
  return octets.length === 0 ? octets : Buffer.alloc(size, octets);
}
