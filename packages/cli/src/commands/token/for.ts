import { Command, Option } from 'clipanion';
import { isTokenUser } from '../../options.ts';
import { tokenForCas } from '../../verbs/token.ts';
import { TokenCommand } from './token-command.ts';

/** `k3s-pki token for`. */
export class TokenFor extends TokenCommand {
  static override paths = [['token', 'for']];

  static override usage = Command.Usage({
    description: 'rewrite a token for new CAs',
    details: `
      Keeps user and password of a token and writes the CA hash of other CAs into it: what agents need after a rotation to
      another root. The token that K3s's rotate-default-ca-certs.sh prints has a hash that K3s does not accept; this one
      has the right one. A password alone becomes a whole token.

      The result is masked unless it goes to a file (--out FILE, mode 0600) or is asked for (--out - or --reveal).
    `,
    examples: [
      ['The token for staged CAs', '$0 token for --ca ./stage/tls/server-ca.crt --data-dir ./demo --out ./token'],
      ['The agent token', '$0 token for --ca ./stage/tls/server-ca.crt --token-file ./agent-token --reveal'],
    ],
  });

  ca = Option.String('--ca', { description: 'the bundle that the servers will present, such as server-ca.crt' });
  user = Option.String('--user', 'server', {
    validator: isTokenUser,
    description: 'the user when the token is a password alone: server (default) or node',
  });
  out = Option.String('--out', { description: 'a new file with mode 0600, or - for standard output' });
  reveal = Option.Boolean('--reveal', false, { description: 'print the token, like --out -' });
  dryRun = Option.Boolean('--dry-run', false, { description: 'say what would be written, write nothing' });

  async execute(): Promise<number> {
    const { ca, user, out, reveal, dryRun } = this;
    return tokenForCas({ ...this.tokenOptions, ca, user, out, reveal, dryRun }, this.context);
  }
}
