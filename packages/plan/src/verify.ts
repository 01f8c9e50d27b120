import type { Certificate } from '@k3s-pki/core';
import {
  type CaName,
  caNames,
  certificatesOf,
  countsAsRoot,
  type FileSet,
  type Finding,
  type FirstStart,
  judgeFirstStart,
  judgePair,
  serviceKeys,
  type Topology,
  tlsDir,
  tlsFile,
  topologyOf,
} from '@k3s-pki/k3s';
import type { CaSet, PathFacts } from './ca-set.ts';
import { isSelfIssued, whyNotIssuer, type X509 } from './inputs.ts';

/** What is wrong with a set of CAs: a code and the values a person needs. The words are the catalogue's. */
export interface VerifyProblemValues {
  /** What K3s does about it at its start. */
  'k3s-start': { readonly finding: Finding };
  unreadable: { readonly why: NonNullable<PathFacts['why']> };
  /** The certificate is valid longer than the CA that issued it. */
  'outlives-issuer': {
    readonly subject: string;
    readonly notAfter: number;
    readonly issuer: string;
    readonly until: number;
  };
  /** `below` CAs stand below one that allows `pathLength`: Go lets it pass, OpenSSL does not. */
  'path-length': { readonly subject: string; readonly pathLength: number; readonly below: number };
  /** The CA itself, or one above it, ends within the lifetime of a leaf. */
  'expires-soon': { readonly subject: string; readonly notAfter: number; readonly days: number };
  'issuer-expired': { readonly subject: string; readonly notAfter: number };
  'weak-key': { readonly subject: string; readonly bits: number };
  'weak-signature': { readonly subject: string; readonly algorithm: string };
  'readable-key': { readonly mode: number };
  'writable-by-others': { readonly mode: number };
  'foreign-owner': { readonly owner: number; readonly expected: number };
  /** What signs CAs lies on a machine of the cluster. */
  'authority-key': Record<never, never>;
  'same-key': { readonly other: string; readonly subject: string };
  /** Trusted like the rest of the file, but above none of its CAs. */
  'stray-certificate': { readonly subject: string };
  'duplicate-service-key': { readonly count: number };
  /** `line` is 1-based. */
  'useless-service-key': { readonly line: number; readonly label: string };
  'wrong-authority-key': { readonly certificate: string };
}
export type VerifyProblemCode = keyof VerifyProblemValues;

/** One problem. `file` is relative to the data dir. */
export type VerifyProblem = {
  [Code in VerifyProblemCode]: {
    readonly severity: 'error' | 'warning';
    readonly code: Code;
    readonly file: string;
    readonly values: VerifyProblemValues[Code];
  };
}[VerifyProblemCode];

/** A part of the report: one of the five CAs, the service account key, or what stands above and around them. */
export type VerifySectionName = CaName | 'service-key' | 'authorities' | 'folder';

export interface VerifySection {
  readonly name: VerifySectionName;
  /** The CA's own certificate, where there is one. */
  readonly certificate?: Certificate;
  /** From it up to its root, as far as the bundle goes. */
  readonly chain: readonly Certificate[];
  /** Public halves of the service account keys. */
  readonly keys: number;
  readonly problems: readonly VerifyProblem[];
}

export interface Verification {
  /** Nothing is wrong that keeps K3s from coming up with exactly these CAs. */
  readonly ok: boolean;
  /** Whether any file of a CA or key is there. */
  readonly empty: boolean;
  readonly topology: Topology;
  readonly firstStart: FirstStart;
  readonly sections: readonly VerifySection[];
}

/** Days for which K3s makes a leaf: a CA that ends sooner cuts them short. */
const leafLifetime = 365;
const daySeconds = 86_400;

/** Everything that can be said of a set of CAs without a server. `at` is seconds since 1970. Pure. */
export function verifyCaSet(set: CaSet, x509: X509, at: number): Verification {
  const { files } = set;
  const firstStart = judgeFirstStart(files, (request) => x509.chains(request), at);
  const sections: VerifySection[] = [
    ...caNames.map((ca) => caSection(ca, set, firstStart, x509, at)),
    serviceSection(set, firstStart),
    authoritySection(set, at),
    { name: 'folder', chain: [], keys: 0, problems: folderProblems(set) },
  ];
  return {
    ok: sections.every(({ problems }) => problems.every(({ severity }) => severity !== 'error')),
    empty: [...set.facts.values()].every(({ kind }) => kind === 'directory'),
    topology: topologyOf(files, x509, at),
    firstStart,
    sections,
  };
}

