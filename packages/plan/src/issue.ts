import type { KeyType } from '@k3s-pki/core';
import { type CaName, type LeafProfile, leafNotBefore } from '@k3s-pki/k3s';
import type { FoundCertificate, Planned } from './ca-plan.ts';
import { certificatesIn, checkSigner, keyIn, readable } from './inputs.ts';
import type { ProfileInRun, RowRules } from './node-rows.ts';
import type { Shard } from './numbered-nodes.ts';
import { type Problem, Problems } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

/** Options of `certificate issue` that decide what is issued, checked one by one. */
export interface IssueOptions {
  readonly profiles: readonly LeafProfile[];
  /** Lifetime of a leaf whose row names none. */
  readonly days: number;
  readonly keyType: KeyType;
  readonly clusterDomain: string;
  readonly serviceIp: string;
  readonly shard: Shard;
  readonly longestOut: number;
}

/** A profile with the CA that signs it. Paths are relative to the `tls` folder. */
export interface PlannedProfile extends ProfileInRun {
  /** The first certificate of the bundle: what signs. */
  readonly issuer: FoundCertificate;
  readonly keyFile: string;
  /** End of a leaf of `days`. */
  readonly notAfter: number;
}

/** What a run issues, apart from the rows. Frozen, printable as JSON, without a secret. Times are seconds since 1970. */
export interface IssuePlan extends RowRules {
  readonly verb: 'certificate issue';
  readonly profiles: readonly PlannedProfile[];
  readonly shard: Shard;
  readonly warnings: readonly Problem[];
}

/** A CA's two files, relative to the `tls` folder. */
export function caFiles(ca: CaName): { readonly bundle: string; readonly key: string } {
  return { bundle: `${ca}-ca.crt`, key: `${ca}-ca.key` };
}

/** Every path that the snapshot for this plan must look at, relative to the `tls` folder. */
export function issueFiles(profiles: readonly LeafProfile[]): readonly string[] {
  return casOf(profiles).flatMap((ca) => Object.values(caFiles(ca)));
}

/** The CAs of some profiles, each once, in the order of the profiles. */
export function casOf(profiles: readonly LeafProfile[]): readonly CaName[] {
  return [...new Set(profiles.map(({ ca }) => ca))];
}

/**
 * Plans a run on the CAs in a `tls` folder. `now` is seconds since 1970. The CA of a leaf is the first certificate of
 * its bundle, and its key the first key of the key file, as K3s loads them.
 */
export function planIssue(options: IssueOptions, snapshot: Snapshot, now: number): Planned<IssuePlan> {
  const problems = new Problems();
  const issuers = new Map(casOf(options.profiles).map((ca) => [ca, issuerOf(ca, snapshot, now, problems)]));
  const profiles = options.profiles.flatMap((profile): PlannedProfile[] => {
    const found = issuers.get(profile.ca);
    if (found === undefined) return [];
    const { issuer, keyFile, notBefore: caNotBefore, notAfter: caNotAfter } = found;
    const notBefore = leafNotBefore(now, caNotBefore);
    const notAfter = notBefore + options.days * 86_400;
    const expired = caNotAfter < now;
    if (notAfter > caNotAfter && !expired) {
      const most = Math.floor((caNotAfter - notBefore) / 86_400);
      problems.error('leaf-outlives-ca', issuer.file, {
        subject: issuer.subject,
        notAfter: caNotAfter,
        until: notAfter,
        most,
      });
    }
    return [{ profile, issuer, keyFile, notBefore, notAfter, caNotAfter }];
  });
  if (problems.refused) return { ok: false, problems: problems.list };
  const { days, keyType, clusterDomain, serviceIp, shard, longestOut } = options;
  const rules = { days, keyType, clusterDomain, serviceIp, longestOut };
  return {
    ok: true,
    plan: Object.freeze({ verb: 'certificate issue', profiles, ...rules, shard, warnings: problems.list }),
  };
}

function issuerOf(ca: CaName, snapshot: Snapshot, now: number, problems: Problems) {
  const { bundle, key } = caFiles(ca);
  const bundleFile = readable(snapshot, bundle, problems);
  const keyFile = readable(snapshot, key, problems);
  for (const path of [bundle, key]) if (!snapshot.files.has(path)) problems.error('no-ca-file', path, { ca });
  const certificates = bundleFile === undefined ? [] : certificatesIn(bundleFile, bundle, problems);
  const facts = keyFile === undefined ? undefined : keyIn(keyFile, key, true, problems);
  const [first, ...others] = certificates;
  if (first === undefined) return undefined;
  checkSigner(first, bundle, 0, now, problems);
  for (const { subject, notAfter } of others)
    if (now > notAfter) problems.warn('expired', bundle, { subject, notAfter });
  if (facts !== undefined && facts.spkiSha256 !== first.key.spkiSha256) {
    problems.error('key-mismatch', bundle, { key, subject: first.subject, count: 1 });
  }
  const { subject, sha256, notBefore, notAfter } = first;
  return { issuer: { file: bundle, sha256, subject }, keyFile: key, notBefore, notAfter };
}
