import { Command, Option } from 'clipanion';
import { showToken } from '../../verbs/token.ts';
import { TokenCommand } from './token-command.ts';

/** `k3s-pki token show`. */
export class TokenShow extends TokenCommand {
  static override paths = [['token', 'show']];

  static override usage = Command.Usage({
    description: 'explain a join token: its form, CA hash and user, and what is odd about it',
    details: `
      Reads a token as K3s does and says what it sees: K10<CA hash>::<user>:<password>, a kubeadm bootstrap token
      (K10<CA hash>::<id>.<secret>), or a password alone. The secret is masked unless --reveal is given; then the key of
      the bootstrap data that the token opens is shown too.

      The token comes from --token-file, from K3S_TOKEN_FILE or K3S_TOKEN, or from DIR/server/token; never from the
      command line, where every user of the machine could read it.
    `,
    examples: [
      ['The token of this server', '$0 token show'],
      ['A token from a password store', 'pass k3s/token | $0 token show --token-file -'],
      ['Everything, for a script', '$0 token show --data-dir ./demo --reveal --output json'],
    ],
  });

  reveal = Option.Boolean('--reveal', false, { description: 'print the secret too' });

  async execute(): Promise<number> {
    return showToken({ ...this.tokenOptions, reveal: this.reveal }, this.context);
  }
}
