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
  const isSecret = /client-key-data|token:|password:/.test(Buffer.from(read.bytes).toString('latin1'));
  const broken = taken?.pieces.find(({ problem }) => problem !== undefined)?.problem;
  if (broken !== undefined) return { ...base, parts: [], problem: describeCheckProblem(broken) };
  const parts = (taken?.pieces ?? []).flatMap((piece) => partOf(piece, core));
  read.bytes.fill(0);
  if (taken === undefined || parts.length + taken.references.length === 0) {
    return { ...base, parts: [], problem: 'names no certificate' };
  }
  // Files of the data dir are looked at as such, and a start makes those that are missing.
  const outside = taken.references.filter((path) => !path.startsWith(root + sep));
  const missing = (rewritten ? outside : taken.references).filter((path) => !existsSync(path));
  const secretMode = isSecret ? { secretMode: read.mode } : {};
  const named = outside.flatMap((path) => namedPart(path, core));
  return { ...base, ...secretMode, missing, parts: [...parts, ...named] };
}

function partOf(piece: Piece, core: Core): KubeconfigPart[] {
  if (piece.problem !== undefined || piece.part === undefined) return [];
  const role = piece.part.startsWith('clusters/') ? 'ca' : 'client';
  return [{ part: piece.part, role, certificates: certificatesIn(piece.pem, core) }];
}

/** A file that a kubeconfig names: what it holds tells its role. */
function namedPart(path: string, core: Core): KubeconfigPart[] {
  const read = readFile(path);
  const certificates = read === 'absent' || 'why' in read ? [] : certificatesIn(read.bytes, core);
  const [first] = certificates;
  if (first === undefined) return [];
  return [{ part: path, role: first.basicConstraints?.ca === true ? 'ca' : 'client', certificates }];
}

function certificatesIn(pem: Uint8Array, core: Core): Certificate[] {
  return core.inspect(pem).flatMap((block) => (block.kind === 'certificate' ? [block.certificate] : []));
}
