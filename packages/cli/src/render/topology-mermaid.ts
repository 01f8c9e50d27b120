import { caNames, signedBy } from '@k3s-pki/k3s';
import { topologyNames } from '../messages/english/verify.ts';
import { day } from '../messages/english.ts';
import type { TopologyReport } from './topology.ts';
import { nodeName } from './topology-rows.ts';

/** A flowchart in the language of the pictures in K3s's documentation: thin arrows from issuer to CA, thick ones to what
 *  a CA signs, a dotted line to the CA hash. */
export function topologyMermaid({ topology, at }: TopologyReport): string {
  const { nodes, caHash, kind } = topology;
  const ids = new Map(nodes.map(({ certificate }, place) => [certificate.sha256, `c${place}`]));
  const boxes = nodes.map((node) => {
    const { subject, notAfter, sha256 } = node.certificate;
    const until = `${notAfter < at ? 'expired' : 'until'} ${day(notAfter)}`;
    return `  ${ids.get(sha256)}("${[nodeName(node), subject, until].map(label).join('<br/>')}")`;
  });
  const arrows = nodes.flatMap(({ certificate, issuers }) =>
    issuers.map((issuer) => `  ${ids.get(issuer)} --> ${ids.get(certificate.sha256)}`),
  );
  const leaves = caNames.flatMap((ca, place) => {
    const own = nodes.find(({ cas }) => cas.includes(ca));
    if (own === undefined) return [];
    return [`  l${place}[["${label(signedBy[ca])}"]]`, `  ${ids.get(own.certificate.sha256)} ==> l${place}`];
  });
  const hashed = ids.get(caHash?.node ?? '');
  const hash =
    caHash === undefined || hashed === undefined
      ? []
      : [
          `  hash>"${label('join token CA hash')}<br/>${label(`K10${caHash.hash.slice(0, 16)}...`)}"]`,
          `  ${hashed} -.-|SHA256| hash`,
        ];
  return ['flowchart TD', `  %% ${topologyNames[kind]}`, ...boxes, ...leaves, ...hash, ...arrows, ''].join('\n');
}

/** Text within quotes: everything but letters, digits and a few marks as a character code. Source: Mermaid, flowchart
 *  syntax, entity codes. */
function label(text: string): string {
  return text.replace(/[^\p{L}\p{N} =@.,:_()/+-]/gu, (character) => `#${character.codePointAt(0)};`);
}
