import type { KeyType } from '@k3s-pki/core';
import { caNames, mode, type Product, tlsDir, tlsFile } from '@k3s-pki/k3s';
import { type Authority, newCertificate, planSharedAuthority } from './authority.ts';
import { authorityNames, inputPlaces, isolatedNames, isolatedRootNames, locate } from './ca-inputs.ts';
import {
  type CaPlan,
  type FilePart,
  fileWriter,
  type PlanId,
  type Planned,
  type PlannedCertificate,
  type PlannedIssuer,
} from './ca-plan.ts';
import { deepFreeze } from './freeze.ts';
import type { X509 } from './inputs.ts';
import { planIsolatedRoots } from './isolated-roots.ts';
import { Problems } from './problem.ts';
import { keepServiceKeys } from './service-keys.ts';
import type { Snapshot } from './snapshot.ts';

/** `shared`: one root and one intermediate above all five CAs, as K3s documents it. `isolated`: a root for each. */
export const topologies = ['shared', 'isolated'] as const;
export type Topology = (typeof topologies)[number];

/** Options of `generate-custom-ca-certs`, checked one by one. Lifetimes are days. */
export interface CustomCaOptions {
  readonly product: Product;
  readonly topology: Topology;
  /** The data dir whose root, intermediate and service account keys are taken over; relative to the one written to. */
  readonly from?: string;
  readonly rootKey: KeyType;
  readonly intermediateKey: KeyType;
  readonly caKey: KeyType;
  readonly rootDays: number;
  readonly intermediateDays: number;
  readonly days: number;
  /** Path length constraint of the five CAs; a new intermediate gets one more, a new root two more (isolated: one). */
  readonly pathLength?: number;
  /** Overwrite a data dir in use. */
  readonly force: boolean;
}

/** What K3s's script does. Source: K3s `contrib/util/generate-custom-ca-certs.sh`. */
export const customCaDefaults = {
  topology: 'shared',
  rootKey: 'rsa:4096',
  intermediateKey: 'rsa:4096',
  caKey: 'ec:p256',
  rootDays: 7300,
  intermediateDays: 3700,
  days: 3700,
} as const satisfies Partial<CustomCaOptions>;

/** What will be made of what. */
export interface CustomCaPlan extends CaPlan {
  readonly verb: 'generate-custom-ca-certs';
  readonly topology: Topology;
}

/** Every path that the snapshot for this plan must look at: what it writes, what it uses, what K3s uses. */
export function customCaFiles({ from }: Pick<CustomCaOptions, 'from'>): string[] {
  return [
    ...new Set([
      ...[...authorityNames, ...isolatedNames, 'service.key'].flatMap((name) => inputPlaces(name, from)),
      tlsFile.rootBundle,
      tlsFile.intermediateBundle,
      ...caNames.flatMap((ca) => [tlsFile.caKey(ca), tlsFile.caCertificate(ca), tlsFile.caBundle(ca)]),
      ...(from === undefined ? [] : caNames.map((ca) => `${from}/${tlsFile.caBundle(ca)}`)),
    ]),
  ];
}

/** The files of the private keys that sign with what was found: those that have to be opened. Reads nothing but the
 *  snapshot's list of files. */
export function customCaSigningKeys(
  { topology, from }: Pick<CustomCaOptions, 'topology' | 'from'>,
  snapshot: Snapshot,
): string[] {
  const find = (name: string) => locate(snapshot, name, from)?.path;
  if (topology === 'isolated') return caNames.flatMap((ca) => find(isolatedRootNames(ca).key) ?? []);
  return [find(find('intermediate-ca.pem') ? 'intermediate-ca.key' : 'root-ca.key') ?? []].flat();
}

/**
 * Plans the complete set of custom CAs. `now` is seconds since 1970. Never throws on what it finds: every problem of
 * the run is in the answer. Source: K3s `contrib/util/generate-custom-ca-certs.sh`, and K3s's behaviour where the
 * script would leave a set that a server replaces, hangs on or refuses.
 */
