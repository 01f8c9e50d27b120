import { caNames, signedBy, type Topology } from '@k3s-pki/k3s';
import { shapeNames, topologyNames } from '../messages/english/verify.ts';
import { day } from '../messages/english.ts';
import type { TopologyReport } from './topology.ts';
import { caFileName, nodeName, type TreeRow, treeRows } from './topology-rows.ts';

const width = 1000;
const margin = 28;
/** Columns of pixels: the tree, and the time that is left. */
const barsFrom = 608;
const barsTo = width - margin - 84;
const indent = 22;
const rowHeight = 44;
const head = 108;
/** A character of the small fixed-width font. */
const characterWidth = 6.7;
const year = 365.25 * 86_400;

const style = `
  text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1c2733; }
  .page { fill: #ffffff; }
  .title { font-size: 19px; font-weight: 600; }
  .name { font-size: 13.5px; font-weight: 600; }
  .code { font-family: ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace; font-size: 11px; }
  .muted { fill: #5b6b7b; }
  .small { font-size: 11.5px; }
  .line { stroke: #9aa8b5; stroke-width: 1.4; fill: none; }
  .again { stroke-dasharray: 3 3; }
  .grid { stroke: #e3e8ed; stroke-width: 1; }
  .now { stroke: #5b6b7b; stroke-width: 1.4; }
  .dot { stroke: #ffffff; stroke-width: 2; }
  .root { fill: #6d4fc4; }
  .former-root, .former-ca { fill: #94a0ac; }
  .cross-signed-root { fill: #a88be0; }
  .intermediate { fill: #2f7fd1; }
  .ca { fill: #1f9d78; }
  .ended { fill: #cf3a3a; }
  .pill { fill: none; stroke: #5b6b7b; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .page { fill: #10161d; }
    .muted { fill: #9fb0c0; }
    .line { stroke: #5f7183; }
    .grid { stroke: #232e39; }
    .now { stroke: #9fb0c0; }
    .dot { stroke: #10161d; }
    .root { fill: #a68bf5; }
    .former-root, .former-ca { fill: #77838f; }
    .cross-signed-root { fill: #7b62bd; }
    .intermediate { fill: #5aa9f5; }
    .ca { fill: #3ecb9f; }
    .ended { fill: #ff7b7b; }
    .pill { stroke: #9fb0c0; }
  }
`;

/** The tree beside the time that each certificate has left, as a self-contained SVG for light and dark. */
export function topologySvg(report: TopologyReport): string {
  const { topology, at } = report;
  const rows = treeRows(topology);
  const longest = Math.max(at + year, ...rows.map(({ node }) => node.certificate.notAfter));
  const step = stepFor((longest - at) / year);
  // The scale ends on a mark.
  const last = at + Math.ceil((longest - at) / year / step - 0.01) * step * year;
  const x = (time: number) => round(barsFrom + ((Math.max(time, at) - at) / (last - at)) * (barsTo - barsFrom));
  const bottom = head + rows.length * rowHeight;
  const height = bottom + (topology.caHash === undefined ? 24 : 56);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escaped(topologyNames[topology.kind])}</title>`,
    `<desc id="desc">${escaped(description(rows, at))}</desc>`,
    `<style>${style}</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    `<text class="title" x="${margin}" y="44">${escaped(topologyNames[topology.kind])}</text>`,
    `<text class="small muted" x="${margin}" y="66">${escaped(subtitle(topology, at))}</text>`,
    ...grid(at, last, step, x, bottom),
    ...rows.map((row, place) => connector(row, place, rows)),
    ...rows.flatMap((row, place) => rowShapes(row, place, report, x)),
    ...hashLines(report, bottom),
    '</svg>',
    '',
  ].join('\n');
}

function subtitle({ cas }: Topology, at: number): string {
  const missing = (['absent', 'unreadable'] as const).flatMap((shape) => {
    const named = caNames.filter((ca) => cas[ca] === shape).map(caFileName);
    return named.length === 0 ? [] : [`; ${shapeNames[shape]}: ${named.join(', ')}`];
  });
  return `${day(at)}; the bars show the time that is left${missing.join('')}`;
}

function description(rows: readonly TreeRow[], at: number): string {
  return rows
    .filter(({ again }) => !again)
    .map(({ node, depth }) => {
      const { subject, notAfter } = node.certificate;
      return `${nodeName(node)}, ${subject}, level ${depth + 1}, ${notAfter < at ? 'expired' : 'valid until'} ${day(notAfter)}`;
    })
    .join('; ');
}

/** Years between two marks of the scale. */
function stepFor(years: number): number {
  return [0.25, 0.5, 1, 2, 5, 10, 20, 50, 100].find((size) => years / size <= 6) ?? 1000;
}

