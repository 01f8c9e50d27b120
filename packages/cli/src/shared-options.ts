import { products } from '@k3s-pki/k3s';
import { Option } from 'clipanion';
import { isEnum } from 'typanion';
import { isKeyType } from './key-type.ts';
import { isOutputFormat, outputDescription } from './render/structured.ts';

/** Options that many commands have, for the fields of a command's class. */

/** `what` says what the folder is, in the words of the command. */
export const dataDirOption = (what: string) =>
  Option.String('--data-dir', {
    env: 'DATA_DIR',
    description: `${what}; default /var/lib/rancher/NAME (also from DATA_DIR)`,
  });

/** `decides` says what hangs on it; without it the product is only a name. */
export const productOption = (decides?: string) =>
  Option.String('--product', 'k3s', {
    env: 'PRODUCT',
    validator: isEnum(products),
    description: `k3s or rke2${decides === undefined ? '' : `: ${decides}`} (also from PRODUCT)`,
  });

/** `--output text|json|yaml`. */
export const outputOption = () =>
  Option.String('--output', 'text', { validator: isOutputFormat, description: outputDescription });

/** `what` says which keys; the types stand in the help of the first option that takes one. */
const keyOption = (name: string, what: string, fallback: string) =>
  Option.String(name, fallback, { validator: isKeyType, description: `${what}; default ${fallback}` });

/** `--root-key TYPE`. */
export const rootKeyOption = (what: string, fallback: string) =>
  keyOption('--root-key', `${what}: rsa:2048 to rsa:8192, ec:p256, ec:p384, ec:p521, ed25519`, fallback);

/** `--ca-key TYPE`. */
export const caKeyOption = (what: string, fallback: string) => keyOption('--ca-key', what, fallback);

/** `--passphrase-file FILE`; `of` says what the passphrase opens, such as ` of an encrypted CA key`. */
export const passphraseFileOption = (of = '') =>
  Option.String('--passphrase-file', {
    description: `holds the passphrase${of} (else K3S_PKI_PASSPHRASE, else asked on a terminal)`,
  });

export const dryRunOption = () => Option.Boolean('--dry-run', false, { description: 'print the plan, write nothing' });
