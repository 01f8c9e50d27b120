import { tlsDir } from './layout.ts';
import type { Product } from './product.ts';

/** A leaf of a service, paths relative to the data dir. A key alone is one that a server only hands out. */
export interface LeafPair {
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
  const tls = (name: string): LeafPair => ({ certificate: `${tlsDir}/${name}.crt`, key: `${tlsDir}/${name}.key` });
  const tlsKey = (name: string): LeafPair => ({ key: `${tlsDir}/${name}.key` });
  const agent = (name: string): LeafPair => ({
    certificate: `${agentDir}/${name}.crt`,
    key: `${agentDir}/${name}.key`,
  });
  const server = (name: string, ...leaves: LeafPair[]): Service => ({ name, role: 'server', leaves });
  const both = (name: string, ...leaves: LeafPair[]): Service => ({ name, role: 'agent', leaves });
  const controller = `client-${product}-controller`;
  return [
    server('api-server', tls('client-kube-apiserver'), tls('serving-kube-apiserver')),
    server('admin', tls('client-admin')),
    server('auth-proxy', tls('client-auth-proxy')),
    server('cloud-controller', tls(`client-${product}-cloud-controller`)),
    server(
      'controller-manager',
      tls('client-controller'),
      // This and the scheduler's since the releases of May 2025.
      tls('kube-controller-manager/kube-controller-manager'),
    ),
    server('etcd', tls('etcd/client'), tls('etcd/server-client'), tls('etcd/peer-server-client')),
    server('scheduler', tls('client-scheduler'), tls('kube-scheduler/kube-scheduler')),
    server('supervisor', tls('client-supervisor')),
    server(listenerService(product)),
    both('kube-proxy', tls('client-kube-proxy'), agent('client-kube-proxy')),
    both(
      'kubelet',
      tlsKey('client-kubelet'),
      tlsKey('serving-kubelet'),
      agent('client-kubelet'),
      agent('serving-kubelet'),
    ),
    both(`${product}-controller`, tls(controller), agent(controller)),
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
