import { Command, Option } from 'clipanion';
import { rotateCa } from '../../verbs/rotate-ca.ts';
import { BootstrapCommand } from '../bootstrap/bootstrap-command.ts';

/** `k3s-pki certificate rotate-ca`. Source: K3s `pkg/cli/cert/cert.go`, `rotateCA`. */
export class CertificateRotateCa extends BootstrapCommand {
  static override paths = [['certificate', 'rotate-ca']];

  static override usage = Command.Usage({
    description: 'load new CAs into a cluster, checked before they are sent',
    details: `
      Loads PATH/tls into the cluster's datastore, as "k3s certificate rotate-ca" does. Every check of K3s is made here
      first, against the set in use, so a refusal comes with its reason; so are those that K3s forgets: a wrong path, a
      set that it cannot start on. Servers, then agents, take the new CAs when they restart.

      Without --offline the set goes over the wire to a running server, whose CAs must have the hash in the token.
      With --offline it goes straight into the datastore: for a cluster that is stopped or whose certificates have
      expired. The datastore is found as K3s finds it (configuration file, environment, data dir) or named with
      K3s's own options; the record from before is kept in a file, and "bootstrap undo" puts it back.

      The token comes from --token-file, K3S_TOKEN_FILE, K3S_TOKEN, or the data dir's server/token.
    `,
    examples: [
      ['What would happen', '$0 certificate rotate-ca --path /opt/k3s/server --dry-run'],
      ['Load the set into the cluster of this server', '$0 certificate rotate-ca --path /opt/k3s/server'],
      [
        'From another machine, with the server token in a file',
        '$0 certificate rotate-ca --path ./staged/server --server https://10.0.0.1:6443 --token-file ./token',
      ],
      ['A stopped cluster', '$0 certificate rotate-ca --path /opt/k3s/server --offline'],
    ],
  });

  staging = Option.String('--path', { required: true, description: 'folder that holds the new tls folder' });
  force = Option.Boolean('--force', false, { description: 'load what K3s refuses, and see what stops working' });
  offline = Option.Boolean('--offline', false, { description: 'straight into the datastore' });
  server = Option.String('--server', {
    description: 'https://HOST:PORT of a server; default this machine, port 6443 (rke2: 9345)',
  });
  dryRun = Option.Boolean('--dry-run', false, { description: 'check and print the plan, send nothing' });

  async execute(): Promise<number> {
    const { force, offline, server, dryRun, staging: path } = this;
    const via = offline ? 'datastore' : 'supervisor';
    return rotateCa({ ...this.options, force, via, path, server, dryRun }, this.context);
  }
}
