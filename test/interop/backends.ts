import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrapFields } from '@k3s-pki/k3s';
import { serverPassword, startEtcd, startMariadb, startPostgres } from '@k3s-pki/testkit/servers';
import { folder } from '../cli/program.ts';
import { present } from './judge.ts';
import type { KineClient, KineJudge } from './kine/judge.ts';

/** A datastore that is up, reached through kine's own client, and a configuration of K3s that names it. */
export interface Backend {
  readonly name: 'SQLite' | 'etcd' | 'PostgreSQL' | 'MariaDB';
  readonly client: KineClient;
  /** For `startSupervisor`. */
  readonly store: { readonly program: string; readonly endpoint: string };
  /** A server's config.yaml; it names a port on which nothing listens. */
  readonly config: string;
  /** Removes every record. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

/** A kind of datastore for tests. `with` starts one, SQLite in `dataDir`, hands it over, and ends it whatever happens; where the
 *  machine has none it says so. */
export interface BackendKind {
  readonly name: Backend['name'];
  with(dataDir: string, work: (backend: Backend) => Promise<void>): Promise<void>;
}

/** Every kind of datastore that K3s has. */
export function backendKinds(suite: string, judge: KineJudge): readonly BackendKind[] {
  return starters(suite, judge).map(({ name, start }) => ({
    name,
    with: async (dataDir, work) => {
      const backend = await start(dataDir);
      if (backend === undefined) return;
      try {
        await work(backend);
      } finally {
        // What still runs would keep a failed suite from ending.
        await backend.stop();
      }
    },
  }));
}

interface Starter {
  readonly name: Backend['name'];
  start(dataDir: string): Promise<Backend | undefined>;
}

function starters(suite: string, judge: KineJudge): readonly Starter[] {
  const password = encodeURIComponent(serverPassword);
  const overKine = async (name: Backend['name'], endpoint: string, cwd: string, stopServer: () => Promise<void>) => {
    const listener = `unix://${join(cwd, 'kine.sock')}`;
    const kine = await judge.serve({ listener, endpoint, cwd });
    const client = judge.client(listener);
    return backend(name, client, { program: judge.path, endpoint: listener }, configFile(endpoint), async () => {
      client.stop();
      await kine.stop();
      rmSync(join(cwd, 'kine.sock'), { force: true });
      await stopServer();
    });
  };
  return [
    {
      name: 'SQLite',
      start: async (dataDir) => {
        mkdirSync(join(dataDir, 'server/db'), { recursive: true, mode: 0o700 });
        return overKine('SQLite', '', join(dataDir, 'server'), async () => {});
      },
    },
    {
      name: 'etcd',
      start: async () => {
        const etcd = present(`${suite}, etcd`, await startEtcd());
        if (etcd === undefined || 'absent' in etcd) return undefined;
        const endpoint = `http://127.0.0.1:${etcd.port}`;
        const client = judge.client(endpoint);
        return backend('etcd', client, { program: judge.path, endpoint }, configFile(endpoint), async () => {
          client.stop();
          await etcd.kill();
        });
      },
    },
    {
      name: 'PostgreSQL',
      start: async () => {
        const server = present(`${suite}, PostgreSQL`, await startPostgres());
        if (server === undefined || 'absent' in server) return undefined;
        const endpoint = `postgres://kine:${password}@127.0.0.1:${server.port}/k3s`;
        return overKine('PostgreSQL', endpoint, folder(), () => server.kill());
      },
    },
    {
      name: 'MariaDB',
      start: async () => {
        const server = present(`${suite}, MariaDB`, await startMariadb());
        if (server === undefined || 'absent' in server) return undefined;
        const endpoint = `mysql://kine:${serverPassword}@tcp(127.0.0.1:${server.port})/k3s`;
        return overKine('MariaDB', endpoint, folder(), () => server.kill());
      },
    },
  ];
}

function backend(
  name: Backend['name'],
  client: KineClient,
  store: Backend['store'],
  config: string,
  stop: () => Promise<void>,
): Backend {
  const clear = async () => {
    for (const { key, revision } of await client.list('/bootstrap')) await client.delete(key, revision);
  };
  let stopped: Promise<void> | undefined;
  return {
    name,
    client,
    store,
    config,
    clear,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

function configFile(endpoint: string): string {
  const file = join(folder(), 'config.yaml');
  const lines = [
    'https-listen-port: 1',
    ...(endpoint === '' ? [] : [`datastore-endpoint: ${JSON.stringify(endpoint)}`]),
  ];
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  return file;
}

/** Saves what a data dir has, sealed by Go, as a server does at its first start. */
export async function saveRecord(client: KineClient, dataDir: string, password: string): Promise<void> {
  const entries = bootstrapFields.flatMap(({ name, file }) => {
    const path = join(dataDir, file);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    const Content = readFileSync(path).toString('base64');
    return [[name, { Timestamp: stat.mtime.toISOString(), Content }] as const];
  });
  const document = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  await client.create(await client.storageKey(password), await client.seal(password, document));
}

/** The one record, by its key, opened by Go. Throws when there are others. */
export async function savedRecord(
  client: KineClient,
  password: string,
): Promise<Record<string, { readonly Timestamp: string; readonly Content: string }>> {
  const [record, ...others] = await client.list('/bootstrap');
  if (record === undefined || others.length > 0) throw new Error(`${others.length + (record ? 1 : 0)} records`);
  const key = await client.storageKey(password);
  if (record.key !== key) throw new Error(`the record is ${record.key}, not ${key}`);
  return JSON.parse((await client.unseal(password, record.value)).toString());
}
