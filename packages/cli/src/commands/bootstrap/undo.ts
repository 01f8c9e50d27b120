import { Command, Option } from 'clipanion';
import { dryRunOption } from '../../shared-options.ts';
import { undoBootstrap } from '../../verbs/bootstrap/undo.ts';
import { BootstrapCommand } from './bootstrap-command.ts';

/** `k3s-pki bootstrap undo`. */
export class BootstrapUndo extends BootstrapCommand {
  static override paths = [['bootstrap', 'undo']];

  static override usage = Command.Usage({
    description: 'put back the records before the last change of this program',
    details: `
      Takes the newest backup of DIR/server/bootstrap-backups, or the one of --backup, and puts back what was there
      before that change. Refused when a server or another program has changed a record since. It makes a backup too, so
      that undoing twice is doing again.

      Of "token rotate --offline" the record, server/token and cred/passwd go back together, all or none; K3s must be
      stopped. A run that was killed is finished or undone by the next one.
    `,
    examples: [
      ['The last change', '$0 bootstrap undo'],
      ['What would be put back', '$0 bootstrap undo --data-dir ./demo --dry-run'],
    ],
  });

  backup = Option.String('--backup', { description: 'the backup to go back to; default the newest' });
  dryRun = dryRunOption();

  force = Option.Boolean('--force', false, { description: 'undo a rotation of the token although K3s seems to run' });

  async execute(): Promise<number> {
    const { backup, dryRun, force } = this;
    return undoBootstrap({ ...this.options, backup, dryRun, force }, this.context);
  }
}
