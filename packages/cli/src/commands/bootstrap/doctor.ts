import { Command } from 'clipanion';
import { doctorBootstrap } from '../../verbs/bootstrap/doctor.ts';
import { BootstrapCommand } from './bootstrap-command.ts';

/** `k3s-pki bootstrap doctor`. */
export class BootstrapDoctor extends BootstrapCommand {
  static override paths = [['bootstrap', 'doctor']];

  static override usage = Command.Usage({
    description: 'what is wrong with the records in the datastore, and what to do',
    details: `
      Looks at every record that K3s would look at: several of them, a lock that a dead server left behind, one that is
      sealed with another token, an older form, a damaged one; CAs in it that have expired or lost their key; files on
      this disk that are newer, with which K3s does not start. Each finding comes with what to do. Exit code 1 when
      something must be done. Nothing is written.
    `,
    examples: [
      ['The cluster of this server', '$0 bootstrap doctor'],
      ['For a monitoring system', '$0 bootstrap doctor --output json'],
    ],
  });

  async execute(): Promise<number> {
    return doctorBootstrap(this.options, this.context);
  }
}
