import { Command, Option } from 'clipanion';
import { isTimeout } from '../../options.ts';
import { checkToken } from '../../verbs/token.ts';
import { TokenCommand } from './token-command.ts';

/** `k3s-pki token check`. */
export class TokenCheck extends TokenCommand {
  static override paths = [['token', 'check']];

  static override usage = Command.Usage({
    description: 'check a token against a CA bundle, a data dir or a server',
    details: `
      Compares the CA hash of the token with that of the CAs, by K3s's rules: of DIR/server/tls/server-ca.crt, of --ca
      FILE, or of what --server presents. In a data dir the password is looked up in server/cred/passwd as well. A token
      that does not fit is refused with K3s's own line, then with what the hash was made from and what to do; exit 1.

      A server is asked for /cacerts without trust, as K3s does it, and only the hash decides; then once more with TLS
      verified against those CAs. The password is not sent.
    `,
    examples: [
      ['Does the token of this server fit its CAs and passwords?', '$0 token check --data-dir ./demo'],
      ['Would an agent be let in?', '$0 token check --server https://10.0.0.1:6443 --token-file ./token'],
      ['Is the token for these new CAs?', '$0 token check --ca ./stage/tls/server-ca.crt --token-file ./token'],
    ],
  });

  ca = Option.String('--ca', { description: 'the bundle that the servers present, such as server-ca.crt' });
  server = Option.String('--server', { description: 'a server, https://HOST:6443 (RKE2: 9345)' });
  timeout = Option.String('--timeout', '10', {
    validator: isTimeout,
    description: 'how long a server may be silent; default 10',
  });

  async execute(): Promise<number> {
    const { ca, server, timeout } = this;
    return checkToken({ ...this.tokenOptions, ca, server, timeout }, this.context);
  }
}
