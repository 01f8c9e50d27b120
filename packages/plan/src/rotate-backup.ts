import { agentDir, mode, tlsDir } from '@k3s-pki/k3s';
import type { LeafProblems } from './rotate-problems.ts';
import { fileAt, isSecret, type LeafTree, type Ownership } from './rotate-snapshot.ts';

/** A file that will be written with the bytes of another one. Paths are relative to the data dir. */
export interface PlannedCopy extends Ownership {
  readonly from: string;
  readonly to: string;
  /** Of the bytes. */
  readonly sha256: string;
  readonly secret: boolean;
}

export interface PlannedDirectory extends Ownership {
  readonly path: string;
}

/** A folder with everything that a run changes as it was before. */
export interface PlannedBackup {
  readonly path: string;
  readonly directories: readonly PlannedDirectory[];
  readonly copies: readonly PlannedCopy[];
}

/**
 * Plans the copy of `server/tls` and of agent files, before anything of it is changed. K3s's name and place,
 * `server/tls-<seconds>`, or `agent/tls-<seconds>` where there is no `server/tls`. Agent files of a server lie in
 * a folder `agent` of their own: K3s puts them beside the server's, whose `client-kubelet.key`, `client-kube-proxy.*` and
 * `client-k3s-controller.*` are lost by that. Keys get mode 0600 whatever theirs is.
 * Source: K3s `pkg/cli/cert/cert.go`, `backupCertificates`.
 */
export function planBackup(
  tree: LeafTree,
  agentFiles: readonly string[],
  now: number,
  problems: LeafProblems,
): PlannedBackup {
  const tls = tree.entries.get(tlsDir);
  const ofServer = tls?.kind === 'directory';
  const path = freeName(tree, ofServer ? 'server' : agentDir, now);
  const directories: PlannedDirectory[] = [];
  const copies: PlannedCopy[] = [];
  const copy = (from: string, to: string) => {
    const file = fileAt(tree, from);
    if (file === undefined) return;
    const secret = isSecret(from, file);
    const { owner, sha256 } = file;
    if (secret && (file.mode & 0o077) !== 0) problems.warn('loose-mode', from, { mode: file.mode });
    copies.push({ from, to, mode: secret ? mode.key : file.mode & 0o777, owner, sha256, secret });
  };
  const agentEntry = tree.entries.get(agentDir);
  const agentOwner = agentEntry?.kind === 'directory' ? agentEntry.owner : { uid: 0, gid: 0 };
  if (ofServer) {
    directories.push({ path, mode: tls.mode & 0o777, owner: tls.owner });
    for (const [from, entry] of tree.entries) {
      if (!from.startsWith(`${tlsDir}/`)) continue;
      const to = path + from.slice(tlsDir.length);
      if (entry.kind === 'directory') directories.push({ path: to, mode: entry.mode & 0o777, owner: entry.owner });
      else if (entry.kind === 'file') copy(from, to);
      else if (entry.kind === 'special') problems.warn('not-copied', from, {});
      else problems.error('unreadable', from, { why: entry.why });
    }
  } else directories.push({ path, mode: 0o700, owner: agentOwner });
  const kept = agentFiles.filter((from) => fileAt(tree, from) !== undefined);
  const folder = ofServer ? `${path}/${agentDir}` : path;
  if (ofServer && kept.length > 0) directories.push({ path: folder, mode: 0o700, owner: agentOwner });
  for (const from of kept) copy(from, folder + from.slice(agentDir.length));
  return { path, directories, copies };
}

/** K3s names a backup after the second; two in one second must not become one. */
function freeName({ entries }: LeafTree, parent: string, now: number): string {
  for (let time = now; ; time++) {
    const path = `${parent}/tls-${time}`;
    if (!entries.has(path)) return path;
  }
}
