import type { Certificate } from '@k3s-pki/core';
import { type CaName, hyphenated, type Product, tlsFile } from '@k3s-pki/k3s';
import {
  type AuthorityName,
  authorityNames,
  checkAlone,
  copiesOf,
  foundCertificate,
  foundPart,
  type Input,
  locateOne,
  readCertificates,
  readKey,
  sibling,
  usesOf,
} from './ca-inputs.ts';
import type { CaPlan, FilePart, PlanId, PlannedCertificate, PlannedIssuer } from './ca-plan.ts';
import { checkChain, climb, matchKey } from './chain.ts';
import type { CustomCaOptions } from './generate-custom-ca-certs.ts';
import type { X509 } from './inputs.ts';
import type { Problems } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

/** What stands above the five CAs, found or new, and the files of its own. */
export interface Authority {
  readonly uses: CaPlan['uses'];
  readonly keys: CaPlan['keys'];
  readonly certificates: readonly PlannedCertificate[];
  /** Who signs a CA, and what follows it in its bundle. */
  readonly above: (ca: CaName) => { readonly issuer: PlannedIssuer; readonly parts: readonly FilePart[] };
  /** Files of the roots and the intermediate, as far as they are written. */
  readonly files: readonly { readonly path: string; readonly parts: readonly FilePart[] }[];
  /** Found certificates that sign what is new, by SHA-256. */
  readonly found: ReadonlyMap<string, Certificate>;
}

type Inputs = Partial<Record<AuthorityName, Input>>;

/** Root and intermediate that the five CAs share. Undefined when a noted problem leaves nothing to plan with. */
export function planSharedAuthority(
  options: CustomCaOptions,
  snapshot: Snapshot,
  x509: X509,
  now: number,
  problems: Problems,
): Authority | undefined {
  const inputs: Inputs = {};
  for (const name of authorityNames) {
    const input = locateOne(snapshot, name, options.from, problems);
    if (input !== undefined) inputs[name] = input;
    if (name.endsWith('.key') && snapshot.files.has(name)) problems.warn('copy-left-behind', name, {});
  }
  const pairs = checkPairs(inputs, problems);
  if (pairs === 'incomplete') {
    for (const name of ['root-ca.key', 'intermediate-ca.key'] as const)
      readKey(snapshot, inputs[name], false, problems);
    checkAlone(snapshot, inputs['root-ca.pem'], 1, now, problems);
    checkAlone(snapshot, inputs['intermediate-ca.pem'], 1, now, problems);
    return undefined;
  }
  const copies = copiesOf(Object.values(inputs));
  if (pairs === 'nothing') {
    const root = newCertificate('root', options, options.rootDays, now, more(options.pathLength, 2));
    const below = newIntermediate(options, now, { kind: 'new', id: 'root' });
    return {
      uses: [],
      keys: [{ id: 'root', type: options.rootKey }, ...below.keys],
      certificates: [{ ...root, issuer: { kind: 'self' } }, ...below.certificates],
      found: new Map(),
      ...shared(
        below.issuer,
        [made('intermediate')],
        [made('root')],
        [
          { path: tlsFile.rootKey, parts: [{ kind: 'new-key', id: 'root' }] },
          { path: tlsFile.rootCertificate, parts: [made('root')] },
          ...below.files,
        ],
      ),
    };
  }

  const roots = readCertificates(snapshot, pairs.root, problems);
  const rootKey = readKey(snapshot, inputs['root-ca.key'], pairs.intermediate === undefined, problems);
  if (roots.length > 1) problems.warn('several-certificates', pairs.root.path, { count: roots.length });
  const rootParts = roots.map((certificate) => foundPart(pairs.root.path, certificate));

  if (pairs.intermediate === undefined) {
    const signer = matchKey(roots, rootKey, pairs.root.path, inputs['root-ca.key']?.path ?? '', problems);
    if (signer === undefined) {
      checkAlone(snapshot, pairs.root, 2, now, problems);
      return undefined;
    }
    const chain = climb(signer, pairs.root.path, [], roots, pairs.root.path, x509, problems);
    checkChain(chain, 2, x509, now, problems);
    const found = foundCertificate(pairs.root.path, signer);
    const below = newIntermediate(options, now, {
      kind: 'found',
      certificate: found,
      keyFile: inputs['root-ca.key']?.path ?? '',
    });
    return {
      uses: [{ file: pairs.root.path, subject: signer.subject }, ...usesOf(inputs['root-ca.key'])],
      keys: below.keys,
      certificates: below.certificates,
      found: new Map([[found.sha256, signer]]),
      ...shared(below.issuer, [made('intermediate')], rootParts, [...copies, ...below.files]),
    };
  }

  // The root's key is not needed here, but a key that belongs to another certificate is a mistake worth stopping for.
  if (rootKey !== undefined) {
    matchKey(roots, rootKey, pairs.root.path, inputs['root-ca.key']?.path ?? '', problems);
  }
  const { intermediate } = pairs;
  const certificates = readCertificates(snapshot, intermediate.certificate, problems);
  const key = readKey(snapshot, intermediate.key, true, problems);
  const signer = matchKey(certificates, key, intermediate.certificate.path, intermediate.key.path, problems);
  if (signer === undefined || roots.length === 0) {
    checkAlone(snapshot, intermediate.certificate, 1, now, problems);
    checkAlone(snapshot, pairs.root, 2, now, problems);
    return undefined;
  }
  const { path } = intermediate.certificate;
  const chain = climb(signer, path, certificates, roots, pairs.root.path, x509, problems);
  checkChain(chain, 1, x509, now, problems);
  // Issuing certificate first, its issuers after it in order, then whatever else the file holds.
  const onPath = chain.filter((link) => link.file === path).map((link) => link.certificate);
  const rest = certificates.filter((certificate) => !onPath.includes(certificate));
  const inRoots = new Set(roots.map((certificate) => certificate.sha256));
  const intermediateParts = [...onPath, ...rest]
    .filter((certificate) => !inRoots.has(certificate.sha256))
    .map((certificate) => foundPart(path, certificate));
  return {
    uses: [
      { file: pairs.root.path, subject: chain.at(-1)?.certificate.subject ?? '' },
      { file: path, subject: signer.subject },
      ...usesOf(intermediate.key),
    ],
    keys: [],
    certificates: [],
    found: new Map([[signer.sha256, signer]]),
    ...shared(
      { kind: 'found', certificate: foundCertificate(path, signer), keyFile: intermediate.key.path },
      intermediateParts,
      rootParts,
      copies,
    ),
  };
}

