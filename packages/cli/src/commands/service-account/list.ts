import { defaultDataDir } from '@k3s-pki/k3s';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { dataDirOption, outputOption, productOption } from '../../shared-options.ts';
import { listServiceKeys } from '../../verbs/service-account.ts';

/** `k3s-pki service-account list`. */
export class ServiceAccountList extends Command<Context> {
  static override paths = [['service-account', 'list']];

  static override usage = Command.Usage({
    description: 'list the keys of service.key: type, size, key id, and which one signs',
    details: `
      Lists the keys of DIR/server/tls/service.key, or of FILE. The first key signs the tokens of service accounts, tokens
      of every other one are accepted. The key id is the "kid" in the header of a token and in the API server's
      /openid/v1/jwks. A block that the API server does not read is shown as "unread", a key that is there twice as "repeats".
    `,
    examples: [
      ['The keys of this server', '$0 service-account list'],
      ['The keys of a staged file', '$0 service-account list ./stage/tls/service.key'],
    ],
  });

  file = Option.String({ name: 'FILE', required: false });
  dataDir = dataDirOption('where server/tls is');
  product = productOption('decides the default data dir');
  output = outputOption();

  async execute(): Promise<number> {
    const { file, product, dataDir = defaultDataDir(product), output } = this;
    return listServiceKeys({ file, dataDir, output }, this.context);
  }
}
