import type { Certificate } from '@k3s-pki/core';
import {
  agentDir,
  type CaName,
  certainOf,
  type DataDirLeaf,
  dataDirLeaves,
  domainPlace,
  type ExpectedLeaf,
  type FileSet,
  type FoundFile,
  judgeFirstStart,
  judgeLeaf,
  type LeafFiles,
  type LeafOutlook,
  leafMode,
  leafNotBefore,
  nodePlace,
  type Overlooked,
  type Product,
  type RenewalReason,
  readCertificates,
  renewalDays,
  type Service,
  subjectParts,
  tlsFile,
} from '@k3s-pki/k3s';
import { deepFreeze } from './freeze.ts';
import type { X509 } from './inputs.ts';
import { type RenewProblem, RenewProblems } from './renew-problems.ts';
import { checkMachine, chooseServices } from './rotate.ts';
import { type LeafProblem, LeafProblems } from './rotate-problems.ts';
import { fileAt, type LeafTree, type Ownership, roleOf } from './rotate-snapshot.ts';

/** Options of `certificate renew`. No service means all of the machine's role. */
export interface RenewOptions {
  readonly product: Product;
  readonly services: readonly string[];
  /** Days before its end from which a leaf is renewed. */
  readonly withinDays: number;
  /** Renew every leaf, whatever its state. */
  readonly all: boolean;
  /** Lifetime of a new leaf. */
  readonly days: number;
  /** For a serving-kube-apiserver certificate that can't be read. */
  readonly clusterDomain: string;
}

/** Why a leaf is renewed: as K3s would, because it would overlook a fault, or because all are. */
export type RenewalCause = RenewalReason | Overlooked | 'all';

/** A leaf that will be made. Paths are relative to the data dir; times are seconds since 1970. */
export interface PlannedLeaf {
  readonly certificate: PlannedLeafFile;
  readonly key: PlannedLeafFile & { readonly kind: 'new' | 'kept' };
  readonly ca: CaName;
  readonly issuer: { readonly subject: string; readonly sha256: string };
  readonly causes: readonly RenewalCause[];
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly extendedKeyUsage: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
}

/** A file that will stand there instead of `replaces` (SHA-256, or `absent`). */
export interface PlannedLeafFile extends Partial<Ownership> {
  readonly path: string;
  readonly mode: number;
  readonly replaces: string;
}

/** What will be signed. Frozen, printable as JSON, without a secret. */
export interface RenewPlan {
  readonly verb: 'certificate renew';
  readonly product: Product;
  readonly role: 'server' | 'agent';
  readonly withinDays: number;
  readonly leaves: readonly PlannedLeaf[];
  /** Leaves that stay as they are. */
  readonly kept: ReadonlyArray<{ readonly path: string; readonly notAfter: number }>;
  readonly warnings: readonly RenewProblem[];
}

export type RenewPlanned =
  | { readonly ok: true; readonly plan: RenewPlan }
  | { readonly ok: false; readonly leafProblems: readonly LeafProblem[]; readonly problems: readonly RenewProblem[] };

/**
 * Plans what K3s does with its leaves at a start, and the mending of what it overlooks there: the same names, subject
 * and usages, signed by the CAs in the data dir. A leaf of which neither half is there is left to the start, which makes
 * it. `now` is seconds since 1970. Never throws on what it finds. Source: see `judgeLeaf`.
 */
