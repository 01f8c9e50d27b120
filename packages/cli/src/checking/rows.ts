import { basename, join } from 'node:path';
import type { Core, PemBlock } from '@k3s-pki/core';
import { type FoundFile, type Place, type Product, placesOf } from '@k3s-pki/k3s';
import {
  type CheckProblem,
  type CheckRow,
  certificateRow,
  type DataDirView,
  type NextStart,
  nextStartOf,
  type ProblemRow,
} from '@k3s-pki/plan';
import { readFile } from '../snapshot.ts';
import { type ConnectOptions, type Endpoint, endpointText, servedChain } from './endpoints.ts';
import { type Piece, pemOf, takeApart } from './pieces.ts';
import { type Candidate, isCertificateFile } from './walk.ts';

/** More different chains than the CAs of a cluster and of its predecessors have. */
const mostChains = 64;
const noBlocks: FoundFile = { bytes: new Uint8Array(), blocks: [] };
const beginLine = '-----BEGIN ';
const endLine = '-----END CERTIFICATE-----\n';

/** What rows are judged by. `at` is seconds since 1970; `warnDays` is for the status, `renewDays` is K3s's window. */
export interface RowRules {
  readonly core: Core;
  readonly product: Product;
  readonly at: number;
  readonly warnDays: number;
  readonly renewDays: number;
}

/** Turns files into rows, one file at a time; of a file nothing stays but its rows. */
export class RowReader {
  readonly #rules: RowRules;
  readonly #placeOf: (path: string) => Place | undefined;
  readonly #authorities = new Map<string, FoundFile | 'no permission'>();
  /** By their text; offsets are within it. */
  readonly #chains = new Map<string, readonly PemBlock[]>();
  /** Files that were looked into, and those that kubeconfigs name with one that names them. */
  readonly #done = new Set<string>();
  readonly #named = new Map<string, string>();

  constructor(rules: RowRules) {
    this.#rules = rules;
    this.#placeOf = placesOf(rules.product);
  }

