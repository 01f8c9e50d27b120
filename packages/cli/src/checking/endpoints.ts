import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import type { CheckProblem } from '@k3s-pki/plan';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface ConnectOptions {
  /** Name asked for (SNI); the host's own name when it is absent, none for an address. */
  readonly serverName: string | undefined;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** The chain that an endpoint serves, DER, leaf first; or why there is none. Nothing is verified: it is only looked at,
 *  and nothing is sent but the handshake. */
export function servedChain(
  { host, port }: Endpoint,
  { serverName, seconds, signal }: ConnectOptions,
): Promise<readonly Uint8Array[] | CheckProblem> {
  return new Promise((resolve) => {
    const name = serverName ?? (isIP(host) === 0 ? host : undefined);
    const socket = connect({
      host,
      port,
      rejectUnauthorized: false,
      // Without it Node would complete the chain from its own store with certificates that were not served.
      ca: [],
      ...(name === undefined ? {} : { servername: name }),
    });
    const end = (result: readonly Uint8Array[] | CheckProblem) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end({ code: 'timeout', values: { seconds } }), seconds * 1000);
    const abort = () => end({ code: 'connection', values: { code: 'ABORTED' } });
    signal.addEventListener('abort', abort, { once: true });
    socket.on('secureConnect', () => end(chainOf(socket.getPeerCertificate(true))));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // A server that demands a client certificate in TLS 1.2 ends the handshake after it has shown its own.
      const chain = chainOf(socket.getPeerCertificate(true));
      end(chain.length > 0 ? chain : { code: 'connection', values: { code: error.code ?? 'UNKNOWN' } });
    });
    socket.on('close', () => end({ code: 'connection', values: { code: 'ECONNRESET' } }));
  });
}

/** `node-1`, `node-1:6443`, `192.0.2.1:2379`, `[2001:db8::1]:6443`, `https://node-1:6443`. The port is 6443 when it is
 *  not named. Undefined for anything else. */
export function endpointOf(text: string): Endpoint | undefined {
  const bare = text.replace(/^https:\/\//, '').replace(/\/$/, '');
  if (isIP(bare) === 6) return { host: bare, port: 6443 };
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(bare) ?? [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? 6443 : Number(digits);
  if (host === undefined || (bracketed !== undefined && isIP(bracketed) !== 6) || port < 1 || port > 65_535) {
    return undefined;
  }
  return { host, port };
}

/** `node-1:6443`, `[2001:db8::1]:6443`. */
export function endpointText({ host, port }: Endpoint): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

function chainOf(leaf: DetailedPeerCertificate | undefined): Uint8Array[] {
  const chain: Uint8Array[] = [];
  const seen = new Set<string>();
  // The last one of a chain names itself as its issuer.
  for (let next = leaf; next?.raw !== undefined && !seen.has(next.fingerprint256); next = next.issuerCertificate) {
    seen.add(next.fingerprint256);
    chain.push(new Uint8Array(next.raw));
  }
  return chain;
}
