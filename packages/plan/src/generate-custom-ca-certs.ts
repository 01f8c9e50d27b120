import type { Certificate, KeyType } from '@k3s-pki/core';
import {
  type CaName,
  caNames,
  hyphenated,
  mode,
  type Product,
  tlsDir,
  tlsFile,
  whyServiceKeyFails,
} from '@k3s-pki/k3s';
import { deepFreeze } from './freeze.ts';
import { certificatesIn, checkSigner, isSelfIssued, keyIn, readable, whyNotIssuer, type X509 } from './inputs.ts';
import { type Problem, Problems } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

/** Options of `generate-custom-ca-certs`, checked one by one. Lifetimes are days. */
export interface CustomCaOptions {
  readonly product: Product;
  readonly rootKey: KeyType;
  readonly intermediateKey: KeyType;
  readonly caKey: KeyType;
  readonly rootDays: number;
  readonly intermediateDays: number;
  readonly days: number;
  /** Path length constraint of the five CAs; a new intermediate gets one more, a new root two more. */
  readonly pathLength?: number;
  /** Overwrite a data dir in use. */
  readonly force: boolean;
}

/** What K3s's script does. Source: K3s `contrib/util/generate-custom-ca-certs.sh`. */
export const customCaDefaults = {
  rootKey: 'rsa:4096',
  intermediateKey: 'rsa:4096',
  caKey: 'ec:p256',
  rootDays: 7300,
  intermediateDays: 3700,
  days: 3700,
} as const satisfies Partial<CustomCaOptions>;

/** Names a certificate or key that the plan makes. */
export type PlanId = 'service' | 'root' | 'intermediate' | CaName;

/** A certificate that was found, by file and SHA-256 of its DER. */
export interface FoundCertificate {
  readonly file: string;
  readonly sha256: string;
  readonly subject: string;
}

export type PlannedIssuer =
  | { readonly kind: 'self' }
  | { readonly kind: 'new'; readonly id: PlanId }
  | { readonly kind: 'found'; readonly certificate: FoundCertificate; readonly keyFile: string };

/** Times are seconds since 1970. */
export interface PlannedCertificate {
  readonly id: PlanId;
  readonly commonName: string;
  readonly issuer: PlannedIssuer;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly pathLength?: number;
}

/** A piece of a file, in file order. `block` counts the PEM blocks of the file it is taken from, from 0. */
export type FilePart =
  | { readonly kind: 'new-key'; readonly id: PlanId }
  | { readonly kind: 'new-certificate'; readonly id: PlanId }
  | ({ readonly kind: 'found-certificate' } & FoundCertificate)
  | { readonly kind: 'found-block'; readonly file: string; readonly block: number }
  | { readonly kind: 'found-file'; readonly file: string };

export interface PlannedFile {
  /** Relative to the data dir. */
  readonly path: string;
  readonly mode: number;
  readonly secret: boolean;
  readonly parts: readonly FilePart[];
  /** SHA-256 of what stands there now; the commit refuses when it has changed by then. */
  readonly replaces: string | 'absent';
}

/** What will be made of what. Frozen, printable as JSON, without a secret. Paths are relative to the data dir. */
export interface CustomCaPlan {
  readonly verb: 'generate-custom-ca-certs';
  readonly product: Product;
  /** Seconds since 1970; part of every new subject. */
  readonly timestamp: number;
  /** Input files as they are used. */
  readonly uses: readonly { readonly file: string; readonly subject?: string }[];
  readonly keys: readonly { readonly id: PlanId; readonly type: KeyType }[];
  readonly certificates: readonly PlannedCertificate[];
  readonly directories: readonly { readonly path: string; readonly mode: number }[];
  readonly files: readonly PlannedFile[];
  readonly warnings: readonly Problem[];
}

export type Planned<Plan> =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** The inputs that may also lie in the data dir itself; they are copied into `server/tls` from there. */
const authorityNames = ['root-ca.pem', 'root-ca.key', 'intermediate-ca.pem', 'intermediate-ca.key'] as const;
type AuthorityName = (typeof authorityNames)[number];
const inputNames = [...authorityNames, 'service.key'] as const;

