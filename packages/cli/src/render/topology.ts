import type { Writable } from 'node:stream';
import { caNames, signedBy, type Topology } from '@k3s-pki/k3s';
import type { LocatedCaSet } from '../ca-set.ts';
import { shapeNames, topologyNames } from '../messages/english/verify.ts';
import { day } from '../messages/english.ts';
import { columns, painter } from '../terminal.ts';
import { version } from '../version.ts';
import { certificateJson } from './certificates.ts';
import { caFileName, nodeName, type TreeRow, treeRows } from './topology-rows.ts';

/** What `topology` shows. `at` is seconds since 1970. */
export interface TopologyReport {
  readonly located: LocatedCaSet;
  readonly topology: Topology;
  readonly at: number;
}

/** A leaf lives so long at K3s: a CA that ends sooner is worth a colour. */
const soon = 365 * 86_400;

/** The tree with box characters, the groups of leaves, and the CA hash. */
export function topologyText({ located, topology, at }: TopologyReport, stdout: Writable): string {
  const paint = painter(stdout);
  const rows = treeRows(topology);
  const names = rows.map(({ node }) => nodeName(node));
  const nameWidth = Math.max(2, ...names.map((name) => name.length));
  const room = Math.max(20, columns(stdout) - 2 - 2 - nameWidth - 2 - 10);
  const leads = rows.map((row) => lead(row));
  const treeWidth = Math.min(
    room,
    Math.max(...rows.map(({ node }, at) => (leads[at] ?? '').length + node.certificate.subject.length)),
  );
  const line = (tree: string, name: string, rest: string) =>
    `  ${tree.padEnd(treeWidth)}  ${name.padEnd(nameWidth)}  ${rest}`.trimEnd();
  const tree = rows.map(({ node, again }, place) => {
    const { subject, notAfter } = node.certificate;
    const left = notAfter - at;
    const expires = paint(left < 0 ? 'red' : left < soon ? 'yellow' : 'reset', day(notAfter));
    const shown = shortened(`${leads[place] ?? ''}${subject}`, treeWidth);
    return line(shown, names[place] ?? '', again ? paint('dim', 'as above') : expires);
  });
  const expired = rows.filter(({ node, again }) => !again && node.certificate.notAfter < at).length;
  const odd = (['absent', 'unreadable', 'rootless'] as const).flatMap((shape) => {
    const named = caNames.filter((ca) => topology.cas[ca] === shape).map(caFileName);
    return named.length === 0 ? [] : [`${paint('yellow', '!')} ${shapeNames[shape]}: ${named.join(', ')}`];
  });
  if (expired > 0) odd.unshift(`${paint('red', '✘')} ${expired === 1 ? 'one has' : `${expired} have`} expired`);
  const hashed = topology.nodes.find(({ certificate }) => certificate.sha256 === topology.caHash?.node);
  return [
    `${paint('bold', topologyNames[topology.kind])} in ${located.tls}`,
    '',
    paint('dim', line('certificate', 'is', 'expires')),
    ...tree,
    '',
    ...odd,
    ...(odd.length === 0 ? [] : ['']),
    paint('bold', 'What they sign'),
    ...caNames
      .filter((ca) => topology.nodes.some(({ cas }) => cas.includes(ca)))
      .map((ca) => `  ${caFileName(ca).padEnd(17)}  ${signedBy[ca]}`),
    '',
    ...(topology.caHash === undefined
      ? []
      : [
          `${paint('bold', 'CA hash of the join token')}: SHA-256 of ${hashed === undefined ? 'the file server-ca.crt' : hashed.certificate.subject}`,
          `  K10${topology.caHash.hash}`,
          '',
        ]),
  ].join('\n');
}

function lead({ follows }: TreeRow): string {
  return follows
    .map((more, level) => (level < follows.length - 1 ? (more ? '│  ' : '   ') : more ? '├─ ' : '└─ '))
    .join('');
}

function shortened(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

/** The picture for programs: `issuers` and `hashOf` name certificates by their SHA-256. Paths are absolute. */
export function topologyJson({ located, topology }: TopologyReport) {
  const { kind, cas, nodes, caHash } = topology;
  const own = new Map(nodes.flatMap((node) => node.cas.map((ca) => [ca, node.certificate.sha256])));
  return {
    command: 'topology',
    ok: true,
    version,
    tls: located.tls,
    kind,
    description: topologyNames[kind],
    caHash: caHash?.hash,
    tokenPrefix: caHash === undefined ? undefined : `K10${caHash.hash}::`,
    hashOf: caHash?.node,
    cas: Object.fromEntries(
      caNames.map((ca) => [ca, { shape: cas[ca], certificate: own.get(ca), signs: signedBy[ca] }]),
    ),
    certificates: nodes.map((node) => ({
      ...certificateJson(node.certificate),
      role: node.role,
      cas: node.cas,
      issuers: node.issuers,
      files: node.files.map((file) => located.show(file)),
    })),
  };
}
