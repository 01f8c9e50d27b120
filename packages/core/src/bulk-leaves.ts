import type { IssuedLeaves } from './bulk-types.ts';
import { internalError } from './errors.ts';

const ENTRY = 16;
const SERIAL = 16;
const DIGEST = 32;

/** The leaves in a batch's packed result. Layout, the same as `IssuedBatch` in `crates/pki/src/leaf/mod.rs` has, little
 *  endian: 16 octets a row (offset and length of the certificate's PEM, then of the key's, u32 each), 16 octets of
 *  serial a row, 32 octets of SHA-256 a row, the certificates, the keys. `released` gets the memory back. */
export function readLeaves(
  memory: Uint8Array<ArrayBuffer>,
  count: number,
  released: (memory: ArrayBuffer) => void,
): IssuedLeaves {
  return new PackedLeaves(memory, count, released);
}

/** Leaves of one batch that were issued in parts of `size` rows, the last of fewer. */
export function joinLeaves(parts: readonly IssuedLeaves[], size: number): IssuedLeaves {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const find = <T>(row: number, read: (part: IssuedLeaves, row: number) => T): T => {
    const part = parts[Math.floor(row / size)];
    if (part === undefined) {
      throw new RangeError(`no row ${row} among ${count}`);
    }
    return read(part, row % size);
  };
  return {
    count,
    certificate: (row) => find(row, (part, index) => part.certificate(index)),
    key: (row) => find(row, (part, index) => part.key(index)),
    serial: (row) => find(row, (part, index) => part.serial(index)),
    sha256: (row) => find(row, (part, index) => part.sha256(index)),
    release: () => {
      for (const part of parts) {
        part.release();
      }
    },
  };
}

class PackedLeaves implements IssuedLeaves {
  readonly count: number;
  readonly #released: (memory: ArrayBuffer) => void;
  #memory: Buffer<ArrayBuffer>;
  #serials: string | undefined;
  #digests: string | undefined;

  constructor(memory: Uint8Array<ArrayBuffer>, count: number, released: (memory: ArrayBuffer) => void) {
    this.count = count;
    this.#memory = Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength);
    this.#released = released;
  }

  certificate(row: number): Uint8Array {
    return this.#part(row, 0);
  }

  key(row: number): Uint8Array {
    return this.#part(row, 8);
  }

  serial(row: number): string {
    this.#check(row);
    this.#serials ??= this.#hex(ENTRY, SERIAL);
    return this.#serials.slice(2 * SERIAL * row, 2 * SERIAL * (row + 1));
  }

  sha256(row: number): string {
    this.#check(row);
    this.#digests ??= this.#hex(ENTRY + SERIAL, DIGEST);
    return this.#digests.slice(2 * DIGEST * row, 2 * DIGEST * (row + 1));
  }

  release(): void {
    const memory = this.#memory;
    if (memory.length === 0) {
      return;
    }
    // The keys lie behind one another at the end.
    memory.fill(0, memory.readUInt32LE(ENTRY - 8));
    this.#memory = Buffer.alloc(0);
    this.#released(memory.buffer);
  }

  #part(row: number, entry: number): Uint8Array {
    this.#check(row);
    const start = this.#memory.readUInt32LE(row * ENTRY + entry);
    const length = this.#memory.readUInt32LE(row * ENTRY + entry + 4);
    return this.#memory.subarray(start, start + length);
  }

  /** A list of `each` octets a row, behind those of `before` octets a row: a call for each row takes five times as long. */
  #hex(before: number, each: number): string {
    return this.#memory.toString('hex', this.count * before, this.count * (before + each));
  }

  #check(row: number): void {
    if (!(row >= 0 && row < this.count)) {
      throw new RangeError(`no row ${row} among ${this.count}`);
    }
    if (this.#memory.length === 0) {
      internalError('leaves that were released');
    }
  }
}
