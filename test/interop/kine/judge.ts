import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Absent, buildProgram } from '../judge.ts';

/** kine itself, and kine's own client as K3s uses it. */
export interface KineJudge {
  /** The built program. */
  readonly path: string;
  /** Runs kine on a datastore until `stop`. Resolves when it listens. */
  serve(options: { listener: string; endpoint: string; cwd?: string; args?: readonly string[] }): Promise<Kine>;
  /** Runs a NATS server with JetStream in a folder until `stop`. */
  nats(folder: string): Promise<Kine & { readonly endpoint: string }>;
  /** Opens kine's client; without an endpoint it only seals and unseals. */
  client(endpoint?: string, args?: readonly string[]): KineClient;
}

export interface Kine {
  stop(): Promise<void>;
  log(): string;
}

export interface JudgedValue {
  readonly key: string;
  readonly value: Buffer;
  readonly revision: string;
  readonly deleted: boolean;
  readonly previous: Buffer;
}

export interface KineClient {
  list(prefix: string): Promise<JudgedValue[]>;
  get(key: string): Promise<JudgedValue>;
  create(key: string, value: Uint8Array): Promise<void>;
  update(key: string, revision: string, value: Uint8Array): Promise<void>;
  delete(key: string, revision: string): Promise<void>;
  /** Resolves when the server watches; events come in order from `next`. */
  watch(prefix: string): Promise<{ next(): Promise<JudgedValue> }>;
  /** etcd's users: `client` may do everything, `reader` may only read; the common name of a certificate is the user. */
  users(on: boolean): Promise<void>;
  seal(token: string, document: Uint8Array): Promise<Buffer>;
  unseal(token: string, record: Uint8Array): Promise<Buffer>;
  storageKey(token: string): Promise<string>;
  /** Go's age: a new key, and what it opens and seals. */
  readonly age: {
    keys(): Promise<{ identity: string; recipient: string }>;
    open(identity: string, file: Uint8Array): Promise<Buffer>;
    openWith(passphrase: string, file: Uint8Array): Promise<Buffer>;
    seal(recipient: string, document: Uint8Array): Promise<Buffer>;
  };
  stop(): void;
}

let judge: KineJudge | Absent | undefined;

/** Absent without Go, or when its modules can't be had. */
export function kineJudge(): KineJudge | Absent {
  judge ??= build();
  return judge;
}

function build(): KineJudge | Absent {
  const path = buildProgram(import.meta.dirname);
  if (typeof path !== 'string') return path;
  return {
    path,
    serve: ({ listener, endpoint, cwd, args = [] }) =>
      serve(path, ['serve', `--listener=${listener}`, ...args], { KINE_ENDPOINT: endpoint }, cwd),
    nats: async (folder) => {
      const server = await serve(path, ['nats', `--store=${folder}`], {}, folder);
      return { ...server, endpoint: server.said };
    },
    client: (endpoint, args = []) => client(path, endpoint === undefined ? [] : [`--endpoint=${endpoint}`, ...args]),
  };
}

/** Runs a server of the judge, until its first line says that it is ready. */
async function serve(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd?: string,
): Promise<Kine & { readonly said: string }> {
  const child = spawn(path, args, {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk));
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const gone = new Promise<void>((left) => child.on('exit', () => left()));
  child.on('exit', () => reject(new Error(`${args[0]} ended:\n${log}`)));
  child.stdout.on('data', (line: Buffer) => resolve(line.toString().trim()));
  return {
    said: await promise,
    log: () => log,
    stop: async () => {
      // The judge ends with its stdin, so it does not outlive a test that is killed either.
      child.stdin.end();
      await gone;
    },
  };
}

interface Line {
  readonly id: number;
  readonly error?: string;
  readonly watch?: boolean;
  readonly data?: string;
  readonly values?: readonly {
    key: string;
    value: string | null;
    revision: number;
    deleted?: boolean;
    previous?: string;
  }[];
}

function client(path: string, args: readonly string[]): KineClient {
  const child: ChildProcess = spawn(path, ['client', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = new Map<number, { resolve(line: Line): void; reject(error: Error): void }>();
  const watches = new Map<number, Queue<JudgedValue>>();
  let last = 0;
  if (child.stdout === null) throw new TypeError('no stdout');
  createInterface(child.stdout).on('line', (text) => {
    const line = JSON.parse(text) as Line;
    if (line.watch) for (const value of valuesOf(line)) watches.get(line.id)?.put(value);
    else waiting.get(line.id)?.resolve(line);
  });
  child.on('exit', () => {
    for (const each of waiting.values()) each.reject(new Error('the judge ended'));
  });
  const ask = async (op: string, fields: object): Promise<Line> => {
    const id = ++last;
    const { promise, resolve, reject } = Promise.withResolvers<Line>();
    waiting.set(id, { resolve, reject });
    child.stdin?.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    const line = await promise;
    waiting.delete(id);
    if (line.error !== undefined) throw new Error(line.error);
    return line;
  };
  const base64 = (value: Uint8Array) => Buffer.from(value).toString('base64');
  const data = (line: Line) => Buffer.from(line.data ?? '', 'base64');
  return {
    list: async (key) => valuesOf(await ask('list', { key })),
    get: async (key) => valuesOf(await ask('get', { key }))[0] as JudgedValue,
    create: async (key, value) => void (await ask('create', { key, value: base64(value) })),
    update: async (key, revision, value) =>
      void (await ask('update', { key, revision: Number(revision), value: base64(value) })),
    delete: async (key, revision) => void (await ask('delete', { key, revision: Number(revision) })),
    watch: async (key) => {
      const queue = new Queue<JudgedValue>();
      watches.set(last + 1, queue);
      await ask('watch', { key });
      return queue;
    },
    users: async (on) => void (await ask(on ? 'users-on' : 'users-off', {})),
    seal: async (token, value) => data(await ask('seal', { token, value: base64(value) })),
    unseal: async (token, value) => data(await ask('unseal', { token, value: base64(value) })),
    storageKey: async (token) => data(await ask('key', { token })).toString(),
    age: {
      keys: async () => {
        const [identity = '', recipient = ''] = data(await ask('age-keys', {}))
          .toString()
          .split('\n');
        return { identity, recipient };
      },
      open: async (token, value) => data(await ask('age-open', { token, value: base64(value) })),
      openWith: async (token, value) => data(await ask('age-open-with', { token, value: base64(value) })),
      seal: async (token, value) => data(await ask('age-seal', { token, value: base64(value) })),
    },
    stop: () => child.stdin?.end(),
  };
}

function valuesOf({ values = [] }: Line): JudgedValue[] {
  return values.map(({ key, value, revision, deleted = false, previous }) => ({
    key,
    value: Buffer.from(value ?? '', 'base64'),
    revision: String(revision),
    deleted,
    previous: Buffer.from(previous ?? '', 'base64'),
  }));
}

/** Values in order; `next` waits for one. */
class Queue<T> {
  readonly #ready: T[] = [];
  readonly #waiting: Array<(value: T) => void> = [];

  put(value: T): void {
    const first = this.#waiting.shift();
    if (first) first(value);
    else this.#ready.push(value);
  }

  async next(): Promise<T> {
    const value = this.#ready.shift();
    return value ?? new Promise((resolve) => this.#waiting.push(resolve));
  }
}