/** A new CA certificate; `days` count from `now`, which is seconds since 1970. */
export function newCertificate(
  id: PlanId,
  { product }: { readonly product: Product },
  days: number,
  now: number,
  pathLength: number | undefined,
): Omit<PlannedCertificate, 'issuer'> {
  return {
    id,
    commonName: `${product}-${hyphenated(id)}-ca@${now}`,
    notBefore: now,
    notAfter: now + days * 86_400,
    ...(pathLength === undefined ? {} : { pathLength }),
  };
}

/** A path length constraint for `levels` CAs more. */
export function more(pathLength: number | undefined, levels: number): number | undefined {
  return pathLength === undefined ? undefined : pathLength + levels;
}

function made(id: PlanId): FilePart {
  return { kind: 'new-certificate', id };
}

/** One issuer and one tail for all five CAs, and the two bundles that K3s's script writes of it. */
function shared(
  issuer: PlannedIssuer,
  intermediateParts: readonly FilePart[],
  rootParts: readonly FilePart[],
  files: Authority['files'],
): Pick<Authority, 'above' | 'files'> {
  const parts = [...intermediateParts, ...rootParts];
  return {
    above: () => ({ issuer, parts }),
    files: [...files, { path: tlsFile.rootBundle, parts: rootParts }, { path: tlsFile.intermediateBundle, parts }],
  };
}

function newIntermediate(
  options: CustomCaOptions,
  now: number,
  issuer: PlannedIssuer,
): Pick<Authority, 'keys' | 'certificates' | 'files'> & { readonly issuer: PlannedIssuer } {
  const { intermediateKey, intermediateDays, pathLength } = options;
  return {
    keys: [{ id: 'intermediate', type: intermediateKey }],
    certificates: [{ ...newCertificate('intermediate', options, intermediateDays, now, more(pathLength, 1)), issuer }],
    issuer: { kind: 'new', id: 'intermediate' },
    files: [
      { path: tlsFile.intermediateKey, parts: [{ kind: 'new-key', id: 'intermediate' }] },
      { path: tlsFile.intermediateCertificate, parts: [made('intermediate')] },
    ],
  };
}

type Pairs =
  | 'nothing'
  | 'incomplete'
  | {
      readonly root: Input;
      readonly intermediate?: { readonly certificate: Input; readonly key: Input };
    };

/** Which of the documented cases the inputs are. K3s's script would overwrite a lone half, K3s a half pair. */
function checkPairs(inputs: Inputs, problems: Problems): Pairs {
  const root = inputs['root-ca.pem'];
  const rootKey = inputs['root-ca.key'];
  const certificate = inputs['intermediate-ca.pem'];
  const key = inputs['intermediate-ca.key'];
  let complete = true;
  const refuse = (found: Input, missing: AuthorityName) => {
    problems.error('half-pair', found.path, { missing: sibling(found.path, missing) });
    complete = false;
  };
  if (certificate && !key) refuse(certificate, 'intermediate-ca.key');
  if (key && !certificate) refuse(key, 'intermediate-ca.pem');
  if (rootKey && !root) refuse(rootKey, 'root-ca.pem');
  if (certificate && key && !root && !rootKey) {
    problems.error('root-missing', certificate.path, { missing: sibling(certificate.path, 'root-ca.pem') });
    complete = false;
  }
  if (root && !rootKey && !certificate && !key) {
    problems.error('root-key-needed', root.path, {
      missing: sibling(root.path, 'root-ca.key'),
      intermediate: sibling(root.path, 'intermediate-ca.pem'),
      intermediateKey: sibling(root.path, 'intermediate-ca.key'),
    });
    complete = false;
  }
  if (!complete) return 'incomplete';
  if (root === undefined) return 'nothing';
  return certificate && key ? { root, intermediate: { certificate, key } } : { root };
}
