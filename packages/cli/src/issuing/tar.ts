import type { IssuedLeaves } from '@k3s-pki/core';
import { leafMode } from '@k3s-pki/k3s';
import type { NodeRow } from '@k3s-pki/plan';
import { Chunks } from './chunks.ts';
import type { ProfileOutput, Sink } from './sink.ts';

/** What a tar archive or JSON Lines are written to. */
export interface ByteTarget {
  write(chunk: Buffer): Promise<void> | void;
  finish(): Promise<void> | void;
  abandon(): Promise<void> | void;
}

/** A ustar archive, `OUT/agent/client-kubelet.crt` with mode 0644 and `.key` with 0600; times are `mtime`, seconds since
 *  1970. Folders have no entries of their own. Source: POSIX.1-2017, pax, "ustar Interchange Format". */
export function tarSink(profiles: readonly ProfileOutput[], mtime: number, target: ByteTarget): Sink {
  const chunks = new Chunks();
  const entries = profiles.map(({ profile, bundle, withKey }) => ({
    withKey,
    certificate: new Entry(`${profile.path}.crt`, leafMode.certificate, mtime, bundle),
    key: new Entry(`${profile.path}.key`, leafMode.key, mtime, new Uint8Array()),
  }));
  return {
    node(row: NodeRow, leaves: readonly IssuedLeaves[], places: readonly number[]): void {
      const { out } = row;
      let outSum = 0;
      for (let at = 0; at < out.length; at += 1) outSum += out.charCodeAt(at);
      for (let index = 0; index < entries.length; index += 1) {
        const entry = entries[index];
        const issued = leaves[index];
        const place = places[index];
        if (entry === undefined || issued === undefined || place === undefined) continue;
        entry.certificate.put(chunks, out, outSum, issued.certificate(place));
        if (entry.withKey) entry.key.put(chunks, out, outSum, issued.key(place));
      }
    },
    drain: () => chunks.drain((chunk) => target.write(chunk)),
    async finish() {
      chunks.reserve(2 * block);
      chunks.zeros(2 * block);
      await chunks.drain((chunk) => target.write(chunk), true);
      await target.finish();
    },
    async abandon() {
      chunks.wipe();
      await target.abandon();
    },
  };
}

/** One kind of file: the header that all of them share, and what follows each content. */
class Entry {
  readonly #header: Buffer;
  readonly #suffix: string;
  readonly #tail: Uint8Array;
  /** The header with the suffix where it is behind a folder's name of `#length`, where the name begins, and the sum of its octets. */
  #prepared: Buffer;
  #length = -1;
  #start = 0;
  #sum = 0;

  constructor(path: string, mode: number, mtime: number, tail: Uint8Array) {
    this.#suffix = path;
    this.#tail = tail;
    const header = Buffer.alloc(block);
    header.write(octal(mode, 8), field.mode, 'latin1');
    header.write(octal(0, 8), field.uid, 'latin1');
    header.write(octal(0, 8), field.gid, 'latin1');
    header.write(octal(mtime, 12), field.mtime, 'latin1');
    header.write('        ', field.checksum, 'latin1');
    header.write('0', field.type, 'latin1');
    header.write('ustar\x0000', field.magic, 'latin1');
    this.#header = header;
    this.#prepared = header;
  }

  put(chunks: Chunks, out: string, outSum: number, content: Uint8Array): void {
    const size = content.length + this.#tail.length;
    const padding = -size & (block - 1);
    chunks.reserve(block + size + padding);
    const { buffer, at } = chunks;
    if (out.length !== this.#length) this.#prepare(out.length);
    buffer.set(this.#prepared, at);
    let sum = this.#sum + outSum;
    const start = at + this.#start;
    // Checked to be ASCII; a call into native code takes longer than the loop.
    for (let place = 0; place < out.length; place += 1) buffer[start + place] = out.charCodeAt(place);
    sum += putOctal(buffer, at + field.size, 11, size);
    putOctal(buffer, at + field.checksum, 6, sum);
    buffer[at + field.checksum + 6] = 0;
    chunks.at = at + block;
    chunks.put(content);
    chunks.put(this.#tail);
    chunks.zeros(padding);
  }

  /** Rows beside each other have names of one length. */
  #prepare(length: number): void {
    const header = Buffer.from(this.#header);
    const isShort = length + 1 + this.#suffix.length <= nameLength;
    if (isShort) header[length] = slash;
    header.write(this.#suffix, isShort ? length + 1 : 0, 'latin1');
    this.#prepared = header;
    this.#length = length;
    this.#start = isShort ? 0 : field.prefix;
    this.#sum = sumOf(header);
  }
}

/** Writes digits from the right and answers the sum of their octets. */
function putOctal(buffer: Buffer, at: number, digits: number, value: number): number {
  let sum = 0;
  for (let place = at + digits - 1; place >= at; place -= 1) {
    const octet = 0x30 + (value & 7);
    buffer[place] = octet;
    sum += octet;
    value >>>= 3;
  }
  return sum;
}

function octal(value: number, width: number): string {
  return value.toString(8).padStart(width - 1, '0');
}

function sumOf(octets: Uint8Array): number {
  return octets.reduce((sum, octet) => sum + octet, 0);
}

const block = 512;
const slash = 0x2f;
const nameLength = 100;
const field = {
  mode: 100,
  uid: 108,
  gid: 116,
  size: 124,
  mtime: 136,
  checksum: 148,
  type: 156,
  magic: 257,
  prefix: 345,
};
