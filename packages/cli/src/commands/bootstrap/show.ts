import { Command } from 'clipanion';
import { showBootstrap } from '../../verbs/bootstrap/show.ts';
import { BootstrapCommand } from './bootstrap-command.ts';

/** `k3s-pki bootstrap show`. */
export class BootstrapShow extends BootstrapCommand {
  static override paths = [['bootstrap', 'show']];

  static override usage = Command.Usage({
    description: 'what the datastore holds of the CAs, and how the disk differs',
    details: `
      Opens the bootstrap data, from which every server of a cluster takes its CAs, with the server token, and prints its
      fields: subjects, expiry and fingerprints of certificates, types of keys, and whether the files on this disk are the
      same. Never a key. Then it says what the next start of K3s would do.

      The datastore is found as K3s finds it: its configuration, its environment, else what DIR holds, embedded etcd or
      SQLite. SQLite can be read while K3s is stopped or runs; embedded etcd only while it runs. Nothing is written.
    `,
    examples: [
      ['The cluster of this server', '$0 bootstrap show'],
      [
        'A data dir elsewhere, with the token of another file',
        '$0 bootstrap show --data-dir ./demo --token-file ./token',
      ],
      ['An external etcd', '$0 bootstrap show --datastore-endpoint https://etcd-1:2379 --datastore-cafile ca.crt'],
    ],
  });

  async execute(): Promise<number> {
    return showBootstrap(this.options, this.context);
  }
}
