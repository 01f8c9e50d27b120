import { Command, Option } from 'clipanion';
import { passphraseFileOption } from '../../shared-options.ts';
import { exportBootstrap } from '../../verbs/bootstrap/export.ts';
import { BootstrapCommand } from './bootstrap-command.ts';

/** `k3s-pki bootstrap export`. */
export class BootstrapExport extends BootstrapCommand {
  static override paths = [['bootstrap', 'export']];

  static override usage = Command.Usage({
    description: 'write the bootstrap data into an encrypted file',
    details: `
      Opens the record and writes it, keys included, into a new file in the age format, mode 0600: for the owners of the
      recipients (age1..., as age-keygen prints them), else with a passphrase. "age -d" opens it too; inside is K3s's own
      JSON. It is a backup of the CAs that does not depend on the server token.
    `,
    examples: [
      ['For a key that lies elsewhere', '$0 bootstrap export --to cas.age --recipient age1RECIPIENT'],
      ['With a passphrase', '$0 bootstrap export --data-dir ./demo --to cas.age --passphrase-file ./passphrase'],
    ],
  });

  to = Option.String('--to', { required: true, description: 'the file to make; one that is there is not replaced' });
  recipient = Option.Array('--recipient', [], { description: 'who can open it, age1...; repeated for several' });
  passphraseFile = passphraseFileOption();
  dryRun = Option.Boolean('--dry-run', false, { description: 'encrypt, write nothing' });

  async execute(): Promise<number> {
    const { to, recipient: recipients, passphraseFile, dryRun } = this;
    return exportBootstrap({ ...this.options, to, recipients, passphraseFile, dryRun }, this.context);
  }
}
