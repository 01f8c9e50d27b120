import type { Certificate, Core } from '@k3s-pki/core';
import {
  type CaName,
  caNames,
  dataDirLeaves,
  dynamicCert,
  dynamicCertMarker,
  type FirstStart,
  type LeafPair,
  listenerService,
  mode,
  type Product,
  type RenewalReason,
  serviceFiles,
  tlsDir,
  tlsFile,
} from '@k3s-pki/k3s';
import { deepFreeze } from './freeze.ts';
import { type Backup, backupsNamed, backupsOf, overwrittenIn, sourceOf } from './restore-backups.ts';
import { firstCertificate, firstKey, type LeafFate, outlookOf } from './restore-fit.ts';
import {
  checkCas,
  checkMachine,
  chooseServices,
  isAgentFile,
  type LeafPlanned,
  type PlannedRemoval,
} from './rotate.ts';
import { type PlannedBackup, type PlannedCopy, type PlannedDirectory, planBackup } from './rotate-backup.ts';
import { type LeafProblem, LeafProblems } from './rotate-problems.ts';
import { fileAt, isSecret, type LeafFile, type LeafTree, roleOf } from './rotate-snapshot.ts';

/** Options of `certificate restore`. No service means all that the backup has. */
export interface RestoreOptions {
  readonly product: Product;
  readonly backup: string;
  readonly services: readonly string[];
  /** Go ahead although K3s runs, a pair does not fit, or CAs of the backup replace those in use. */
  readonly force: boolean;
}

/** A file that is put back over `replaces` (SHA-256, or `absent`). */
export interface PlannedRestore extends PlannedCopy {
  readonly replaces: string;
}

/** Times are seconds since 1970. */
export interface RestoredLeaf {
  /** Where it is put back, relative to the data dir. */
  readonly file: string;
  readonly subject: string;
  readonly notAfter: number;
  readonly fate: LeafFate;
}

/** What will be put back. Frozen, printable as JSON. Paths are relative to the data dir. */
export interface RestorePlan {
  readonly verb: 'certificate restore';
  readonly product: Product;
  readonly timestamp: number;
  readonly role: 'server' | 'agent';
  readonly from: Backup;
  /** What stands now goes here first; absent when nothing changes, or nothing stands there. */
  readonly backup?: PlannedBackup;
  readonly directories: readonly PlannedDirectory[];
  readonly writes: readonly PlannedRestore[];
  /** Other halves of what is put back, and the marker of a rotation. */
  readonly removes: readonly PlannedRemoval[];
  /** Files of the backup that stand in place already. */
  readonly unchanged: readonly string[];
  readonly leaves: readonly RestoredLeaf[];
  readonly warnings: readonly LeafProblem[];
}

/** What K3s would say of the CAs when each path of `server/tls` is the file that `resolve` names; undefined on an agent. */
export type CaJudge = (resolve: (path: string) => string | undefined) => FirstStart | undefined;

/**
 * Plans to put a backup's leaves back in place. What differs is replaced, what is missing comes back, CAs and the service
 * account key included; CAs that differ are refused, since the datastore of a running cluster wins over the disk, and the
 * service account key in place is never replaced. Never throws on what it finds. `now` is seconds since 1970.
 */
