import { statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Core } from '@k3s-pki/core';
import { type PemFile, rotationFields, signsOfUse, tlsDir, tlsFile } from '@k3s-pki/k3s';
import type { CaSet, PathFacts } from '@k3s-pki/plan';
import { Failure, type Message } from './failure.ts';
import { explainVerifyProblem } from './messages/english/verify.ts';
import type { ShowPath } from './messages/english.ts';
import { readSnapshot } from './snapshot.ts';

/** A set of CAs where it lies. */
export interface LocatedCaSet {
  /** The `tls` folder, absolute. */
  readonly tls: string;
  /** What `rotate-ca --path` takes: the folder that `tls` is in. */
  readonly server: string;
  readonly set: CaSet;
  /** The full path of one that is relative to the data dir. */
  readonly show: ShowPath;
}

/** Reads the CAs of a data dir, of a `server` folder (such as a staged one) or of a `tls` folder. Throws Failure when it
 *  is none of these; files that can't be read are noted in the set. */
export function readCaSet(cwd: string, dir: string, core: Core): LocatedCaSet {
  const tls = locateTls(resolve(cwd, dir));
  const show: ShowPath = (path) => join(tls, relative(tlsDir, path));
  const { snapshot, contents } = readSnapshot(
    tls,
    caSetFiles.map((path) => relative(tlsDir, path)),
    core,
  );
  const files = new Map<string, PemFile>();
  const facts = new Map<string, PathFacts>();
  for (const [name, file] of snapshot.files) {
    const path = join(tlsDir, name);
    const stat = statOf(join(tls, name));
    const known = { mode: stat.mode, ...ownerOf(stat) };
    const bytes = contents.get(name);
    if (file.kind === 'unreadable' || bytes === undefined) {
      facts.set(path, { kind: 'unreadable', ...known, ...(file.kind === 'unreadable' ? { why: file.why } : {}) });
      continue;
    }
    facts.set(path, { kind: 'file', ...known });
    files.set(path, { bytes, blocks: file.blocks, modified: stat.modified });
  }
  for (const folder of [tlsDir, `${tlsDir}/etcd`]) {
    const stat = statOf(show(folder));
    if (stat.kind === 'directory') facts.set(folder, { kind: 'directory', mode: stat.mode, ...ownerOf(stat) });
  }
  const server = dirname(tls);
  const inUse = signsOfUse.some((path) => statOf(join(server, relative('server', path))).kind !== 'absent');
  return { tls, server, show, set: { files: (path) => files.get(path), facts, inUse } };
}

/** A message for each file that is there and could not be read, of those that are `wanted`. */
export function unreadableIn({ set, show }: LocatedCaSet, wanted: (file: string) => boolean): Message[] {
  return [...set.facts].flatMap(([file, { kind, why = 'io' }]) => {
    if (kind !== 'unreadable' || !wanted(file)) return [];
    const { text, mend } = explainVerifyProblem({ severity: 'error', code: 'unreadable', file, values: { why } }, show);
    return [{ error: `${show(file)}: ${text}`, ...(mend === undefined ? {} : { hint: mend }) }];
  });
}

const caSetFiles = [
  ...rotationFields.map(({ file }) => file),
  tlsFile.rootCertificate,
  tlsFile.rootBundle,
  tlsFile.rootKey,
  tlsFile.intermediateCertificate,
  tlsFile.intermediateBundle,
  tlsFile.intermediateKey,
];

function locateTls(dir: string): string {
  const here = statOf(dir);
  if (here.kind === 'absent') {
    throw new Failure([
      { error: `${dir}: no such folder`, hint: 'name a data dir, its server folder or its tls folder' },
    ]);
  }
  if (here.kind === 'file') {
    throw new Failure([{ error: `${dir}: not a folder`, hint: `name the folder that it is in: ${dirname(dir)}` }]);
  }
  for (const below of [tlsDir, basename(tlsDir)]) {
    const { kind } = statOf(join(dir, below));
    if (kind === 'directory') return join(dir, below);
    if (kind === 'denied') throw denied(join(dir, below));
  }
  if (here.kind === 'denied') throw denied(dir);
  const own = caSetFiles.map((path) => join(dir, relative(tlsDir, path)));
  const found = own.map((path) => statOf(path).kind);
  if (found.some((kind) => kind === 'file' || kind === 'directory')) return dir;
  if (found.includes('denied')) throw denied(dir);
  throw new Failure([
    {
      error: `${dir}: no CA is in it: neither server/tls nor tls, and no client-ca.crt, server-ca.crt or the like`,
      hint: 'name a data dir (/var/lib/rancher/k3s), its server folder, a staged one, or a tls folder',
    },
  ]);
}

function denied(path: string): Failure {
  return new Failure([
    { error: `${path}: no permission to read it`, hint: 'run as the user who owns it, usually root' },
  ]);
}

interface Stat {
  readonly kind: 'file' | 'directory' | 'absent' | 'denied';
  readonly mode: number;
  readonly owner: number;
  /** Seconds since 1970. */
  readonly modified: number;
}

function statOf(path: string): Stat {
  try {
    const stat = statSync(path);
    return {
      kind: stat.isDirectory() ? 'directory' : 'file',
      mode: stat.mode & 0o7777,
      owner: stat.uid,
      modified: Math.floor(stat.mtimeMs / 1000),
    };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const denied = code === 'EACCES' || code === 'EPERM';
    return { kind: denied ? 'denied' : 'absent', mode: 0, owner: -1, modified: 0 };
  }
}

function ownerOf({ owner }: Stat): Pick<PathFacts, 'owner'> {
  return process.platform === 'win32' || owner === -1 ? {} : { owner };
}
