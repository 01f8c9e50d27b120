import { connect, isIP, type NetConnectOpts } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import type { Limits } from './deadline.ts';
import { connectionFailure, DatastoreError, firstLine, tlsMend } from './error.ts';
import { certificateFailure, type Tls } from './tls.ts';

/** A place that takes connections. */
export interface Place {
  /** For messages. */
  readonly where: string;
  readonly at: NetConnectOpts;
  /** The name or address in the server's certificate; absent without TLS. */
  readonly name: string | undefined;
  readonly tls: Tls | undefined;
}

/**
 * Opens a connection, TLS handshake included, and closes it again. gRPC keeps one that hangs, and with it the process,
 * and says less of why one failed. Rejects with DatastoreError or the reason of the signal.
 */
export async function reach({ where, at, name, tls }: Place, { signal, timeout }: Limits, now: number): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const late = () => new DatastoreError('timeout', where, 'no answer in time', seeThat);
  const timer = setTimeout(() => reject(late()), timeout);
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  const flawed = (error: unknown) => certificateFailure(where, tls, now, error);
  try {
    const socket = name === undefined ? connect(at, resolve) : connectTls({ ...at, ...secured(name, tls) }, resolve);
    socket.on('error', reject);
    try {
      await promise;
    } finally {
      socket.destroy();
    }
  } catch (error) {
    if (error instanceof DatastoreError || signal.aborted) throw error;
    const known = connectionFailure(where, error);
    // Refused, unknown and the like are the network's; anything else comes from the handshake.
    if (known !== undefined && known.code !== 'tls') {
      throw (
        (name !== undefined && flawed(error)) ||
        new DatastoreError(known.code, where, firstReason(known, where), seeThat, error)
      );
    }
    throw flawed(error) ?? known ?? new DatastoreError('tls', where, `TLS: ${firstLine(error)}`, tlsMend, error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

export const seeThat = 'see that the server runs and the endpoint is right; embedded etcd runs only while K3s does';

function firstReason({ message }: DatastoreError, where: string): string {
  return message.slice(`${where}: `.length);
}

function secured(name: string, tls: Tls | undefined) {
  return {
    ALPNProtocols: ['h2'],
    checkServerIdentity: (_: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(name, certificate),
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(tls?.ca && { ca: tls.ca }),
    ...(tls?.certificate && { cert: tls.certificate }),
    ...(tls?.key && { key: tls.key }),
  };
}
