import type { CaName } from './layout.ts';

/** Where a node's name stands in a common name or DNS name of the table. */
export const nodePlace = '{node}';
/** Where the cluster's DNS domain stands in a DNS name of the table. */
export const domainPlace = '{cluster-domain}';
/** Where the first address of the service network stands in an IP list of the table. */
export const servicePlace = '{service-ip}';

/** A kind of leaf certificate: what is the same for every node that gets one. */
export interface LeafProfile {
  readonly name: string;
  readonly ca: CaName;
  /** Who holds it, for lists. */
  readonly purpose: string;
  /** Absent where the row names the subject (`cn`, `organizations`): the generic profiles. */
  readonly commonName?: string;
  readonly organizations: readonly string[];
  readonly extendedKeyUsage: readonly ('serverAuth' | 'clientAuth')[];
  /** Names that the profile brings; `nodePlace` and `domainPlace` are filled in. */
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  /** Whether a row's own DNS names and addresses are added. Certificates of clients have none. */
  readonly takesNames: boolean;
  /** Path below the data dir of the machine that holds it, without `.crt` and `.key`. */
  readonly path: string;
}

/** Usages that dynamiclistener's NewSignedCert gives every leaf. */
export const leafKeyUsage = ['digitalSignature', 'keyEncipherment'] as const;

/** Modes of K3s's leaf files. */
export const leafMode = { certificate: 0o644, key: 0o600 } as const;

/** Lifetime in days. Source: rancher/dynamiclistener `cert/cert.go`, `duration365d`. */
export const leafDays = 365;

/** The variable that replaces `leafDays`. Source: rancher/dynamiclistener `cert/cert.go`, `NewSignedCert`. */
export const leafDaysVariable = 'CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS';

/** How far in the past a leaf's validity begins, in seconds. Source: rancher/dynamiclistener `cert/cert.go`. */
export const leafBackdate = 3600;

/** Lifetime in days that K3s would use under an environment; `ignored` is a value that is no number. Source: as above:
 *  what Go's strconv.Atoi refuses is logged and the default used. */
export function leafDaysFrom(value: string | undefined): { readonly days: number; readonly ignored?: string } {
  if (value === undefined || value === '') return { days: leafDays };
  return /^[+-]?\d+$/.test(value) ? { days: Number(value) } : { days: leafDays, ignored: value };
}

/** First second of a leaf's validity: an hour ago, but not before its CA's. Times are seconds since 1970. */
export function leafNotBefore(now: number, caNotBefore: number): number {
  return Math.max(now - leafBackdate, caNotBefore);
}

/** The rows of K3s's leaf table and three generic ones. Source: K3s `pkg/daemons/control/deps/deps.go` (server) and
 *  `pkg/server/handlers` (agent); observed with dynamiclistener v0.9.4. */
