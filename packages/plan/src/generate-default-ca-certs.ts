import { caNames, defaultCaPrefix, firstStartMode, leafBackdate, type Product, tlsDir, tlsFile } from '@k3s-pki/k3s';
import { type CaPlan, deepFreeze, fileWriter, type Planned } from './ca-plan.ts';
import { Problems } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

/** Options of `generate-default-ca-certs`, checked one by one. */
export interface DefaultCaOptions {
  readonly product: Product;
  /** Lifetime. */
  readonly days: number;
}

/** Source: rancher/dynamiclistener `cert/cert.go`, `NewSelfSignedCACert`: ten times 365 days. */
export const defaultCaDefaults = { days: 3650 } as const satisfies Partial<DefaultCaOptions>;

/** What will be made. */
export interface DefaultCaPlan extends CaPlan {
  readonly verb: 'generate-default-ca-certs';
}

/** Every path that the snapshot for this plan must look at: all that K3s would take for its own. */
export const defaultCaFiles: readonly string[] = [
  tlsFile.serviceKey,
  ...caNames.flatMap((ca) => [tlsFile.caBundle(ca), tlsFile.caKey(ca)]),
];

/**
 * Plans the five self-signed CAs and the service account key that K3s makes at its first start. `now` is seconds since
 * 1970. Two differences: the serial is random, where K3s writes 0 against RFC 5280 4.1.2.2 (positive), and the
 * extensions stand in the order of K3s's scripts. Source: K3s `pkg/daemons/control/deps/deps.go`,
 * `createSigningCertKey`; rancher/dynamiclistener `cert/cert.go`, `NewSelfSignedCACert`.
 */
export function planDefaultCas(options: DefaultCaOptions, snapshot: Snapshot, now: number): Planned<DefaultCaPlan> {
  const problems = new Problems();
  if (snapshot.inUse.length > 0) problems.error('in-use', '', { signs: snapshot.inUse });
  const present = defaultCaFiles.filter((path) => snapshot.files.has(path));
  if (present.length > 0) problems.error('made-already', tlsDir, { files: present });
  if (problems.refused) return { ok: false, problems: problems.list };
  const write = fileWriter(snapshot, firstStartMode);
  const notBefore = now - leafBackdate;
  const plan: DefaultCaPlan = {
    verb: 'generate-default-ca-certs',
    product: options.product,
    timestamp: now,
    uses: [],
    keys: [{ id: 'service', type: 'rsa:2048' }, ...caNames.map((id) => ({ id, type: 'ec:p256' }) as const)],
    certificates: caNames.map((id) => ({
      id,
      commonName: `${defaultCaPrefix(id, options.product)}-ca@${now}`,
      issuer: { kind: 'self' },
      notBefore,
      notAfter: notBefore + options.days * 86_400,
      authorityKeyId: false,
    })),
    directories: [
      { path: '.', mode: firstStartMode.dataDir },
      { path: 'server', mode: firstStartMode.directory },
      { path: tlsDir, mode: firstStartMode.directory },
      // dynamiclistener makes the folder of a certificate that it writes, with this mode.
      { path: `${tlsDir}/etcd`, mode: firstStartMode.dataDir },
    ],
    files: [
      write(tlsFile.serviceKey, [{ kind: 'new-key', id: 'service' }]),
      ...caNames.flatMap((ca) => [
        write(tlsFile.caKey(ca), [{ kind: 'new-key', id: ca }]),
        write(tlsFile.caBundle(ca), [{ kind: 'new-certificate', id: ca }]),
      ]),
    ],
    warnings: problems.list,
  };
  return { ok: true, plan: deepFreeze(plan) };
}
