import { Command, Option } from 'clipanion';
import { dryRunOption } from '../../shared-options.ts';
import { resealBootstrap } from '../../verbs/bootstrap/reseal.ts';
import { BootstrapCommand } from './bootstrap-command.ts';

/** `k3s-pki bootstrap reseal`. */
export class BootstrapReseal extends BootstrapCommand {
  static override paths = [['bootstrap', 'reseal']];

  static override usage = Command.Usage({
    description: 'seal the bootstrap data with another token',
    details: `
      The cure for "bootstrap data already found and encrypted with different token" when the old token is known: opens
      the record with the token of --token-file, seals it with the one of --new-token-file, sets the server password in it
      (and the node password, where it was the same) and removes the old record. Everything else in it stays, fields that
      this program does not know too. Without --new-token-file a record of an older form is migrated, as K3s would at
      its next start.

      The record before lies in DIR/server/bootstrap-backups; "bootstrap undo" puts it back.
    `,
    examples: [
      [
        'To the token that the servers have now',
        '$0 bootstrap reseal --token-file ./old-token --new-token-file /var/lib/rancher/k3s/server/token',
      ],
      ['What would be done', '$0 bootstrap reseal --data-dir ./demo --new-token-file ./token --dry-run'],
    ],
  });

  newTokenFile = Option.String('--new-token-file', {
    description: 'holds the token to seal with; - is standard input',
  });
  dryRun = dryRunOption();

  async execute(): Promise<number> {
    const { newTokenFile, dryRun } = this;
    return resealBootstrap({ ...this.options, newTokenFile, dryRun }, this.context);
  }
}
