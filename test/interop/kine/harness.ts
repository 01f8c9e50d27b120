import { join } from 'node:path';
import { type Datastore, type Entry, openDatastore, type TlsFiles } from '@k3s-pki/datastore';
import { folder } from '../../cli/program.ts';
import type { KineClient, KineJudge } from './judge.ts';

export interface OpenTestStore {
  readonly tls?: TlsFiles;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** Datastores as a suite opens them. `server` is where relative SQLite paths start. */
export function storesAt(server: string) {
  const open = (endpoint: string, { tls = {}, timeout = 20_000, signal }: OpenTestStore = {}): Promise<Datastore> =>
    openDatastore({
      endpoint,
      tls,
      server,
      signal: signal ?? new AbortController().signal,
      timeout,
      clock: Date.now,
    });
  return {
    open,
    /** Opens one, lists the bootstrap data and closes it. */
    async list(endpoint: string, options?: OpenTestStore): Promise<Entry[]> {
      const store = await open(endpoint, options);
      try {
        return await store.list('/bootstrap');
      } finally {
        await store.close();
      }
    },
  };
}

/** kine on a datastore, and kine's client on that kine. */
export interface ServedKine {
  readonly client: KineClient;
  /** The socket that it listens on, as an endpoint. */
  readonly listener: string;
  stop(): Promise<void>;
}

/** Runs kine in the folder `at`; an empty endpoint means SQLite there, as K3s has it in `<data-dir>/server`. */
export async function kineOn(judges: KineJudge, endpoint: string, at = folder()): Promise<ServedKine> {
  const listener = `unix://${join(at, 'kine.sock')}`;
  const kine = await judges.serve({ listener, endpoint, cwd: at });
  const client = judges.client(listener);
  return {
    client,
    listener,
    stop: async () => {
      client.stop();
      await kine.stop();
    },
  };
}
