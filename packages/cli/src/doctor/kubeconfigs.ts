import { existsSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import type { Certificate, Core } from '@k3s-pki/core';
import { adminKubeconfig, defaultDataDir, type Product } from '@k3s-pki/k3s';
import type { KubeconfigPart, KubeconfigSight } from '@k3s-pki/plan';
import { type Piece, takeApart } from '../checking/pieces.ts';
import { walkFolder } from '../checking/walk.ts';
import { describeCheckProblem } from '../messages/english/check.ts';
import { readFile } from '../snapshot.ts';

/** Kubeconfigs of a data dir, the administrator's own of the default one, and copies that were named. */
export async function readKubeconfigs(
  root: string,
  product: Product,
  copies: readonly string[],
  core: Core,
): Promise<KubeconfigSight[]> {
  const own = ['server/cred', 'agent'].flatMap((folder) => {
    const path = resolve(root, folder);
    return existsSync(path) ? [...walkFolder(path, (name) => name.endsWith('.kubeconfig'), false)] : [];
  });
  const admin = adminKubeconfig(product);
  const files = [
    ...own.filter(({ problem }) => problem === undefined).map(({ path }) => ({ path, rewritten: true })),
    ...(root === defaultDataDir(product) && existsSync(admin) ? [{ path: admin, rewritten: true }] : []),
    ...copies.map((path) => ({ path, rewritten: false })),
  ];
  return Promise.all(files.map(({ path, rewritten }) => readKubeconfig(path, rewritten, root, core)));
}

async function readKubeconfig(file: string, rewritten: boolean, root: string, core: Core): Promise<KubeconfigSight> {
  const base = { file, rewritten, missing: [] };
  const read = readFile(file);
  if (read === 'absent') return { ...base, parts: [], problem: 'there is no such file' };
  if ('why' in read) return { ...base, parts: [], problem: describeCheckProblem({ code: 'unreadable', values: read }) };
  const taken = await takeApart(file, read.bytes);
  read.bytes.fill(0);
  const broken = taken?.pieces.find(({ problem }) => problem !== undefined)?.problem;
  if (broken !== undefined) return { ...base, parts: [], problem: describeCheckProblem(broken) };
  if (taken === undefined || (taken.pieces.length === 0 && taken.references.length === 0)) {
    return { ...base, parts: [], problem: 'names no certificate' };
  }
  // K3s's own files, of the data dir, are looked at as such.
  const outside = taken.references.filter((path) => !path.startsWith(root + sep));
  const missing = outside.filter((path) => !existsSync(path));
  return { ...base, missing, parts: taken.pieces.flatMap((piece) => partOf(piece, core)) };
}

function partOf(piece: Piece, core: Core): KubeconfigPart[] {
  if (piece.problem !== undefined || piece.part === undefined) return [];
  const certificates: Certificate[] = core
    .inspect(piece.pem)
    .flatMap((block) => (block.kind === 'certificate' ? [block.certificate] : []));
  return [{ part: piece.part, role: piece.part.startsWith('clusters/') ? 'ca' : 'client', certificates }];
}