function caSection(ca: CaName, set: CaSet, { findings }: FirstStart, x509: X509, at: number): VerifySection {
  const paths = [tlsFile.caBundle(ca), tlsFile.caKey(ca)];
  const [bundle = '', key = ''] = paths;
  const certificates = certificatesOf(set.files(bundle));
  const [certificate] = certificates;
  const chain = chainOf(certificates, x509);
  const problems = [
    ...startProblems(paths, set, findings),
    ...chain.flatMap((one, place) => certificateProblems(bundle, one, place === 0, at)),
    ...orderProblems(bundle, chain),
    ...strayProblems(bundle, certificates, x509),
    ...sameKeyProblems(ca, set.files),
    ...modeProblems(set, bundle, 'certificate'),
    ...modeProblems(set, key, 'key'),
  ];
  return { name: ca, chain, keys: 0, problems, ...(certificate === undefined ? {} : { certificate }) };
}

/** What K3s says, but for what only looks so because a file could not be read here. */
function startProblems(paths: readonly string[], set: CaSet, findings: readonly Finding[]): VerifyProblem[] {
  const unreadable = unreadableProblems(paths, set, 'error');
  if (unreadable.length > 0) return unreadable;
  return findings
    .filter(({ file }) => paths.includes(file))
    .map((finding) => ({
      severity: finding.effect === 'odd' ? 'warning' : 'error',
      code: 'k3s-start',
      file: finding.file,
      values: { finding },
    }));
}

function unreadableProblems(
  paths: readonly string[],
  set: CaSet,
  severity: VerifyProblem['severity'],
): VerifyProblem[] {
  return paths.flatMap((file): VerifyProblem[] => {
    const facts = set.facts.get(file);
    return facts?.kind === 'unreadable'
      ? [{ severity, code: 'unreadable', file, values: { why: facts.why ?? 'io' } }]
      : [];
  });
}

/** The way up from the first certificate within the bundle; a self-signed issuer before one that others signed. */
function chainOf(certificates: readonly Certificate[], x509: X509): Certificate[] {
  const chain = certificates.slice(0, 1);
  for (let top = chain[0]; top !== undefined && !isSelfIssued(top); top = chain.at(-1)) {
    const below: Certificate = top;
    const issuers = certificates.filter(
      (issuer) => !chain.includes(issuer) && whyNotIssuer(below, issuer, x509) === undefined,
    );
    const issuer = issuers.find(isSelfIssued) ?? issuers[0];
    if (issuer === undefined) break;
    chain.push(issuer);
  }
  return chain;
}

function certificateProblems(file: string, certificate: Certificate, own: boolean, at: number): VerifyProblem[] {
  const { subject, notAfter, key, signatureAlgorithm } = certificate;
  const problems: VerifyProblem[] = [];
  const days = Math.floor((notAfter - at) / daySeconds);
  if (at > notAfter) {
    // K3s's own verdict has the CA itself.
    if (!own) problems.push(warning('issuer-expired', file, { subject, notAfter }));
  } else if (days < leafLifetime) problems.push(warning('expires-soon', file, { subject, notAfter, days }));
  if (key.algorithm === 'rsa' && key.bits < 2048) {
    problems.push(warning('weak-key', file, { subject, bits: key.bits }));
  }
  if (/sha1|md[245]/i.test(signatureAlgorithm) && !isSelfIssued(certificate)) {
    problems.push(warning('weak-signature', file, { subject, algorithm: signatureAlgorithm }));
  }
  return problems;
}

function orderProblems(file: string, chain: readonly Certificate[]): VerifyProblem[] {
  return chain.flatMap((certificate, place) => {
    const problems: VerifyProblem[] = [];
    const issuer = chain[place + 1];
    // A set that was made again with the same lifetimes outlives its issuers by the time in between.
    if (issuer !== undefined && certificate.notAfter > issuer.notAfter + daySeconds) {
      const { subject, notAfter } = certificate;
      const values = { subject, notAfter, issuer: issuer.subject, until: issuer.notAfter };
      problems.push(warning('outlives-issuer', file, values));
    }
    const pathLength = certificate.basicConstraints?.pathLength;
    // RFC 5280, section 4.2.1.9: self-issued certificates below don't count.
    const below = chain.slice(0, place).filter((lower) => !isSelfIssued(lower)).length;
    if (pathLength !== undefined && below > pathLength) {
      problems.push(warning('path-length', file, { subject: certificate.subject, pathLength, below }));
    }
    return problems;
  });
}

function strayProblems(file: string, certificates: readonly Certificate[], x509: X509): VerifyProblem[] {
  // What a trusted certificate has issued, such as the CA before a rotation, widens the trust by nothing.
  const isRelated = (one: Certificate, other: Certificate) =>
    isSameAuthority(one, other) ||
    whyNotIssuer(other, one, x509) === undefined ||
    whyNotIssuer(one, other, x509) === undefined;
  const related = new Set(certificates.slice(0, 1));
  for (let grown = true; grown; ) {
    const next = certificates.filter((one) => !related.has(one) && [...related].some((other) => isRelated(one, other)));
    for (const one of next) related.add(one);
    grown = next.length > 0;
  }
  return certificates
    .filter((one) => !related.has(one))
    .map(({ subject }) => warning('stray-certificate', file, { subject }));
}

