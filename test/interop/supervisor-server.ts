import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fastKeys, folder, k3sPki } from '../cli/program.ts';
import type { GoJudge } from './judge.ts';

/** A K3s server's supervisor, in Go, by K3s's rules, on the files of a data dir; its datastore is one file, and a real one
 *  where that is given. */
export interface SupervisorServer {
  readonly url: string;
  /** `METHOD /path`, in order. */
  readonly requests: readonly string[];
  /** Lines of the server's log. */
  readonly log: readonly string[];
  /** The bootstrap data that the server saved, undefined while there is none. */
  record(): Record<string, { readonly Timestamp: string; readonly Content: string }> | undefined;
  /** Ends it. From then on `requests` and `log` are complete: until then lines may still be on their way. */
  stop(): Promise<void>;
}

/** The passwords of a cluster that `makeCluster` made. */
export const passwords = {
  server: '3f9a0c4d5e6f708192a3b4c5d6e7f809',
  node: 'aa11bb22cc33dd44ee55ff6600778899',
} as const;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A data dir as a server leaves it behind: custom CAs, a password file, the token files. */
export function makeCluster(): string {
  const dataDir = folder();
  const made = k3sPki(['generate-custom-ca-certs', '--data-dir', dataDir, ...fastKeys, '--output', 'json']);
  if (made.code !== 0) throw new Error(made.stderr);
  const { tokenPrefix } = JSON.parse(made.stdout) as { tokenPrefix: string };
  const cred = join(dataDir, 'server/cred');
  mkdirSync(cred, { mode: 0o700 });
  const rows = [`${passwords.node},node,node,k3s:agent`, `${passwords.server},server,server,k3s:server`];
  writeFileSync(join(cred, 'passwd'), `${rows.join('\n')}\n`, { mode: 0o600 });
  writeFileSync(join(dataDir, 'server/token'), `${tokenPrefix}server:${passwords.server}\n`, { mode: 0o600 });
  writeFileSync(join(dataDir, 'server/agent-token'), `${tokenPrefix}node:${passwords.node}\n`, { mode: 0o600 });
  return dataDir;
}

/** New CAs under the root of a data dir, as the page does it by hand. */
export function stageNew(dataDir: string): string {
  const staged = folder();
  for (const name of ['root-ca.pem', 'root-ca.key', 'intermediate-ca.pem', 'intermediate-ca.key', 'service.key']) {
    cpSync(join(dataDir, 'server/tls', name), join(staged, 'server/tls', name));
  }
  const made = k3sPki(['generate-custom-ca-certs', '--data-dir', staged, ...fastKeys]);
  if (made.code !== 0) throw new Error(made.stderr);
  return staged;
}

export interface SupervisorOptions {
  /** Embedded, so that it gives its files. */
  readonly etcd?: boolean;
  /** `KIND:PATH`, see `go/supervisor.go`. */
  readonly trouble?: string;
  /** A datastore that is up, and the program that talks to it. */
  readonly store?: { readonly program: string; readonly endpoint: string };
}

/** Starts the supervisor of a data dir on a free port of loopback. */
export async function startSupervisor(
  judge: GoJudge,
  dataDir: string,
  { etcd = false, trouble, store }: SupervisorOptions = {},
): Promise<SupervisorServer> {
  const record = join(folder(), 'record.json');
  const args = ['supervisor', '--record', record, ...(etcd ? ['--etcd'] : [])];
  if (trouble !== undefined) args.push('--trouble', trouble);
  if (store !== undefined) args.push('--store', store.program, '--store-endpoint', store.endpoint);
  const child = spawn(judge.path, [...args, join(dataDir, 'server')], { stdio: ['pipe', 'pipe', 'pipe'] });
  running.add(child);
  const requests: string[] = [];
  const log: string[] = [];
  let complaint = '';
  child.stderr.on('data', (text) => (complaint += text));
  const url = await new Promise<string>((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`the supervisor ended with ${code}: ${complaint}`)));
    createInterface(child.stdout).on('line', (line) => {
      const { event, text } = JSON.parse(line) as { event: string; text: string };
      if (event === 'listening') resolve(text);
      else (event === 'request' ? requests : log).push(text);
    });
  });
  // A test that fails leaves its server running, which must not keep the suite from ending.
  const held = [child, child.stdin, child.stdout, child.stderr] as unknown as readonly Socket[];
  for (const each of held) each.unref();
  return {
    url,
    requests,
    log,
    record: () => {
      try {
        return JSON.parse(readFileSync(record, 'utf8'));
      } catch {
        return undefined;
      }
    },
    stop: async () => {
      const closed = new Promise((resolve) => child.once('close', resolve));
      for (const each of held) each.ref();
      child.stdin.end();
      await closed;
      running.delete(child);
    },
  };
}
