import { constants, createReadStream, existsSync, openSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import type { Certificate, Core } from '@k3s-pki/core';
import {
  type CaHash,
  caHash,
  type PemFile,
  type Product,
  parseToken,
  readBundle,
  type Token,
  tlsFile,
  tokenFileText,
} from '@k3s-pki/k3s';
import type { Context } from './context.ts';
import { Failure, type Message } from './failure.ts';
import { describeFault, tokenMessages } from './messages/english/token.ts';

/** Larger than any token; a larger file is something else. */
const longest = 1 << 16;
/** Larger than any bundle of CA certificates. */
const largestBundle = 1 << 20;

/** A token and where it was found; `from` is for people. */
export interface FoundToken {
  readonly text: string;
  readonly token: Token;
  readonly from: string;
}

export interface TokenSource {
  /** A file, or `-` for standard input. */
  readonly tokenFile: string | undefined;
  readonly product: Product;
  readonly dataDir: string;
}

/**
 * The token that is meant: `--token-file`, then `K3S_TOKEN_FILE` before `K3S_TOKEN` as K3s has it, then `server/token` of
 * the data dir. Throws Failure without a word of the token. Source: K3s `pkg/cli/server/server.go`, `pkg/cli/cert/cert.go`.
 */
export async function findToken({ tokenFile, product, dataDir }: TokenSource, context: Context): Promise<FoundToken> {
  const { env, cwd } = context;
  const variable = `${product.toUpperCase()}_TOKEN`;
  const file = tokenFile || env[`${variable}_FILE`];
  if (file) return readTokenFile(file, context);
  const value = env[variable];
  if (value) return parsed(value, variable);
  const own = join(resolve(cwd, dataDir), 'server/token');
  return readTokenFile(own, context, tokenMessages.noToken(product, own));
}

async function readTokenFile(file: string, context: Context, absent?: Message): Promise<FoundToken> {
  const read = await readInput(file, longest, context);
  if ('why' in read) {
    const message =
      read.absent === true && absent !== undefined ? absent : tokenMessages.unreadableToken(read.from, read.why);
    throw new Failure([message]);
  }
  const text = tokenFileText(read.bytes);
  read.bytes.fill(0);
  if (text === undefined) throw new Failure([tokenMessages.unreadableToken(read.from, 'not a text in UTF-8')]);
  return parsed(text, read.from);
}

function parsed(text: string, from: string): FoundToken {
  const read = parseToken(text);
  if (!read.ok) throw new Failure([describeFault(read.fault, from)]);
  return { text, token: read.token, from };
}

/** A bundle of CA certificates as K3s reads it, and its CA hash. */
export interface CaBundle {
  /** A path or an address, for people. */
  readonly from: string;
  readonly file: PemFile;
  readonly certificates: readonly Certificate[];
  readonly caHash: CaHash;
}

/** Reads a bundle: a PEM file, `-`, or a folder with K3s's layout. Throws Failure. */
export async function readCaBundle(path: string, context: Context): Promise<CaBundle> {
  const given = resolve(context.cwd, path);
  const inFolder = ['server-ca.crt', 'tls/server-ca.crt', tlsFile.caBundle('server')].map((name) => join(given, name));
  const file = isFolder(given) ? (inFolder.find((each) => existsSync(each)) ?? inFolder[0] ?? given) : path;
  const read = await readInput(file, largestBundle, context);
  if (!('why' in read)) return caBundle(read.bytes, read.from, await context.core(), context);
  throw new Failure([
    read.absent === true ? tokenMessages.absentBundle(read.from) : tokenMessages.unreadableBundle(read.from, read.why),
  ]);
}

/** The bundle in these bytes, with the hash as of now. Throws Failure. */
export function caBundle(bytes: Uint8Array, from: string, core: Core, { clock }: Pick<Context, 'clock'>): CaBundle {
  const file = { bytes, blocks: core.inspect(bytes) };
  const read = readBundle(file);
  if (!read.ok) {
    throw new Failure([
      read.why === 'empty'
        ? tokenMessages.noCertificate(from)
        : tokenMessages.badCertificate(from, read.line, read.reason),
    ]);
  }
  const at = Math.floor(clock() / 1000);
  return {
    from,
    file,
    certificates: read.certificates,
    caHash: caHash(bytes, read.certificates, (request) => core.chains(request), at),
  };
}

type Input =
  | { readonly from: string; readonly bytes: Uint8Array }
  | { readonly from: string; readonly why: string; readonly absent?: true };

/** All of a file, pipe or, for `-`, standard input. A shell hands secrets over in pipes, and waiting for one must end with
 *  Ctrl-C: so nothing here blocks. */
export async function readInput(file: string, most: number, { stdin, cwd, signal }: Context): Promise<Input> {
  const from = file === '-' ? 'standard input' : resolve(cwd, file);
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of addAbortSignal(signal, file === '-' ? stdin : openStream(from))) {
      pieces.push(Buffer.from(piece));
      length += piece.length;
      if (length > most) return { from, why: `larger than ${most / 1024} KiB, so not what is meant` };
    }
    return { from, bytes: new Uint8Array(Buffer.concat(pieces)) };
  } catch (error) {
    const { code = '', name } = error as NodeJS.ErrnoException;
    if (name === 'AbortError') throw error;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { from, why: 'there is no such file', absent: true };
    const known: Record<string, string> = {
      EACCES: 'no permission to read it',
      EPERM: 'no permission to read it',
      EISDIR: 'a folder, not a file',
    };
    return { from, why: known[code] ?? 'cannot be read' };
  }
}

/** A pipe is opened without waiting for its writer, which may never come: a thread that waits there can't be stopped. */
function openStream(path: string): Readable {
  if (statSync(path, { throwIfNoEntry: false })?.isFIFO() !== true) return createReadStream(path);
  return new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
