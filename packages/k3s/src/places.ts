import { type CaName, caNames, tlsDir, tlsFile } from './layout.ts';
import type { Product } from './product.ts';
import { type DataDirLeaf, dataDirLeaves } from './renewed-leaves.ts';
import { agentDir, dynamicCert } from './services.ts';

/** What a file is to K3s, by its place in a data dir. `root` is the data dir. */
export type Place = { readonly root: string } & (
  | { readonly kind: 'leaf'; readonly leaf: DataDirLeaf }
  | { readonly kind: 'ca'; readonly ca: CaName }
  /** The first certificate of a bundle, alone, for the controllers that sign. */
  | { readonly kind: 'signing-ca' }
  /** An agent's copy of a server's bundle. */
  | { readonly kind: 'agent-ca' }
  /** The certificate of the supervisor's own listener. */
  | { readonly kind: 'supervisor' }
  /** The administrator's kubeconfig outside the data dir. Source: K3s `pkg/server/server.go`, writeKubeConfig. */
  | { readonly kind: 'admin-kubeconfig' }
);

/** The place of an absolute, `/`-separated path; undefined for a file that K3s does not read by that name. */
export function placesOf(product: Product): (path: string) => Place | undefined {
  type Unrooted<P> = P extends unknown ? Omit<P, 'root'> : never;
  const places = new Map<string, Unrooted<Place>>();
  for (const leaf of dataDirLeaves(product)) places.set(`${leaf.path}.crt`, { kind: 'leaf', leaf });
  for (const ca of caNames) places.set(tlsFile.caBundle(ca), { kind: 'ca', ca });
  for (const ca of ['client', 'server']) {
    places.set(`${tlsDir}/${ca}-ca.nochain.crt`, { kind: 'signing-ca' });
    places.set(`${agentDir}/${ca}-ca.crt`, { kind: 'agent-ca' });
  }
  places.set(dynamicCert, { kind: 'supervisor' });
  const kubeconfig = adminKubeconfig(product);
  return (path) => {
    if (path === kubeconfig) return { root: '/', kind: 'admin-kubeconfig' };
    const [, root, below = ''] = /^(.*)\/((?:server\/tls|agent)\/.+)$/.exec(path) ?? [];
    const place = places.get(below);
    return place === undefined || root === undefined ? undefined : { ...place, root: root || '/' };
  };
}

/** Where a server puts the administrator's kubeconfig, unless its options say otherwise. */
export function adminKubeconfig(product: Product): string {
  return `/etc/rancher/${product}/${product}.yaml`;
}