export function planRenew(
  options: RenewOptions,
  tree: LeafTree,
  files: FileSet,
  x509: X509,
  now: number,
): RenewPlanned {
  const leafProblems = new LeafProblems();
  const chosen = chooseServices(options, tree, leafProblems);
  checkMachine({ ...tree, holders: [] }, false, leafProblems);
  const role = roleOf(tree);
  if (leafProblems.refused || role === undefined) return { ok: false, leafProblems: leafProblems.list, problems: [] };
  const problems = new RenewProblems();
  const planner = new Planner(options, tree, files, x509, now, problems);
  const kept: RenewPlan['kept'][number][] = [];
  const due: DueLeaf[] = [];
  for (const leaf of dataDirLeaves(options.product)) {
    if (!chosen.some((service) => isOf(service, leaf))) continue;
    const state = planner.look(leaf);
    if (state === undefined) continue;
    if ('causes' in state) due.push(state);
    else kept.push(state);
  }
  if (role === 'agent' && due.length > 0) {
    problems.error('agent-machine', agentDir, { leaves: due.map(({ leaf }) => `${leaf.path}.crt`) });
  }
  const leaves = role === 'agent' ? [] : planner.plan(due, chosen);
  if (leaves.length > 0 && options.days <= renewalDays) {
    problems.warn('short-lived', '', { days: options.days, window: renewalDays });
  }
  if (problems.refused) return { ok: false, leafProblems: [], problems: problems.list };
  const { product, withinDays } = options;
  return {
    ok: true,
    plan: deepFreeze<RenewPlan>({
      verb: 'certificate renew',
      product,
      role,
      withinDays,
      leaves,
      kept,
      warnings: problems.list,
    }),
  };
}

/** What a start would do with a planned leaf, given the files that will be there; `kept` without a fault is right. */
export function outlookOf({ certificate, key, ca, ...leaf }: PlannedLeaf, files: FileSet, x509: X509, now: number) {
  const found = (path: string): FoundFile => files(path) ?? 'absent';
  const expected: ExpectedLeaf = { ...leaf, complete: true };
  const four = {
    certificate: found(certificate.path),
    key: found(key.path),
    caCertificate: found(tlsFile.caBundle(ca)),
    caKey: found(tlsFile.caKey(ca)),
  };
  // The lifetime is the caller's: a short one is no fault.
  return judgeLeaf(four, expected, { at: now, days: 0, signatureHolds: x509.signatureHolds });
}

type DueLeaf = {
  readonly leaf: DataDirLeaf;
  readonly causes: readonly RenewalCause[];
  readonly key: 'new' | 'kept';
  readonly current: Certificate | undefined;
};

class Planner {
  readonly #options: RenewOptions;
  readonly #tree: LeafTree;
  readonly #files: FileSet;
  readonly #x509: X509;
  readonly #now: number;
  readonly #problems: RenewProblems;
  /** The node's name, as its kubelet's certificates have it. */
  readonly #node: string | undefined;

  constructor(options: RenewOptions, tree: LeafTree, files: FileSet, x509: X509, now: number, problems: RenewProblems) {
    this.#options = options;
    this.#tree = tree;
    this.#files = files;
    this.#x509 = x509;
    this.#now = now;
    this.#problems = problems;
    this.#node = this.#nodeName();
  }

