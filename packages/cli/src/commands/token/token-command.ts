import { defaultDataDir, products } from '@k3s-pki/k3s';
import { Command, Option } from 'clipanion';
import { isEnum } from 'typanion';
import type { Context } from '../../context.ts';
import { isOutputFormat, outputDescription } from '../../render/structured.ts';
import type { TokenOptions } from '../../verbs/token.ts';

/** What the commands that read a token have in common: where it is found, and how the report is printed. */
export abstract class TokenCommand extends Command<Context> {
  tokenFile = Option.String('--token-file', {
    description: 'holds the token; - is standard input (else K3S_TOKEN_FILE, K3S_TOKEN, DIR/server/token)',
  });
  dataDir = Option.String('--data-dir', {
    env: 'DATA_DIR',
    description: 'data dir of a server; default /var/lib/rancher/NAME (also from DATA_DIR)',
  });
  product = Option.String('--product', 'k3s', {
    env: 'PRODUCT',
    validator: isEnum(products),
    description: 'k3s or rke2: default data dir and names of variables (also from PRODUCT)',
  });
  output = Option.String('--output', 'text', { validator: isOutputFormat, description: outputDescription });

  protected get tokenOptions(): TokenOptions {
    const { tokenFile, product, dataDir = defaultDataDir(product), output } = this;
    return { tokenFile, product, dataDir, output };
  }
}
