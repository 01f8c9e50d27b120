import type { Certificate, Core } from '@k3s-pki/core';
import { type CaHash, caHash, countsAsRoot } from './ca-hash.ts';
import { certificatesOf, type FileSet } from './first-start.ts';
import { type CaName, caNames, tlsFile } from './layout.ts';
import type { PemFile } from './pem-readers.ts';

/** How one CA hangs together. `self-signed` is what K3s makes itself, `cross-signed` is such a one after
 *  `rotate-default-ca-certs`: its new root is there twice, by itself and signed by the CA before. `unreadable` is a file
 *  of which K3s reads no certificate. */
export type CaShape = 'self-signed' | 'chained' | 'cross-signed' | 'rootless' | 'unreadable' | 'absent';

/** How the five hang together: `custom` below one root, `isolated` below a root each, `default` and `cross-signed` as
 *  K3s's own, `mixed` anything else, `none` without any readable CA. CAs that are absent or unreadable don't count. */
export type TopologyKind = 'custom' | 'isolated' | 'default' | 'cross-signed' | 'mixed' | 'none';

/** What a certificate is in the picture. After a rotation a `former-root` vouches for the root that followed it, which is
 *  there as a `cross-signed-root` too, and a `former-ca` for what it has issued. */
export type NodeRole = 'root' | 'former-root' | 'cross-signed-root' | 'intermediate' | 'former-ca' | 'ca';

/** One certificate, however many files hold it. */
export interface TopologyNode {
  readonly certificate: Certificate;
  readonly role: NodeRole;
  /** The CAs whose own certificate it is; more than one only by mistake. */
  readonly cas: readonly CaName[];
  /** SHA-256 of the certificates that signed it, in the order of the nodes; none for a root, or when they are not here. */
  readonly issuers: readonly string[];
  /** Paths relative to the data dir. */
  readonly files: readonly string[];
}

export interface Topology {
  readonly kind: TopologyKind;
  readonly cas: Readonly<Record<CaName, CaShape>>;
  /** Issuers before what they issued; the CAs in K3s's order. */
  readonly nodes: readonly TopologyNode[];
  /** CA hash of join tokens, and the certificate it belongs to where it is a certificate's. */
  readonly caHash?: CaHash & { readonly node?: string };
}

/** Who gets certificates from a CA. Source: K3s's documentation, the pictures of the topologies. */
export const signedBy: Readonly<Record<CaName, string>> = {
  client: 'Kubernetes clients (API server and kubelet clients)',
  server: 'Kubernetes servers (control plane and kubelet listeners)',
  'request-header': 'Kubernetes API aggregation (API server proxy client)',
  'etcd/peer': 'etcd peer clients and servers (etcd replication)',
  'etcd/server': 'etcd clients and servers (Kubernetes to etcd)',
};

/** The picture of a set of CAs, from the bundles that K3s reads and the root and intermediate files beside them.
 *  `at` is seconds since 1970. Pure. */
export function topologyOf(files: FileSet, core: X509, at: number): Topology {
  const x509 = remembering(core);
  const bundles = new Map(caNames.map((ca) => [ca, certificatesOf(files(tlsFile.caBundle(ca)))]));
  const holders = holdersOf(files);
  const all = [...holders.values()].map(({ certificate }) => certificate);
  const issuers = new Map(
    all.map((certificate) => [
      certificate.sha256,
      isSelfSigned(certificate, x509)
        ? []
        : all.filter((issuer) => issuer !== certificate && signs(issuer, certificate, x509)),
    ]),
  );
  const issuersOf = (certificate: Certificate) => issuers.get(certificate.sha256) ?? [];
  const own = (certificate: Certificate) => caNames.filter((ca) => bundles.get(ca)?.[0]?.sha256 === certificate.sha256);
  const isCrossSigned = (certificate: Certificate) =>
    own(certificate).length === 0 &&
    issuersOf(certificate).length > 0 &&
    all.some((twin) => twin !== certificate && isSameAuthority(twin, certificate) && isSelfSigned(twin, x509));
  const currentRoots = new Set([...bundles.values()].map((bundle) => rootOf(bundle, x509)?.sha256));
  const children = (issuer: Certificate) => all.filter((child) => issuersOf(child).includes(issuer));
  const isFormerRoot = (certificate: Certificate) =>
    !currentRoots.has(certificate.sha256) && children(certificate).some(isCrossSigned);
  const roleOf = (certificate: Certificate): NodeRole => {
    if (own(certificate).length > 0) return 'ca';
    if (isSelfSigned(certificate, x509)) return isFormerRoot(certificate) ? 'former-root' : 'root';
    if (isCrossSigned(certificate)) return 'cross-signed-root';
    return children(certificate).length === 0 && issuersOf(certificate).some(isFormerRoot)
      ? 'former-ca'
      : 'intermediate';
  };
  const nodes = all.map(
    (certificate): TopologyNode => ({
      certificate,
      role: roleOf(certificate),
      cas: own(certificate),
      issuers: issuersOf(certificate).map(({ sha256 }) => sha256),
      files: [...(holders.get(certificate.sha256)?.files ?? [])],
    }),
  );
  const shapes = Object.fromEntries(caNames.map((ca) => [ca, shapeOf(files(tlsFile.caBundle(ca)), x509)])) as Record<
    CaName,
    CaShape
  >;
  const hash = hashOf(files, bundles.get('server') ?? [], x509, at);
  return {
    kind: kindOf(shapes, bundles, x509),
    cas: shapes,
    nodes: inOrder(nodes),
    ...(hash === undefined ? {} : { caHash: hash }),
  };
}

