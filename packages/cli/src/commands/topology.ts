import { Command, Option } from 'clipanion';
import { isEnum } from 'typanion';
import type { Context } from '../context.ts';
import { topology, topologyFormats } from '../verbs/topology.ts';

/** `k3s-pki topology`: how the CAs of a cluster hang together. */
export class Topology extends Command<Context> {
  static override paths = [['topology']];

  static override usage = Command.Usage({
    description: 'draw the tree of the CAs, and how long they last',
    details: `
      Draws the tree of the CAs in DIR from their files: roots, intermediates, the five CAs of a cluster, what each of
      them signs, until when each is valid, and which certificate the join token's CA hash belongs to. The kinds of sets are
      told apart: custom CAs below one root or below a root each, K3s's own self-signed ones, and these after a rotation
      with cross-signed roots. DIR is a data dir, a server folder, a staged one, or a tls folder.

      On a terminal it is a tree in text. For documents there are Mermaid and SVG: the SVG needs nothing besides itself,
      follows the reader's light or dark mode, and has a bar for the time that each certificate has left.
    `,
    examples: [
      ['The CAs in use', '$0 topology /var/lib/rancher/k3s'],
      ['A picture', '$0 topology /opt/k3s/server --output svg > cas.svg'],
      ['For a page of Markdown', '$0 topology /opt/k3s/server --output mermaid'],
    ],
  });

  dir = Option.String({ name: 'DIR' });
  output = Option.String('--output', 'text', {
    validator: isEnum(topologyFormats),
    description: `a tree in text, a picture, or one JSON or YAML document: ${topologyFormats.join(', ')}`,
  });

  async execute(): Promise<number> {
    return topology(this.dir, this.output, this.context);
  }
}
