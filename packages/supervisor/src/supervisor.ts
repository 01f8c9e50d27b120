import type { Product } from '@k3s-pki/k3s';
import { SupervisorError } from './error.ts';
import { type Answer, exchange, type Limits, type Question } from './exchange.ts';

export { SupervisorError, type SupervisorErrorCode } from './error.ts';

export interface SupervisorOptions {
  /** Part of the paths. Default `k3s`. */
  readonly product?: Product;
  /** Milliseconds without a byte in either direction. Default 10 s, K3s's own. */
  readonly patience?: number;
  readonly signal?: AbortSignal;
}

/** What a supervisor's CAs must be. */
export interface Pin {
  /** The CA hash that a token names: 64 hexadecimal characters, compared as K3s does, letter case included. */
  readonly caHash: string;
  /** The CA hash of a bundle by K3s's rules; throws when it holds no certificate. */
  readonly hashOf: (bundle: Uint8Array) => string;
}

const defaultPatience = 10_000;
/** Octets. A bundle of CAs is some kilobytes, bootstrap data in base64 some tens; an answer without end must end. */
const mostCaCerts = 1 << 20;
const mostBootstrap = 64 << 20;
const mostStatus = 1 << 20;

/** Where a server's supervisor listens on its own machine. Source: K3s `pkg/cli/cmds/server.go`; RKE2 `pkg/cli/defaults`. */
export function defaultServer(product: Product): string {
  return `https://127.0.0.1:${product === 'rke2' ? 9345 : 6443}`;
}

/**
 * The CA bundle of a server, whoever it is: TLS is not verified, and the answer is worth nothing until its hash was compared
 * with one from elsewhere. Throws SupervisorError. Source: K3s `pkg/clientaccess/token.go`, `getCACerts`.
 */
export async function readCaCerts(server: string, options: SupervisorOptions = {}): Promise<Uint8Array> {
  const url = serverUrl(server);
  const question = { method: 'GET', path: '/cacerts', trust: 'unverified', most: mostCaCerts } as const;
  const { status, body } = await exchange(url, question, limitsOf(options));
  if (status !== 200 || !Buffer.from(body).includes('-----BEGIN CERTIFICATE-----')) {
    throw stranger(url, `answers /cacerts with ${status === 200 ? 'no certificate' : status}`);
  }
  return body;
}

/**
 * A supervisor whose CAs have the hash and whose certificate they signed. Throws SupervisorError: `wrong-hash` with K3s's own
 * words. Source: K3s `pkg/clientaccess/token.go`, `setAndValidateServer`; unlike K3s, never without a hash.
 */
export async function openSupervisor(server: string, pin: Pin, options: SupervisorOptions = {}): Promise<Supervisor> {
  const url = serverUrl(server);
  const caCerts = await readCaCerts(server, options);
  const found = pin.hashOf(caCerts);
  if (found !== pin.caHash) {
    throw new SupervisorError(
      'wrong-hash',
      `${url.host}: token CA hash does not match the Cluster CA certificate hash: ${pin.caHash} != ${found}`,
      {
        mend: 'the token is of another cluster, or of this one before its root CA changed: take it from server/token on a server',
      },
    );
  }
  const supervisor = new Supervisor(url, caCerts, options);
  await supervisor.verify();
  return supervisor;
}

/** A supervisor that was found to be the right one. Every request verifies TLS against its CAs. */
export class Supervisor {
  /** `host:port`. */
  readonly host: string;
  /** PEM, as the server sent it. */
  readonly caCerts: Uint8Array;
  readonly #url: URL;
  readonly #prefix: string;
  readonly #limits: Limits;

  constructor(url: URL, caCerts: Uint8Array, options: SupervisorOptions) {
    this.host = url.host;
    this.caCerts = caCerts;
    this.#url = url;
    this.#prefix = `/v1-${options.product ?? 'k3s'}`;
    this.#limits = limitsOf(options);
  }

  /** Asks for `/cacerts` again, with TLS verified. Throws SupervisorError, `untrusted` when its certificate is not its CAs'. */
  async verify(): Promise<void> {
    try {
      await this.#ask({ method: 'GET', path: '/cacerts', most: mostCaCerts });
    } catch (error) {
      if (!(error instanceof SupervisorError) || error.code !== 'untrusted') throw error;
      throw new SupervisorError('untrusted', error.message, {
        mend: 'after a rotation to another root the supervisor keeps its old certificate: on the server run certificate rotate --service k3s-server, then restart it',
        cause: error,
      });
    }
  }

