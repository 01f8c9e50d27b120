import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { isTokenUser } from '../../options.ts';
import { outputOption } from '../../shared-options.ts';
import { newToken } from '../../verbs/token.ts';

/** `k3s-pki token new`. */
export class TokenNew extends Command<Context> {
  static override paths = [['token', 'new']];

  static override usage = Command.Usage({
    description: 'make a new random token',
    details: `
      Makes a password as K3s makes it, 16 random octets in hexadecimal. With --ca or --data-dir the token is complete,
      K10<CA hash>::server:<password>, even before the first start: a server takes its password, agents its CA hash too.

      It goes to a new file with mode 0600, or to standard output with --out - or --reveal; it is never printed unasked.
    `,
    examples: [
      ['A password for a cluster that is to be', '$0 token new --out ./token'],
      [
        'The whole token, for CAs that were made beforehand',
        '$0 token new --ca ./demo/server/tls/server-ca.crt --out ./token',
      ],
      ['Into a password store', '$0 token new --out - | pass insert --multiline k3s/token'],
    ],
  });

  ca = Option.String('--ca', { description: 'the bundle that the servers will present, such as server-ca.crt' });
  dataDir = Option.String('--data-dir', {
    env: 'DATA_DIR',
    description: 'take DIR/server/tls/server-ca.crt as --ca (also from DATA_DIR)',
  });
  user = Option.String('--user', 'server', {
    validator: isTokenUser,
    description: 'server (default) or node: an agent token',
  });
  out = Option.String('--out', { description: 'a new file with mode 0600, or - for standard output' });
  reveal = Option.Boolean('--reveal', false, { description: 'print the token, like --out -' });
  output = outputOption();
  dryRun = Option.Boolean('--dry-run', false, { description: 'say what would be written, write nothing' });

  async execute(): Promise<number> {
    const { ca = this.dataDir, user, out, reveal, output, dryRun } = this;
    return newToken({ ca, user, out, reveal, output, dryRun }, this.context);
  }
}
