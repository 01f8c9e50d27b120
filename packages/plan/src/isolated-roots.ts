import type { Certificate } from '@k3s-pki/core';
import { caNames, tlsDir, tlsFile } from '@k3s-pki/k3s';
import { type Authority, more, newCertificate } from './authority.ts';
import {
  authorityNames,
  checkAlone,
  copiesOf,
  foundCertificate,
  foundPart,
  type Input,
  isolatedRootNames,
  locateOne,
  readCertificates,
  readKey,
  sibling,
  usesOf,
} from './ca-inputs.ts';
import type { CaPlan, FilePart, PlannedCertificate, PlannedIssuer } from './ca-plan.ts';
import { checkChain, climb, matchKey } from './chain.ts';
import type { CustomCaOptions } from './generate-custom-ca-certs.ts';
import type { X509 } from './inputs.ts';
import type { Problems } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * A root of its own for each CA, found or new, so that a certificate of one CA has no chain at another. K3s's API server
 * and etcd trust every certificate of a bundle; with a common root in all five, each CA could issue for all purposes.
 * Undefined when a noted problem leaves nothing to plan with.
 */
export function planIsolatedRoots(
  options: CustomCaOptions,
  snapshot: Snapshot,
  x509: X509,
  now: number,
  problems: Problems,
): Authority | undefined {
  for (const name of authorityNames) {
    for (const path of [`${tlsDir}/${name}`, name]) {
      if (snapshot.files.has(path)) problems.error('other-topology', path, { asked: 'isolated' });
    }
  }
  const uses: CaPlan['uses'][number][] = [];
  const keys: CaPlan['keys'][number][] = [];
  const certificates: PlannedCertificate[] = [];
  const files: { path: string; parts: readonly FilePart[] }[] = [];
  const found = new Map<string, Certificate>();
  const above = new Map<string, ReturnType<Authority['above']>>();
  for (const ca of caNames) {
    const names = isolatedRootNames(ca);
    const certificate = locateOne(snapshot, names.certificate, options.from, problems);
    const key = locateOne(snapshot, names.key, options.from, problems);
    if (certificate === undefined && key === undefined) {
      const id = `${ca}-root` as const;
      keys.push({ id, type: options.rootKey });
      certificates.push({
        ...newCertificate(id, options, options.rootDays, now, more(options.pathLength, 1)),
        issuer: { kind: 'self' },
      });
      const parts: FilePart[] = [{ kind: 'new-certificate', id }];
      files.push({ path: tlsFile.ownRootKey(ca), parts: [{ kind: 'new-key', id }] });
      files.push({ path: tlsFile.ownRootCertificate(ca), parts });
      above.set(ca, { issuer: { kind: 'new', id }, parts });
      continue;
    }
    if (certificate === undefined || key === undefined) {
      const [there = '', missing] = certificate ? [certificate.path, names.key] : [key?.path, names.certificate];
      problems.error('half-pair', there, { missing: sibling(there, missing.slice(missing.lastIndexOf('/') + 1)) });
      readKey(snapshot, key, false, problems);
      checkAlone(snapshot, certificate, 1, now, problems);
      continue;
    }
    const root = checkRoot(certificate, key, snapshot, x509, now, problems);
    if (root === undefined) continue;
    const twin = [...found.values()].find(({ key: { spkiSha256 } }) => spkiSha256 === root.signer.key.spkiSha256);
    if (twin !== undefined) problems.error('same-root', certificate.path, { subject: twin.subject });
    found.set(root.signer.sha256, root.signer);
    uses.push({ file: certificate.path, subject: root.signer.subject }, ...usesOf(key));
    files.push(...copiesOf([certificate, key]));
    above.set(ca, root);
  }
  if (above.size < caNames.length) return undefined;
  return {
    uses,
    keys,
    certificates,
    above: (ca) => above.get(ca) ?? { issuer: { kind: 'self' }, parts: [] },
    files,
    found,
  };
}

function checkRoot(
  certificate: Input,
  key: Input,
  snapshot: Snapshot,
  x509: X509,
  now: number,
  problems: Problems,
): { signer: Certificate; issuer: PlannedIssuer; parts: FilePart[] } | undefined {
  const roots = readCertificates(snapshot, certificate, problems);
  if (roots.length > 1) problems.warn('several-certificates', certificate.path, { count: roots.length });
  const facts = readKey(snapshot, key, true, problems);
  const signer = matchKey(roots, facts, certificate.path, key.path, problems);
  if (signer === undefined) {
    checkAlone(snapshot, certificate, 1, now, problems);
    return undefined;
  }
  const chain = climb(signer, certificate.path, [], roots, certificate.path, x509, problems);
  checkChain(chain, 1, x509, now, problems);
  return {
    signer,
    issuer: { kind: 'found', certificate: foundCertificate(certificate.path, signer), keyFile: key.path },
    parts: roots.map((root) => foundPart(certificate.path, root)),
  };
}