  /** The bootstrap data on the server's disk, JSON with private keys; undefined when the server has no embedded etcd and so
   *  does not give it. Source: K3s `pkg/server/handlers/handlers.go`, `Bootstrap`. */
  async serverBootstrap(password: string): Promise<Uint8Array | undefined> {
    const answer = await this.#ask({
      method: 'GET',
      path: `${this.#prefix}/server-bootstrap`,
      user: { name: 'server', password },
      most: mostBootstrap,
    });
    if (answer.status === 400 && statusMessage(answer)?.includes('etcd disabled')) return undefined;
    this.#expect(answer, 200);
    return answer.body;
  }

  /** Sends new CAs, JSON bootstrap data, to be saved in the datastore. Nothing else changes before the servers restart.
   *  Source: K3s `pkg/server/handlers/cert.go`, `CACertReplace`. */
  async replaceCas(password: string, bootstrapData: Uint8Array, force: boolean): Promise<void> {
    const answer = await this.#ask({
      method: 'PUT',
      path: `${this.#prefix}/cert/cacerts?force=${force}`,
      user: { name: 'server', password },
      body: bootstrapData,
      most: mostStatus,
    });
    this.#expect(answer, 204, true);
  }

  /** Replaces the server token's password. Source: K3s `pkg/server/handlers/token.go`, `TokenRequest`. */
  async rotateToken(password: string, newPassword: string): Promise<void> {
    const body = new TextEncoder().encode(JSON.stringify({ newToken: newPassword }));
    try {
      const answer = await this.#ask({
        method: 'PUT',
        path: `${this.#prefix}/token`,
        user: { name: 'server', password },
        body,
        most: mostStatus,
      });
      this.#expect(answer, 200, true);
    } finally {
      body.fill(0);
    }
  }

  #ask(question: Omit<Question, 'trust'>): Promise<Answer> {
    return exchange(this.#url, { ...question, trust: this.caCerts }, this.#limits);
  }

  /** `change`: something was to be changed, and an answer that is not K3s's leaves it in doubt. */
  #expect(answer: Answer, wanted: number, change = false): void {
    const { status } = answer;
    if (status === wanted) return;
    const message = statusMessage(answer);
    if (status === 401) {
      throw new SupervisorError(
        'credentials',
        `${this.host}: not authorized: this is not the server token's password`,
        {
          mend: 'take the token from server/token on a server; after a token rotation the old one counts until the restart',
        },
      );
    }
    if (status === 403) {
      throw new SupervisorError('forbidden', `${this.host}: forbidden: these credentials are not the server's`, {
        mend: 'use the server token (server/token), not the agent token',
      });
    }
    // An answer without a Status comes from something in between, or from another program.
    if (message === undefined) throw stranger(this.#url, `answers ${status} and no Status of Kubernetes`, change);
    const id = /\b(\w+) error ID (\d{5})\b/.exec(message);
    throw new SupervisorError(
      'refused',
      `${this.host}: ${id === null ? message : `see server log for details: ${message}`}`,
      {
        ...(id === null ? {} : { mend: `on the server: journalctl -u k3s | grep ${JSON.stringify(id[0])}` }),
      },
    );
  }
}

function serverUrl(server: string): URL {
  let url: URL;
  try {
    url = new URL(server);
  } catch (cause) {
    throw new SupervisorError('address', `${JSON.stringify(server)} is not a URL`, {
      mend: 'such as https://server:6443',
      cause,
    });
  }
  if (url.protocol !== 'https:') {
    throw new SupervisorError(
      'address',
      `only https:// URLs are supported, invalid scheme: ${url.protocol}//${url.host}`,
    );
  }
  if (url.username !== '' || url.password !== '' || !/^\/*$/.test(url.pathname) || url.search !== '') {
    throw new SupervisorError('address', `https://${url.host}: only a host and a port may be given`);
  }
  return url;
}

function limitsOf({ patience = defaultPatience, signal }: SupervisorOptions): Limits {
  return signal === undefined ? { patience } : { patience, signal };
}

function stranger(url: URL, what: string, inDoubt = false): SupervisorError {
  return new SupervisorError(
    'stranger',
    `${url.host}: ${what}: this is no supervisor, or something stands in front of it`,
    {
      mend: 'name the server itself with --server https://HOST:6443 (RKE2: 9345)',
      inDoubt,
    },
  );
}

/** The message of a Kubernetes Status. Source: k8s.io/apimachinery `meta/v1`, `Status`. */
function statusMessage({ body }: Answer): string | undefined {
  try {
    const { kind, message } = JSON.parse(Buffer.from(body).toString('utf8')) as { kind?: unknown; message?: unknown };
    return kind === 'Status' && typeof message === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}
