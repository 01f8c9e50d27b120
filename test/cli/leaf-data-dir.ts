import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fastKeys, folder, k3sPki, put } from './program.ts';

/** No configuration of this machine, and a port that nothing listens on: RFC 863's, closed on every machine in use. */
export const quiet = {
  K3S_CONFIG_FILE: join(folder(), 'config.yaml'),
  RKE2_CONFIG_FILE: join(folder(), 'config.yaml'),
};
for (const file of Object.values(quiet)) {
  writeFileSync(file, 'https-listen-port: 9\nsupervisor-port: 9\nlb-server-port: 9\n');
}

const profiles = [
  'client-admin',
  'client-supervisor',
  'client-controller',
  'client-scheduler',
  'client-kube-apiserver',
  'client-k3s-cloud-controller',
  'serving-kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'client-auth-proxy',
  'etcd/client',
  'etcd/server-client',
  'etcd/peer-server-client',
];
const agentProfiles = ['client-kubelet', 'serving-kubelet', 'client-kube-proxy', 'client-k3s-controller'];

let server: string | undefined;

/** A fresh data dir as a server leaves it: CAs, every leaf, the agent's files, and files that no service has. */
export function serverDataDir(): string {
  server ??= makeServer();
  const dir = folder();
  cpSync(server, dir, { recursive: true, preserveTimestamps: true });
  return dir;
}

/** The same machine without `server`. */
export function agentDataDir(): string {
  const dir = serverDataDir();
  rmSync(join(dir, 'server'), { recursive: true });
  return dir;
}

/** Every file of a service of a server, as the tests expect it; written down by hand from K3s's sources. */
export const filesOf: Readonly<Record<string, readonly string[]>> = {
  'api-server': pairs('server/tls/client-kube-apiserver', 'server/tls/serving-kube-apiserver'),
  admin: pairs('server/tls/client-admin'),
  'auth-proxy': pairs('server/tls/client-auth-proxy'),
  'cloud-controller': pairs('server/tls/client-k3s-cloud-controller'),
  'controller-manager': pairs(
    'server/tls/client-controller',
    'server/tls/kube-controller-manager/kube-controller-manager',
  ),
  etcd: pairs('server/tls/etcd/client', 'server/tls/etcd/server-client', 'server/tls/etcd/peer-server-client'),
  scheduler: pairs('server/tls/client-scheduler', 'server/tls/kube-scheduler/kube-scheduler'),
  supervisor: pairs('server/tls/client-supervisor'),
  'k3s-server': [],
  'kube-proxy': pairs('server/tls/client-kube-proxy', 'agent/client-kube-proxy'),
  kubelet: [
    'server/tls/client-kubelet.key',
    'server/tls/serving-kubelet.key',
    ...pairs('agent/client-kubelet', 'agent/serving-kubelet'),
  ],
  'k3s-controller': pairs('server/tls/client-k3s-controller', 'agent/client-k3s-controller'),
};

/** What K3s does at a start, for the tests that need no more than other leaves: all of them anew. */
export function issueLeaves(dir: string, ...options: readonly string[]): void {
  layLeaves(dir, makeLeaves(dir, options));
}

/** The same with a second set, which is made once for each set of CAs: issuing takes longer than the tests. */
export function renewLeaves(dir: string): void {
  const cas = readFileSync(join(dir, 'server/tls/client-ca.key'), 'latin1');
  const made = secondSets.get(cas) ?? makeLeaves(dir, []);
  secondSets.set(cas, made);
  layLeaves(dir, made);
}

const secondSets = new Map<string, string>();

function makeLeaves(dir: string, options: readonly string[]): string {
  const issued = folder();
  // Two nodes: the second one's agent files stand for the copies that a server keeps of its own.
  const names = ['--nodes', '2', '--name', 'node-%d', '--out', issued];
  const all = [...profiles, ...agentProfiles].join();
  run(['certificate', 'issue', '--data-dir', dir, '--profile', all, ...names, ...options]);
  return issued;
}

function layLeaves(dir: string, issued: string): void {
  cpSync(join(issued, 'node-1'), dir, { recursive: true });
  const copies = join(issued, 'node-2/agent');
  for (const name of readdirSync(copies)) {
    const serverHas = name.endsWith('.key') || /^client-(kube-proxy|k3s-controller)/.test(name);
    if (serverHas) cpSync(join(copies, name), join(dir, 'server/tls', name));
  }
}

function makeServer(): string {
  const dir = folder();
  run(['generate-custom-ca-certs', '--data-dir', dir, ...fastKeys]);
  issueLeaves(dir);
  put(dir, {
    'server/tls/dynamic-cert.json': '{"tls.crt":"","tls.key":""}\n',
    'server/tls/temporary-certs/note.txt': 'not a certificate\n',
    'server/token': 'K10secret::server:secret\n',
    'agent/client-ca.crt': 'public\n',
    'agent/k3scontroller.kubeconfig': 'kubeconfig\n',
    'agent/etc/containerd/config.toml': 'version = 2\n',
  });
  chmodSync(join(dir, 'server/tls/dynamic-cert.json'), 0o600);
  mkdirSync(join(dir, 'server/tls/empty'), { mode: 0o711 });
  return dir;
}

function run(args: readonly string[]): void {
  const { code, stderr } = k3sPki(args);
  if (code !== 0) throw new Error(stderr);
}

function pairs(...paths: readonly string[]): string[] {
  return paths.flatMap((path) => [`${path}.crt`, `${path}.key`]);
}
