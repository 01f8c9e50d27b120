/**
 * A set of texts that remembers 64 bits of each, so that a million of them take 16 to 32 MB instead of a Map's 150.
 * Two different texts are taken for one with a probability of about n^2 / 2^65: 3 in 10^8 for a million texts.
 * The hash is not keyed: whoever writes the input can make two of his own rows look alike, and gets a refusal.
 */
export class Fingerprints {
  /** Pairs of words; a pair of zeros is free. Open addressing, linear probing, at most half full. */
  #table = new Uint32Array(2 << 10);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether the text is new; it is in the set afterwards. */
  add(text: string): boolean {
    if (this.#size * 4 >= this.#table.length) this.#grow();
    const [low, high] = hash(text);
    const place = find(this.#table, low, high);
    if (this.#table[place] !== 0 || this.#table[place + 1] !== 0) return false;
    this.#table[place] = low;
    this.#table[place + 1] = high;
    this.#size += 1;
    return true;
  }

  has(text: string): boolean {
    const [low, high] = hash(text);
    const place = find(this.#table, low, high);
    return this.#table[place] !== 0 || this.#table[place + 1] !== 0;
  }

  #grow(): void {
    const old = this.#table;
    const wider = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 2) {
      const low = old[at] ?? 0;
      const high = old[at + 1] ?? 0;
      if (low === 0 && high === 0) continue;
      const place = find(wider, low, high);
      wider[place] = low;
      wider[place + 1] = high;
    }
    this.#table = wider;
  }
}

/** Index of the pair, or of the free place where it belongs. */
function find(table: Uint32Array, low: number, high: number): number {
  const mask = table.length - 1;
  for (let place = (low << 1) & mask; ; place = (place + 2) & mask) {
    const foundLow = table[place];
    const foundHigh = table[place + 1];
    if ((foundLow === low && foundHigh === high) || (foundLow === 0 && foundHigh === 0)) return place;
  }
}

const words: [number, number] = [0, 0];

/** Two 32-bit words of which one is not zero, in an array that the next call reuses. One word is rotated at each step,
 *  or the low bits of both would depend on the same bits of the text. Source: finalizer of MurmurHash3. */
function hash(text: string): readonly [number, number] {
  let low = 0x9e3779b9;
  let high = 0x7f4a7c15 ^ text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    low = Math.imul(low ^ unit, 0x9e3779b1);
    high = Math.imul(high ^ unit, 0x5f356495);
    high = (high << 13) | (high >>> 19);
  }
  const mixedLow = mix(low) >>> 0;
  words[0] = mixedLow;
  words[1] = mix(high) >>> 0 || (mixedLow === 0 ? 1 : 0);
  return words;
}

function mix(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
