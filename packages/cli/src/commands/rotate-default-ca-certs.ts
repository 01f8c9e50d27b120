import { defaultDataDir } from '@k3s-pki/k3s';
import { rotateDefaultDefaults } from '@k3s-pki/plan';
import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { isDays } from '../options.ts';
import {
  caKeyOption,
  dataDirOption,
  dryRunOption,
  outputOption,
  productOption,
  rootKeyOption,
} from '../shared-options.ts';
import { rotateDefaultCaCerts } from '../verbs/rotate-default-ca-certs.ts';

/** `k3s-pki rotate-default-ca-certs`, and the program of that name. Source: K3s `contrib/util/rotate-default-ca-certs.sh`. */
export class RotateDefaultCaCerts extends Command<Context> {
  static override paths = [['rotate-default-ca-certs']];

  static override usage = Command.Usage({
    description: 'stage new CAs for a cluster whose CAs K3s made itself, cross-signed by the CAs in use',
    details: `
      Reads the CAs in DIR/server/tls and stages a set in DIR/server/rotate-ca that "k3s certificate rotate-ca" loads
      without --force, as K3s's script rotate-default-ca-certs.sh does: for each of the five CAs a new root, the same
      root signed by the root in use, and a new CA below it. What the old CAs signed stays valid while their root lives,
      and whoever trusts only an old root accepts the new CAs, after the second and the third rotation too; clients
      built on OpenSSL (curl, Python, Node.js) only with --cross-signed-first.

      The join tokens change. The new ones are written to files in the staged folder, with the hash that K3s compares;
      the report tells which nodes need them. Their passwords are shown with --reveal only.

      Custom CAs are refused: "generate-custom-ca-certs --from" rotates these under their own root. A staged set that is
      not in use yet is replaced with --force only, since it may be loaded and wait for the restart.
    `,
    examples: [
      ['On a server, in its data dir', '$0 rotate-default-ca-certs'],
      ['What would be made, nothing written', '$0 rotate-default-ca-certs --data-dir /var/lib/rancher/k3s --dry-run'],
      ['A report for a pipeline', '$0 rotate-default-ca-certs --data-dir /var/lib/rancher/k3s --output json'],
    ],
  });

  dataDir = dataDirOption('where server/tls is');
  product = productOption('default data dir and first word of the subjects');
  rootKey = rootKeyOption('key of each new root', rotateDefaultDefaults.rootKey);
  caKey = caKeyOption('key of each new CA', rotateDefaultDefaults.caKey);
  rootDays = Option.String('--root-days', String(rotateDefaultDefaults.rootDays), {
    validator: isDays,
    description: `lifetime of the new roots; default ${rotateDefaultDefaults.rootDays}`,
  });
  days = Option.String('--days', String(rotateDefaultDefaults.days), {
    validator: isDays,
    description: `lifetime of the new CAs; default ${rotateDefaultDefaults.days}`,
  });
  crossSignedFirst = Option.Boolean('--cross-signed-first', rotateDefaultDefaults.crossSignedFirst, {
    description:
      'put cross-signed roots before self-signed ones, so that OpenSSL clients which hold only an old CA find it',
  });
  reveal = Option.Boolean('--reveal', false, { description: 'show the new join tokens with their passwords' });
  output = outputOption();
  dryRun = dryRunOption();
  force = Option.Boolean('--force', false, { description: 'replace a staged set that is not in use yet' });

  async execute(): Promise<number> {
    const { product, rootKey, caKey, rootDays, days, crossSignedFirst, reveal, output, dryRun, force } = this;
    const { dataDir = defaultDataDir(product) } = this;
    const set = { rootKey, caKey, rootDays, days, crossSignedFirst };
    return rotateDefaultCaCerts({ product, dataDir, ...set, reveal, output, dryRun, force }, this.context);
  }
}
