import { type CaName, tlsDir } from './layout.ts';
import type { Product } from './product.ts';

/** A leaf of a service, paths relative to the data dir. A key alone is one that a server only hands out. */
export interface LeafPair {
  /** The CA that signs it. */
  readonly ca: CaName;
  readonly certificate?: string;
  readonly key: string;
}

/** A group of leaves that `certificate rotate --service` and `certificate check --service` name. */
export interface Service {
  readonly name: string;
  /** The machines that have it: servers alone, or agents, which every server is too. */
  readonly role: 'server' | 'agent';
  /** In the order in which K3s lists them. The supervisor's own listener (`k3s-server`) has none: see `dynamicCert`. */
  readonly leaves: readonly LeafPair[];
}

/** Folder of a data dir that holds the leaves of the kubelet, kube-proxy and the agent's controllers. */
export const agentDir = 'agent';

/** Certificate and key of the supervisor's listener, and the empty file that makes the next start renew them.
 *  Source: K3s `pkg/cluster/https.go`, `tlsStorage` and `RegenerateCerts`. */
export const dynamicCert = `${tlsDir}/dynamic-cert.json`;
export const dynamicCertMarker = `${tlsDir}/dynamic-cert-regenerate`;

/** The services of a product, servers' first, in K3s's order. The CAs are in none of them.
 *  Source: K3s `pkg/util/services/services.go` (`All`, `FilesForServices`), `pkg/daemons/control/deps/deps.go` (names of files). */
export function servicesOf(product: Product): readonly Service[] {
  const pair = (ca: CaName, path: string): LeafPair => ({ ca, certificate: `${path}.crt`, key: `${path}.key` });
  const tls = (ca: CaName, name: string) => pair(ca, `${tlsDir}/${name}`);
  const tlsKey = (ca: CaName, name: string): LeafPair => ({ ca, key: `${tlsDir}/${name}.key` });
  const agent = (ca: CaName, name: string) => pair(ca, `${agentDir}/${name}`);
  const server = (name: string, ...leaves: LeafPair[]): Service => ({ name, role: 'server', leaves });
  const both = (name: string, ...leaves: LeafPair[]): Service => ({ name, role: 'agent', leaves });
  const controller = `client-${product}-controller`;
  return [
    server('api-server', tls('client', 'client-kube-apiserver'), tls('server', 'serving-kube-apiserver')),
    server('admin', tls('client', 'client-admin')),
    server('auth-proxy', tls('request-header', 'client-auth-proxy')),
    server('cloud-controller', tls('client', `client-${product}-cloud-controller`)),
    server(
      'controller-manager',
      tls('client', 'client-controller'),
      // This and the scheduler's since the releases of May 2025.
      tls('server', 'kube-controller-manager/kube-controller-manager'),
    ),
    server(
      'etcd',
      tls('etcd/server', 'etcd/client'),
      tls('etcd/server', 'etcd/server-client'),
      tls('etcd/peer', 'etcd/peer-server-client'),
    ),
    server('scheduler', tls('client', 'client-scheduler'), tls('server', 'kube-scheduler/kube-scheduler')),
    server('supervisor', tls('client', 'client-supervisor')),
    server(listenerService(product)),
    both('kube-proxy', tls('client', 'client-kube-proxy'), agent('client', 'client-kube-proxy')),
    both(
      'kubelet',
      tlsKey('client', 'client-kubelet'),
      tlsKey('server', 'serving-kubelet'),
      agent('client', 'client-kubelet'),
      agent('server', 'serving-kubelet'),
    ),
    both(`${product}-controller`, tls('client', controller), agent('client', controller)),
  ];
}

/** The service of the supervisor's listener. */
export function listenerService(product: Product): string {
  return `${product}-server`;
}

/** The files of a service, certificate before key. */
export function serviceFiles({ leaves }: Pick<Service, 'leaves'>): string[] {
  return leaves.flatMap(({ certificate, key }) => (certificate === undefined ? [key] : [certificate, key]));
}