  /** Rows of the files, then of those that kubeconfigs among them name and that were not there yet. */
  async *files(candidates: Iterable<Candidate>): AsyncGenerator<readonly CheckRow[]> {
    for (const candidate of candidates) {
      if (!this.#isNew(candidate.path)) continue;
      if (candidate.problem !== undefined) yield [this.#problem(candidate.path, candidate.problem)];
      else yield await this.#file(candidate.path, candidate.named);
    }
    for (const [path, namedBy] of this.#named) {
      if (this.#isNew(path)) yield await this.#file(path, true, namedBy);
    }
    this.#named.clear();
  }

  /** Rows of what endpoints serve, in their order; a few connections are open at a time. */
  async *endpoints(endpoints: readonly Endpoint[], options: ConnectOptions): AsyncGenerator<readonly CheckRow[]> {
    const width = 16;
    for (let from = 0; from < endpoints.length; from += width) {
      const some = endpoints.slice(from, from + width);
      const chains = await Promise.all(some.map((endpoint) => servedChain(endpoint, options)));
      for (const [index, chain] of chains.entries()) {
        const path = endpointText(some[index] as Endpoint);
        if ('code' in chain) yield [{ kind: 'problem', path, problem: chain }];
        else yield this.#rows({ path }, this.#rules.core.inspect(Buffer.concat(chain.map(pemOf))), undefined);
      }
    }
  }

  /** Rows of a file's content, or of what came on standard input under the name `path`. The bytes are overwritten. */
  async content(
    path: string,
    bytes: Uint8Array,
    { required, named } = { required: true, named: true },
  ): Promise<readonly CheckRow[]> {
    try {
      if (bytes.length === 0) return required ? [this.#problem(path, { code: 'empty', values: {} }, noBlocks)] : [];
      const parts = await takeApart(path, bytes);
      for (const reference of parts?.references ?? []) {
        if (!this.#named.has(reference)) this.#named.set(reference, path);
      }
      if (parts === undefined) {
        return named ? [this.#problem(path, { code: 'no-certificate', values: { holdsKey: false } })] : [];
      }
      // A .pem in a folder may be a key, parameters, a revocation list.
      const isAnyPem = !named && !path.endsWith('.crt');
      return parts.pieces.flatMap((piece) => this.#piece(path, piece, isAnyPem));
    } finally {
      bytes.fill(0);
    }
  }

  #isNew(path: string): boolean {
    const isNew = !this.#done.has(path);
    this.#done.add(path);
    return isNew;
  }

  async #file(path: string, named: boolean, namedBy?: string): Promise<readonly CheckRow[]> {
    const read = readFile(path);
    const required = named || isCertificateFile(basename(path)) || path.endsWith('.kubeconfig');
    if (read === 'absent') {
      return [this.#problem(path, { code: 'absent', values: namedBy === undefined ? {} : { namedBy } })];
    }
    if ('why' in read) return required ? [this.#problem(path, { code: 'unreadable', values: read }, 'unreadable')] : [];
    return this.content(path, read.bytes, { required, named });
  }

  #piece(path: string, piece: Piece, isAnyPem: boolean): readonly CheckRow[] {
    const source = piece.part === undefined ? { path } : { path, part: piece.part };
    if (piece.problem !== undefined) return [this.#problem(path, piece.problem, noBlocks)];
    const blocks = this.#inspect(piece.pem);
    // K3s reads PEM only, except for its own Secret.
    const nextStart = this.#nextStart(path, piece.part === 'DER' ? noBlocks : { bytes: piece.pem, blocks });
    if (blocks.some(({ kind }) => kind === 'certificate' || kind === 'broken')) {
      return this.#rows(source, blocks, nextStart);
    }
    if (isAnyPem && blocks.length > 0) return [];
    const holdsKey = blocks.some(({ kind }) => kind === 'private-key' || kind === 'encrypted-private-key');
    return [problemRow(source, { code: 'no-certificate', values: { holdsKey } }, nextStart)];
  }

  /** The blocks of PEM. Leaves of one CA have the same chain after them: a chain is parsed once. */
  #inspect(pem: Uint8Array): readonly PemBlock[] {
    const { core } = this.#rules;
    const text = Buffer.from(pem.buffer, pem.byteOffset, pem.length);
    const end = text.indexOf(endLine);
    const from = end + endLine.length;
    // Not for a file of one certificate, and not where a key could be in what is remembered.
    if (end < 0 || text.indexOf(beginLine, from) < 0 || text.includes('PRIVATE KEY')) return core.inspect(pem);
    const tail = text.toString('latin1', from);
    const chain = this.#chains.get(tail) ?? core.inspect(pem.subarray(from));
    // A broken block names its line in the file.
    if (chain.some(({ kind }) => kind !== 'certificate')) return core.inspect(pem);
    if (this.#chains.size < mostChains) this.#chains.set(tail, chain);
    const moved = chain.map((block) => ({ ...block, start: block.start + from, end: block.end + from }));
    return [...core.inspect(pem.subarray(0, from)), ...moved];
  }

  #rows(
    source: { readonly path: string; readonly part?: string },
    blocks: readonly PemBlock[],
    nextStart: NextStart | undefined,
  ): readonly CheckRow[] {
    const { at, warnDays } = this.#rules;
    const rows: CheckRow[] = [];
    let position = 0;
    for (const block of blocks) {
      // What K3s does is said of the file as a whole: once, with its first row.
      const next = rows.length === 0 ? nextStart : undefined;
      if (block.kind === 'certificate') {
        rows.push(certificateRow(source, block.certificate, { position, at, days: warnDays, nextStart: next }));
        position += 1;
      } else if (block.kind === 'broken') {
        const { line, label, reason } = block;
        rows.push(problemRow(source, { code: 'broken-block', values: { line, label, reason } }, next));
      }
    }
    return rows;
  }

  #problem(path: string, problem: CheckProblem, found: FoundFile = 'absent'): ProblemRow {
    // Not to be read by this user says nothing of what K3s, as root, will find.
    const isHidden = problem.code === 'unreadable' && problem.values.why === 'permission';
    return problemRow({ path }, problem, isHidden ? undefined : this.#nextStart(path, found));
  }

  /** Undefined for a file that is not K3s's, and where this user may not see all that decides. */
  #nextStart(path: string, file: FoundFile): NextStart | undefined {
    const place = this.#placeOf(path);
    if (place === undefined) return undefined;
    const { core, at, renewDays } = this.#rules;
    let isHidden = false;
    const view: DataDirView = (below) => {
      const found = this.#foundIn(place.root, below);
      isHidden ||= found === 'no permission';
      return found === 'no permission' ? 'unreadable' : found;
    };
    const signatureHolds: Core['signatureHolds'] = (certificate, issuer) => core.signatureHolds(certificate, issuer);
    const outlook = nextStartOf(place, view, file, { at, days: renewDays, signatureHolds });
    return isHidden ? undefined : outlook;
  }

  /** A file of a data dir. Those of CAs, which every leaf asks for, are read once. */
  #foundIn(root: string, path: string): FoundFile | 'no permission' {
    const file = join(root, path);
    if (!/-ca\.(crt|key)$/.test(path)) return this.#found(file);
    const known = this.#authorities.get(file) ?? this.#found(file);
    this.#authorities.set(file, known);
    return known;
  }

  #found(path: string): FoundFile | 'no permission' {
    const read = readFile(path);
    if (read === 'absent') return 'absent';
    if ('why' in read) return read.why === 'permission' ? 'no permission' : 'unreadable';
    const { bytes } = read;
    const blocks = this.#rules.core.inspect(bytes);
    if (!path.endsWith('.key')) return { bytes, blocks };
    bytes.fill(0);
    return { bytes: new Uint8Array(), blocks };
  }
}

function problemRow(
  source: { readonly path: string; readonly part?: string },
  problem: CheckProblem,
  nextStart: NextStart | undefined,
): ProblemRow {
  return { kind: 'problem', ...source, problem, ...(nextStart === undefined ? {} : { nextStart }) };
}
