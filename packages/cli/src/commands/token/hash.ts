import { defaultDataDir } from '@k3s-pki/k3s';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { dataDirOption, outputOption, productOption } from '../../shared-options.ts';
import { printCaHash } from '../../verbs/token.ts';

/** `k3s-pki token hash`. */
export class TokenHash extends Command<Context> {
  static override paths = [['token', 'hash']];

  static override usage = Command.Usage({
    description: 'print the CA hash of a bundle, as it stands in a token',
    details: `
      Prints 64 characters and a newline. Of a file with one certificate it is the SHA-256 of the file, octet for octet;
      of several, the SHA-256 of the DER of the root that ends the chain from the first one, so it stays the same as long
      as the root does; where no such chain is found, of the file again, with a warning.

      FILE is the bundle that the servers present (server-ca.crt), a folder that has one, or - for standard input;
      without it DIR/server/tls/server-ca.crt.
    `,
    examples: [
      ['Of this server', '$0 token hash'],
      ['Of staged CAs', '$0 token hash --ca ./demo/server/tls/server-ca.crt'],
      ['Of what a server presents', 'curl -ks https://10.0.0.1:6443/cacerts | $0 token hash -'],
    ],
  });

  file = Option.String({ name: 'FILE', required: false });
  ca = Option.String('--ca', { description: 'the same as FILE, as the other token commands name it' });
  dataDir = dataDirOption('where server/tls is');
  product = productOption('decides the default data dir');
  output = outputOption();

  async execute(): Promise<number> {
    const { file, ca, product, dataDir = defaultDataDir(product), output } = this;
    return printCaHash({ file, ca, dataDir, output }, this.context);
  }
}
