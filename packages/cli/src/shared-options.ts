import { products } from '@k3s-pki/k3s';
import { Option } from 'clipanion';
import { isEnum } from 'typanion';
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

export const dryRunOption = () => Option.Boolean('--dry-run', false, { description: 'print the plan, write nothing' });
