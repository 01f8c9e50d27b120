import type { Certificate, KeyType } from '@k3s-pki/core';
import {
  type CaName,
  caNames,
  countsAsRoot,
  hyphenated,
  inRotation,
  mode,
  type Product,
  rotationDir,
  rotationFile,
  tlsDir,
  tlsFile,
  tokenFile,
} from '@k3s-pki/k3s';
import { foundCertificate, foundPart } from './ca-inputs.ts';
import {
  type CaPlan,
  type FilePart,
  fileWriter,
  type PlanId,
  type Planned,
  type PlannedCertificate,
  type PlannedFile,
} from './ca-plan.ts';
import { matchKey } from './chain.ts';
import { deepFreeze } from './freeze.ts';
import { certificatesIn, checkSigner, isSelfIssued, keyIn, type ReadableFile, readable, type X509 } from './inputs.ts';
import { Problems } from './problem.ts';
import { keepServiceKeys } from './service-keys.ts';
import type { Snapshot } from './snapshot.ts';

/** Options of `rotate-default-ca-certs`, checked one by one. Lifetimes are days. */
export interface RotateDefaultCaOptions {
  readonly product: Product;
  readonly rootKey: KeyType;
  readonly caKey: KeyType;
  readonly rootDays: number;
  readonly days: number;
  /** Put cross-signed roots before self-signed ones. OpenSSL takes the first issuer of the right name that a server
   *  sends; only in this order does it get from the new CAs to an old root. */
  readonly crossSignedFirst: boolean;
  /** Replace a staged set that may be loaded already. */
  readonly force: boolean;
}

/** What K3s's script does. Source: K3s `contrib/util/rotate-default-ca-certs.sh`. */
export const rotateDefaultDefaults = {
  rootKey: 'ec:p256',
  caKey: 'ec:p256',
  rootDays: 7300,
  days: 7300,
  crossSignedFirst: false,
} as const satisfies Partial<RotateDefaultCaOptions>;

/** What will be made of what. */
export interface RotateDefaultCaPlan extends CaPlan {
  readonly verb: 'rotate-default-ca-certs';
  /** Files of an earlier staged set that are not written again: copies of old keys. */
  readonly removes: readonly { readonly path: string; readonly expect: string }[];
  /** Staged token files, as far as there are tokens. */
  readonly tokens: { readonly server?: string; readonly agent?: string };
}

/** Every path that the snapshot for this plan must look at: the set in use, and the staged one. */
export const rotateDefaultFiles: readonly string[] = [
  ...[tlsFile.serviceKey, ...caNames.flatMap((ca) => [tlsFile.caBundle(ca), tlsFile.caKey(ca)])].flatMap((path) => [
    path,
    inRotation(path),
  ]),
  ...caNames.flatMap((ca) => [
    inRotation(tlsFile.caCertificate(ca)),
    ...Object.values(rotationFile).map((name) => name(ca)),
  ]),
  ...Object.values(tokenFile),
  ...Object.values(tokenFile).map(stagedToken),
];

/** Where the token for the new CAs is staged; `rotate-ca` does not read it. */
export function stagedToken(file: string): string {
  return file.replace('server', rotationDir);
}

/** Less than this left of an old root is worth a warning: K3s renews leaves in a window of so many days. */
const soon = 120 * 86_400;

/**
 * Plans CAs below new roots that the old roots cross-sign. `now` is seconds since 1970. Never throws on what it finds:
 * every problem of the run is in the answer. `tokenFaults`: what is wrong with the text of a token file, which is a
 * secret and not in the snapshot.
 *
 * A bundle is the script's four certificates (new CA, new root, new root signed by the old one, old root), then all else
 * of the bundle in use that still has a chain. The script drops that from the second rotation on; then what the CAs before
 * the last ones signed is refused, and whoever trusts only the first root finds no way to the new one.
 * Source: K3s `contrib/util/rotate-default-ca-certs.sh`.
 */
