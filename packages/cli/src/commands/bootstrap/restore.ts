import { Command, Option } from 'clipanion';
import { dryRunOption } from '../../shared-options.ts';
import { restoreBootstrap } from '../../verbs/bootstrap/restore.ts';
import { BootstrapCommand } from './bootstrap-command.ts';

/** `k3s-pki bootstrap restore`. */
export class BootstrapRestore extends BootstrapCommand {
  static override paths = [['bootstrap', 'restore']];

  static override usage = Command.Usage({
    description: 'write the CAs and credentials on the disk from the datastore',
    details: `
      For a server whose server/tls was lost, or that stops with "newer than datastore and could cause a cluster outage":
      every file of the bootstrap data is written as it is in the datastore, all of them or none. Files that differ are
      copied to DIR/server/bootstrap-backups first. Modes of files that are there stay; new ones get 0600.

      Stop K3s first. Embedded etcd runs only while K3s does: there a server that has lost its files takes them from
      another one when it starts with --server. K3s makes the leaf certificates anew when it starts.
    `,
    examples: [
      ['After server/tls was lost', '$0 bootstrap restore'],
      ['What would be written', '$0 bootstrap restore --data-dir ./demo --dry-run'],
    ],
  });

  dryRun = dryRunOption();
  force = Option.Boolean('--force', false, { description: 'go on although K3s runs' });

  async execute(): Promise<number> {
    return restoreBootstrap({ ...this.options, dryRun: this.dryRun, force: this.force }, this.context);
  }
}