export const leafProfiles: readonly LeafProfile[] = [
  agentClient('client-kubelet', 'the kubelet', `system:node:${nodePlace}`, 'system:nodes'),
  {
    name: 'serving-kubelet',
    ca: 'server',
    purpose: "the kubelet's own server",
    commonName: nodePlace,
    organizations: [],
    extendedKeyUsage: ['serverAuth'],
    dns: [nodePlace, 'localhost'],
    ip: ['127.0.0.1'],
    takesNames: true,
    path: 'agent/serving-kubelet',
  },
  agentClient('client-kube-proxy', 'kube-proxy', 'system:kube-proxy'),
  agentClient('client-k3s-controller', "the agent's controllers", 'system:k3s-controller'),
  serverClient('client-admin', 'the administrator', 'system:admin', 'system:masters'),
  serverClient('client-supervisor', 'the supervisor', 'system:k3s-supervisor', 'system:masters'),
  serverClient('client-controller', 'the controller manager', 'system:kube-controller-manager'),
  serverClient('client-scheduler', 'the scheduler', 'system:kube-scheduler'),
  serverClient('client-kube-apiserver', 'the API server towards kubelets', 'system:apiserver', 'system:masters'),
  serverClient('client-k3s-cloud-controller', 'the cloud controller', 'k3s-cloud-controller-manager'),
  {
    name: 'serving-kube-apiserver',
    ca: 'server',
    purpose: 'the API server',
    commonName: 'kube-apiserver',
    organizations: [],
    extendedKeyUsage: ['serverAuth'],
    dns: [
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      `kubernetes.default.svc.${domainPlace}`,
      'localhost',
      nodePlace,
    ],
    ip: ['127.0.0.1', '::1', servicePlace],
    takesNames: true,
    path: 'server/tls/serving-kube-apiserver',
  },
  component('kube-controller-manager'),
  component('kube-scheduler'),
  {
    ...serverClient('client-auth-proxy', 'the API server towards aggregated APIs', 'system:auth-proxy'),
    ca: 'request-header',
  },
  { ...etcd('client', 'etcd-client', ['clientAuth']), purpose: 'the API server towards etcd', dns: [], ip: [] },
  { ...etcd('server-client', 'etcd-server', ['serverAuth', 'clientAuth']), purpose: 'etcd', takesNames: true },
  {
    ...etcd('peer-server-client', 'etcd-peer', ['serverAuth', 'clientAuth']),
    ca: 'etcd/peer',
    purpose: 'etcd towards its peers',
    takesNames: true,
  },
  generic('server', 'server', 'any server', ['serverAuth']),
  generic('client', 'client', 'any client; its common name is the user, its organizations the groups', ['clientAuth']),
  generic('peer', 'etcd/peer', 'any server that is a client too', ['serverAuth', 'clientAuth']),
];

/** The profile of that name; undefined when there is none. */
export function leafProfile(name: string): LeafProfile | undefined {
  return leafProfiles.find((profile) => profile.name === name);
}

function client(name: string, purpose: string, commonName: string, organizations: readonly string[]) {
  return {
    name,
    ca: 'client',
    purpose,
    commonName,
    organizations,
    extendedKeyUsage: ['clientAuth'],
    dns: [],
    ip: [],
    takesNames: false,
  } as const;
}

function agentClient(name: string, purpose: string, commonName: string, ...organizations: string[]): LeafProfile {
  return { ...client(name, purpose, commonName, organizations), path: `agent/${name}` };
}

function serverClient(name: string, purpose: string, commonName: string, ...organizations: string[]): LeafProfile {
  return { ...client(name, purpose, commonName, organizations), path: `server/tls/${name}` };
}

/** Since the releases of May 2025 these two have serving certificates of their own. */
function component(name: string): LeafProfile {
  return {
    name,
    ca: 'server',
    purpose: `the server of ${name}`,
    commonName: name,
    organizations: [],
    extendedKeyUsage: ['serverAuth'],
    dns: ['localhost'],
    ip: ['127.0.0.1', '::1'],
    takesNames: false,
    path: `server/tls/${name}/${name}`,
  };
}

function etcd(file: string, commonName: string, extendedKeyUsage: LeafProfile['extendedKeyUsage']): LeafProfile {
  return {
    name: `etcd/${file}`,
    ca: 'etcd/server',
    purpose: '',
    commonName,
    organizations: [],
    extendedKeyUsage,
    dns: ['kine.sock', 'localhost', nodePlace],
    ip: ['127.0.0.1', '::1', servicePlace],
    takesNames: false,
    path: `server/tls/etcd/${file}`,
  };
}

function generic(
  name: string,
  ca: CaName,
  purpose: string,
  extendedKeyUsage: LeafProfile['extendedKeyUsage'],
): LeafProfile {
  const takesNames = extendedKeyUsage.includes('serverAuth');
  const dns = takesNames ? [nodePlace] : [];
  return { name, ca, purpose, organizations: [], extendedKeyUsage, dns, ip: [], takesNames, path: name };
}
