import type { IssuedLeaves } from '@k3s-pki/core';
import { type NodeRow, subjectOfRow } from '@k3s-pki/plan';
import { isoTime } from '../render/structured.ts';
import { Chunks } from './chunks.ts';
import type { ProfileOutput, Sink } from './sink.ts';
import type { ByteTarget } from './tar.ts';

/** One JSON object a certificate: node, profile, path, serial, sha256, subject, notAfter; no key. */
export interface ManifestLine {
  readonly node: string;
  readonly profile: string;
  readonly path: string;
  readonly serial: string;
  readonly sha256: string;
  readonly subject: string;
  readonly notAfter: string;
}

/** The record of what was issued. */
export class Manifest {
  readonly #chunks = new Chunks();
  readonly #heads: readonly Head[];
  readonly #target: ByteTarget;
  /** Lines that are still to be encoded: one call for many. */
  #text = '';

  constructor(profiles: readonly ProfileOutput[], target: ByteTarget) {
    this.#heads = profiles.map((profile) => new Head(profile));
    this.#target = target;
  }

  node(row: NodeRow, leaves: readonly IssuedLeaves[], places: readonly number[]): void {
    for (let index = 0; index < this.#heads.length; index += 1) {
      const issued = leaves[index];
      const place = places[index];
      const head = this.#heads[index];
      if (head === undefined || issued === undefined || place === undefined) continue;
      this.#put(`${head.of(row, issued.serial(place), issued.sha256(place))}}\n`);
    }
  }

  /** A line for a certificate that lay there already. */
  line(line: ManifestLine): void {
    this.#put(`${JSON.stringify(line)}\n`);
  }

  drain(): Promise<void> {
    this.#encode();
    return this.#chunks.drain((chunk) => this.#target.write(chunk), true);
  }

  async finish(): Promise<void> {
    await this.drain();
    await this.#target.finish();
  }

  async abandon(): Promise<void> {
    await this.#target.abandon();
  }

  #put(text: string): void {
    this.#text += text;
    if (this.#text.length > textLength) this.#encode();
  }

  #encode(): void {
    const text = this.#text;
    this.#text = '';
    this.#chunks.reserve(text.length * 3);
    this.#chunks.at += this.#chunks.buffer.write(text, this.#chunks.at, 'utf8');
  }
}

const textLength = 1 << 16;

/** The manifest's members, then `certificate` (leaf and CA bundle) and `key`, both PEM. */
export function jsonLinesSink(profiles: readonly ProfileOutput[], target: ByteTarget): Sink {
  const chunks = new Chunks();
  const heads = profiles.map((profile) => new Head(profile));
  const tails = profiles.map(({ bundle }) => Buffer.from(escaped(bundle)));
  return {
    node(row, leaves, places) {
      for (let index = 0; index < heads.length; index += 1) {
        const [head, tail, issued, place] = [heads[index], tails[index], leaves[index], places[index]];
        if (head === undefined || tail === undefined || issued === undefined || place === undefined) continue;
        const certificate = issued.certificate(place);
        const key = issued.key(place);
        const text = head.of(row, issued.serial(place), issued.sha256(place));
        chunks.reserve(text.length * 3 + 2 * (certificate.length + key.length) + tail.length + 64);
        chunks.at += chunks.buffer.write(text, chunks.at, 'utf8');
        chunks.putAscii(',"certificate":"');
        putEscaped(chunks, certificate);
        chunks.put(tail);
        if (key.length > 0) {
          chunks.putAscii('","key":"');
          putEscaped(chunks, key);
        }
        chunks.putAscii('"}\n');
      }
    },
    drain: () => chunks.drain((chunk) => target.write(chunk)),
    async finish() {
      await chunks.drain((chunk) => target.write(chunk), true);
      await target.finish();
    },
    async abandon() {
      chunks.wipe();
      await target.abandon();
    },
  };
}

/** The members that every line about a leaf of one profile begins with. */
class Head {
  readonly #output: ProfileOutput;
  readonly #afterNode: string;
  readonly #afterOut: string;
  #lastDays = -1;
  #lastNotAfter = '';

  constructor(output: ProfileOutput) {
    this.#output = output;
    this.#afterNode = `","profile":"${output.profile.name}","path":"`;
    this.#afterOut = `/${output.profile.path}.crt","serial":"`;
  }

  /** An object without its closing brace. Node and folder were checked to need no escapes. */
  of(row: NodeRow, serial: string, sha256: string): string {
    if (row.days !== this.#lastDays) {
      this.#lastDays = row.days;
      this.#lastNotAfter = isoTime(this.#output.notBefore + row.days * 86_400);
    }
    const subject = subjectOfRow(row, this.#output.profile);
    const quoted = plain.test(subject) ? subject : JSON.stringify(subject).slice(1, -1);
    return `{"node":"${row.node}${this.#afterNode}${row.out}${this.#afterOut}${serial}","sha256":"${sha256}","subject":"${quoted}","notAfter":"${this.#lastNotAfter}"`;
  }
}

const plain = /^[ !#-[\]-~]*$/;

/** PEM needs one escape in JSON: its line ends. */
function putEscaped(chunks: Chunks, pem: Uint8Array): void {
  const { buffer } = chunks;
  let { at } = chunks;
  // By index: an iterator makes this ten times slower.
  for (let from = 0; from < pem.length; from += 1) {
    const octet = pem[from] ?? 0;
    if (octet === 0x0a) {
      buffer[at] = 0x5c;
      buffer[at + 1] = 0x6e;
      at += 2;
    } else {
      buffer[at] = octet;
      at += 1;
    }
  }
  chunks.at = at;
}

function escaped(pem: Uint8Array): string {
  return JSON.stringify(Buffer.from(pem).toString('utf8')).slice(1, -1);
}
