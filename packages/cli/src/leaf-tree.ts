import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Core, PemBlock } from '@k3s-pki/core';
import { type FileSet, type Product, signsOfUse } from '@k3s-pki/k3s';
import { type Holder, type LeafTree, type LeafTreeEntry, leafTreeScope } from '@k3s-pki/plan';

/** Far more than any file of a tls folder; what is larger was put there by mistake. */
const largest = 16 << 20;

/** What was found below a data dir, and the bytes of its files, which may be secret. */
export interface LeafReading {
  readonly tree: LeafTree;
  readonly contents: ReadonlyMap<string, Uint8Array>;
}

/** Reads what rotating and restoring leaves need; with `backups` their files too, else only their names. What cannot be
 *  read is in the tree as such. */
export function readLeafTree(
  root: string,
  product: Product,
  core: Core,
  holders: readonly Holder[],
  backups: boolean,
): LeafReading {
  const entries = new Map<string, LeafTreeEntry>();
  const contents = new Map<string, Uint8Array>();
  // Backups hold the same bytes again and again, and the public half of every key is computed from the private one.
  const inspected = new Map<string, readonly PemBlock[]>();
  const inspect: Inspect = (bytes, sha256) => {
    const known = inspected.get(sha256) ?? core.inspect(bytes);
    inspected.set(sha256, known);
    return known;
  };
  const look = (path: string): LeafTreeEntry['kind'] | undefined => {
    const found = readEntry(join(root, path), inspect);
    if (found === undefined) return undefined;
    entries.set(path, found.entry);
    if (found.bytes !== undefined) contents.set(path, found.bytes);
    return found.entry.kind;
  };
  const descend = (path: string) => {
    if (look(path) !== 'directory') return;
    const names = namesIn(join(root, path));
    if (names === undefined) entries.set(path, { kind: 'unreadable', why: 'permission' });
    else for (const name of names) descend(`${path}/${name}`);
  };
  const { paths, trees, backupParents } = leafTreeScope(product);
  for (const path of paths) look(path);
  for (const path of trees) descend(path);
  for (const parent of backupParents) {
    const names = namesIn(join(root, parent));
    if (names === undefined) entries.set(parent, { kind: 'unreadable', why: 'permission' });
    for (const name of names ?? []) {
      if (!/^tls-\d+$/.test(name)) continue;
      if (backups) descend(`${parent}/${name}`);
      else look(`${parent}/${name}`);
    }
  }
  const inUse = signsOfUse.some((path) => statOf(join(root, path)) !== undefined);
  return { tree: { entries, inUse, holders }, contents };
}

/** The files as K3s's checks want them; `placed` names the file that will stand at a path. */
export function filesOf(
  { tree, contents }: LeafReading,
  placed: (path: string) => string | undefined = (path) => path,
): FileSet {
  return (path) => {
    const source = placed(path);
    const entry = source === undefined ? undefined : tree.entries.get(source);
    const bytes = source === undefined ? undefined : contents.get(source);
    return entry?.kind === 'file' && bytes !== undefined ? { bytes, blocks: entry.blocks } : undefined;
  };
}

type Inspect = (bytes: Uint8Array, sha256: string) => readonly PemBlock[];

function readEntry(path: string, inspect: Inspect): { entry: LeafTreeEntry; bytes?: Uint8Array } | undefined {
  const link = statOf(path, lstatSync);
  if (link === undefined) return undefined;
  if (link === 'no permission') return { entry: { kind: 'unreadable', why: 'permission' } };
  const { mode, uid, gid } = link;
  const ownership = { mode: mode & 0o7777, owner: { uid, gid } };
  if (link.isDirectory()) return { entry: { kind: 'directory', ...ownership } };
  const stats = link.isSymbolicLink() ? statOf(path) : link;
  if (stats === 'no permission') return { entry: { kind: 'unreadable', why: 'permission' } };
  if (stats === undefined || !stats.isFile()) return { entry: { kind: 'special' } };
  if (stats.size > largest) return { entry: { kind: 'unreadable', why: 'too-large' } };
  try {
    const bytes = readFileSync(path);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const owned = { mode: stats.mode & 0o7777, owner: { uid: stats.uid, gid: stats.gid } };
    const facts = { sha256, size: bytes.length, holdsKey: bytes.includes('PRIVATE KEY-----') };
    const entry: LeafTreeEntry = {
      kind: 'file',
      ...owned,
      ...facts,
      get blocks() {
        return inspect(bytes, sha256);
      },
    };
    return { entry, bytes };
  } catch (error) {
    return { entry: { kind: 'unreadable', why: isForbidden(error) ? 'permission' : 'io' } };
  }
}

/** In the order of their names; undefined without permission. */
function namesIn(path: string): string[] | undefined {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    return isForbidden(error) ? undefined : [];
  }
}

/** stat(2), or lstat(2); undefined when there is nothing. */
function statOf(
  path: string,
  look: typeof statSync | typeof lstatSync = statSync,
): Stats | 'no permission' | undefined {
  try {
    return look(path, { throwIfNoEntry: false }) as Stats | undefined;
  } catch (error) {
    return isForbidden(error) ? 'no permission' : undefined;
  }
}

function isForbidden(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EACCES' || code === 'EPERM';
}
