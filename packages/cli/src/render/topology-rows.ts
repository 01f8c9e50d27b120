import { type CaName, caNames, type Topology, type TopologyNode, tlsDir, tlsFile } from '@k3s-pki/k3s';
import { roleNames } from '../messages/english/verify.ts';

/** One line of the tree. */
export interface TreeRow {
  readonly node: TopologyNode;
  readonly depth: number;
  /** For each level above, whether a later certificate follows there; the last one is of the row itself. */
  readonly follows: readonly boolean[];
  /** It stands above already, below another issuer; what it issued is not repeated. */
  readonly again: boolean;
}

/** The certificates as a tree from the roots down. What belongs to the first CA comes first; within it the root, then the
 *  CA that was there before. */
export function treeRows({ nodes }: Topology): TreeRow[] {
  const byId = new Map(nodes.map((node) => [node.certificate.sha256, node]));
  const children = (parent: TopologyNode) =>
    nodes.filter(({ issuers }) => issuers.includes(parent.certificate.sha256)).sort(byPlace);
  const casBelow = (node: TopologyNode, seen: ReadonlySet<TopologyNode> = new Set()): number => {
    if (seen.has(node)) return caNames.length;
    const below = children(node).map((child) => casBelow(child, new Set([...seen, node])));
    return Math.min(...node.cas.map((ca) => caNames.indexOf(ca)), ...below, caNames.length);
  };
  const tops = nodes.filter(({ issuers }) => issuers.every((id) => !byId.has(id)));
  const ordered = tops
    .map((node) => ({ node, first: casBelow(node), former: node.role === 'former-root' ? 1 : 0 }))
    .sort((one, other) => one.first - other.first || one.former - other.former)
    .map(({ node }) => node);
  const rows: TreeRow[] = [];
  const shown = new Set<TopologyNode>();
  const add = (node: TopologyNode, follows: readonly boolean[]): void => {
    const again = shown.has(node);
    shown.add(node);
    rows.push({ node, depth: follows.length, follows, again });
    if (again) return;
    const below = children(node);
    for (const [place, child] of below.entries()) add(child, [...follows, place < below.length - 1]);
  };
  for (const node of ordered) add(node, []);
  return rows;
}

/** What a certificate is, in a word or two: `client-ca` for one of the five. */
export function nodeName({ role, cas }: TopologyNode): string {
  return role === 'ca' ? cas.map(caFileName).join(', ') : roleNames[role];
}

/** `client-ca`, `etcd/peer-ca`: the name of its files. */
export function caFileName(ca: CaName): string {
  return tlsFile.caBundle(ca).slice(tlsDir.length + 1, -'.crt'.length);
}

function byPlace(one: TopologyNode, other: TopologyNode): number {
  const place = ({ cas: [ca] }: TopologyNode) => (ca === undefined ? -1 : caNames.indexOf(ca));
  return place(one) - place(other);
}
