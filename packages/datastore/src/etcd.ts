import { isIP } from 'node:net';
import { basename } from 'node:path';
import { checkServerIdentity } from 'node:tls';
import type { Client, ServiceDefinition, ServiceError } from '@grpc/grpc-js';
import { type Limits, outcomeUnknown } from './deadline.ts';
import { DatastoreError, firstLine, tlsMend } from './error.ts';
import { compareTarget, etcdProtocol, type KeyValue, type RangeResponse, type TxnResponse } from './etcd-protocol.ts';
import { prefixEnd } from './kine-rows.ts';
import { reach, seeThat } from './reach.ts';
import { certificateFailure, type Tls } from './tls.ts';
import type { Datastore, Entry, Swapped } from './types.ts';

/** An etcd cluster, or a kine that listens. */
export interface EtcdAddress {
  /** `https://host:2379`, `http://host:2379`, `unix:///path`, `unixs:///path`; at least one. */
  readonly endpoints: readonly string[];
  readonly tls: Tls | undefined;
}

type Method = 'Range' | 'Txn';
type Call = (
  request: object,
  metadata: object,
  options: { deadline: number },
  callback: (error: ServiceError | null, response: unknown) => void,
) => { cancel(): void };

/** Milliseconds until the next endpoint is tried. Source: kine `pkg/client`, `DialTimeout`. */
const connectTimeout = 5000;

/**
 * etcd v3 through gRPC. Of several endpoints the first that answers is used; a read that loses it goes on with the next,
 * a write does not, because it may have arrived. Only requests that kine understands are made, so a kine socket is as
 * good. Source: kine `pkg/client`; etcd `client/v3`.
 */
