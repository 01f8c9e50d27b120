import { defaultDataDir } from '@k3s-pki/k3s';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { separated } from '../../options.ts';
import { dataDirOption, dryRunOption, outputOption, productOption } from '../../shared-options.ts';
import { restore } from '../../verbs/restore.ts';

/** `k3s-pki certificate restore`. K3s has no such verb. */
export class CertificateRestore extends Command<Context> {
  static override paths = [['certificate', 'restore']];

  static override usage = Command.Usage({
    description: 'list the backups of certificate rotate, or put one back',
    details: `
      Without BACKUP lists the folders tls-SECONDS that "certificate rotate" left, K3s's own or this program's. With
      one, or "latest", puts certificates and keys of its services back in place, after a new backup of what stands
      there now.

      A pair comes back whole: where a backup has one half alone, the other half in place goes, since K3s does not
      notice a key that belongs to another certificate. CAs and the service account key come back only where they
      are missing; a backup whose CAs differ from those in use is refused. The program says which certificates K3s
      will not keep, because they have expired or another CA signed them.

      Stop K3s first, as for "certificate rotate".
    `,
    examples: [
      ['The backups', '$0 certificate restore'],
      ['One of them', '$0 certificate restore tls-1795519558'],
      ['The newest', '$0 certificate restore latest'],
      ['The kubelet alone', '$0 certificate restore tls-1795519558 --service kubelet'],
      ['What would be put back', '$0 certificate restore tls-1795519558 --dry-run'],
    ],
  });

  backup = Option.String({ required: false, name: 'BACKUP' });
  service = Option.Array('-s,--service', [], {
    description: 'services, repeated or separated by commas; default all that the backup has',
  });
  dataDir = dataDirOption('where server and agent are');
  product = productOption('default data dir and names of files and services');
  output = outputOption();
  dryRun = dryRunOption();
  force = Option.Boolean('--force', false, {
    description: 'go on although K3s runs, a key does not fit, or CAs in use are replaced',
  });

  async execute(): Promise<number> {
    const { backup, product, output, dryRun, force, dataDir = defaultDataDir(product) } = this;
    const services = separated(this.service);
    return restore({ product, backup, dataDir, services, output, dryRun, force }, this.context);
  }
}
