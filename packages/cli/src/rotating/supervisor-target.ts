import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Core } from '@k3s-pki/core';
import {
  type BootstrapData,
  type FileSet,
  formatBootstrapData,
  type Product,
  parseBootstrapData,
  type RotationField,
  rotationFields,
  tlsFile,
} from '@k3s-pki/k3s';
import { defaultServer, openSupervisor, type Supervisor, SupervisorError } from '@k3s-pki/supervisor';
import type { Context } from '../context.ts';
import { Failure } from '../failure.ts';
import { rotateCaMessages as words } from '../messages/english/rotate-ca.ts';
import { isoTime } from '../render/structured.ts';
import { readSnapshot } from '../snapshot.ts';
import { caBundle, type FoundToken } from '../token-source.ts';
import { bootstrapSet } from './bootstrap-set.ts';
import type { ReadBack, RotationTarget } from './target.ts';

export interface SupervisorTargetOptions {
  readonly product: Product;
  /** Absolute. */
  readonly dataDir: string;
  readonly server: string | undefined;
  readonly found: FoundToken;
  /** Seconds without a byte. */
  readonly timeout: number;
  /** Looks at the record after the change. */
  readonly readBack: (contents: ReadonlyMap<RotationField, Uint8Array>) => Promise<ReadBack>;
}

/**
 * A running server, by K3s's own way. The set in use comes from the server, else from this machine's disk if it is that
 * server's. Throws Failure and SupervisorError. Source: K3s `pkg/cli/cert/cert.go`, `rotateCA`.
 */
export async function openSupervisorTarget(
  options: SupervisorTargetOptions,
  context: Context,
): Promise<RotationTarget> {
  const { product, dataDir, timeout, readBack } = options;
  const core = await context.core();
  const { token, from } = options.found;
  if (token.kind === 'bootstrap') {
    throw new Failure([
      { error: `${from}: a bootstrap token joins agents only`, hint: 'use the server token: server/token on a server' },
    ]);
  }
  const { password } = token;
  const hashOf = (bytes: Uint8Array) => caBundle(bytes, 'the answer to /cacerts', core, context).caHash.hash;
  const server = options.server ?? defaultServer(product);
  const pin = { caHash: token.caHash || ownHash(dataDir, hashOf) || unpinned(from, server), hashOf };
  const supervisor = await openSupervisor(server, pin, { product, patience: timeout * 1000, signal: context.signal });
  const given = await supervisor.serverBootstrap(password);
  const current =
    given === undefined ? fromDisk(dataDir, supervisor, core) : bootstrapSet(opened(given, supervisor), core);
  given?.fill(0);
  return {
    where: `the server at ${supervisor.host}`,
    current,
    currentFrom: given === undefined ? join(dataDir, 'server/tls') : `the server at ${supervisor.host}`,
    showCurrent: given === undefined ? (file) => join(dataDir, file) : (file) => `${supervisor.host}: ${file}`,
    load: async (contents, plan) => {
      const timestamp = isoTime(plan.timestamp);
      const body = formatBootstrapData(
        new Map([...contents].map(([field, content]) => [field, { content, timestamp }] as const)),
      );
      try {
        await supervisor.replaceCas(password, body, plan.force);
      } catch (error) {
        throw await explained(error, () => readBack(contents));
      } finally {
        body.fill(0);
      }
      return { readBack: await readBack(contents) };
    },
    close: async () => {},
  };
}

/** The CA hash of this machine's own bundle: it is as good a pin as the one in a token. */
export function ownHash(dataDir: string, hashOf: (bytes: Uint8Array) => string): string | undefined {
  const file = join(dataDir, tlsFile.caBundle('server'));
  return existsSync(file) ? hashOf(readFileSync(file)) : undefined;
}

function unpinned(from: string, server: string): never {
  throw new Failure([
    {
      error: `${from}: the token has no CA hash, so nobody can tell whether ${server} is this cluster's server, and it would be sent every CA key`,
      hint: 'take the full token (K10...) from server/token on a server, or run this there',
    },
  ]);
}

function opened(document: Uint8Array, { host }: Supervisor): BootstrapData {
  try {
    return parseBootstrapData(document);
  } catch (cause) {
    throw new Failure([{ error: `${host}: the answer to server-bootstrap is no bootstrap data` }], { cause });
  }
}

function fromDisk(dataDir: string, { host, caCerts }: Supervisor, core: Core): FileSet {
  const reading = readSnapshot(
    dataDir,
    rotationFields.map(({ file }) => file),
    core,
  );
  const own = reading.contents.get(tlsFile.caBundle('server'));
  if (own === undefined || Buffer.compare(own, caCerts) !== 0) {
    throw new Failure([
      {
        error: `${host}: does not give its CAs (it has no embedded etcd), and ${join(dataDir, tlsFile.caBundle('server'))} ${own === undefined ? 'does not exist' : 'is of another cluster'}, so the new set cannot be checked against the one in use`,
        hint: 'run this on a server of the cluster, with its --data-dir; or straight in the datastore with --offline',
      },
    ]);
  }
  return (path) => {
    const bytes = reading.contents.get(path);
    const facts = reading.snapshot.files.get(path);
    return bytes === undefined || facts?.kind !== 'file' ? undefined : { bytes, blocks: facts.blocks };
  };
}

/** K3s names no reason over the wire. Our checks passed, so what it compared with was another set. In doubt the record is
 *  looked at, where this machine can. */
async function explained(error: unknown, readBack: () => Promise<ReadBack>): Promise<unknown> {
  if (!(error instanceof SupervisorError)) return error;
  if (error.inDoubt) return new Failure([words.inDoubt(error.message, await readBack())], { cause: error });
  if (error.code !== 'refused') return error;
  const hint = `${error.mend ?? 'look in the log of the server'}; k3s-pki explain "LINE" says what the line means`;
  return new Failure([{ error: error.message, hint }], { cause: error });
}