export function planRotateDefaultCas(
  options: RotateDefaultCaOptions,
  snapshot: Snapshot,
  x509: X509,
  now: number,
  tokenFaults: ReadonlyMap<string, string>,
): Planned<RotateDefaultCaPlan> {
  const problems = new Problems();
  if (!caNames.some((ca) => snapshot.files.has(tlsFile.caBundle(ca)))) {
    problems.error('no-current-cas', tlsDir, {});
    return { ok: false, problems: problems.list };
  }
  const found = caNames.map((ca) => ({ ca, old: findOldRoot(ca, snapshot, x509, now, problems) }));
  const custom = found.flatMap(({ ca, old }) => (old === 'custom' ? [ca] : []));
  if (custom.length > 0) {
    const issuers = [...new Set(custom.map((ca) => issuerOf(ca, snapshot)))];
    problems.error('custom-cas', tlsDir, { cas: custom, issuers });
  }
  if (!snapshot.files.has(tlsFile.serviceKey)) problems.error('no-service-key', tlsFile.serviceKey, {});
  const serviceKeys = keepServiceKeys([tlsFile.serviceKey], snapshot, problems);
  if (!options.force && isUnusedSet(snapshot)) problems.error('staged-set', rotationDir, {});
  const tokens = planTokens(snapshot, tokenFaults, problems);
  const roots = found.flatMap(({ ca, old }) => (typeof old === 'object' ? [{ ca, ...old }] : []));
  if (problems.refused || roots.length < caNames.length) return { ok: false, problems: problems.list };

  const timestamp = freshTimestamp(snapshot, now);
  const write = fileWriter(snapshot);
  const certificates = roots.flatMap((root) => planCertificates(root, options, timestamp, now));
  const plan: RotateDefaultCaPlan = {
    verb: 'rotate-default-ca-certs',
    product: options.product,
    timestamp,
    uses: roots.flatMap(({ ca, root }) => [
      { file: tlsFile.caBundle(ca), subject: root.subject },
      { file: tlsFile.caKey(ca) },
    ]),
    keys: [
      { id: 'service', type: 'rsa:2048' },
      ...caNames.flatMap((ca) => [
        { id: `${ca}-root`, type: options.rootKey } as const,
        { id: ca, type: options.caKey },
      ]),
    ],
    certificates,
    directories: ['server', rotationDir, `${rotationDir}/tls`, `${rotationDir}/tls/etcd`].map((path) => ({
      path,
      mode: mode.directory,
    })),
    files: [
      write(inRotation(tlsFile.serviceKey), [{ kind: 'new-key', id: 'service' }, ...serviceKeys]),
      ...roots.flatMap((root) => planFiles(root, options, write)),
      ...tokens.map(({ path, file }) =>
        write(path, [{ kind: 'token', bundle: inRotation(tlsFile.caBundle('server')), file }], true),
      ),
    ],
    removes: caNames.flatMap((ca) => {
      const path = rotationFile.oldRootKey(ca);
      const file = snapshot.files.get(path);
      return file?.kind === 'file' ? [{ path, expect: file.sha256 }] : [];
    }),
    tokens: Object.fromEntries(tokens.map(({ user, path }) => [user, path])),
    warnings: problems.list,
  };
  return { ok: true, plan: deepFreeze(plan) };
}

/** A root in use with its key, and what stays in the bundle beside it. */
interface OldRoot {
  readonly root: Certificate;
  readonly kept: readonly Certificate[];
}

/** The self-signed certificate of a bundle whose key is in the key file: the CA itself before the first rotation, the
 *  second certificate and key afterwards. `custom` when there is none. */
function findOldRoot(
  ca: CaName,
  snapshot: Snapshot,
  x509: X509,
  now: number,
  problems: Problems,
): OldRoot | 'custom' | undefined {
  const [path, keyPath] = [tlsFile.caBundle(ca), tlsFile.caKey(ca)];
  for (const each of [path, keyPath]) if (!snapshot.files.has(each)) problems.error('no-current-ca', each, { ca });
  const bundle = readable(snapshot, path, problems);
  const keyFile = readable(snapshot, keyPath, problems);
  const certificates = bundle === undefined ? [] : certificatesIn(bundle, path, problems);
  const firstKey = keyFile === undefined ? undefined : keyIn(keyFile, keyPath, true, problems);
  const [first] = certificates;
  if (keyFile === undefined || firstKey === undefined || first === undefined) return undefined;
  if (matchKey([first], firstKey, path, keyPath, problems) === undefined) return undefined;
  const keys = new Set(privateKeys(keyFile));
  const selfSigned = certificates.filter((each) => isSelfIssued(each) && x509.signatureHolds(each, each));
  const root = selfSigned.find(({ key }) => keys.has(key.spkiSha256));
  if (root === undefined) return 'custom';
  checkSigner(root, path, 2, now, problems);
  if (root.notAfter < now + soon && root.notAfter >= now) {
    problems.warn('old-root-ends-soon', path, { subject: root.subject, notAfter: root.notAfter });
  }
  return { root, kept: stillOfUse(certificates, x509, now).filter(({ sha256 }) => sha256 !== root.sha256) };
}

/** Public halves, as SHA-256 of the SubjectPublicKeyInfo, of every private key of a file. */
function privateKeys({ blocks }: ReadableFile): string[] {
  return blocks.flatMap((block) => (block.kind === 'private-key' ? [block.key.spkiSha256] : []));
}

/** The roots that have not expired, and what has a chain to one of them; once each, in order. */
function stillOfUse(certificates: readonly Certificate[], x509: X509, now: number): Certificate[] {
  const distinct = [...new Map(certificates.map((each) => [each.sha256, each])).values()];
  const alive = distinct.filter(({ notAfter }) => notAfter >= now);
  const roots = alive.filter(countsAsRoot);
  const intermediates = alive.filter((each) => !countsAsRoot(each));
  return alive.filter(
    (leaf) => countsAsRoot(leaf) || x509.chains({ leaf, roots, intermediates, at: now, usages: ['any'] }).ok,
  );
}

