import { Command, Option } from 'clipanion';
import { isEndpoint, isSeconds } from '../../../checking/options.ts';
import type { Context } from '../../../context.ts';
import { outputOption } from '../../../shared-options.ts';
import { rotateCaStatus } from '../../../verbs/rotate-ca-status.ts';

/** `k3s-pki certificate rotate-ca status`. */
export class CertificateRotateCaStatus extends Command<Context> {
  static override paths = [['certificate', 'rotate-ca', 'status']];

  static override usage = Command.Usage({
    description: 'say which nodes still serve the old chain',
    details: `
      Asks every listener for its certificate and compares it with the new server CA: new; old, but still trusted by
      the new bundle; old and refused; no answer. Nothing is sent but the TLS handshake, and nothing is trusted.

      --nodes FILE has one node a line: "server HOST" (ports 6443 and 10250), "agent HOST" (10250), or HOST:PORT.
      Exit codes: 0 when all serve the new chain, 3 when some do not.
    `,
    examples: [
      ['After the restarts', '$0 certificate rotate-ca status --ca /opt/k3s/server --nodes nodes.txt'],
      ['One server', '$0 certificate rotate-ca status --ca ./server-ca.crt --connect 10.0.0.1:6443'],
    ],
  });

  ca = Option.String('--ca', { required: true, description: 'the new server CA bundle, or the folder that holds it' });
  nodes = Option.String('--nodes', { description: 'file that names the nodes' });
  connect = Option.Array('--connect', [], {
    validator: isEndpoint,
    description: 'a TLS endpoint, host:port (6443 without a port); may be given several times',
  });
  timeout = Option.String('--timeout', '10', {
    validator: isSeconds,
    description: 'seconds to wait for each; default 10',
  });
  output = outputOption();

  async execute(): Promise<number> {
    const { ca, nodes, connect, timeout: seconds, output } = this;
    return rotateCaStatus({ ca, nodes, connect, seconds, output }, this.context);
  }
}