export function planRestore(
  options: RestoreOptions,
  tree: LeafTree,
  x509: Pick<Core, 'signatureHolds'>,
  judge: CaJudge,
  now: number,
): LeafPlanned<RestorePlan> {
  const problems = new LeafProblems();
  const role = roleOf(tree);
  checkMachine(tree, options.force, problems);
  const chosen = chooseServices(options, tree, problems);
  const from = role === undefined ? undefined : chooseBackup(options.backup, tree, problems);
  if (role === undefined || from === undefined) return { ok: false, problems: problems.list };

  const set = new Restoration(tree, from, options, problems);
  for (const pair of chosen.flatMap(({ leaves }) => leaves)) set.pair(pair);
  if (chosen.some(({ name }) => name === listenerService(options.product))) set.listener();
  if (set.isEmpty && chosen.length > 0) {
    problems.error('nothing-to-restore', from.path, { services: chosen.map(({ name }) => name) });
  }
  if (role === 'server') {
    for (const ca of caNames) set.ca(ca);
    set.serviceKey();
    const verdict = judge((path) => set.sources.get(path) ?? (tree.entries.has(path) ? path : undefined));
    if (verdict !== undefined && !problems.refused) checkCas(verdict, tree, options.force, problems);
  }
  const overwritten = overwrittenIn(from, options.product).filter((path) => set.wanted.has(path));
  if (overwritten.length > 0) problems.warn('flat-backup', from.path, { files: overwritten });
  const leaves = set.leaves(x509, now);
  warnOfRenewals(leaves, from, problems);
  const changed = [...set.writes.map(({ to }) => to), ...set.removes.map(({ path }) => path)];
  // Where nothing stands there is nothing to save, and maybe no folder to save it in.
  const saved = changed.length > 0 ? planBackup(tree, changed.filter(isAgentFile), now, problems) : undefined;
  const backup = saved !== undefined && saved.copies.length > 0 ? saved : undefined;
  if (problems.refused) return { ok: false, problems: problems.list };
  return {
    ok: true,
    plan: deepFreeze<RestorePlan>({
      verb: 'certificate restore',
      product: options.product,
      timestamp: now,
      role,
      from,
      ...(backup === undefined ? {} : { backup }),
      directories: set.directories(),
      writes: set.writes,
      removes: set.removes,
      unchanged: set.unchanged,
      leaves,
      warnings: problems.list,
    }),
  };
}

/** What a list of backups says of one. */
export interface BackupSummary {
  readonly backup: Backup;
  /** A server's leaf certificates, and how many of them K3s would keep. */
  readonly leaves: number;
  readonly kept: number;
  /** An agent's, which asks for others at every start. */
  readonly agentLeaves: number;
  /** How its CAs are to those in use; absent when it has none. */
  readonly cas?: 'same' | 'differ' | 'missing in place';
}

/** The backups of a data dir, newest first. `now` is seconds since 1970. */
export function summarizeBackups(
  product: Product,
  tree: LeafTree,
  x509: Pick<Core, 'signatureHolds'>,
  now: number,
): LeafPlanned<readonly BackupSummary[]> {
  const problems = new LeafProblems();
  checkMachine({ ...tree, holders: [] }, false, problems);
  if (problems.refused) return { ok: false, problems: problems.list };
  const plan = backupsOf(tree).map((backup): BackupSummary => {
    const options = { product, backup: backup.path, services: [], force: false };
    const set = new Restoration(tree, backup, options, new LeafProblems());
    for (const { leaves } of chooseServices(options, tree, new LeafProblems()))
      for (const leaf of leaves) set.pair(leaf);
    const all = set.leaves(x509, now);
    const leaves = all.filter(({ fate }) => fate !== 'requested');
    const cas = caNames.map((ca) => compareCa(tree, backup, ca, product)).filter((state) => state !== 'not there');
    const state = cas.includes('differs') ? 'differ' : cas.includes('missing') ? 'missing in place' : 'same';
    return {
      backup,
      leaves: leaves.length,
      kept: leaves.filter(({ fate }) => fate === 'kept').length,
      agentLeaves: all.length - leaves.length,
      ...(cas.length === 0 ? {} : { cas: state }),
    };
  });
  return { ok: true, plan };
}

function chooseBackup(name: string, tree: LeafTree, problems: LeafProblems): Backup | undefined {
  const all = backupsOf(tree);
  const found = backupsNamed(all, name);
  if (found.length === 0) problems.error('no-backup', '', { backup: name, known: all.map((backup) => backup.name) });
  if (found.length > 1) problems.error('two-backups', '', { paths: found.map(({ path }) => path) });
  return found.length === 1 ? found[0] : undefined;
}

/** Collects what is put back, pair by pair. */
class Restoration {
  readonly writes: PlannedRestore[] = [];
  readonly removes: PlannedRemoval[] = [];
  readonly unchanged: string[] = [];
  /** Every file of the chosen services. */
  readonly wanted = new Set<string>();
  /** The backup's file for each that will be in place, by its path in the data dir. */
  readonly sources = new Map<string, string>();
  readonly #tree: LeafTree;
  readonly #backup: Backup;
  readonly #options: RestoreOptions;
  readonly #problems: LeafProblems;

  constructor(tree: LeafTree, backup: Backup, options: RestoreOptions, problems: LeafProblems) {
    this.#tree = tree;
    this.#backup = backup;
    this.#options = options;
    this.#problems = problems;
  }

  get isEmpty(): boolean {
    return this.sources.size === 0 && this.removes.length === 0;
  }

