import { type Dirent, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckProblem } from '@k3s-pki/plan';

/** A file to look into. One that was `named` must hold certificates; in a folder others are passed over. */
export type Candidate =
  | { readonly path: string; readonly named: boolean; readonly problem?: undefined }
  | { readonly path: string; readonly problem: CheckProblem };

/** Whether a file in a folder is looked into. */
export type Filter = (name: string) => boolean;

/** Extensions of certificate files, and the supervisor's Secret. */
export function isCertificateFile(name: string): boolean {
  return /\.(crt|pem|cer|cert)$/i.test(name) || name === 'dynamic-cert.json';
}

/** The same and kubeconfigs. */
export function isCheckedFile(name: string): boolean {
  return isCertificateFile(name) || isKubeconfigFile(name);
}

export function isKubeconfigFile(name: string): boolean {
  return /\.(kubeconfig|conf|ya?ml)$/i.test(name);
}

/** The files of a named path in a stable order: those of a folder by name, its folders among them. Links are followed,
 *  but no folder is entered twice. Only when they are named: backups that `certificate rotate` left (`tls-<seconds>`),
 *  and containerd's images, which are no files of K3s's. */
export function* walk(path: string): Generator<Candidate> {
  const state = look(path);
  if (typeof state !== 'string') yield { path, problem: state };
  else if (state === 'folder') yield* walkFolder(path, isCheckedFile, true);
  else yield { path, named: true };
}

/** The files of a folder. `entered`: the folders behind the links so far. */
export function* walkFolder(
  folder: string,
  filter: Filter,
  recursive: boolean,
  entered: Set<string> = new Set(),
): Generator<Candidate> {
  let entries: Dirent[];
  try {
    const { dev, ino } = statSync(folder);
    if (entered.has(`${dev}:${ino}`)) return;
    entered.add(`${dev}:${ino}`);
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    yield { path: folder, problem: problemOf(error) };
    return;
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    const state = entry.isSymbolicLink() ? look(path) : entry.isDirectory() ? 'folder' : 'file';
    if (state === 'folder') {
      if (recursive && !isSkippedFolder(entry.name)) yield* walkFolder(path, filter, recursive, entered);
    } else if (filter(entry.name)) {
      yield typeof state === 'string' ? { path, named: false } : { path, problem: state };
    }
  }
}

function isSkippedFolder(name: string): boolean {
  return /^tls-\d+$/.test(name) || name.startsWith('.k3s-pki-stage') || name === 'containerd';
}

/** What lies at a path, links followed. */
function look(path: string): 'file' | 'folder' | CheckProblem {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    try {
      if (lstatSync(path).isSymbolicLink()) {
        return { code: 'dangling-link', values: { target: readlinkSync(path) } };
      }
    } catch {
      // The first error says it.
    }
    return problemOf(error);
  }
}

function problemOf(error: unknown): CheckProblem {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return { code: 'absent', values: {} };
  return { code: 'unreadable', values: { why: code === 'EACCES' || code === 'EPERM' ? 'permission' : 'io' } };
}
