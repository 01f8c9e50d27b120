import { load } from './engine.ts';
import { PrimeSearch } from './prime-search.ts';
import type { Lanes } from './types.ts';

let begun: { readonly search: PrimeSearch; readonly lanes: Lanes } | undefined;

/**
 * Begins the search for a key of this size, so far that V8 optimises its arithmetic on other threads while this one
 * loads the rest of the program: a tenth of the time of a single key. The next key generation goes on with it. Throws
 * CoreError.
 */
export async function beginSearch(bits: number, lanes: Lanes): Promise<void> {
  await load();
  const search = new PrimeSearch(lanes);
  begun = { search, lanes };
  search.begin(bits);
}

/** The search that was begun on these lanes, once, or a new one. */
export function takeSearch(lanes: Lanes): PrimeSearch {
  const search = begun?.lanes === lanes ? begun.search : new PrimeSearch(lanes);
  begun = undefined;
  return search;
}
