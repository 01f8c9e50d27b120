import {
  agentDir,
  dynamicCertMarker,
  type FirstStart,
  listenerService,
  mode,
  type Product,
  type Service,
  serviceFiles,
  servicesOf,
  tlsDir,
} from '@k3s-pki/k3s';
import { deepFreeze } from './freeze.ts';
import { type PlannedBackup, planBackup } from './rotate-backup.ts';
import { type LeafProblem, LeafProblems } from './rotate-problems.ts';
import { fileAt, type LeafTree, type Ownership, roleOf } from './rotate-snapshot.ts';

/** Options of `certificate rotate`. No service means all of the machine's role. */
export interface RotateOptions {
  readonly product: Product;
  readonly services: readonly string[];
  /** Go ahead although K3s runs, or its CAs are unfit to sign new leaves. */
  readonly force: boolean;
}

/** A file that goes; the commit refuses when it is no longer what was read. */
export interface PlannedRemoval {
  readonly path: string;
  readonly sha256: string;
}

/** An empty file of K3s's, written over `replaces` (SHA-256, or `absent`). */
export interface PlannedMarker extends Ownership {
  readonly path: string;
  readonly replaces: string;
}

/** What will be copied, left and removed. Frozen, printable as JSON. Paths are relative to the data dir. */
export interface RotatePlan {
  readonly verb: 'certificate rotate';
  readonly product: Product;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly role: 'server' | 'agent';
  /** The services came from the role, not from the options. */
  readonly detected: boolean;
  /** Chosen services with the files that go. */
  readonly services: ReadonlyArray<{ readonly name: string; readonly files: readonly string[] }>;
  /** Absent when nothing changes. */
  readonly backup?: PlannedBackup;
  readonly removes: readonly PlannedRemoval[];
  readonly marker?: PlannedMarker;
  readonly warnings: readonly LeafProblem[];
}

export type LeafPlanned<Plan> =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly problems: readonly LeafProblem[] };

/**
 * Plans what K3s's `certificate rotate` does: a copy of everything, then the chosen services' files go, so that the next
 * start makes them anew; the supervisor's listener gets its marker instead. `firstStart` is what K3s says of the CAs
 * in place, absent on an agent. `now` is seconds since 1970. Never throws on what it finds.
 * Source: K3s `pkg/cli/cert/cert.go`, `rotate`.
 */
export function planRotate(
  options: RotateOptions,
  tree: LeafTree,
  firstStart: FirstStart | undefined,
  now: number,
): LeafPlanned<RotatePlan> {
  const { product, force } = options;
  const problems = new LeafProblems();
  const chosen = chooseServices(options, tree, problems);
  const role = roleOf(tree);
  checkMachine(tree, force, problems);
  if (firstStart !== undefined) checkCas(firstStart, tree, force, problems);
  const services = chosen.map(({ name, leaves }) => ({
    name,
    files: serviceFiles({ leaves }).filter((path) => isThere(tree, path, problems)),
  }));
  const files = services.flatMap((service) => service.files);
  const marker = chosen.some(({ name }) => name === listenerService(product)) ? planMarker(tree) : undefined;
  const changes = files.length > 0 || marker !== undefined;
  if (role !== undefined && !changes) problems.warn('nothing-to-rotate', '', {});
  const backup = changes ? planBackup(tree, files.filter(isAgentFile), now, problems) : undefined;
  if (problems.refused || role === undefined) return { ok: false, problems: problems.list };
  return {
    ok: true,
    plan: deepFreeze<RotatePlan>({
      verb: 'certificate rotate',
      product,
      timestamp: now,
      role,
      detected: options.services.length === 0,
      services,
      ...(backup === undefined ? {} : { backup }),
      removes: files.map((path) => ({ path, sha256: fileAt(tree, path)?.sha256 ?? '' })),
      ...(marker === undefined ? {} : { marker }),
      warnings: problems.list,
    }),
  };
}

/** The services that the options name, or those of the machine's role; each once, in K3s's order. */
export function chooseServices(
  { product, services }: Pick<RotateOptions, 'product' | 'services'>,
  tree: LeafTree,
  problems: LeafProblems,
): readonly Service[] {
  const all = servicesOf(product);
  const onServer = roleOf(tree) !== 'agent';
  if (services.length === 0) return all.filter(({ role }) => role === 'agent' || onServer);
  const known = all.map(({ name }) => name);
  for (const service of new Set(services)) {
    const found = all.find(({ name }) => name === service);
    if (found === undefined) problems.error('unknown-service', '', { service, known });
    else if (found.role === 'server' && !onServer) problems.error('server-service', '', { service });
  }
  return all.filter(({ name }) => services.includes(name));
}

/** A data dir that can be read, of a server or agent that does not run. */
export function checkMachine(tree: LeafTree, force: boolean, problems: LeafProblems): void {
  const { entries, holders } = tree;
  let readable = true;
  for (const path of ['server', agentDir, tlsDir]) {
    const entry = entries.get(path);
    if (entry?.kind !== 'unreadable') continue;
    readable = false;
    problems.error('unreadable', path, { why: entry.why });
  }
  const role = roleOf(tree);
  if (role === undefined && readable) problems.error('no-data-dir', '', {});
  if (role !== undefined && holders.length > 0) problems.unlessForced(force, 'running', '', { holders, role });
}

/** A CA that is missing comes back from the datastore of a cluster that was started; elsewhere K3s makes another one. */
export function checkCas({ findings }: FirstStart, { inUse }: LeafTree, force: boolean, problems: LeafProblems): void {
  for (const { file, effect, reason } of findings) {
    if (effect === 'odd') continue;
    problems.unlessForced(force || (effect === 'replaced' && inUse), 'cas-unfit', file, { reason, effect });
  }
}

export function isAgentFile(path: string): boolean {
  return path.startsWith(`${agentDir}/`);
}

function isThere(tree: LeafTree, path: string, problems: LeafProblems): boolean {
  const entry = tree.entries.get(path);
  // What lies in server/tls is told by the backup, which reads everything there.
  if (entry?.kind === 'unreadable' && isAgentFile(path)) problems.error('unreadable', path, { why: entry.why });
  return entry?.kind === 'file';
}

/** Nothing to do where the marker is there already, or K3s will make everything anew. */
function planMarker(tree: LeafTree): PlannedMarker | undefined {
  const folder = tree.entries.get(tlsDir);
  if (folder?.kind !== 'directory') return undefined;
  const there = fileAt(tree, dynamicCertMarker);
  if (there !== undefined) return undefined;
  return { path: dynamicCertMarker, mode: mode.key, owner: folder.owner, replaces: 'absent' };
}
