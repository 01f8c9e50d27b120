import type { PemBlock } from '@k3s-pki/core';
import { agentDir, type Product, serviceFiles, servicesOf, tlsDir } from '@k3s-pki/k3s';

/** Permission bits and owner of what was found, or will be made. */
export interface Ownership {
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** A file that was read. Links to files are followed: a copy must not change when the link's target does. */
export interface LeafFile extends Ownership {
  readonly kind: 'file';
  /** SHA-256 of the bytes, lower-case hex. */
  readonly sha256: string;
  readonly size: number;
  /** Read when it is first asked for: most files are only copied. */
  readonly blocks: readonly PemBlock[];
  /** Whether a private key is in it, in PEM form. */
  readonly holdsKey: boolean;
}

export type LeafTreeEntry =
  | LeafFile
  | ({ readonly kind: 'directory' } & Ownership)
  /** A socket, fifo, device, link to a directory or to nothing: never copied. */
  | { readonly kind: 'special' }
  | { readonly kind: 'unreadable'; readonly why: 'permission' | 'too-large' | 'io' };

/** What shows that a server or agent is running: a process that has this data dir, or a program behind its port. */
export type Holder =
  | { readonly kind: 'process'; readonly pid: number; readonly command: string }
  | { readonly kind: 'port'; readonly address: string; readonly answers: 'supervisor' | 'something' };

/** The part of a data dir that rotating and restoring leaves looks at, by path relative to it. */
export interface LeafTree {
  readonly entries: ReadonlyMap<string, LeafTreeEntry>;
  /** Whether a server was started here once (`signsOfUse`). */
  readonly inUse: boolean;
  readonly holders: readonly Holder[];
}

/** What a reader of a LeafTree looks at: single paths, and directories with everything below them. */
export interface LeafTreeScope {
  readonly paths: readonly string[];
  readonly trees: readonly string[];
  /** Directories whose `tls-<seconds>` entries are backups. */
  readonly backupParents: readonly string[];
}

/** The scope for a product; the same for every service, so that two plans see the same data dir. */
export function leafTreeScope(product: Product): LeafTreeScope {
  const agentFiles = servicesOf(product)
    .flatMap(serviceFiles)
    .filter((path) => path.startsWith(`${agentDir}/`));
  return {
    paths: ['server', agentDir, ...agentFiles],
    trees: [tlsDir],
    backupParents: ['server', agentDir],
  };
}

/** Whether a machine is a server, as K3s tells it, or an agent; undefined when it is neither.
 *  Source: K3s `pkg/cli/cert/cert.go`, `rotate`: a server has the folder `server`. */
export function roleOf({ entries }: LeafTree): 'server' | 'agent' | undefined {
  if (entries.get('server')?.kind === 'directory') return 'server';
  return entries.get(agentDir)?.kind === 'directory' ? 'agent' : undefined;
}

/** The regular file at a path. */
export function fileAt({ entries }: LeafTree, path: string): LeafFile | undefined {
  const entry = entries.get(path);
  return entry?.kind === 'file' ? entry : undefined;
}

/** Whether what a file holds must stay private: a key, or the supervisor's certificate with its key in JSON. */
export function isSecret(path: string, { holdsKey }: LeafFile): boolean {
  return holdsKey || /\.(key|json)$/.test(path);
}