  /** K3s does not notice a key that is not its certificate's, so a pair comes back whole or its other half goes. */
  pair(pair: LeafPair): void {
    for (const path of serviceFiles({ leaves: [pair] })) this.wanted.add(path);
    const key = this.#source(pair.key);
    const certificate = pair.certificate === undefined ? undefined : this.#source(pair.certificate);
    const leaf = certificate && this.#certificate(certificate.path, certificate.file);
    const spki = key && this.#key(key.path, key.file);
    if (leaf !== undefined && spki !== undefined && key !== undefined && leaf.key.spkiSha256 !== spki) {
      const values = { key: key.path };
      this.#problems.unlessForced(this.#options.force, 'pair-mismatch', certificate?.path ?? '', values);
    }
    if (certificate !== undefined && pair.certificate !== undefined) {
      this.#put(pair.certificate, certificate.path, certificate.file);
      if (key === undefined) this.#dropHalf(pair.key, certificate.path);
    }
    if (key !== undefined) {
      this.#put(pair.key, key.path, key.file);
      if (certificate === undefined && pair.certificate !== undefined) this.#dropHalf(pair.certificate, key.path);
    }
  }

  /** The supervisor's certificate, without the order to make it anew. */
  listener(): void {
    const saved = this.#source(dynamicCert);
    if (saved !== undefined) this.#put(dynamicCert, saved.path, saved.file);
    const marker = fileAt(this.#tree, dynamicCertMarker);
    if (marker !== undefined) this.removes.push({ path: dynamicCertMarker, sha256: marker.sha256 });
  }

  ca(ca: CaName): void {
    const { product, force } = this.#options;
    const state = compareCa(this.#tree, this.#backup, ca, product);
    if (state === 'not there' || state === 'same') return;
    for (const path of [tlsFile.caBundle(ca), tlsFile.caKey(ca)]) {
      const saved = this.#source(path);
      if (saved === undefined) continue;
      if (path.endsWith('.key')) this.#key(saved.path, saved.file);
      else this.#certificate(saved.path, saved.file);
      if (state === 'differs') {
        if (force) this.#problems.warn('ca-replaced', path, { backup: saved.path });
        else this.#problems.error('ca-differs', saved.path, { used: path });
      } else this.#warnOfReturn(path, saved.path);
      this.#put(path, saved.path, saved.file);
    }
  }

  /** Only where it is missing: the file in place holds every key of the backup and the newer ones. */
  serviceKey(): void {
    const saved = this.#source(tlsFile.serviceKey);
    if (saved !== undefined && fileAt(this.#tree, tlsFile.serviceKey) === undefined) {
      this.#warnOfReturn(tlsFile.serviceKey, saved.path);
      this.#put(tlsFile.serviceKey, saved.path, saved.file);
    }
  }

  /** The leaves that come back. One that K3s would keep although its CA did not sign it is a problem. */
  leaves(x509: Pick<Core, 'signatureHolds'>, now: number): RestoredLeaf[] {
    const gone = new Set(this.removes.map(({ path }) => path));
    const entryAt = (path: string) =>
      gone.has(path) ? undefined : this.#tree.entries.get(this.sources.get(path) ?? path);
    return dataDirLeaves(this.#options.product).flatMap((leaf): RestoredLeaf[] => {
      const file = `${leaf.path}.crt`;
      const source = this.sources.get(file);
      const certificate = source === undefined ? undefined : firstCertificate(fileAt(this.#tree, source)?.blocks);
      if (source === undefined || certificate === undefined) return [];
      const { subject, notAfter } = certificate;
      if (leaf.machine === 'agent') return [{ file, subject, notAfter, fate: 'requested' }];
      const outlook = outlookOf(leaf, entryAt, x509, now);
      if (outlook.action === 'keep' && outlook.overlooked.includes('bad-signature')) {
        this.#problems.unlessForced(this.#options.force, 'bad-signature', source, { ca: tlsFile.caBundle(leaf.ca) });
      }
      return [{ file, subject, notAfter, fate: outlook.action === 'keep' ? 'kept' : (outlook.reasons[0] ?? 'kept') }];
    });
  }

  /** Folders of the written files that are not there. */
  directories(): PlannedDirectory[] {
    const parents = new Set<string>();
    for (const { to } of this.writes) {
      const parts = to.split('/').slice(0, -1);
      for (let length = 1; length <= parts.length; length++) parents.add(parts.slice(0, length).join('/'));
    }
    const folder = this.#tree.entries.get(this.#backup.path);
    const owner = folder?.kind === 'directory' ? folder.owner : { uid: 0, gid: 0 };
    return [...parents]
      .filter((path) => !this.#tree.entries.has(path))
      .sort()
      .map((path) => {
        const saved = this.#tree.entries.get(this.#backup.path + path.slice(tlsDir.length));
        const like = path.startsWith(tlsDir) && saved?.kind === 'directory' ? saved : folder;
        return { path, mode: like?.kind === 'directory' ? like.mode & 0o777 : 0o700, owner };
      });
  }

  #source(target: string): { readonly path: string; readonly file: LeafFile } | undefined {
    const path = sourceOf(this.#backup, target, this.#tree, this.#options.product);
    const entry = path === undefined ? undefined : this.#tree.entries.get(path);
    if (path !== undefined && entry?.kind === 'unreadable') {
      this.#problems.error('unreadable', path, { why: entry.why });
    }
    return path === undefined || entry?.kind !== 'file' ? undefined : { path, file: entry };
  }

  #certificate(path: string, file: LeafFile): Certificate | undefined {
    const found = firstCertificate(file.blocks);
    if (found === undefined) this.#problems.error('broken-file', path, { reason: 'holds no certificate in PEM form' });
    return found;
  }

  #key(path: string, file: LeafFile): string | undefined {
    const found = firstKey(file.blocks);
    if (found === undefined) this.#problems.error('broken-file', path, { reason: 'holds no private key in PEM form' });
    return found;
  }

  #put(to: string, from: string, file: LeafFile): void {
    this.sources.set(to, from);
    const there = fileAt(this.#tree, to);
    const secret = isSecret(to, file);
    if (secret && (file.mode & 0o077) !== 0) this.#problems.warn('loose-mode', from, { mode: file.mode });
    const wanted = secret ? mode.key : file.mode & 0o777;
    if (there?.sha256 === file.sha256 && (there.mode & 0o777) === wanted) {
      this.unchanged.push(to);
      return;
    }
    const owner = there?.owner ?? file.owner;
    this.writes.push({
      from,
      to,
      mode: wanted,
      owner,
      sha256: file.sha256,
      secret,
      replaces: there?.sha256 ?? 'absent',
    });
  }

  #warnOfReturn(path: string, backup: string): void {
    const missing = fileAt(this.#tree, path) === undefined;
    if (missing && this.#tree.inUse) this.#problems.warn('ca-returned', path, { backup });
  }

  #dropHalf(path: string, kept: string): void {
    const there = fileAt(this.#tree, path);
    this.#problems.warn('half-pair', kept, { missing: path, removed: there !== undefined });
    if (there !== undefined) this.removes.push({ path, sha256: there.sha256 });
  }
}

/** Compares what is said, not how: a bundle with text between its blocks is the same bundle. */
function compareCa(
  tree: LeafTree,
  backup: Backup,
  ca: CaName,
  product: Product,
): 'not there' | 'same' | 'missing' | 'differs' {
  const [bundle, key] = [tlsFile.caBundle(ca), tlsFile.caKey(ca)].map((path) => {
    const source = sourceOf(backup, path, tree, product);
    return { saved: source === undefined ? undefined : fileAt(tree, source), used: fileAt(tree, path) };
  });
  if (bundle?.saved === undefined || key?.saved === undefined) return 'not there';
  const certificates = (file: LeafFile | undefined) =>
    file?.blocks.flatMap((block) => (block.kind === 'certificate' ? [block.certificate.sha256] : [])).join();
  const differs =
    (bundle.used !== undefined && certificates(bundle.used) !== certificates(bundle.saved)) ||
    (key.used !== undefined && firstKey(key.used.blocks) !== firstKey(key.saved.blocks));
  if (differs) return 'differs';
  return bundle.used === undefined || key.used === undefined ? 'missing' : 'same';
}

function warnOfRenewals(leaves: readonly RestoredLeaf[], { path }: Backup, problems: LeafProblems): void {
  const byReason = new Map<RenewalReason, string[]>();
  for (const { file, fate } of leaves) {
    if (fate !== 'kept' && fate !== 'requested') byReason.set(fate, [...(byReason.get(fate) ?? []), file]);
  }
  for (const [why, files] of byReason) problems.warn('leaves-renewed', path, { why, files });
}