function holdersOf(files: FileSet): Map<string, { certificate: Certificate; files: Set<string> }> {
  const paths = [
    tlsFile.rootCertificate,
    tlsFile.rootBundle,
    tlsFile.intermediateCertificate,
    tlsFile.intermediateBundle,
    ...caNames.map((ca) => tlsFile.caBundle(ca)),
  ];
  const holders = new Map<string, { certificate: Certificate; files: Set<string> }>();
  for (const path of paths) {
    for (const certificate of certificatesOf(files(path))) {
      const holder = holders.get(certificate.sha256) ?? { certificate, files: new Set() };
      holders.set(certificate.sha256, holder);
      holder.files.add(path);
    }
  }
  return holders;
}

function shapeOf(file: PemFile | undefined, x509: X509): CaShape {
  const [first, ...rest] = certificatesOf(file);
  if (first === undefined) return file === undefined ? 'absent' : 'unreadable';
  if (isSelfSigned(first, x509)) return 'self-signed';
  const root = rootOf([first, ...rest], x509);
  if (root === undefined) return 'rootless';
  const twin = rest.some((other) => other.sha256 !== root.sha256 && isSameAuthority(other, root));
  return twin ? 'cross-signed' : 'chained';
}

function kindOf(
  shapes: Topology['cas'],
  bundles: ReadonlyMap<CaName, readonly Certificate[]>,
  x509: X509,
): TopologyKind {
  const present = caNames.filter((ca) => shapes[ca] !== 'absent' && shapes[ca] !== 'unreadable');
  const [shape, ...others] = new Set(present.map((ca) => shapes[ca]));
  if (shape === undefined) return 'none';
  if (others.length > 0 || shape === 'rootless') return 'mixed';
  if (shape === 'self-signed') return 'default';
  if (shape === 'cross-signed') return 'cross-signed';
  const roots = new Set(present.map((ca) => rootOf(bundles.get(ca) ?? [], x509)?.key.spkiSha256));
  if (roots.size === 1) return 'custom';
  return roots.size === present.length ? 'isolated' : 'mixed';
}

type X509 = Pick<Core, 'chains' | 'signatureHolds'>;

/** Every pair is asked about several times, and a signature takes up to a millisecond. */
function remembering(core: X509): X509 {
  const known = new Map<string, boolean>();
  return {
    chains: (request) => core.chains(request),
    signatureHolds: (certificate, issuer) => {
      const pair = `${certificate.sha256} ${issuer.sha256}`;
      const holds = known.get(pair) ?? core.signatureHolds(certificate, issuer);
      known.set(pair, holds);
      return holds;
    },
  };
}

/** The self-signed end of the way up from the first certificate, within the bundle. Dates and usages don't matter here:
 *  an expired tree is still a tree. */
function rootOf(bundle: readonly Certificate[], x509: X509): Certificate | undefined {
  const seen = new Set<Certificate>();
  let level = bundle.slice(0, 1);
  while (level.length > 0) {
    const root = level.find((certificate) => countsAsRoot(certificate) && isSelfSigned(certificate, x509));
    if (root !== undefined) return root;
    for (const certificate of level) seen.add(certificate);
    level = bundle.filter(
      (issuer) => !seen.has(issuer) && level.some((certificate) => signs(issuer, certificate, x509)),
    );
  }
  return undefined;
}

function hashOf(
  files: FileSet,
  bundle: readonly Certificate[],
  x509: X509,
  at: number,
): Topology['caHash'] | undefined {
  const file = files(tlsFile.caBundle('server'));
  const [first, ...rest] = bundle;
  if (file === undefined || first === undefined) return undefined;
  const hash = caHash(file.bytes, bundle, (request) => x509.chains(request), at);
  // A lone certificate's hash is its file's, but in the picture it is the certificate's.
  const node = hash.from === 'root' ? hash.hash : rest.length === 0 ? first.sha256 : undefined;
  return node === undefined ? hash : { ...hash, node };
}

function isSelfSigned(certificate: Certificate, x509: X509): boolean {
  return certificate.subjectDer === certificate.issuerDer && x509.signatureHolds(certificate, certificate);
}

function isSameAuthority(one: Certificate, other: Certificate): boolean {
  return one.subjectDer === other.subjectDer && one.key.spkiSha256 === other.key.spkiSha256;
}

function signs(issuer: Certificate, certificate: Certificate, x509: X509): boolean {
  return issuer.subjectDer === certificate.issuerDer && x509.signatureHolds(certificate, issuer);
}

/** Issuers first; among equals roots, then intermediates, then the CAs in K3s's order. */
function inOrder(nodes: readonly TopologyNode[]): TopologyNode[] {
  const depths = new Map(nodes.map((node) => [node.certificate.sha256, 0]));
  const depth = (node: TopologyNode) => depths.get(node.certificate.sha256) ?? 0;
  // One round for each level; certificates that sign each other in a circle would go on for ever.
  for (let round = 0, changed = true; changed && round < nodes.length; round += 1) {
    changed = false;
    for (const node of nodes) {
      const below = Math.max(0, ...node.issuers.map((id) => 1 + (depths.get(id) ?? 0)));
      changed ||= below !== depth(node);
      depths.set(node.certificate.sha256, below);
    }
  }
  const place = ({ cas: [ca] }: TopologyNode) => (ca === undefined ? -1 : caNames.indexOf(ca));
  return nodes
    .map((node) => ({ node, depth: depth(node) }))
    .sort((one, other) => one.depth - other.depth || place(one.node) - place(other.node))
    .map(({ node }) => node);
}