export async function openEtcd(
  { endpoints, tls }: EtcdAddress,
  limits: Limits,
  clock: () => number,
): Promise<Datastore> {
  const grpc = await import('@grpc/grpc-js');
  const { fromJSON } = await import('@grpc/proto-loader');
  const { status } = grpc;
  const definition = fromJSON(etcdProtocol, { longs: String, enums: Number, defaults: true, oneofs: true });
  const KV = grpc.makeClientConstructor(definition['etcdserverpb.KV'] as ServiceDefinition, 'KV');
  const clients = new Map<string, Client>();
  /** Endpoints that have answered since their last failure. */
  const answering = new Set<string>();
  let first = 0;
  // A member that has lost its leader says so at once then, instead of holding the request until it times out.
  // Source: etcd `client/v3`, `WithRequireLeader`.
  const metadata = new grpc.Metadata();
  metadata.set('hasleader', 'true');

  return {
    description: `etcd at ${endpoints.join(', ')}`,
    async list(prefix) {
      const { kvs } = await reading({ key: bytes(prefix), rangeEnd: bytes(prefixEnd(prefix)) });
      return kvs.map(entryOf);
    },
    async read(key) {
      const { kvs } = await reading({ key: bytes(key) });
      return kvs.map(entryOf)[0];
    },
    swap: (key, expected, value) =>
      transact(key, expected === 'absent' ? '0' : expected, { requestPut: { key: bytes(key), value } }),
    remove: (key, revision) => transact(key, revision, { requestDeleteRange: { key: bytes(key) } }),
    async close() {
      for (const client of clients.values()) client.close();
    },
  };

  async function reading(request: object): Promise<RangeResponse> {
    for (let failures = 1; ; failures++) {
      const endpoint = await anEndpoint();
      try {
        return (await call(endpoint, 'Range', request, limits.timeout)) as RangeResponse;
      } catch (error) {
        // A connection that stood idle may have been lost: that endpoint is asked once more.
        const next = elsewhere(error) && failures < Math.max(2, endpoints.length);
        if (!next) throw failure(endpoint, error);
        leave(endpoint);
      }
    }
  }

  /** A transaction of the shapes that kine knows; it tells create and update apart by the failure branch. */
  async function transact(key: string, revision: string, success: object): Promise<Swapped> {
    const compare = [{ result: 0, target: compareTarget.mod, key: bytes(key), modRevision: revision }];
    const otherwise = revision === '0' ? [] : [{ requestRange: { key: bytes(key) } }];
    const endpoint = await anEndpoint();
    try {
      const request = { compare, success: [success], failure: otherwise };
      const { succeeded, header } = (await call(endpoint, 'Txn', request, limits.timeout)) as TxnResponse;
      return succeeded ? { kind: 'swapped', revision: header?.revision ?? '0' } : { kind: 'conflict' };
    } catch (error) {
      if (elsewhere(error)) leave(endpoint);
      throw lost(endpoint, error) ?? failure(endpoint, error);
    }
  }

  /** The endpoint in use, or the first of the others that answers a small question. Throws the failure that says most. */
  async function anEndpoint(): Promise<string> {
    const failures: unknown[] = [];
    for (let tried = 0; tried < endpoints.length; tried++) {
      const endpoint = endpoints[first % endpoints.length] ?? '';
      if (answering.has(endpoint)) return endpoint;
      try {
        const limit = Math.min(connectTimeout, limits.timeout);
        const { at, secure, name } = placeOf(endpoint);
        const place = { where: endpoint, at, name: secure ? name : undefined, tls };
        await reach(place, { signal: limits.signal, timeout: limit }, clock());
        const question = { key: bytes('/bootstrap'), rangeEnd: bytes('/bootstraq'), countOnly: true };
        await call(endpoint, 'Range', question, limit);
        answering.add(endpoint);
        return endpoint;
      } catch (error) {
        if (!elsewhere(error)) throw failure(endpoint, error);
        failures.push(failure(endpoint, error));
        leave(endpoint);
      }
    }
    const weight = (error: unknown) => (error instanceof DatastoreError ? telling.indexOf(error.code) : telling.length);
    throw failures.sort((a, b) => weight(b) - weight(a))[0];
  }

  function leave(endpoint: string): void {
    answering.delete(endpoint);
    // A new one connects at once; the old one would wait before it tries again.
    clients.get(endpoint)?.close();
    clients.delete(endpoint);
    first += 1;
  }

  async function call(endpoint: string, method: Method, request: object, timeout: number): Promise<unknown> {
    limits.signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const client = clientOf(endpoint);
    const made = (client as unknown as Record<Method, Call>)[method](
      request,
      metadata,
      { deadline: Date.now() + timeout },
      (error, response) => (error ? reject(error) : resolve(response)),
    );
    const abort = () => made.cancel();
    limits.signal.addEventListener('abort', abort, { once: true });
    try {
      return await promise;
    } catch (error) {
      if (limits.signal.aborted && method === 'Range') throw limits.signal.reason;
      throw error;
    } finally {
      limits.signal.removeEventListener('abort', abort);
    }
  }

  function clientOf(endpoint: string): Client {
    const known = clients.get(endpoint);
    if (known !== undefined) return known;
    const { target, secure, name } = placeOf(endpoint);
    const named = isIP(name) === 0;
    const credentials = secure ? secureCredentials(endpoint, name) : grpc.credentials.createInsecure();
    const client = new KV(target, credentials, {
      // gRPC asks TLS for the host's name, which an address is not; the certificate is checked against the address.
      ...(named ? {} : { 'grpc.ssl_target_name_override': 'localhost' }),
      // gRPC's default of 4 MiB is less than etcd and kine answer.
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // K3s reaches its datastore without the environment's proxies.
      'grpc.enable_http_proxy': 0,
      'grpc.initial_reconnect_backoff_ms': 100,
    });
    clients.set(endpoint, client);
    return client;
  }

  function secureCredentials(endpoint: string, name: string) {
    try {
      return grpc.credentials.createSsl(tls?.ca ?? null, tls?.key ?? null, tls?.certificate ?? null, {
        checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
      });
    } catch (error) {
      throw (
        certificateFailure(endpoint, tls, clock(), error) ??
        new DatastoreError('tls', endpoint, `TLS: ${firstLine(error)}`, tlsMend, error)
      );
    }
  }

  /** Whether another endpoint may do better. */
  function elsewhere(error: unknown): boolean {
    if (error instanceof DatastoreError) return telling.includes(error.code);
    const { code, details } = said(error);
    return code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED || /learner/.test(details);
  }

  /** For a write: the failure after which nobody knows whether it happened. */
  function lost(endpoint: string, error: unknown): DatastoreError | undefined {
    const { code, details } = said(error);
    if (code === status.DEADLINE_EXCEEDED)
      return outcomeUnknown(endpoint, `no answer within ${limits.timeout / 1000} s`, error);
    if (code === status.CANCELLED) return outcomeUnknown(endpoint, 'interrupted', error);
    // Without a connection or a leader nothing was sent or accepted.
    if (code === status.UNAVAILABLE && !/^No connection established|no leader/.test(details)) {
      return outcomeUnknown(endpoint, 'the connection ended', error);
    }
    return undefined;
  }

  function failure(endpoint: string, error: unknown): unknown {
    const { code, details } = said(error);
    if (code === undefined) return error;
    const wrap = (kind: DatastoreError['code'], what: string, mend: string) =>
      new DatastoreError(kind, endpoint, what, mend, error);
    const text = firstLine(new Error(details));
    if (/learner/.test(text)) {
      return wrap(
        'unreachable',
        'this member is still a learner',
        'wait until it has caught up, or name another endpoint',
      );
    }
    if (/no leader|leader changed|request timed out/.test(text)) {
      return wrap(
        'no-quorum',
        `most members of the cluster do not run or do not see each other (${text})`,
        'start them, or give lost ones up with: k3s server --cluster-reset; etcdctl endpoint status --cluster tells which',
      );
    }
    if (/too large|larger than max/.test(text)) {
      return wrap(
        'too-large',
        'the record is larger than etcd or kine takes (1.5 MiB by default)',
        'look at what the bootstrap data holds; etcd has --max-request-bytes',
      );
    }
    if (/database space exceeded|NOSPACE/i.test(text)) {
      return wrap(
        'read-only',
        'etcd has used up its space and takes no writes (alarm NOSPACE)',
        'make room: etcdctl compact, etcdctl defrag, then etcdctl alarm disarm; or raise --quota-backend-bytes',
      );
    }
    if (
      code === status.PERMISSION_DENIED ||
      code === status.UNAUTHENTICATED ||
      /user name is empty|permission denied/.test(text)
    ) {
      return wrap(
        'denied',
        `etcd does not let this client do it (${text})`,
        "use the client certificate that K3s uses: its common name is etcd's user, and the roles of that user count",
      );
    }
    if (code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED) {
      const flawed = certificateFailure(endpoint, tls, clock(), error);
      if (flawed !== undefined) return flawed;
      const reason = /Last error: (?:Error: )?(.*?)(?:\. Resolution note.*)?$/.exec(text)?.[1] ?? 'no answer';
      if (/certificate|TLS|SSL|altname|EPROTO|wrong version/i.test(reason))
        return wrap('tls', `TLS: ${reason}`, tlsMend);
      const slow = code === status.DEADLINE_EXCEEDED;
      return wrap(slow ? 'timeout' : 'unreachable', slow ? 'no answer in time' : reason, seeThat);
    }
    return wrap('failed', text, 'look at the log of the server');
  }
}

