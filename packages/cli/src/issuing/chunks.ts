/** Octets of an output on their way, gathered in large chunks. Every chunk is overwritten after it was handed on, since
 *  it may hold private keys. */
export class Chunks {
  /** Where the next octets go: `buffer` from `at` on, after `reserve`. All of it is 0 until then. */
  buffer: Buffer = Buffer.alloc(chunkBytes);
  at = 0;
  #full: Buffer[] = [];
  readonly #spare: Buffer[] = [];

  /** Makes room for `length` more octets in `buffer`. */
  reserve(length: number): void {
    if (this.buffer.length - this.at >= length) return;
    if (this.at > 0) this.#full.push(this.buffer.subarray(0, this.at));
    this.buffer = length > chunkBytes ? Buffer.alloc(length) : this.#empty();
    this.at = 0;
  }

  put(octets: Uint8Array): void {
    this.buffer.set(octets, this.at);
    this.at += octets.length;
  }

  /** Text in Latin-1, which is one octet a character: ASCII in practice. */
  putAscii(text: string): void {
    this.at += this.buffer.write(text, this.at, 'latin1');
  }

  zeros(length: number): void {
    this.at += length;
  }

  /** Hands the chunks that are full to `write`, one after the other; with `all` the one being filled too. */
  async drain(write: (chunk: Buffer) => Promise<void> | void, all = false): Promise<void> {
    if (all && this.at > 0) {
      this.#full.push(this.buffer.subarray(0, this.at));
      this.buffer = this.#empty();
      this.at = 0;
    }
    const full = this.#full;
    this.#full = [];
    for (const chunk of full) {
      try {
        await write(chunk);
      } finally {
        chunk.fill(0);
        const whole = Buffer.from(chunk.buffer);
        if (whole.length === chunkBytes && this.#spare.length < 2) this.#spare.push(whole);
      }
    }
  }

  /** Overwrites what was not handed on. */
  wipe(): void {
    for (const chunk of [...this.#full, this.buffer]) chunk.fill(0);
    this.#full = [];
    this.at = 0;
  }

  #empty(): Buffer {
    return this.#spare.pop() ?? Buffer.alloc(chunkBytes);
  }
}

/** 1 MiB: a write(2) of that size costs 0.1 us a certificate, and a reader of a pipe is never far behind. */
const chunkBytes = 1 << 20;