/** Every path that the snapshot for this plan must look at. */
export const customCaFiles: readonly string[] = [
  ...inputNames,
  ...inputNames.map((name) => `${tlsDir}/${name}`),
  tlsFile.rootBundle,
  tlsFile.intermediateBundle,
  ...caNames.flatMap((ca) => [tlsFile.caKey(ca), tlsFile.caCertificate(ca), tlsFile.caBundle(ca)]),
];

/**
 * The file of the private key that signs with what was found, or `undefined` when both CAs are new: the one key that
 * has to be opened. Reads nothing but the snapshot's list of files.
 */
export function customCaSigningKey(snapshot: Snapshot): string | undefined {
  const find = (name: AuthorityName) => locate(snapshot, name)?.path;
  return find('intermediate-ca.pem') ? find('intermediate-ca.key') : find('root-ca.key');
}

/**
 * Plans the complete set of custom CAs. `now` is seconds since 1970. Never throws on what it finds: every problem of
 * the run is in the answer. Source: K3s `contrib/util/generate-custom-ca-certs.sh`, and K3s's behaviour where the
 * script would leave a set that a server replaces, hangs on or refuses.
 */
export function planCustomCaCerts(
  options: CustomCaOptions,
  snapshot: Snapshot,
  x509: X509,
  now: number,
): Planned<CustomCaPlan> {
  const problems = new Problems();
  if (snapshot.inUse.length > 0 && !options.force) problems.error('in-use', '', { signs: snapshot.inUse });
  const inputs = locateInputs(snapshot, problems);
  const authority = planAuthority(options, snapshot, inputs, x509, now, problems);
  const serviceKeys = planServiceKey(snapshot, problems);
  if (problems.refused || authority === undefined) return { ok: false, problems: problems.list };

  const cas = caNames.map(
    (id): PlannedCertificate => ({
      ...newCertificate(id, options, options.days, now, options.pathLength),
      issuer: authority.issuer,
    }),
  );
  warnOfOutlivedIssuers([...authority.certificates, ...cas], authority, problems);
  const replaces = (path: string) => {
    const file = snapshot.files.get(path);
    return file?.kind === 'file' ? file.sha256 : 'absent';
  };
  const write = (path: string, parts: FilePart[]): PlannedFile => {
    const secret = path.endsWith('.key');
    return { path, mode: secret ? mode.key : mode.certificate, secret, parts, replaces: replaces(path) };
  };
  const made = (id: PlanId): FilePart => ({ kind: 'new-certificate', id });
  const key = (id: PlanId): FilePart => ({ kind: 'new-key', id });
  const files = [
    write(tlsFile.serviceKey, [key('service'), ...serviceKeys]),
    ...authority.files.map(({ path, parts }) => write(path, parts)),
    write(tlsFile.rootBundle, authority.rootParts),
    write(tlsFile.intermediateBundle, [...authority.intermediateParts, ...authority.rootParts]),
    ...caNames.flatMap((ca) => [
      write(tlsFile.caKey(ca), [key(ca)]),
      write(tlsFile.caCertificate(ca), [made(ca)]),
      write(tlsFile.caBundle(ca), [made(ca), ...authority.intermediateParts, ...authority.rootParts]),
    ]),
  ];
  return {
    ok: true,
    plan: deepFreeze({
      verb: 'generate-custom-ca-certs',
      product: options.product,
      timestamp: now,
      uses: authority.uses,
      keys: [
        { id: 'service', type: 'rsa:2048' },
        ...authority.keys,
        ...caNames.map((id) => ({ id, type: options.caKey })),
      ],
      certificates: [...authority.certificates, ...cas],
      directories: ['.', 'server', tlsDir, `${tlsDir}/etcd`].map((path) => ({ path, mode: mode.directory })),
      files,
      warnings: problems.list,
    }),
  };
}

/** Root and intermediate, found or new, and what stands for them in every bundle. */
interface Authority {
  readonly uses: CustomCaPlan['uses'];
  readonly keys: CustomCaPlan['keys'];
  readonly certificates: readonly PlannedCertificate[];
  /** Who signs the five CAs. */
  readonly issuer: PlannedIssuer;
  readonly intermediateParts: FilePart[];
  readonly rootParts: FilePart[];
  /** Files of the root and the intermediate themselves, as far as they are new or come from the data dir itself. */
  readonly files: readonly { readonly path: string; readonly parts: FilePart[] }[];
  /** Found certificates that sign what is new, with their file. */
  readonly found: ReadonlyMap<string, Certificate>;
}