const deadlineExceeded = 4;

/** Codes that another endpoint may not answer with, those that say most last. */
const telling: readonly string[] = ['unreachable', 'timeout', 'tls', 'no-quorum'];

/** What gRPC says of a failed call. Other errors have a numeric code too: that of an aborted signal is 20. */
function said(error: unknown): { code: number | undefined; details: string } {
  const { code, details } = (error ?? {}) as Partial<ServiceError>;
  if (typeof details !== 'string') return { code: undefined, details: '' };
  // etcd up to 3.4 tells its client's own deadline as an unknown error.
  return { code: /context deadline exceeded/.test(details) ? deadlineExceeded : code, details };
}

/** Where an endpoint is, what gRPC calls it, and the name in its certificate. Source: etcd `client/v3/internal/endpoint`. */
function placeOf(endpoint: string) {
  const [, scheme = 'http', rest = endpoint] = /^([a-z]+):\/\/(.*?)\/*$/.exec(endpoint) ?? [];
  const secure = scheme === 'https' || scheme === 'unixs';
  // Source: K3s `pkg/daemons/control/deps`: the certificate of its kine names the socket.
  if (scheme.startsWith('unix')) return { target: `unix:${rest}`, at: { path: rest }, secure, name: basename(rest) };
  const [, bracketed, plain = '', port] = /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(rest) ?? [];
  const name = bracketed ?? plain;
  // Source: gRPC's own defaults for a target without a port.
  return { target: `dns:${rest}`, at: { host: name, port: Number(port ?? (secure ? 443 : 80)) }, secure, name };
}

function entryOf({ key, value, modRevision }: KeyValue): Entry {
  return { key: Buffer.from(key).toString(), value, revision: modRevision };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
