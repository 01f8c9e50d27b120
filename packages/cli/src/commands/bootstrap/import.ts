import { Command, Option } from 'clipanion';
import { dryRunOption, passphraseFileOption } from '../../shared-options.ts';
import { importBootstrap } from '../../verbs/bootstrap/import.ts';
import { BootstrapCommand } from './bootstrap-command.ts';

/** `k3s-pki bootstrap import`. */
export class BootstrapImport extends BootstrapCommand {
  static override paths = [['bootstrap', 'import']];

  static override usage = Command.Usage({
    description: 'put exported bootstrap data into the datastore',
    details: `
      Opens a file of "bootstrap export", seals what is in it with the server token of this cluster, and puts it into the
      datastore, in the place of the record that is there or as the first one. The server password in it becomes that of
      the token, and every file gets the time of now, so that the next start of each server writes them to its disk.

      Data without a CA, with a key that is not its certificate's, or with an expired CA is refused. The record before
      lies in DIR/server/bootstrap-backups; "bootstrap undo" puts it back.
    `,
    examples: [
      ['With the identity of a recipient', '$0 bootstrap import --from cas.age --identity ./key.txt'],
      [
        'What would be written',
        '$0 bootstrap import --data-dir ./demo --from cas.age --passphrase-file ./passphrase --dry-run',
      ],
    ],
  });

  from = Option.String('--from', { required: true, description: 'the exported file; - is standard input' });
  identity = Option.String('--identity', { description: 'holds the identity of a recipient, AGE-SECRET-KEY-1...' });
  passphraseFile = passphraseFileOption();
  dryRun = dryRunOption();
  force = Option.Boolean('--force', false, { description: 'import data with which no server starts' });

  async execute(): Promise<number> {
    const { from, identity: identityFile, passphraseFile, dryRun, force } = this;
    return importBootstrap({ ...this.options, from, identityFile, passphraseFile, dryRun, force }, this.context);
  }
}
