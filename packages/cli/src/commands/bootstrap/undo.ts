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
    `,
    examples: [
      ['The last change', '$0 bootstrap undo'],
      ['What would be put back', '$0 bootstrap undo --data-dir ./demo --dry-run'],
    ],
  });

  backup = Option.String('--backup', { description: 'the backup to go back to; default the newest' });
  dryRun = dryRunOption();

  async execute(): Promise<number> {
    const { backup, dryRun } = this;
    return undoBootstrap({ ...this.options, backup, dryRun }, this.context);
  }
}
