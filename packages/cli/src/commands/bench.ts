import { Command, Option } from 'clipanion';
import { cascade, isArray, isInInclusiveRange, isNumber } from 'typanion';
import type { Context } from '../context.ts';
import { isKeyType, isWorkers } from '../options.ts';
import { outputOption } from '../shared-options.ts';
import { bench } from '../verbs/bench.ts';

const isSeconds = cascade(isNumber(), isInInclusiveRange(0.1, 60));

/** `k3s-pki bench`. */
export class Bench extends Command<Context> {
  static override paths = [['bench']];

  static override usage = Command.Usage({
    description: 'measure how fast keys and certificates are made here',
    details: `
      Makes keys of every kind and leaf certificates, each for a short while, and prints how many a second. Nothing is
      written. RSA keys and leaves are made by one thread a core; the other keys, and the opening of an encrypted key,
      by one thread.

      The figures are those of a process that runs for a while. A command that makes one key takes its start in addition,
      which is mostly Node's. docs/speed.md compares with OpenSSL and Go.
    `,
    examples: [
      ['Everything, in a few seconds', '$0 bench'],
      ['RSA keys alone, for longer', '$0 bench --type rsa:2048 --type rsa:4096 --seconds 10'],
      ['For a program', '$0 bench --output json'],
    ],
  });

  type = Option.Array('--type', [], {
    validator: isArray(isKeyType),
    description: 'type of keys to make, repeated for more; default all and leaves',
  });
  seconds = Option.String('--seconds', '0.5', {
    validator: isSeconds,
    description: 'how long each is measured, 0.1 to 60; default 0.5',
  });
  workers = Option.String('--workers', { validator: isWorkers, description: 'threads; default one per core' });
  output = outputOption();

  async execute(): Promise<number> {
    const { type: types, seconds, workers, output } = this;
    return bench({ types, seconds, workers, output }, this.context);
  }
}
