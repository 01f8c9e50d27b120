import { defaultDataDir } from '@k3s-pki/k3s';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { dataDirOption, outputOption, productOption } from '../../shared-options.ts';
import type { TokenOptions } from '../../verbs/token.ts';

/** What the commands that read a token have in common: where it is found, and how the report is printed. */
export abstract class TokenCommand extends Command<Context> {
  tokenFile = Option.String('--token-file', {
    description: 'holds the token; - is standard input (else K3S_TOKEN_FILE, K3S_TOKEN, DIR/server/token)',
  });
  dataDir = dataDirOption('data dir of a server');
  product = productOption('default data dir and names of variables');
  output = outputOption();

  protected get tokenOptions(): TokenOptions {
    const { tokenFile, product, dataDir = defaultDataDir(product), output } = this;
    return { tokenFile, product, dataDir, output };
  }
}
