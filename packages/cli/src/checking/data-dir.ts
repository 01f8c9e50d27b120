import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { dataDirLeaves, defaultDataDir, type Product, tlsDir } from '@k3s-pki/k3s';
import { type Candidate, isCertificateFile, walkFolder } from './walk.ts';

/** Whether a folder looks like a data dir: a server's or an agent's files are in it. */
export function isDataDir(root: string): boolean {
  return existsSync(join(root, tlsDir)) || existsSync(join(root, 'agent'));
}

/** The files of a data dir: certificates of the server and the agent, then kubeconfigs. K3s's administrator's own
 *  kubeconfig lies outside, and belongs to the default data dir. */
export function* dataDirFiles(root: string, product: Product): Generator<Candidate> {
  const isKubeconfig = (name: string) => name.endsWith('.kubeconfig');
  if (existsSync(join(root, tlsDir))) {
    yield* walkFolder(join(root, tlsDir), isCertificateFile, true);
    for (const { path, machine } of dataDirLeaves(product)) {
      const [key, certificate] = [join(root, `${path}.key`), join(root, `${path}.crt`)];
      if (machine === 'agent' || existsSync(certificate) || !existsSync(key)) continue;
      yield { path: certificate, problem: { code: 'certificate-missing', values: { key } } };
    }
  }
  if (existsSync(join(root, 'agent'))) yield* walkFolder(join(root, 'agent'), isCertificateFile, false);
  for (const folder of ['server/cred', 'agent']) {
    if (existsSync(join(root, folder))) yield* walkFolder(join(root, folder), isKubeconfig, false);
  }
  const own = `/etc/rancher/${product}/${product}.yaml`;
  if (root === defaultDataDir(product) && existsSync(own)) yield { path: own, named: false };
}