/** One certificate of a key by itself and one signed by another: a cross-signed root. */
function isSameAuthority(one: Certificate, other: Certificate): boolean {
  return one.subjectDer === other.subjectDer && one.key.spkiSha256 === other.key.spkiSha256;
}

function sameKeyProblems(ca: CaName, files: FileSet): VerifyProblem[] {
  const own = certificatesOf(files(tlsFile.caBundle(ca)))[0];
  if (own === undefined) return [];
  const twin = caNames
    .slice(0, caNames.indexOf(ca))
    .find((other) => certificatesOf(files(tlsFile.caBundle(other)))[0]?.key.spkiSha256 === own.key.spkiSha256);
  if (twin === undefined) return [];
  return [warning('same-key', tlsFile.caBundle(ca), { other: tlsFile.caBundle(twin), subject: own.subject })];
}

function serviceSection(set: CaSet, { findings }: FirstStart): VerifySection {
  const file = tlsFile.serviceKey;
  const problems = [...startProblems([file], set, findings), ...modeProblems(set, file, 'key')];
  const keys = serviceKeys((set.files(file)?.blocks ?? []).filter(({ kind }) => kind !== 'other'));
  const repeated = keys.filter(({ role }) => role === 'repeats').length;
  if (repeated > 0) problems.push(warning('duplicate-service-key', file, { count: repeated }));
  // The first one is K3s's own business.
  for (const { line, label } of keys.slice(1).filter(({ role }) => role === 'unread')) {
    problems.push(warning('useless-service-key', file, { line, label }));
  }
  const read = keys.filter(({ role }) => role === 'signs' || role === 'verifies').length;
  return { name: 'service-key', chain: [], keys: read, problems };
}

/** Root and intermediate beside the CAs. K3s reads none of them; what can sign CAs should not stay. */
function authoritySection(set: CaSet, at: number): VerifySection {
  const pairs = [
    [tlsFile.rootCertificate, tlsFile.rootKey],
    [tlsFile.intermediateCertificate, tlsFile.intermediateKey],
  ] as const;
  const problems = pairs.flatMap(([certificateFile, keyFile]) => {
    const found = [
      ...unreadableProblems([certificateFile, keyFile], set, 'warning'),
      ...modeProblems(set, certificateFile, 'certificate'),
      ...modeProblems(set, keyFile, 'key'),
    ];
    const [pem, key] = [set.files(certificateFile), set.files(keyFile)];
    for (const certificate of certificatesOf(pem))
      found.push(...certificateProblems(certificateFile, certificate, false, at));
    if (key !== undefined && set.inUse) found.push(warning('authority-key', keyFile, {}));
    if (pem !== undefined && key !== undefined && judgePair(pem, key)?.why === 'mismatch') {
      found.push(warning('wrong-authority-key', keyFile, { certificate: certificateFile }));
    }
    return found;
  });
  const chain = pairs.flatMap(([certificateFile]) => certificatesOf(set.files(certificateFile)).slice(0, 1));
  return {
    name: 'authorities',
    chain: chain.filter((one) => isSelfIssued(one) || !countsAsRoot(one)),
    keys: 0,
    problems,
  };
}

function folderProblems(set: CaSet): VerifyProblem[] {
  return [tlsDir, `${tlsDir}/etcd`].flatMap((folder) => {
    const facts = set.facts.get(folder);
    if (facts === undefined) return [];
    return [...writable(folder, facts), ...foreign(folder, facts, set)];
  });
}

function modeProblems(set: CaSet, file: string, kind: 'key' | 'certificate'): VerifyProblem[] {
  const facts = set.facts.get(file);
  if (facts?.kind !== 'file') return [];
  const readable = kind === 'key' && (facts.mode & 0o077) !== 0;
  return [
    ...(readable ? [warning('readable-key', file, { mode: facts.mode })] : writable(file, facts)),
    ...foreign(file, facts, set),
  ];
}

function writable(file: string, { mode }: PathFacts): VerifyProblem[] {
  return (mode & 0o022) === 0 ? [] : [warning('writable-by-others', file, { mode })];
}

function foreign(file: string, { owner }: PathFacts, set: CaSet): VerifyProblem[] {
  const expected = set.facts.get(tlsDir)?.owner;
  if (owner === undefined || expected === undefined || owner === expected) return [];
  return [warning('foreign-owner', file, { owner, expected })];
}

function warning<Code extends VerifyProblemCode>(
  code: Code,
  file: string,
  values: VerifyProblemValues[Code],
): VerifyProblem {
  return { severity: 'warning', code, file, values } as VerifyProblem;
}
