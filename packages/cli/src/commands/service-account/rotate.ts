import { defaultDataDir } from '@k3s-pki/k3s';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { isCount, isServiceKeyType } from '../../options.ts';
import { dataDirOption, dryRunOption, outputOption, productOption } from '../../shared-options.ts';
import { rotateServiceKey } from '../../verbs/service-account.ts';

/** `k3s-pki service-account rotate`. */
export class ServiceAccountRotate extends Command<Context> {
  static override paths = [['service-account', 'rotate']];

  static override usage = Command.Usage({
    description: 'stage a service.key whose first key is new and that keeps the old ones',
    details: `
      Reads DIR/server/tls/service.key and writes STAGE/tls/service.key: a new key, which will sign the tokens of service
      accounts, then every key of the old file once, so that tokens in use stay valid. Blocks that are no key are left
      out. Nothing changes in the cluster until "k3s certificate rotate-ca --path=STAGE" has loaded it and the servers
      have restarted; STAGE needs no other file for that.
    `,
    examples: [
      ['A new key for this cluster', '$0 service-account rotate --out /opt/k3s/stage'],
      ['What would be staged, nothing written', '$0 service-account rotate --data-dir ./demo --out ./stage --dry-run'],
      [
        'Keep only the key that signs now, end the tokens of all older ones',
        '$0 service-account rotate --data-dir ./demo --out ./stage --keep 1',
      ],
    ],
  });

  dataDir = dataDirOption('where server/tls/service.key is');
  product = productOption('decides the default data dir');
  out = Option.String('--out', { description: 'the folder STAGE, for rotate-ca --path' });
  keyType = Option.String('--key-type', 'rsa:2048', {
    validator: isServiceKeyType,
    description: 'the new key: rsa:2048 (default) to rsa:8192, ec:p256, ec:p384, ec:p521',
  });
  keep = Option.String('--keep', {
    validator: isCount,
    description: 'how many old keys stay, the newest first, at least 1; default all',
  });
  output = outputOption();
  dryRun = dryRunOption();

  async execute(): Promise<number> {
    const { product, dataDir = defaultDataDir(product), out, keyType, keep, output, dryRun } = this;
    return rotateServiceKey({ product, dataDir, out, keyType, keep, output, dryRun }, this.context);
  }
}
