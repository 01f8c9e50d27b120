import { agentDir, type LeafPair, type Product, servicesOf, tlsDir } from '@k3s-pki/k3s';
import { fileAt, type LeafTree } from './rotate-snapshot.ts';

/** A backup of leaves, K3s's or ours. */
export interface Backup {
  /** Relative to the data dir, such as `server/tls-1795519558`. */
  readonly path: string;
  readonly name: string;
  /** Seconds since 1970, from the name. */
  readonly time: number;
  /** Whose files it is: a server's with the agent's on it, or an agent's alone. */
  readonly of: 'server' | 'agent';
  /** Where the agent's files lie: `agent` below it (ours), beside the server's (K3s's), or nowhere. */
  readonly agentFiles: 'folder' | 'beside' | 'none';
}

/** The backups of a data dir, newest first. */
export function backupsOf(tree: LeafTree): Backup[] {
  const backups: Backup[] = [];
  for (const [path, entry] of tree.entries) {
    const [, of, name, seconds] = /^(server|agent)\/(tls-(\d+))$/.exec(path) ?? [];
    if (entry.kind !== 'directory' || name === undefined) continue;
    backups.push({
      path,
      name,
      time: Number(seconds),
      of: of === 'server' ? 'server' : 'agent',
      agentFiles: agentFilesOf(tree, path, of === 'server'),
    });
  }
  return backups.sort((a, b) => b.time - a.time);
}

/** What a user may call a backup: its name, the number in it, its path from the data dir, or `latest`. `backups` are
 *  newest first. */
export function backupsNamed(backups: readonly Backup[], name: string): Backup[] {
  if (name === 'latest') return backups.slice(0, 1);
  const wanted = name.replace(/\/+$/, '');
  return backups.filter(({ path, name: own, time }) => [path, own, String(time)].includes(wanted));
}

/** The file of a backup that a file of the data dir was copied to; undefined where it has none for certain. */
export function sourceOf(backup: Backup, target: string, tree: LeafTree, product: Product): string | undefined {
  const source = placeOf(backup, target, product);
  if (source === undefined || tree.entries.get(source)?.kind === undefined) return undefined;
  return source;
}

/** The server's files that K3s's way of copying has put agent files over. */
export function overwrittenIn(backup: Backup, product: Product): string[] {
  if (backup.of === 'agent' || backup.agentFiles !== 'beside') return [];
  const besides = agentPairs(product).flatMap(files);
  return servicesOf(product)
    .flatMap(({ leaves }) => leaves.flatMap(files))
    .filter((path) => path.startsWith(`${tlsDir}/`) && besides.includes(agentDir + path.slice(tlsDir.length)));
}

function placeOf(backup: Backup, target: string, product: Product): string | undefined {
  if (target.startsWith(`${agentDir}/`)) {
    const rest = target.slice(agentDir.length);
    if (backup.of === 'agent' || backup.agentFiles === 'beside') return backup.path + rest;
    return backup.agentFiles === 'folder' ? `${backup.path}/${agentDir}${rest}` : undefined;
  }
  if (backup.of === 'agent' || overwrittenIn(backup, product).includes(target)) return undefined;
  return backup.path + target.slice(tlsDir.length);
}

/** A certificate of the kubelet gives K3s's way away: a server has only keys of that name. */
function agentFilesOf(tree: LeafTree, path: string, ofServer: boolean): Backup['agentFiles'] {
  if (tree.entries.get(`${path}/${agentDir}`)?.kind === 'directory') return 'folder';
  if (!ofServer) return 'beside';
  const kubelet = ['client-kubelet.crt', 'serving-kubelet.crt'].map((name) => `${path}/${name}`);
  return kubelet.some((file) => fileAt(tree, file) !== undefined) ? 'beside' : 'none';
}

function agentPairs(product: Product): LeafPair[] {
  return servicesOf(product)
    .flatMap(({ leaves }) => leaves)
    .filter(({ key }) => key.startsWith(`${agentDir}/`));
}

function files({ certificate, key }: LeafPair): string[] {
  return certificate === undefined ? [key] : [certificate, key];
}