  /** What is to be done with a leaf; undefined for one that is not there, or is left to the start. */
  look(leaf: DataDirLeaf): DueLeaf | { readonly path: string; readonly notAfter: number } | undefined {
    const { path } = leaf;
    const files = this.#filesOf(leaf);
    if (files.certificate === 'absent' && files.key === 'absent') return undefined;
    const [current] = readCertificates(files.certificate);
    const { all, withinDays } = this.#options;
    const { signatureHolds } = this.#x509;
    const expected = { ...certainOf(leaf), commonName: this.#commonName(leaf, current) };
    const outlook = judgeLeaf(files, expected, { at: this.#now, days: withinDays, signatureHolds });
    const causes = causesOf(outlook);
    if (causes.length === 0 && all) causes.push('all');
    if (causes.length === 0) return { path: `${path}.crt`, notAfter: current?.notAfter ?? 0 };
    const usable = [`${path}.crt`, `${path}.key`].map((file) => this.#isUsable(file));
    if (usable.includes(false)) return undefined;
    return { leaf, causes, key: outlook.action === 'renew' ? outlook.key : 'new', current };
  }

  /** The leaves to sign; problems of their CAs and names are noted. */
  plan(due: readonly DueLeaf[], chosen: readonly Service[]): PlannedLeaf[] {
    this.#checkCas(due);
    return due.flatMap((each) => this.#planLeaf(each, chosen) ?? []);
  }

  #planLeaf({ leaf, causes, key, current }: DueLeaf, chosen: readonly Service[]): PlannedLeaf | undefined {
    const { path, ca, profile } = leaf;
    const commonName = this.#commonName(leaf, current);
    const names = this.#names(leaf, current);
    if (names === undefined || commonName.includes(nodePlace)) {
      const service = chosen.find((each) => isOf(each, leaf))?.name ?? '';
      if (leaf.machine === 'agent') this.#problems.warn('left-to-start', `${path}.crt`, {});
      else this.#problems.error('names-unknown', `${path}.crt`, { service });
      return undefined;
    }
    const [issuer] = readCertificates(this.#found(tlsFile.caBundle(ca)));
    if (issuer === undefined) return undefined;
    const notBefore = leafNotBefore(this.#now, issuer.notBefore);
    const notAfter = notBefore + this.#options.days * 86_400;
    const { subject, sha256 } = issuer;
    return {
      certificate: this.#plannedFile(`${path}.crt`, leafMode.certificate, `${path}.key`),
      key: { kind: key, ...this.#plannedKey(path, key) },
      ca,
      issuer: { subject, sha256 },
      causes,
      commonName,
      organizations: profile.organizations,
      ...names,
      extendedKeyUsage: profile.extendedKeyUsage,
      notBefore,
      notAfter,
    };
  }

  /** A CA that can't sign is named once, with its leaves; so is one that ends before them. */
  #checkCas(due: readonly DueLeaf[]): void {
    const chains: X509['chains'] = (request) => this.#x509.chains(request);
    const { findings } = judgeFirstStart(this.#files, chains, this.#now);
    for (const ca of new Set(due.map(({ leaf }) => leaf.ca))) {
      const leaves = due.filter(({ leaf }) => leaf.ca === ca).map(({ leaf }) => `${leaf.path}.crt`);
      const own = [tlsFile.caBundle(ca), tlsFile.caKey(ca)];
      const [first] = readCertificates(this.#found(tlsFile.caBundle(ca)));
      const until = first === undefined ? 0 : leafNotBefore(this.#now, first.notBefore) + this.#options.days * 86_400;
      if (first !== undefined && until > first.notAfter) {
        const { subject, notAfter } = first;
        this.#problems.warn('outlives-ca', tlsFile.caBundle(ca), { subject, notAfter, until });
      }
      // What cannot be read at all would pass for missing.
      if (own.map((file) => this.#isUsable(file)).includes(false)) continue;
      for (const { file, effect, reason } of findings) {
        if (effect !== 'odd' && own.includes(file)) this.#problems.error('ca-unusable', file, { reason, leaves });
      }
    }
  }

  /** Names as before, and those that K3s adds whatever its options are. */
  #names(
    { path, profile }: DataDirLeaf,
    current: Certificate | undefined,
  ): Pick<PlannedLeaf, 'dns' | 'ip'> | undefined {
    const { clusterDomain } = this.#options;
    const fixed = (list: readonly string[]) => list.filter((name) => !name.includes('{'));
    if (!profile.takesNames) return { dns: fixed(profile.dns), ip: fixed(profile.ip) };
    const before = current?.subjectAltNames;
    if (before !== undefined) {
      return { dns: union(before.dns, fixed(profile.dns)), ip: union(before.ip, fixed(profile.ip)) };
    }
    const shared = this.#sharedNames(path);
    if (shared === undefined) return undefined;
    const own = profile.dns.filter((name) => name.startsWith('kubernetes') || name === 'kine.sock');
    return { dns: [...own.map((name) => name.replace(domainPlace, clusterDomain)), ...shared.dns], ip: shared.ip };
  }

  /** The names that the API server and etcd have in common: localhost, the node's, tls-san. Source: K3s
   *  `pkg/cli/server/server.go`, SANs. */
  #sharedNames(path: string): Pick<PlannedLeaf, 'dns' | 'ip'> | undefined {
    const leaves = dataDirLeaves(this.#options.product).filter(
      ({ machine, profile }) => machine === 'server' && profile.takesNames,
    );
    if (!leaves.some((leaf) => leaf.path === path)) return undefined;
    for (const leaf of leaves) {
      const names = readCertificates(this.#found(`${leaf.path}.crt`))[0]?.subjectAltNames;
      if (names === undefined) continue;
      const dns = names.dns.filter((name) => !/^kubernetes(\.default(\.svc(\..+)?)?)?$|^kine\.sock$/.test(name));
      return { dns, ip: names.ip };
    }
    return undefined;
  }

  #commonName({ profile }: DataDirLeaf, current: Certificate | undefined): string {
    const { commonName = '' } = profile;
    // A certificate of another node than this one is never asked for: what it is called is right.
    if (commonName === nodePlace && this.#node === undefined && current !== undefined) {
      return subjectParts(current.subject).commonName;
    }
    return this.#node === undefined ? commonName : commonName.replace(nodePlace, this.#node);
  }

  #nodeName(): string | undefined {
    for (const [name, pattern] of [
      ['client-kubelet', /^(?:.*,)?CN=system:node:([a-z0-9.-]+)$/],
      ['serving-kubelet', /^CN=([a-z0-9.-]+)$/],
    ] as const) {
      const [certificate] = readCertificates(this.#found(`${agentDir}/${name}.crt`));
      const node = certificate === undefined ? undefined : pattern.exec(certificate.subject)?.[1];
      if (node !== undefined) return node;
    }
    return undefined;
  }

  #filesOf({ path, ca }: DataDirLeaf): LeafFiles {
    return {
      certificate: this.#found(`${path}.crt`),
      key: this.#found(`${path}.key`),
      caCertificate: this.#found(tlsFile.caBundle(ca)),
      caKey: this.#found(tlsFile.caKey(ca)),
    };
  }

  #found(path: string): FoundFile {
    const entry = this.#tree.entries.get(path);
    if (entry === undefined) return 'absent';
    return this.#files(path) ?? 'unreadable';
  }

  /** Whether a file is a regular one, or absent; else the problem is noted. */
  #isUsable(path: string): boolean {
    const entry = this.#tree.entries.get(path);
    if (entry === undefined || entry.kind === 'file') return true;
    this.#problems.error('unusable-file', path, { why: entry.kind === 'unreadable' ? entry.why : 'special' });
    return false;
  }

  #plannedKey(path: string, kind: 'new' | 'kept'): PlannedLeafFile {
    const planned = this.#plannedFile(`${path}.key`, leafMode.key, `${path}.crt`);
    if (kind === 'kept' || (planned.mode & 0o077) === 0) return planned;
    this.#problems.warn('loose-key', planned.path, { mode: planned.mode });
    return { ...planned, mode: leafMode.key };
  }

  /** Mode and owner as before; of a new file, K3s's mode and the owner of the other half. */
  #plannedFile(path: string, mode: number, otherHalf: string): PlannedLeafFile {
    const there = fileAt(this.#tree, path);
    if (there !== undefined) return { path, mode: there.mode, owner: there.owner, replaces: there.sha256 };
    const owner = fileAt(this.#tree, otherHalf)?.owner;
    return { path, mode, replaces: 'absent', ...(owner === undefined ? {} : { owner }) };
  }
}

/** The causes of a renewal; none where the leaf stays. */
function causesOf(outlook: LeafOutlook): RenewalCause[] {
  // Where a start would end with an error, the leaf is made all the same, or its CA is named.
  if (outlook.action !== 'keep') return [...outlook.reasons];
  return outlook.overlooked.filter((fault) => fault !== 'surplus-names');
}

function isOf({ leaves }: Service, { path }: DataDirLeaf): boolean {
  return leaves.some(({ certificate }) => certificate === `${path}.crt`);
}

function union(a: readonly string[], b: readonly string[]): string[] {
  return [...a, ...b.filter((one) => !a.includes(one))];
}