export function planCustomCaCerts(
  options: CustomCaOptions,
  snapshot: Snapshot,
  x509: X509,
  now: number,
): Planned<CustomCaPlan> {
  const { topology, from } = options;
  const problems = new Problems();
  if (snapshot.inUse.length > 0 && !options.force) problems.error('in-use', '', { signs: snapshot.inUse });
  if (from !== undefined) checkSource(from, topology, snapshot, problems);
  const planAbove = topology === 'isolated' ? planIsolatedRoots : planSharedAuthority;
  if (topology === 'shared') {
    for (const name of isolatedNames.filter((each) => snapshot.files.has(`${tlsDir}/${each}`)))
      problems.error('other-topology', `${tlsDir}/${name}`, { asked: topology });
  }
  const authority = planAbove(options, snapshot, x509, now, problems);
  const sources = ['service.key', tlsFile.serviceKey, ...(from === undefined ? [] : [`${from}/${tlsFile.serviceKey}`])];
  const serviceKeys = keepServiceKeys(sources, snapshot, problems);
  if (snapshot.files.has('service.key')) problems.warn('copy-left-behind', 'service.key', {});
  if (problems.refused || authority === undefined) return { ok: false, problems: problems.list };

  const cas = caNames.map(
    (id): PlannedCertificate => ({
      ...newCertificate(id, options, options.days, now, options.pathLength),
      issuer: authority.above(id).issuer,
    }),
  );
  warnOfOutlivedIssuers([...authority.certificates, ...cas], authority, problems);
  const write = fileWriter(snapshot);
  const made = (id: PlanId): FilePart => ({ kind: 'new-certificate', id });
  const key = (id: PlanId): FilePart => ({ kind: 'new-key', id });
  const files = [
    write(tlsFile.serviceKey, [key('service'), ...serviceKeys]),
    ...authority.files.map(({ path, parts }) => write(path, parts)),
    ...caNames.flatMap((ca) => [
      write(tlsFile.caKey(ca), [key(ca)]),
      write(tlsFile.caCertificate(ca), [made(ca)]),
      write(tlsFile.caBundle(ca), [made(ca), ...authority.above(ca).parts]),
    ]),
  ];
  return {
    ok: true,
    plan: deepFreeze({
      verb: 'generate-custom-ca-certs',
      product: options.product,
      topology,
      timestamp: now,
      uses: authority.uses,
      keys: [
        { id: 'service', type: 'rsa:2048' },
        ...authority.keys,
        ...caNames.map((id) => ({ id, type: options.caKey })),
      ],
      certificates: [...authority.certificates, ...cas],
      directories: ['.', 'server', tlsDir, `${tlsDir}/etcd`].map((path) => ({ path, mode: mode.directory })),
      files,
      warnings: problems.list,
    }),
  };
}

/** What `--from` promises: the CAs that sign, and the keys of the tokens that pods hold. */
function checkSource(from: string, topology: Topology, snapshot: Snapshot, problems: Problems): void {
  const folder = `${from}/${tlsDir}`;
  const holds = (name: string) => snapshot.files.has(`${folder}/${name}`);
  const has = { shared: authorityNames.some(holds), isolated: isolatedNames.some(holds) };
  if (has[topology]) {
    if (!holds('service.key')) problems.error('from-without-service-key', `${folder}/service.key`, {});
    return;
  }
  const inUse = caNames.filter((ca) => snapshot.files.has(`${from}/${tlsFile.caBundle(ca)}`));
  const other = has[topology === 'shared' ? 'isolated' : 'shared'];
  problems.error('from-without-root', folder, { topology, other, cas: inUse.length > 0 });
}

/** A new certificate that expires after a found issuer, or after a new one with a shorter life. */
function warnOfOutlivedIssuers(
  certificates: readonly PlannedCertificate[],
  authority: Authority,
  problems: Problems,
): void {
  const lifetime = (issuer: PlannedIssuer) => {
    if (issuer.kind === 'self') return undefined;
    if (issuer.kind === 'found') {
      const certificate = authority.found.get(issuer.certificate.sha256);
      return certificate && { file: issuer.certificate.file, ...certificate };
    }
    const made = certificates.find(({ id }) => id === issuer.id);
    return made && { file: `${tlsDir}/${issuer.id}-ca.pem`, subject: `CN=${made.commonName}`, notAfter: made.notAfter };
  };
  const warned = new Set<string>();
  for (const certificate of certificates) {
    const issuer = lifetime(certificate.issuer);
    // Less than a day is no more than the time between two runs.
    if (issuer === undefined || issuer.notAfter + 86_400 > certificate.notAfter || warned.has(issuer.file)) continue;
    warned.add(issuer.file);
    problems.warn('outlived-issuer', issuer.file, {
      subject: issuer.subject,
      notAfter: issuer.notAfter,
      signs: certificate.commonName,
      until: certificate.notAfter,
    });
  }
}
