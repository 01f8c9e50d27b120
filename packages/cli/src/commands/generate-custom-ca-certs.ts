import { defaultDataDir } from '@k3s-pki/k3s';
import { customCaDefaults, topologies } from '@k3s-pki/plan';
import { Command, Option } from 'clipanion';
import { isEnum } from 'typanion';
import type { Context } from '../context.ts';
import { isDays, isKeyType, isPathLength } from '../options.ts';
import {
  caKeyOption,
  dataDirOption,
  dryRunOption,
  outputOption,
  passphraseFileOption,
  productOption,
  rootKeyOption,
} from '../shared-options.ts';
import { generateCustomCaCerts } from '../verbs/generate-custom-ca-certs.ts';

/** `k3s-pki generate-custom-ca-certs`, and the program of that name. Source: K3s `contrib/util/generate-custom-ca-certs.sh`. */
export class GenerateCustomCaCerts extends Command<Context> {
  static override paths = [['generate-custom-ca-certs']];

  static override usage = Command.Usage({
    description: 'make a complete set of custom CAs for a cluster',
    details: `
      Makes the root, the intermediate, the five CAs that K3s needs and the service account key in DIR/server/tls, as
      K3s's script generate-custom-ca-certs.sh does. Run it before K3s starts for the first time, or in a staging
      folder whose files "k3s certificate rotate-ca" loads into a running cluster.

      Your own CAs are used when they are there: root-ca.pem and root-ca.key; or root-ca.pem, intermediate-ca.pem and
      intermediate-ca.key; and service.key, whose keys are kept. They are looked for in DIR/server/tls and in DIR.
      Keys may be RSA, P-256, P-384, P-521 or Ed25519, in PKCS#1, SEC1 or PKCS#8, encrypted PKCS#8 too.

      --from DIR stages a rotation: root, intermediate and service.key are taken over from the data dir DIR of a
      server, as K3s's documentation does by hand, and the set is checked as "k3s certificate rotate-ca" will check it.

      With --topology isolated each of the five CAs has a root of its own (client-root-ca.pem, ...). With a shared root,
      K3s's documented form, the API server trusts what any of the five CAs signs.

      Everything is checked before anything is written, all files are put in place together or not at all, and a data
      dir that a server already uses is refused.
    `,
    examples: [
      ['New CAs in the default data dir, before the first start of K3s', '$0 generate-custom-ca-certs'],
      ['A staging folder, to look at or to load with rotate-ca', '$0 generate-custom-ca-certs --data-dir ./staging'],
      [
        'New CAs for a running cluster, staged under its own root',
        '$0 generate-custom-ca-certs --from /var/lib/rancher/k3s --data-dir /opt/k3s',
      ],
      [
        'A root for each CA',
        '$0 generate-custom-ca-certs --data-dir ./isolated --topology isolated --root-key ec:p384',
      ],
      ['What would be made, nothing written', '$0 generate-custom-ca-certs --data-dir ./staging --dry-run'],
      [
        'P-384 root and intermediate, ten years, a report for a pipeline',
        '$0 generate-custom-ca-certs --data-dir ./staging --root-key ec:p384 --intermediate-key ec:p384 --days 3650 --output json',
      ],
    ],
  });

  dataDir = dataDirOption('where server/tls is');
  product = productOption('default data dir and first word of the subjects');
  from = Option.String('--from', {
    description: 'take root, intermediate and service.key over from the data dir of a server',
  });
  topology = Option.String('--topology', customCaDefaults.topology, {
    validator: isEnum(topologies),
    description: `shared: one root and intermediate above all; isolated: a root for each CA; default ${customCaDefaults.topology}`,
  });
  rootKey = rootKeyOption('key of a new root', customCaDefaults.rootKey);
  intermediateKey = Option.String('--intermediate-key', customCaDefaults.intermediateKey, {
    validator: isKeyType,
    description: `key of a new intermediate; default ${customCaDefaults.intermediateKey}`,
  });
  caKey = caKeyOption('key of each of the five CAs', customCaDefaults.caKey);
  rootDays = Option.String('--root-days', String(customCaDefaults.rootDays), {
    validator: isDays,
    description: `lifetime of a new root; default ${customCaDefaults.rootDays}`,
  });
  intermediateDays = Option.String('--intermediate-days', String(customCaDefaults.intermediateDays), {
    validator: isDays,
    description: `lifetime of a new intermediate; default ${customCaDefaults.intermediateDays}`,
  });
  days = Option.String('--days', String(customCaDefaults.days), {
    validator: isDays,
    description: `lifetime of the five CAs; default ${customCaDefaults.days}`,
  });
  pathLength = Option.String('--path-length', {
    validator: isPathLength,
    description:
      'path length constraint of the five CAs, one more for a new intermediate, two more for a new root; default none',
  });
  passphraseFile = passphraseFileOption(' of an encrypted CA key');
  output = outputOption();
  dryRun = dryRunOption();
  force = Option.Boolean('--force', false, { description: 'overwrite even a data dir that a server uses' });

  async execute(): Promise<number> {
    const { product, topology, from, rootKey, intermediateKey, caKey } = this;
    const { rootDays, intermediateDays, days, pathLength } = this;
    const { dataDir = defaultDataDir(product), passphraseFile, output, dryRun, force } = this;
    const keys = { topology, from, rootKey, intermediateKey, caKey };
    const lifetimes = { rootDays, intermediateDays, days };
    const constraint = pathLength === undefined ? {} : { pathLength };
    return generateCustomCaCerts(
      { product, dataDir, ...keys, ...lifetimes, ...constraint, passphraseFile, output, dryRun, force },
      this.context,
    );
  }
}
