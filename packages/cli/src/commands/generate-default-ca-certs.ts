import { defaultCaDays, defaultDataDir } from '@k3s-pki/k3s';
import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { isDays } from '../options.ts';
import { dataDirOption, dryRunOption, outputOption, productOption } from '../shared-options.ts';
import { generateDefaultCaCerts } from '../verbs/generate-default-ca-certs.ts';

/** `k3s-pki generate-default-ca-certs`. Source: K3s `pkg/daemons/control/deps/deps.go`, `createSigningCertKey`. */
export class GenerateDefaultCaCerts extends Command<Context> {
  static override paths = [['generate-default-ca-certs']];

  static override usage = Command.Usage({
    description: 'make the self-signed CAs that K3s would make at its first start, before that start',
    details: `
      Makes five self-signed CAs and the service account key in DIR/server/tls, as K3s makes them when it starts for the
      first time without any. With the CAs there before the start, their hash is known, and so is the complete join token.

      --token-file FILE writes that token to FILE (mode 0600): K10, the hash, and the password that FILE holds already,
      or a new random one. The same FILE serves every node: "k3s server --token-file FILE" on the first server, then on
      the servers and agents that join.

      A data dir that has any of these files, or that a server has used, is refused.
    `,
    examples: [
      ['The default CAs, to look at', '$0 generate-default-ca-certs --data-dir ./first'],
      [
        'Before the first start, with the token for all nodes',
        '$0 generate-default-ca-certs --data-dir ./first --token-file ./token',
      ],
      ['What would be made, nothing written', '$0 generate-default-ca-certs --data-dir ./first --dry-run'],
    ],
  });

  dataDir = dataDirOption('where server/tls is');
  product = productOption('default data dir and first word of the subjects');
  days = Option.String('--days', {
    validator: isDays,
    description: `lifetime; default ${defaultCaDays}, or CATTLE_NEW_SIGNED_CA_EXPIRATION_YEARS times 365`,
  });
  tokenFile = Option.String('--token-file', {
    description: 'write the complete join token there, with the password that the file holds or a new one',
  });
  reveal = Option.Boolean('--reveal', false, { description: 'show the join token with its password' });
  output = outputOption();
  dryRun = dryRunOption();

  async execute(): Promise<number> {
    const { product, days, tokenFile, reveal, output, dryRun } = this;
    const { dataDir = defaultDataDir(product) } = this;
    return generateDefaultCaCerts({ product, dataDir, days, tokenFile, reveal, output, dryRun }, this.context);
  }
}