function planCertificates(
  { ca, root }: OldRoot & { readonly ca: CaName },
  { product, rootDays, days }: RotateDefaultCaOptions,
  timestamp: number,
  now: number,
): PlannedCertificate[] {
  const rootId = `${ca}-root` as const;
  const rootName = `${product}-${hyphenated(ca)}-root@${timestamp}`;
  const rootEnd = now + rootDays * 86_400;
  const keyFile = tlsFile.caKey(ca);
  return [
    { id: rootId, commonName: rootName, issuer: { kind: 'self' }, notBefore: now, notAfter: rootEnd },
    {
      id: `${rootId}-xsigned`,
      key: rootId,
      commonName: rootName,
      issuer: { kind: 'found', certificate: foundCertificate(tlsFile.caBundle(ca), root), keyFile },
      notBefore: now,
      // The script gives it the new root's lifetime. One that outlives its issuer leads OpenSSL into a dead end.
      notAfter: Math.min(rootEnd, root.notAfter),
    },
    {
      id: ca,
      commonName: `${product}-${hyphenated(ca)}-ca@${timestamp}`,
      issuer: { kind: 'new', id: rootId },
      notBefore: now,
      notAfter: now + days * 86_400,
    },
  ];
}

function planFiles(
  { ca, root, kept }: OldRoot & { readonly ca: CaName },
  { crossSignedFirst }: RotateDefaultCaOptions,
  write: ReturnType<typeof fileWriter>,
): PlannedFile[] {
  const rootId = `${ca}-root` as const;
  const file = tlsFile.caBundle(ca);
  const made = (id: PlanId): FilePart => ({ kind: 'new-certificate', id });
  const key = (id: PlanId): FilePart => ({ kind: 'new-key', id });
  const old = foundPart(file, root);
  const parts = (certificates: readonly Certificate[]) => certificates.map((each) => foundPart(file, each));
  const script = [made(rootId), made(`${rootId}-xsigned`), old];
  const others = parts(kept);
  const crossed = [made(`${rootId}-xsigned`), ...parts(kept.filter((each) => !countsAsRoot(each)))];
  const selfSigned = [made(rootId), old, ...parts(kept.filter(countsAsRoot))];
  return [
    write(rotationFile.rootKey(ca), [key(rootId)]),
    write(rotationFile.selfSigned(ca), [made(rootId)]),
    write(rotationFile.crossSigned(ca), [made(`${rootId}-xsigned`)]),
    write(rotationFile.oldRoot(ca), [old]),
    write(inRotation(tlsFile.caKey(ca)), [key(ca), key(rootId)]),
    write(inRotation(tlsFile.caCertificate(ca)), [made(ca)]),
    write(inRotation(file), [made(ca), ...(crossSignedFirst ? [...crossed, ...selfSigned] : [...script, ...others])]),
  ];
}

/** Whether a complete or partial set is staged that is not the one in use: it may be loaded and wait for a restart. */
function isUnusedSet(snapshot: Snapshot): boolean {
  return caNames.some((ca) => {
    const staged = snapshot.files.get(inRotation(tlsFile.caBundle(ca)));
    const current = snapshot.files.get(tlsFile.caBundle(ca));
    if (staged === undefined) return false;
    return staged.kind !== 'file' || current?.kind !== 'file' || staged.sha256 !== current.sha256;
  });
}

function planTokens(
  snapshot: Snapshot,
  tokenFaults: ReadonlyMap<string, string>,
  problems: Problems,
): { user: 'server' | 'agent'; file: string; path: string }[] {
  if (!snapshot.files.has(tokenFile.server)) problems.warn('no-token', tokenFile.server, {});
  return (['server', 'agent'] as const).flatMap((user) => {
    const file = tokenFile[user];
    if (readable(snapshot, file, problems) === undefined) return [];
    const fault = tokenFaults.get(file);
    if (fault !== undefined) {
      problems.error('bad-token', file, { fault });
      return [];
    }
    return [{ user, file, path: stagedToken(file) }];
  });
}

/** Who issued a CA in use. */
function issuerOf(ca: CaName, snapshot: Snapshot): string {
  const file = snapshot.files.get(tlsFile.caBundle(ca));
  const blocks = file?.kind === 'file' ? file.blocks : [];
  return blocks.flatMap((block) => (block.kind === 'certificate' ? [block.certificate.issuer] : []))[0] ?? '';
}

/** The clock, or the first later second that no subject in use carries: two roots of one name would be taken for one. */
function freshTimestamp(snapshot: Snapshot, now: number): number {
  const subjects = [...snapshot.files.values()].flatMap((file) =>
    file.kind === 'file'
      ? file.blocks.flatMap((block) => (block.kind === 'certificate' ? [block.certificate.subject] : []))
      : [],
  );
  let timestamp = now;
  while (subjects.some((subject) => subject.includes(`@${timestamp}`))) timestamp += 1;
  return timestamp;
}