interface Input {
  readonly path: string;
  /** Set when the file has to be copied from the data dir itself. */
  readonly copyTo?: string;
}
type Inputs = Partial<Record<AuthorityName, Input>>;

function planAuthority(
  options: CustomCaOptions,
  snapshot: Snapshot,
  inputs: Inputs,
  x509: X509,
  now: number,
  problems: Problems,
): Authority | undefined {
  const pairs = checkPairs(inputs, problems);
  if (pairs === 'incomplete') {
    for (const name of ['root-ca.key', 'intermediate-ca.key'] as const)
      readKey(snapshot, inputs[name], false, problems);
    checkAlone(snapshot, inputs['root-ca.pem'], 1, now, problems);
    checkAlone(snapshot, inputs['intermediate-ca.pem'], 1, now, problems);
    return undefined;
  }
  const copies = Object.values(inputs).flatMap(({ path, copyTo }) =>
    copyTo === undefined ? [] : [{ path: copyTo, parts: [{ kind: 'found-file', file: path } satisfies FilePart] }],
  );
  const { pathLength } = options;
  const newIntermediate = (issuer: PlannedIssuer): Pick<Authority, 'keys' | 'certificates' | 'issuer' | 'files'> => ({
    keys: [{ id: 'intermediate', type: options.intermediateKey }],
    certificates: [
      {
        ...newCertificate('intermediate', options, options.intermediateDays, now, more(pathLength, 1)),
        issuer,
      },
    ],
    issuer: { kind: 'new', id: 'intermediate' },
    files: [
      { path: tlsFile.intermediateKey, parts: [{ kind: 'new-key', id: 'intermediate' }] },
      { path: tlsFile.intermediateCertificate, parts: [{ kind: 'new-certificate', id: 'intermediate' }] },
    ],
  });

  if (pairs === 'nothing') {
    const root = newCertificate('root', options, options.rootDays, now, more(pathLength, 2));
    const below = newIntermediate({ kind: 'new', id: 'root' });
    return {
      uses: [],
      keys: [{ id: 'root', type: options.rootKey }, ...below.keys],
      certificates: [{ ...root, issuer: { kind: 'self' } }, ...below.certificates],
      issuer: below.issuer,
      intermediateParts: [{ kind: 'new-certificate', id: 'intermediate' }],
      rootParts: [{ kind: 'new-certificate', id: 'root' }],
      files: [
        { path: tlsFile.rootKey, parts: [{ kind: 'new-key', id: 'root' }] },
        { path: tlsFile.rootCertificate, parts: [{ kind: 'new-certificate', id: 'root' }] },
        ...below.files,
      ],
      found: new Map(),
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
    const below = newIntermediate({
      kind: 'found',
      certificate: found,
      keyFile: inputs['root-ca.key']?.path ?? '',
    });
    return {
      uses: [{ file: pairs.root.path, subject: signer.subject }, ...usesOf(inputs['root-ca.key'])],
      ...below,
      intermediateParts: [{ kind: 'new-certificate', id: 'intermediate' }],
      rootParts,
      files: [...copies, ...below.files],
      found: new Map([[found.sha256, signer]]),
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
    issuer: { kind: 'found', certificate: foundCertificate(path, signer), keyFile: intermediate.key.path },
    intermediateParts,
    rootParts,
    files: copies,
    found: new Map([[signer.sha256, signer]]),
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

interface Link {
  readonly certificate: Certificate;
  readonly file: string;
}

/** From the issuing certificate up to a self-signed root: name, key id and signature of every step are checked. */
function climb(
  signer: Certificate,
  signerFile: string,
  intermediates: readonly Certificate[],
  roots: readonly Certificate[],
  rootFile: string,
  x509: X509,
  problems: Problems,
): Link[] {
  const pool: Link[] = [
    ...intermediates.map((certificate) => ({ certificate, file: signerFile })),
    ...roots.map((certificate) => ({ certificate, file: rootFile })),
  ];
  const chain: Link[] = [{ certificate: signer, file: signerFile }];
  for (let link = chain[0]; link !== undefined; link = chain.at(-1)) {
    const { certificate, file } = link;
    if (isSelfIssued(certificate)) {
      // Old roots signed with SHA-1 are refused as weak; here only a signature that the core can judge counts.
      if (!x509.signatureHolds(certificate, certificate)) {
        problems.error('not-issued-by', file, {
          subject: certificate.subject,
          issuer: certificate.issuer,
          why: 'signature',
          roots: rootFile,
        });
      }
      return chain;
    }
    const used = new Set(chain.map((step) => step.certificate.sha256));
    const verdicts = pool
      .filter((candidate) => !used.has(candidate.certificate.sha256))
      .map((candidate) => ({ candidate, why: whyNotIssuer(certificate, candidate.certificate, x509) }));
    const issuer = verdicts.find(({ why }) => why === undefined)?.candidate;
    if (issuer === undefined) {
      const values = { subject: certificate.subject, issuer: certificate.issuer };
      if (file === rootFile) problems.error('root-not-self-signed', file, values);
      else {
        // The most specific reason: a signature was tried only where name and key id fit.
        const why = (['signature', 'key-id', 'name'] as const).find((reason) =>
          verdicts.some((verdict) => verdict.why === reason),
        );
        problems.error('not-issued-by', file, { ...values, why: why ?? 'name', roots: rootFile });
      }
      return chain;
    }
    chain.push(issuer);
  }
  return chain;
}

/** Checks every certificate of a chain, issuing one first; `below` CA certificates stand under the first. */
function checkChain(chain: readonly Link[], below: number, x509: X509, now: number, problems: Problems): void {
  let count = below;
  for (const { certificate, file } of chain) {
    checkSigner(certificate, file, count, now, problems);
    // RFC 5280, section 4.2.1.9: self-issued certificates do not count.
    if (!isSelfIssued(certificate)) count += 1;
  }
  const [first, ...issuers] = chain;
  const root = issuers.at(-1) ?? first;
  if (problems.refused || first === undefined || root === undefined) return;
  const result = x509.chains({
    leaf: first.certificate,
    roots: [root.certificate],
    intermediates: issuers.slice(0, -1).map(({ certificate }) => certificate),
    at: now,
  });
  if (!result.ok) {
    problems.error('chain-refused', first.file, { subject: first.certificate.subject, detail: result.detail });
  }
}

/** The certificate that belongs to `key`. Undefined, and noted, when there is none; the first when no key is known. */
function matchKey(
  certificates: readonly Certificate[],
  key: { readonly spkiSha256: string } | undefined,
  path: string,
  keyPath: string,
  problems: Problems,
): Certificate | undefined {
  const [first] = certificates;
  if (key === undefined || first === undefined) return undefined;
  const match = certificates.find((certificate) => certificate.key.spkiSha256 === key.spkiSha256);
  if (match === undefined) {
    problems.error('key-mismatch', path, { key: keyPath, subject: first.subject, count: certificates.length });
  }
  return match;
}

/** The keys of the old file, or of the two old files, once each, in order; they follow the new key. */
function planServiceKey(snapshot: Snapshot, problems: Problems): FilePart[] {
  const paths = ['service.key', tlsFile.serviceKey].filter((path) => snapshot.files.has(path));
  const kept = new Map<string, { part: FilePart; private: boolean }>();
  for (const path of paths) {
    const file = readable(snapshot, path, problems);
    if (file === undefined) continue;
    if ((file.mode & 0o077) !== 0) problems.warn('loose-mode', path, { mode: file.mode });
    if (!file.blocks.some((block) => block.kind === 'broken')) {
      const reason = whyServiceKeyFails(file.blocks);
      if (reason !== undefined) problems.error('service-key', path, { reason });
    }
    let duplicates = 0;
    for (const [block, found] of file.blocks.entries()) {
      if (found.kind === 'other' || found.kind === 'broken') continue;
      const key =
        found.kind === 'certificate'
          ? found.certificate.key
          : found.kind === 'encrypted-private-key'
            ? undefined
            : found.key;
      // An encrypted key cannot be compared without its passphrase, so it is kept.
      const identity = key?.spkiSha256 ?? `${path}#${block}`;
      const part: FilePart = { kind: 'found-block', file: path, block };
      const known = kept.get(identity);
      if (known !== undefined) duplicates += 1;
      if (known === undefined || (!known.private && found.kind === 'private-key')) {
        kept.set(identity, { part, private: found.kind === 'private-key' });
      }
    }
    if (duplicates > 0) problems.warn('service-key-dropped', path, { count: duplicates });
  }
  return [...kept.values()].map(({ part }) => part);
}

/** A new certificate that expires after a found issuer, or after a new one with a shorter life. */
function warnOfOutlivedIssuers(
  certificates: readonly PlannedCertificate[],
  authority: Authority,
  problems: Problems,
): void {
  const lifetime = (issuer: PlannedIssuer) => {
    if (issuer.kind === 'self') return undefined;
    if (issuer.kind === 'found') {
      const certificate = authority.found.get(issuer.certificate.sha256);
      return certificate && { file: issuer.certificate.file, ...certificate };
    }
    const made = certificates.find(({ id }) => id === issuer.id);
    return made && { file: `${tlsDir}/${issuer.id}-ca.pem`, subject: `CN=${made.commonName}`, notAfter: made.notAfter };
  };
  const warned = new Set<string>();
  for (const certificate of certificates) {
    const issuer = lifetime(certificate.issuer);
    // Less than a day is no more than the time between two runs.
    if (issuer === undefined || issuer.notAfter + 86_400 > certificate.notAfter || warned.has(issuer.file)) continue;
    warned.add(issuer.file);
    problems.warn('outlived-issuer', issuer.file, {
      subject: issuer.subject,
      notAfter: issuer.notAfter,
      signs: certificate.commonName,
      until: certificate.notAfter,
    });
  }
}

function locateInputs(snapshot: Snapshot, problems: Problems): Inputs {
  const inputs: Inputs = {};
  for (const name of authorityNames) {
    const input = locate(snapshot, name);
    if (input === undefined) continue;
    inputs[name] = input;
    const [outer, inner] = [snapshot.files.get(name), snapshot.files.get(`${tlsDir}/${name}`)];
    if (outer?.kind === 'file' && inner?.kind === 'file' && outer.sha256 !== inner.sha256) {
      problems.error('two-inputs', name, { other: `${tlsDir}/${name}` });
    }
  }
  for (const name of inputNames) {
    if (snapshot.files.has(name) && name.endsWith('.key')) problems.warn('copy-left-behind', name, {});
  }
  return inputs;
}

/** An input in `server/tls`, else in the data dir itself. */
function locate(snapshot: Snapshot, name: AuthorityName): Input | undefined {
  const placed = `${tlsDir}/${name}`;
  if (snapshot.files.has(placed)) return { path: placed };
  return snapshot.files.has(name) ? { path: name, copyTo: placed } : undefined;
}

function readCertificates(snapshot: Snapshot, input: Input, problems: Problems): Certificate[] {
  const file = readable(snapshot, input.path, problems);
  return file ? certificatesIn(file, input.path, problems) : [];
}

/** What can be said of a file's certificates while their chain is unknown. */
function checkAlone(
  snapshot: Snapshot,
  input: Input | undefined,
  below: number,
  now: number,
  problems: Problems,
): void {
  if (input === undefined) return;
  for (const certificate of readCertificates(snapshot, input, problems)) {
    checkSigner(certificate, input.path, below, now, problems);
  }
}

function readKey(snapshot: Snapshot, input: Input | undefined, needed: boolean, problems: Problems) {
  const file = input && readable(snapshot, input.path, problems);
  return file && input && keyIn(file, input.path, needed, problems);
}

function newCertificate(
  id: PlanId,
  { product }: CustomCaOptions,
  days: number,
  now: number,
  pathLength: number | undefined,
): Omit<PlannedCertificate, 'issuer'> {
  const type = id === 'root' || id === 'intermediate' || id === 'service' ? id : hyphenated(id);
  return {
    id,
    commonName: `${product}-${type}-ca@${now}`,
    notBefore: now,
    notAfter: now + days * 86_400,
    ...(pathLength === undefined ? {} : { pathLength }),
  };
}

function more(pathLength: number | undefined, levels: number): number | undefined {
  return pathLength === undefined ? undefined : pathLength + levels;
}

function usesOf(input: Input | undefined): { file: string }[] {
  return input === undefined ? [] : [{ file: input.path }];
}

function sibling(path: string, name: string): string {
  return path.includes('/') ? `${path.slice(0, path.lastIndexOf('/'))}/${name}` : name;
}

function foundCertificate(file: string, { sha256, subject }: Certificate): FoundCertificate {
  return { file, sha256, subject };
}

function foundPart(file: string, certificate: Certificate): FilePart {
  return { kind: 'found-certificate', ...foundCertificate(file, certificate) };
}
