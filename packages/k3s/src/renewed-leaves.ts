import { type CaName, tlsDir } from './layout.ts';
import { type LeafProfile, leafProfiles } from './leaf-table.ts';
import type { Product } from './product.ts';
import type { ExpectedLeaf } from './renewal.ts';
import { agentDir } from './services.ts';

/** A leaf of a data dir. A server makes its own at a start when they need it; an agent asks the server for all of its
 *  leaves at every start. */
export interface DataDirLeaf {
  /** Below the data dir, without `.crt` and `.key`. */
  readonly path: string;
  readonly machine: 'server' | 'agent';
  readonly profile: LeafProfile;
  readonly ca: CaName;
}

/** Every leaf that K3s keeps in a data dir, servers' first. RKE2 has its own name in paths and subjects.
 *  Source: K3s `pkg/daemons/control/deps/deps.go`, CreateRuntimeCertFiles; `pkg/agent/config/config.go`. */
export function dataDirLeaves(product: Product): readonly DataDirLeaf[] {
  const leaves = leafProfiles.filter(({ path }) => path.includes('/'));
  const [agent, server] = [leaves.filter(isAgents), leaves.filter((profile) => !isAgents(profile))];
  // A server holds a copy of these two as well, which it hands to agents that bring no key of their own.
  const shared = agent
    .filter(({ name }) => name === 'client-kube-proxy' || name === 'client-k3s-controller')
    .map((profile) => ({ ...profile, path: profile.path.replace(agentDir, tlsDir) }));
  const row = (machine: DataDirLeaf['machine']) => (profile: LeafProfile) => {
    const own = ofProduct(profile, product);
    return { path: own.path, machine, profile: own, ca: own.ca };
  };
  return [...[...server, ...shared].map(row('server')), ...agent.map(row('agent'))];
}

/** What is certain of a leaf without K3s's configuration: names of the table that no option changes. */
export function certainOf({ profile }: DataDirLeaf): ExpectedLeaf {
  const fixed = (name: string) => !name.includes('{');
  const { commonName = '', organizations, extendedKeyUsage, takesNames } = profile;
  const [dns, ip] = [profile.dns.filter(fixed), profile.ip.filter(fixed)];
  const complete = !takesNames && dns.length === profile.dns.length && ip.length === profile.ip.length;
  return { commonName, organizations, dns, ip, extendedKeyUsage, complete };
}

function isAgents({ path }: LeafProfile): boolean {
  return path.startsWith(`${agentDir}/`);
}

/** Source: K3s `pkg/version`, Program: RKE2 is built with its own name there. */
function ofProduct(profile: LeafProfile, product: Product): LeafProfile {
  const renamed = (text: string) => text.replaceAll('k3s', product);
  return {
    ...profile,
    name: renamed(profile.name),
    path: renamed(profile.path),
    ...(profile.commonName === undefined ? {} : { commonName: renamed(profile.commonName) }),
  };
}
