import { defaultDataDir } from '@k3s-pki/k3s';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { separated } from '../../options.ts';
import { dataDirOption, dryRunOption, outputOption, productOption } from '../../shared-options.ts';
import { rotate } from '../../verbs/rotate.ts';

/** `k3s-pki certificate rotate`. Source: K3s `pkg/cli/cert/cert.go`, `rotate`. */
export class CertificateRotate extends Command<Context> {
  static override paths = [['certificate', 'rotate']];

  static override usage = Command.Usage({
    description: 'have the certificates of services made anew at the next start',
    details: `
      Does what "k3s certificate rotate" does: copies DIR/server/tls to DIR/server/tls-SECONDS (on an agent, its
      certificates to DIR/agent/tls-SECONDS), then removes certificates and keys of the services, which K3s makes anew
      when it starts. CAs and the service account key stay. Without --service everything of the machine's role goes.

      Stop K3s first: the program refuses while its port answers or a process of it uses DIR, and when the CAs in place
      could not sign new certificates. Backup and removal happen together or not at all; "certificate restore" goes back.

      Services of servers: api-server, admin, auth-proxy, cloud-controller, controller-manager, etcd, scheduler,
      supervisor, k3s-server. Of agents, and so of servers too: kube-proxy, kubelet, k3s-controller. RKE2 says
      rke2-server and rke2-controller.
    `,
    examples: [
      ['Everything, then a start', '$0 certificate rotate'],
      ['The API server and etcd alone', '$0 certificate rotate --service api-server,etcd'],
      ['What would be copied and removed', '$0 certificate rotate --data-dir ./demo --dry-run'],
    ],
  });

  service = Option.Array('-s,--service', [], {
    description: 'services, repeated or separated by commas; default all of the machine',
  });
  dataDir = dataDirOption('where server and agent are');
  product = productOption('default data dir and names of files and services');
  output = outputOption();
  dryRun = dryRunOption();
  force = Option.Boolean('--force', false, { description: 'go on although K3s runs or its CAs are unfit' });

  async execute(): Promise<number> {
    const { product, output, dryRun, force, dataDir = defaultDataDir(product) } = this;
    return rotate({ product, dataDir, services: separated(this.service), output, dryRun, force }, this.context);
  }
}
