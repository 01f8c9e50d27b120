import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { isCount, isKeyType, isWorkers } from '../../options.ts';
import { outputOption } from '../../shared-options.ts';
import { generateKeys } from '../../verbs/key-generate.ts';

/** `k3s-pki key generate`. */
export class KeyGenerate extends Command<Context> {
  static override paths = [['key', 'generate']];

  static override usage = Command.Usage({
    description: 'make private keys',
    details: `
      Makes any number of private keys: RSA in PKCS#1, EC in SEC1, Ed25519 in PKCS#8, all PEM without a passphrase.
      With --out DIR each is a file of its own with mode 0600, key-00001.key and so on; a file that exists is never
      replaced. With --out - they go to standard output one after the other.
    `,
    examples: [
      ['One key on standard output', '$0 key generate --type ec:p256'],
      ['A hundred RSA keys in a folder', '$0 key generate --type rsa:2048 --count 100 --out ./keys'],
    ],
  });

  type = Option.String('--type', 'rsa:2048', {
    validator: isKeyType,
    description: 'rsa:2048 (default) to rsa:8192, ec:p256, ec:p384, ec:p521, ed25519',
  });
  count = Option.String('--count', '1', { validator: isCount, description: 'number of keys; default 1' });
  workers = Option.String('--workers', {
    validator: isWorkers,
    description: 'worker threads for RSA; default one per core',
  });
  out = Option.String('--out', '-', { description: 'folder for the keys; default - (standard output)' });
  output = outputOption();

  async execute(): Promise<number> {
    const { type, count, workers, out, output } = this;
    return generateKeys({ type, count, workers, out, output }, this.context);
  }
}
