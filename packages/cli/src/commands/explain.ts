import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { outputOption } from '../shared-options.ts';
import { explain } from '../verbs/explain.ts';

/** `k3s-pki explain`. */
export class Explain extends Command<Context> {
  static override paths = [['explain']];

  static override usage = Command.Usage({
    description: "say what a line of K3s's log means, and what to do",
    details: `
      Looks a line up among the messages of K3s, Kubernetes, etcd and Go about certificates and tokens, and prints its
      cause and what to do. LINE is in quotes: a whole line with time stamp and level, a line of a JSON log, or a part of one.
      Without LINE a whole log is read from standard input; each message is explained once.

      A line that is not known ends with exit code 1, and the nearest entries are named. The lines are not printed again.
    `,
    examples: [
      ['One line', '$0 explain "new CA cert cannot be verified using old CA chain"'],
      ['The log of this server', 'journalctl -u k3s --since -1h | $0 explain'],
      ['Every message that is known', '$0 explain --list'],
    ],
  });

  line = Option.String({ name: 'LINE', required: false });
  list = Option.Boolean('--list', false, { description: 'print every message that is known' });
  output = outputOption();

  async execute(): Promise<number> {
    const { line, list, output } = this;
    return explain({ line, list, output }, this.context);
  }
}
