import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { outputOption, productOption } from '../shared-options.ts';
import { verify } from '../verbs/verify.ts';

/** `k3s-pki verify`: what can be said of a set of CAs without a server. */
export class Verify extends Command<Context> {
  static override paths = [['verify']];

  static override usage = Command.Usage({
    description: 'check a set of CAs, and what rotate-ca would say',
    details: `
      Checks the CAs and the service account key in DIR: files and pairs, chains, usages, the order of expiry, path
      lengths, modes and owners. Each problem stands with what K3s logs about it and how to mend it. DIR is a data dir, a
      server folder, a staged one, or a tls folder. Nothing is written.

      With --against, the files in DIR are judged as "k3s certificate rotate-ca --path=DIR" would on a server whose set is
      in the other folder: every check of K3s with its own log line, whether --force would be needed, and what would
      break then. What K3s accepts although it fails afterwards is named too.

      The exit code is 0 when K3s comes up with these CAs (with --against: takes them without --force), 1 otherwise;
      warnings alone leave it at 0.
    `,
    examples: [
      ['The CAs in use', '$0 verify /var/lib/rancher/k3s'],
      ['Staged ones, before "k3s certificate rotate-ca"', '$0 verify /opt/k3s/server --against /var/lib/rancher/k3s'],
      ['For a program', '$0 verify /opt/k3s/server --output json'],
    ],
  });

  dir = Option.String({ name: 'DIR' });
  against = Option.String('--against', {
    description: 'the set in use: a data dir, its server or its tls folder',
  });
  product = productOption('the program in the command to load the files with');
  output = outputOption();

  async execute(): Promise<number> {
    const { dir, against, product, output } = this;
    return verify({ dir, against, product, output }, this.context);
  }
}
