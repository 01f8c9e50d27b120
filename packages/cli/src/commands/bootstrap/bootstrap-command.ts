import { defaultDataDir } from '@k3s-pki/k3s';
import { Command, Option } from 'clipanion';
import { isSeconds } from '../../checking/options.ts';
import type { Context } from '../../context.ts';
import { dataDirOption, outputOption, productOption } from '../../shared-options.ts';
import type { BootstrapOptions } from '../../verbs/bootstrap/options.ts';

/** What the commands on bootstrap data have in common: which datastore, which token, how the report is printed. */
export abstract class BootstrapCommand extends Command<Context> {
  dataDir = dataDirOption('data dir of a server');
  product = productOption('default data dir, configuration and variables');
  tokenFile = Option.String('--token-file', {
    description:
      'holds the server token; - is standard input (else K3S_TOKEN_FILE, K3S_TOKEN, the configuration, DIR/server/token)',
  });
  config = Option.String('--config', {
    description: 'configuration file of the server; default /etc/rancher/NAME/config.yaml, with its .d folder',
  });
  endpoint = Option.String('--datastore-endpoint', {
    description:
      'as K3s takes it, without a password (else the configuration, K3S_DATASTORE_ENDPOINT, then what DIR holds)',
  });
  caFile = Option.String('--datastore-cafile', { description: 'CA of the datastore' });
  certFile = Option.String('--datastore-certfile', { description: 'client certificate for the datastore' });
  keyFile = Option.String('--datastore-keyfile', { description: 'key of the client certificate' });
  timeout = Option.String('--timeout', '30', {
    validator: isSeconds,
    description: 'seconds for each step on the network, 1 to 600; default 30',
  });
  output = outputOption();

  protected get options(): BootstrapOptions {
    const { tokenFile, config, product, dataDir = defaultDataDir(product), timeout, output } = this;
    const given = {
      'datastore-endpoint': this.endpoint,
      'datastore-cafile': this.caFile,
      'datastore-certfile': this.certFile,
      'datastore-keyfile': this.keyFile,
    };
    return { tokenFile, configFile: config, product, dataDir, given, timeout, output };
  }
}
