import { defaultDataDir, renewalDays } from '@k3s-pki/k3s';
import { Command, Option } from 'clipanion';
import { isWithin } from '../../checking/options.ts';
import type { Context } from '../../context.ts';
import { isDomain, separated } from '../../options.ts';
import { dataDirOption, dryRunOption, outputOption, productOption } from '../../shared-options.ts';
import { certificateRenew } from '../../verbs/certificate-renew.ts';

/** `k3s-pki certificate renew`. Source of its rules: K3s `pkg/daemons/control/deps/deps.go`. */
export class CertificateRenew extends Command<Context> {
  static override paths = [['certificate', 'renew']];

  static override usage = Command.Usage({
    description: 'sign new certificates for those that expire soon or are broken, as a start of K3s would',
    details: `
      Does what K3s does with its certificates at a start, without the start: those that have expired, expire within
      120 days, lack names or are of another CA are signed anew by the CAs in the data dir, with a new key, for the
      same names and 365 days (CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS). It also mends what K3s overlooks: a
      certificate that cannot be parsed, a key that is another's, a chain from before a renewal of the CA.

      All files are put in place together or not at all, with their modes and owners. It may run beside K3s, which reads
      the files at its next start. The supervisor's dynamic-cert.json is renewed by the running K3s itself. An agent
      has no CA keys: its start fetches everything from the server.

      Made for a timer: without anything to do it says so and exits with 0. With --exit-code it exits with 3 when
      something was renewed (with --dry-run: is due), so that a restart can follow.
    `,
    examples: [
      ['What is due', '$0 certificate renew'],
      ['What would be renewed, nothing written', '$0 certificate renew --dry-run'],
      ['Later than K3s would', '$0 certificate renew --within 30d'],
      ['Everything of the API server and etcd', '$0 certificate renew --all --service api-server,etcd'],
    ],
  });

  service = Option.Array('-s,--service', [], {
    description: 'services, repeated or separated by commas, as in certificate rotate; default all of the machine',
  });
  within = Option.String('--within', `${renewalDays}d`, {
    validator: isWithin,
    description: `days before its end from which a certificate is renewed; default ${renewalDays}d, K3s's window`,
  });
  all = Option.Boolean('--all', false, { description: 'renew every certificate, whatever its state' });
  clusterDomain = Option.String('--cluster-domain', 'cluster.local', {
    validator: isDomain,
    description: 'domain of a serving-kube-apiserver certificate that cannot be read; default cluster.local',
  });
  dataDir = dataDirOption('where server and agent are');
  product = productOption('default data dir and names of files and services');
  output = outputOption();
  dryRun = dryRunOption();
  exitCode = Option.Boolean('--exit-code', false, { description: 'exit with 3 when something was renewed, or is due' });

  async execute(): Promise<number> {
    const { product, within: withinDays, all, clusterDomain, output, dryRun, exitCode: tells } = this;
    const dataDir = this.dataDir ?? defaultDataDir(product);
    const services = separated(this.service);
    return certificateRenew(
      { product, dataDir, services, withinDays, all, clusterDomain, output, dryRun, tells },
      this.context,
    );
  }
}
