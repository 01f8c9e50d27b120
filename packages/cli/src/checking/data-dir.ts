import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { adminKubeconfig, agentDir, dataDirLeaves, defaultDataDir, type Product, tlsDir } from '@k3s-pki/k3s';
import { type Candidate, isCertificateFile, walkFolder } from './walk.ts';

/** Whether a folder looks like a data dir: a server's or an agent's files are in it; `maybe` when that can't be seen. */
export function isDataDir(root: string): boolean | 'maybe' {
  const states = [tlsDir, agentDir].map((path) => lookFor(join(root, path)));
  return states.includes('there') || (states.includes('no permission') && 'maybe');
}

/** The files of a data dir: certificates of the server and the agent, then kubeconfigs. K3s's administrator's own
 *  kubeconfig lies outside, and belongs to the default data dir. */
export function* dataDirFiles(root: string, product: Product): Generator<Candidate> {
  const isKubeconfig = (name: string) => name.endsWith('.kubeconfig');
  const seen = new Map([tlsDir, agentDir].map((path) => [path, lookFor(join(root, path))]));
  for (const [path, state] of seen) {
    if (state === 'no permission') {
      yield { path: join(root, path), problem: { code: 'unreadable', values: { why: 'permission' } } };
    }
  }
  if (seen.get(tlsDir) === 'there') {
    yield* walkFolder(join(root, tlsDir), isCertificateFile, true);
    for (const { path, machine } of dataDirLeaves(product)) {
      const [key, certificate] = [join(root, `${path}.key`), join(root, `${path}.crt`)];
      if (machine === 'agent' || existsSync(certificate) || !existsSync(key)) continue;
      yield { path: certificate, problem: { code: 'certificate-missing', values: { key } } };
    }
  }
  if (seen.get(agentDir) === 'there') yield* walkFolder(join(root, agentDir), isCertificateFile, false);
  for (const folder of ['server/cred', agentDir]) {
    if (existsSync(join(root, folder))) yield* walkFolder(join(root, folder), isKubeconfig, false);
  }
  const own = adminKubeconfig(product);
  if (root === defaultDataDir(product) && existsSync(own)) yield { path: own, named: false };
}

/** What can be said of a path. A folder of servers is closed to everybody but root. */
function lookFor(path: string): 'there' | 'absent' | 'no permission' {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined ? 'absent' : 'there';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EACCES' || code === 'EPERM' ? 'no permission' : 'absent';
  }
}
