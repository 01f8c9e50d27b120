import { Command } from 'clipanion';
import type { Context } from '../../context.ts';
import { outputOption } from '../../shared-options.ts';
import { listProfiles } from '../../verbs/profiles.ts';

/** `k3s-pki certificate profiles`: the rows of K3s's leaf table. */
export class CertificateProfiles extends Command<Context> {
  static override paths = [['certificate', 'profiles']];

  static override usage = Command.Usage({
    description: 'list the kinds of certificates that can be issued',
    details: `
      Lists every profile of "certificate issue": the CA that signs it, its subject and usages, and the file that K3s
      expects it in. NODE stands for the name of the node.
    `,
    examples: [
      ['The table', '$0 certificate profiles'],
      ['For a program', '$0 certificate profiles --output json'],
    ],
  });

  output = outputOption();

  async execute(): Promise<number> {
    return listProfiles(this.output, this.context);
  }
}
