import { Command, Option } from 'clipanion';
import { isRelease } from '../checking/options.ts';
import { doctor } from '../verbs/doctor.ts';
import { BootstrapCommand } from './bootstrap/bootstrap-command.ts';

/** `k3s-pki doctor`: a whole server in one read-only pass, and how its next start ends. */
export class Doctor extends BootstrapCommand {
  static override paths = [['doctor']];

  static override usage = Command.Usage({
    description: 'look at a whole server and foretell its next start',
    details: `
      Compares the disk, the datastore, the token, the passwords, the kubeconfigs, the clock and the release of a server
      in one pass: what is inconsistent, which side wins at the next start, whether that start is fatal and with which line
      of K3s's log, and the command that mends it. Nothing is written, no lock is taken, and a server that runs is not
      disturbed.

      A datastore that cannot be reached (embedded etcd of a stopped server) is one finding; the rest goes on. With
      --server another server of the cluster is looked at too: its CAs, its certificate, its clock. No credentials are
      sent to it.

      Exit codes: 1 when the next start would be fatal or something is broken, 0 otherwise, warnings included.
    `,
    examples: [
      ['This machine, before a restart', '$0 doctor'],
      ['Another data dir', '$0 doctor --data-dir /opt/k3s'],
      [
        'With another server, and a copy of the kubeconfig',
        '$0 doctor --server https://server-1:6443 --kubeconfig ~/.kube/config',
      ],
      ['For a program', '$0 doctor --output json'],
    ],
  });

  server = Option.String('--server', { description: 'another server of the cluster, such as https://server-1:6443' });
  kubeconfigs = Option.Array('--kubeconfig', [], {
    description: 'a copy of a kubeconfig to look at; may be given several times',
  });
  release = Option.String('--k3s-version', {
    validator: isRelease,
    description: 'release whose renewal window counts, such as v1.33.1+k3s1; default the one installed here',
  });

  async execute(): Promise<number> {
    const { server, kubeconfigs, release: days } = this;
    return doctor({ ...this.options, server, kubeconfigs, days }, this.context);
  }
}
