import { Command } from 'clipanion';
import { dryRunOption } from '../../shared-options.ts';
import { pruneBootstrap } from '../../verbs/bootstrap/prune.ts';
import { BootstrapCommand } from './bootstrap-command.ts';

/** `k3s-pki bootstrap prune`. */
export class BootstrapPrune extends BootstrapCommand {
  static override paths = [['bootstrap', 'prune']];

  static override usage = Command.Usage({
    description: 'remove every record but the one of this token',
    details: `
      The cure for "found multiple bootstrap keys in storage", with which rotate-ca and token rotate fail: keeps the
      record that the server token opens and removes the others. An empty record alone is the lock of a server that died
      while it made the data, and is removed. Refused when no record is that of the token.

      The records before lie in DIR/server/bootstrap-backups; "bootstrap undo" puts them back.
    `,
    examples: [
      ['The cluster of this server', '$0 bootstrap prune'],
      ['What would be removed', '$0 bootstrap prune --data-dir ./demo --dry-run'],
    ],
  });

  dryRun = dryRunOption();

  async execute(): Promise<number> {
    return pruneBootstrap({ ...this.options, dryRun: this.dryRun }, this.context);
  }
}
