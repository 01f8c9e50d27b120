import { type RequestOptions, request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { SupervisorError } from './error.ts';

/** How long and how far a request may go. */
export interface Limits {
  /** Milliseconds without a byte in either direction, connecting included. */
  readonly patience: number;
  readonly signal?: AbortSignal;
}

export interface Question {
  readonly method: 'GET' | 'PUT';
  /** Path and query. */
  readonly path: string;
  /** PEM of every certificate that may end the server's chain; `unverified` for the one read whose answer is pinned. */
  readonly trust: Uint8Array | 'unverified';
  /** Basic authentication. */
  readonly user?: { readonly name: string; readonly password: string };
  readonly body?: Uint8Array;
  /** Octets of the largest answer. */
  readonly most: number;
}

export interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
}

/**
 * One request on a connection of its own, no redirect followed, no retry. Throws SupervisorError; `inDoubt` when a PUT
 * was on its way, because the server may have acted on it.
 */
export function exchange(server: URL, question: Question, { patience, signal }: Limits): Promise<Answer> {
  const { method, path, trust, user, body, most } = question;
  const target = server.host;
  return new Promise((resolve, reject) => {
    let connected = false;
    let spoke = Date.now();
    const options: RequestOptions = {
      method,
      host: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port || 443,
      path,
      agent: false,
      headers: {
        connection: 'close',
        // No Content-Type: K3s takes a form's body away before it is read.
        ...(body === undefined ? {} : { 'content-length': body.length }),
      },
      ...(user === undefined ? {} : { auth: `${user.name}:${user.password}` }),
      ...(trust === 'unverified'
        ? { rejectUnauthorized: false }
        : // As Go's pool: any certificate of the bundle ends a chain, an intermediate too.
          { ca: Buffer.from(trust), allowPartialTrustChain: true, rejectUnauthorized: true }),
    };
    const fail = (error: SupervisorError): void => {
      clearInterval(watch);
      signal?.removeEventListener('abort', abort);
      sent.destroy();
      reject(error);
    };
    const inDoubt = (): boolean => method === 'PUT' && connected;
    const abort = (): void =>
      fail(new SupervisorError('aborted', 'interrupted', { inDoubt: inDoubt(), cause: signal?.reason }));
    const alive = (): void => {
      spoke = Date.now();
    };
    const sent = request(options, (response) => {
      const pieces: Buffer[] = [];
      let length = 0;
      response.on('data', (piece: Buffer) => {
        alive();
        length += piece.length;
        if (length <= most) pieces.push(piece);
        else
          fail(
            new SupervisorError('too-large', `${target}: answers with more than ${most} bytes`, { inDoubt: inDoubt() }),
          );
      });
      response.on('error', (cause) => fail(broken(cause)));
      response.on('end', () => {
        clearInterval(watch);
        signal?.removeEventListener('abort', abort);
        if (response.complete) resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces) });
        else fail(broken(undefined));
      });
    });
    const broken = (cause: unknown): SupervisorError =>
      new SupervisorError('cut', `${target}: the connection ended before the answer was complete`, {
        inDoubt: inDoubt(),
        cause,
      });
    // A timer of its own: a socket's timeout does not see a connection that is being made, nor a slow upload.
    const watch = setInterval(
      () => {
        const socket = sent.socket as TLSSocket | null;
        const written = socket?.bytesWritten ?? 0;
        if (written > progress) {
          progress = written;
          alive();
        }
        if (Date.now() - spoke < patience) return;
        const seconds = Math.round(patience / 1000);
        fail(
          new SupervisorError('silent', `${target}: ${connected ? 'no answer' : 'no connection'} within ${seconds} s`, {
            inDoubt: inDoubt(),
          }),
        );
      },
      Math.min(patience, 250),
    );
    let progress = 0;
    sent.on('socket', (socket) =>
      socket.once('secureConnect', () => {
        connected = true;
        alive();
      }),
    );
    sent.on('error', (cause: NodeJS.ErrnoException) => fail(connected ? broken(cause) : notConnected(target, cause)));
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    else sent.end(body);
  });
}

function notConnected(target: string, cause: NodeJS.ErrnoException): SupervisorError {
  const code = cause.code ?? '';
  if (/CERT|ISSUER|SELF_SIGNED|ALTNAME|VERIFY|SIGNATURE|CRL|PATH_LENGTH|INVALID_CA|PURPOSE/.test(code)) {
    return new SupervisorError('untrusted', `${target}: CA cert validation failed: ${cause.message}`, { cause });
  }
  const reason: Record<string, string> = {
    ECONNREFUSED: 'nothing listens there',
    ENOTFOUND: 'the name is not known',
    EAI_AGAIN: 'the name cannot be looked up',
    EHOSTUNREACH: 'no way to this host',
    ENETUNREACH: 'no way to this network',
    ETIMEDOUT: 'no answer',
    ECONNRESET: 'the connection was closed before TLS was ready',
    EPROTO: 'it does not speak TLS',
  };
  return new SupervisorError('unreachable', `${target}: ${reason[code] ?? (code || 'no connection')}`, { cause });
}
