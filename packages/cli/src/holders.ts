import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join, resolve, sep } from 'node:path';
import { defaultDataDir, type Product } from '@k3s-pki/k3s';
import type { Holder } from '@k3s-pki/plan';
import type { Context } from './context.ts';

/**
 * What shows that a server or agent uses a data dir now: its processes, as far as this machine and user can see them,
 * and whoever answers on the port of the supervisor (of an agent: of its load balancer for it). The port is the one of K3s's
 * configuration file: `configFile`, else what K3S_CONFIG_FILE or RKE2_CONFIG_FILE names, else the product's own. Source: K3s
 * `pkg/cli/cmds` (server.go, agent.go).
 */
export async function findHolders(
  root: string,
  product: Product,
  { env, cwd }: Pick<Context, 'env' | 'cwd'>,
  configFile?: string,
): Promise<Holder[]> {
  const named = configFile === undefined ? env[`${product.toUpperCase()}_CONFIG_FILE`] : resolve(cwd, configFile);
  const port = await portHolder(root, product, named || `/etc/rancher/${product}/config.yaml`);
  return [...processHolders(root, product), ...(port === undefined ? [] : [port])];
}

/** Programs that are K3s or RKE2 itself. Containers, shims and kubelets of RKE2 live on after a stop and don't count. */
function processHolders(root: string, product: Product): Holder[] {
  const holders: Holder[] = [];
  for (const name of namesIn('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const words = attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.split('\0') ?? [];
    // K3s changes its title, which then is one word: `/usr/local/bin/k3s server`.
    const command = words.join(' ').trim();
    if (!/^(\S*\/)?(k3s|rke2)(-server|-agent)? +(server|agent)\b/.test(command)) continue;
    if (usesRoot(pid, command, root, product)) holders.push({ kind: 'process', pid, command: firstWords(command) });
  }
  return holders;
}

function usesRoot(pid: number, command: string, root: string, product: Product): boolean {
  const named = /(?:--data-dir|-d)[= ](\S+)/.exec(command)?.[1] ?? defaultDataDir(product);
  // Through the process's own root: in a container the same folder has another name.
  if (isSame(join('/proc', String(pid), 'root', named), root)) return true;
  const real = attempt(() => realpathSync(root)) ?? root;
  const inside = (link: string) => {
    const target = attempt(() => readlinkSync(link));
    return target !== undefined && (target === real || target.startsWith(real + sep));
  };
  const links = ['cwd', 'exe', ...namesIn(`/proc/${pid}/fd`).map((fd) => `fd/${fd}`)];
  return links.some((link) => inside(`/proc/${pid}/${link}`));
}

function isSame(path: string, other: string): boolean {
  const [a, b] = [path, other].map((each) => attempt(() => statSync(each)));
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

/** Arguments may hold a token. */
function firstWords(command: string): string {
  return command.split(' ', 2).join(' ');
}

async function portHolder(root: string, product: Product, configFile: string): Promise<Holder | undefined> {
  const settings = await configuration(configFile);
  const onServer = attempt(() => statSync(join(root, 'server'))) !== undefined;
  const port = onServer
    ? (numberOf(settings['supervisor-port']) ??
      (product === 'k3s' ? numberOf(settings['https-listen-port']) : undefined) ??
      { k3s: 6443, rke2: 9345 }[product])
    : (numberOf(settings['lb-server-port']) ?? 6444);
  const bound = settings['bind-address'];
  const host =
    typeof bound === 'string' && bound !== '' && !/^(0\.0\.0\.0|::|\[::\])$/.test(bound) ? bound : '127.0.0.1';
  if (!(await listens(host, port))) return undefined;
  const answers = (await ping(host, port)) ? 'supervisor' : 'something';
  return { kind: 'port', address: `${host.includes(':') ? `[${host}]` : host}:${port}`, answers };
}

/** The configuration file and the files of the folder beside it, the later over the earlier; empty where there is none.
 *  Source: K3s `pkg/configfilearg/parser.go`. */
async function configuration(file: string): Promise<Record<string, unknown>> {
  const parts = namesIn(`${file}.d`)
    .filter((name) => /\.ya?ml$/.test(name))
    .sort()
    .map((name) => join(`${file}.d`, name));
  let settings = {};
  for (const path of [file, ...parts]) {
    const text = attempt(() => readFileSync(path, 'utf8'));
    if (text === undefined) continue;
    const { parse } = await import('yaml');
    const value: unknown = attempt(() => parse(text));
    if (typeof value === 'object' && value !== null) settings = { ...settings, ...value };
  }
  return settings;
}

function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: patience });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

/** `GET /ping`, which the supervisor answers with `pong` to everybody. Its certificate says nothing here: nothing is sent
 *  that needs a secret, and the answer only chooses the words. */
function ping(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host, port, path: '/ping', rejectUnauthorized: false, timeout: patience }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text) => {
        body = (body + text).slice(0, 16);
      });
      response.on('end', () => resolve(body.trim() === 'pong'));
      response.on('error', () => resolve(false));
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
    asked.end();
  });
}

function numberOf(value: unknown): number | undefined {
  const number = Number(value);
  return value !== undefined && Number.isInteger(number) && number > 0 && number < 65_536 ? number : undefined;
}

function namesIn(folder: string): string[] {
  return attempt(() => readdirSync(folder)) ?? [];
}

function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

// Milliseconds. A supervisor of this machine answers within some; a busy one has to be heard too.
const patience = 1500;