function grid(at: number, last: number, step: number, x: (time: number) => number, bottom: number): string[] {
  const years = (last - at) / year;
  const lines: string[] = [];
  for (let mark = step; mark <= years + step / 10; mark += step) {
    const place = x(at + mark * year);
    lines.push(
      `<line class="grid" x1="${place}" y1="${head - 12}" x2="${place}" y2="${bottom}"/>`,
      `<text class="small muted" x="${place}" y="${head - 20}" text-anchor="middle">${escaped(span(mark))}</text>`,
    );
  }
  return [
    ...lines,
    `<line class="now" x1="${barsFrom}" y1="${head - 12}" x2="${barsFrom}" y2="${bottom}"/>`,
    `<text class="small muted" x="${barsFrom}" y="${head - 20}" text-anchor="middle">now</text>`,
  ];
}

function span(years: number): string {
  return years < 1 ? `${Math.round(years * 12)} months` : years === 1 ? '1 year' : `${years} years`;
}

/** An elbow from the row's issuer, which stands one level out in the nearest row above. */
function connector({ depth, again }: TreeRow, place: number, rows: readonly TreeRow[]): string {
  if (depth === 0) return '';
  const parent = rows.findLastIndex((row, index) => index < place && row.depth === depth - 1);
  const [left, top, middle] = [dotX(depth - 1), dotY(parent), dotY(place)];
  return `<path class="line${again ? ' again' : ''}" d="M${left} ${top} V${middle - 8} q0 8 8 8 H${dotX(depth)}"/>`;
}

function rowShapes(
  row: TreeRow,
  place: number,
  { topology, at }: TopologyReport,
  x: (time: number) => number,
): string[] {
  const { node, depth, again } = row;
  const { certificate, role, cas } = node;
  const { subject, notAfter, notBefore, sha256 } = certificate;
  const [left, middle] = [dotX(depth), dotY(place)];
  const text = left + 15;
  const ended = notAfter < at;
  const tone = ended ? 'ended' : role;
  const name = nodeName(node);
  const signs = cas.map((ca) => signedBy[ca]).join(', ');
  const room = Math.floor((barsFrom - 16 - text) / characterWidth);
  const shapes = [
    `<circle class="dot ${tone}" cx="${left}" cy="${middle}" r="6.5"/>`,
    `<text class="name" x="${text}" y="${middle - 3}">${escaped(name)}<tspan class="small muted" font-weight="400" dx="8">${escaped(again ? 'as above' : fitting(signs, Math.floor((barsFrom - 24 - text - name.length * 8.4) / 6.4)))}</tspan></text>`,
    `<text class="code muted" x="${text}" y="${middle + 13}">${escaped(fitting(subject, room))}</text>`,
  ];
  if (again) return shapes;
  const end = x(notAfter);
  const label = ended ? `expired ${day(notAfter)}` : notBefore > at ? `from ${day(notBefore)}` : day(notAfter);
  shapes.push(
    `<rect class="${tone}" x="${barsFrom}" y="${middle - 7}" width="${Math.max(3, round(end - barsFrom))}" height="14" rx="3"/>`,
    `<text class="small" x="${Math.max(end, barsFrom + 3) + 8}" y="${middle + 4}">${escaped(label)}</text>`,
  );
  if (topology.caHash?.node === sha256) shapes.push(...pill(text + name.length * 7.6 + 10, middle - 14));
  return shapes;
}

function pill(left: number, top: number): string[] {
  const text = 'join token';
  const place = round(left);
  return [
    `<rect class="pill" x="${place}" y="${top}" width="70" height="15" rx="7.5"/>`,
    `<text class="small muted" x="${place + 35}" y="${top + 11}" text-anchor="middle" font-size="10.5">${text}</text>`,
  ];
}

function hashLines({ topology: { caHash, nodes } }: TopologyReport, bottom: number): string[] {
  if (caHash === undefined) return [];
  const hashed = nodes.find(({ certificate }) => certificate.sha256 === caHash.node);
  const of = hashed === undefined ? 'the file server-ca.crt' : hashed.certificate.subject;
  return [
    `<text class="small" x="${margin}" y="${bottom + 22}">${escaped(`CA hash of the join token: SHA-256 of ${fitting(of, 90)}`)}</text>`,
    `<text class="code muted" x="${margin}" y="${bottom + 40}">K10${escaped(caHash.hash)}</text>`,
  ];
}

function dotX(depth: number): number {
  return margin + 8 + depth * indent;
}

function dotY(place: number): number {
  return head + place * rowHeight + rowHeight / 2;
}

function round(number: number): number {
  return Math.round(number * 10) / 10;
}

function fitting(text: string, characters: number): string {
  return text.length > characters ? `${text.slice(0, Math.max(1, characters - 1))}…` : text;
}

/** Text of an element. What XML 1.0 does not allow becomes a replacement character. Source: XML 1.0, section 2.2. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
