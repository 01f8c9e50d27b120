import type { Certificate, ChainFailure, Core } from '@k3s-pki/core';
import { type CaHash, caHash, countsAsRoot } from './ca-hash.ts';
import { certificatesOf, type FileSet, type FirstStart, judgeFirstStart } from './first-start.ts';
import { type CaName, caNames, tlsFile } from './layout.ts';
import { judgePair, type PairFailure, type PemFile, readBundle, readPublicKeys } from './pem-readers.ts';
import { rotationLog, shownByK3s, verifyLog } from './rotation-log.ts';

/** What `rotate-ca` reads and replaces, in the order in which K3s looks at it. Source: K3s `pkg/daemons/config`,
 *  ControlRuntimeBootstrap, the fields tagged for rotation. */
export const rotationFields = [
  { field: 'ETCDServerCA', ca: 'etcd/server', file: tlsFile.caBundle('etcd/server') },
  { field: 'ETCDServerCAKey', ca: 'etcd/server', file: tlsFile.caKey('etcd/server') },
  { field: 'ETCDPeerCA', ca: 'etcd/peer', file: tlsFile.caBundle('etcd/peer') },
  { field: 'ETCDPeerCAKey', ca: 'etcd/peer', file: tlsFile.caKey('etcd/peer') },
  { field: 'ServerCA', ca: 'server', file: tlsFile.caBundle('server') },
  { field: 'ServerCAKey', ca: 'server', file: tlsFile.caKey('server') },
  { field: 'ClientCA', ca: 'client', file: tlsFile.caBundle('client') },
  { field: 'ClientCAKey', ca: 'client', file: tlsFile.caKey('client') },
  { field: 'ServiceKey', ca: undefined, file: tlsFile.serviceKey },
  { field: 'RequestHeaderCA', ca: 'request-header', file: tlsFile.caBundle('request-header') },
  { field: 'RequestHeaderCAKey', ca: 'request-header', file: tlsFile.caKey('request-header') },
] as const;
export type RotationField = (typeof rotationFields)[number]['field'];

/** Why K3s refuses a field, with the values a person needs. Files are relative to the data dir. */
export interface RotationFailureValues {
  /** K3s can't read the bundle: the one in use (`current`) or the new one. `line` and `reason` when a block is broken. */
  'unreadable-bundle': { readonly set: RotationSet; readonly line?: number; readonly reason?: string };
  'single-certificate': { readonly subject: string };
  /** `roots` are the anchors, from the set in use: none, when its bundle lacks its root. */
  'not-verified': {
    readonly subject: string;
    readonly failure: ChainFailure;
    readonly detail: string;
    readonly roots: readonly string[];
  };
  /** `certificateFrom` and `keyFrom` differ when only one half was proposed. */
  pair: {
    readonly why: PairFailure['why'];
    readonly certificateFrom: RotationSet;
    readonly keyFrom: RotationSet;
    readonly rootFirst: boolean;
  };
  'unreadable-service-key': { readonly set: RotationSet };
  'service-key-lost': { readonly kept: number };
}
export type RotationFailureCode = keyof RotationFailureValues;
export type RotationSet = 'current' | 'proposed';

/** One check that fails. */
export type RotationFailure = {
  [Code in RotationFailureCode]: {
    readonly code: Code;
    /** K3s's words without the field's name, or how they begin where Go's text goes on with times and candidates. */
    readonly log: string;
    readonly values: RotationFailureValues[Code];
  };
}[RotationFailureCode];

/** One field: where its content comes from after the rotation, and why K3s refuses it. */
export interface FieldVerdict {
  readonly field: RotationField;
  readonly file: string;
  /** `current` when the proposed file is missing or empty: K3s keeps what it has and checks nothing. */
  readonly from: RotationSet;
  /** Whether the bytes differ from those in use. */
  readonly changed: boolean;
  readonly failure?: RotationFailure;
}

/** What K3s accepts, and what then goes wrong. */
export interface RotationFindingValues {
  /** Nothing is proposed, or nothing differs: K3s answers "certificates saved to datastore" all the same. */
  'nothing-proposed': { readonly found: number };
  /** Half a pair is proposed; K3s keeps the other half that it has. */
  'half-proposed': { readonly missing: string };
  /** The file in use is `seconds` newer: the next start of a server stops over it. */
  'older-than-current': { readonly seconds: number };
  /** Two CAs are one: what may sign for one purpose may sign for the other. */
  'same-ca': { readonly other: string; readonly subject: string };
  /** No chain to a root within the bundle: the next rotation needs --force, and the CA hash is that of the file. */
  'bundle-without-root': { readonly subject: string };
}
export type RotationFindingCode = keyof RotationFindingValues;
export type RotationFinding = {
  [Code in RotationFindingCode]: {
    readonly code: Code;
    readonly file: string;
    /** `fatal`: the next start fails or nothing happens at all. `odd`: it starts, and something else breaks. */
    readonly effect: 'fatal' | 'odd';
    readonly values: RotationFindingValues[Code];
  };
}[RotationFindingCode];

/** Who trusts whom while old and new certificates meet, for one CA that changes. */
export interface TrustChange {
  readonly ca: CaName;
  /** Whoever holds the old bundle accepts what the new CA signs. */
  readonly oldTrustsNew: boolean;
  /** Whoever holds the new bundle accepts what the old CA has signed. */
  readonly newTrustsOld: boolean;
}

/** The whole verdict. */
export interface Rotation {
  /** Whether K3s saves the set without --force. */
  readonly accepted: boolean;
  readonly fields: readonly FieldVerdict[];
  /** The error of K3s's log without its `certificate error ID NNNNN: `; absent when it accepts. */
  readonly log?: string;
  readonly findings: readonly RotationFinding[];
  /** The next start on what would then be in the datastore. */
  readonly nextStart: FirstStart;
  /** Accepted or forced, K3s does not come up on this set, or nothing would be rotated: it must not be loaded. */
  readonly unfit: boolean;
  /** CA hash of join tokens, from `server-ca.crt`; absent where that holds no certificate. */
  readonly caHash: { readonly before?: CaHash; readonly after?: CaHash; readonly kept: boolean };
  /** One for each CA whose first certificate changes. */
  readonly trust: readonly TrustChange[];
  /** Public keys that the API server will no longer accept tokens of; `signing` when the one in use is among them. */
  readonly serviceKeysLost: { readonly count: number; readonly signing: boolean };
}

/**
 * What K3s says to `certificate rotate-ca` with `proposed` on a server whose set is `current`, and what follows.
 * Paths are relative to a data dir in both sets. `at` is seconds since 1970. Pure. Source: K3s
 * `pkg/server/handlers/cert.go` (caCertReplace, defaultBootstrap, validateBootstrap), `pkg/cluster/bootstrap.go` (times).
 */
export function judgeRotation(current: FileSet, proposed: FileSet, chains: Core['chains'], at: number): Rotation {
  const taken = (file: string): RotationSet => ((proposed(file)?.bytes.length ?? 0) > 0 ? 'proposed' : 'current');
  const after: FileSet = (file) => (taken(file) === 'proposed' ? proposed(file) : current(file));
  const fields = rotationFields.map(({ field, ca, file }): FieldVerdict => {
    const failure =
      ca === undefined
        ? judgeServiceKeys(file, current, after, taken)
        : file === tlsFile.caBundle(ca)
          ? judgeBundle(file, current, after, taken, chains, at)
          : judgeKeyOf(ca, after, taken);
    return {
      field,
      file,
      from: taken(file),
      changed: taken(file) === 'proposed' && !sameBytes(current(file), proposed(file)),
      ...(failure === undefined ? {} : { failure }),
    };
  });
  const failures = fields.flatMap(({ field, failure }) => (failure === undefined ? [] : [`${field}: ${failure.log}`]));
  const nextStart = judgeFirstStart(after, chains, at);
  const findings = findingsOf(fields, current, after, chains, at);
  const before = hashOf(current(tlsFile.caBundle('server')), chains, at);
  return {
    accepted: failures.length === 0,
    fields,
    ...(failures.length === 0 ? {} : { log: `${rotationLog.refused}: ${failures.join(', ')}` }),
    findings,
    nextStart,
    unfit: !nextStart.accepted || findings.some(({ effect }) => effect === 'fatal'),
    caHash: {
      ...(before === undefined ? {} : { before }),
      ...(nextStart.caHash === undefined ? {} : { after: nextStart.caHash }),
      kept: before?.hash === nextStart.caHash?.hash,
    },
    trust: caNames.flatMap((ca) => trustChange(ca, current, after, chains, at)),
    serviceKeysLost: serviceKeysLost(current(tlsFile.serviceKey), after(tlsFile.serviceKey)),
  };
}

type Taken = (file: string) => RotationSet;

/** K3s's validateCA. */
function judgeBundle(
  file: string,
  current: FileSet,
  after: FileSet,
  taken: Taken,
  chains: Core['chains'],
  at: number,
): RotationFailure | undefined {
  const bundle = after(file);
  if (taken(file) === 'current' || bundle === undefined) return undefined;
  const [old, fresh] = [readBundle(current(file) ?? nothing), readBundle(bundle)];
  if (!old.ok) return unreadableBundle(file, 'current', current(file) === undefined, old);
  if (!fresh.ok) return unreadableBundle(file, 'proposed', false, fresh);
  const [first, ...rest] = fresh.certificates;
  if (rest.length === 0) {
    return {
      code: 'single-certificate',
      log: 'new CA bundle contains only a single certificate but should include root or intermediate CA certificates',
      values: { subject: first.subject },
    };
  }
  const roots = old.certificates.filter(countsAsRoot);
  const intermediates = [
    ...old.certificates.filter((certificate) => !countsAsRoot(certificate)),
    ...rest.filter(({ authorityKeyId }) => authorityKeyId !== undefined),
  ];
  const result = chains({ leaf: first, roots, intermediates, at });
  if (result.ok) return undefined;
  const { failure, detail } = result;
  return {
    code: 'not-verified',
    log: `new CA cert cannot be verified using old CA chain: ${verifyLog(failure, detail)}`,
    values: { subject: first.subject, failure, detail, roots: roots.map(({ subject }) => subject) },
  };
}

function unreadableBundle(
  file: string,
  set: RotationSet,
  absent: boolean,
  reading: Exclude<ReturnType<typeof readBundle>, { ok: true }>,
): RotationFailure {
  const path = shownByK3s(file, set);
  if (absent) {
    return { code: 'unreadable-bundle', log: `open ${path}: no such file or directory`, values: { set } };
  }
  return reading.why === 'empty'
    ? {
        code: 'unreadable-bundle',
        log: `error reading ${path}: data does not contain any valid RSA or ECDSA certificates`,
        values: { set },
      }
    : {
        code: 'unreadable-bundle',
        log: `error reading ${path}: x509:`,
        values: { set, line: reading.line, reason: reading.reason },
      };
}

/** K3s's validateCAKey. */
function judgeKeyOf(ca: CaName, after: FileSet, taken: Taken): RotationFailure | undefined {
  const [bundleFile, keyFile] = [tlsFile.caBundle(ca), tlsFile.caKey(ca)];
  const [certificateFrom, keyFrom] = [taken(bundleFile), taken(keyFile)];
  if (certificateFrom === 'current' && keyFrom === 'current') return undefined;
  const [bundle, key] = [after(bundleFile), after(keyFile)];
  const prefix = 'new CA cert and key cannot be loaded as X590KeyPair: ';
  const absent = bundle === undefined ? bundleFile : key === undefined ? keyFile : undefined;
  if (absent !== undefined) {
    return {
      code: 'pair',
      log: `${prefix}open ${shownByK3s(absent, 'current')}: no such file or directory`,
      values: { why: absent === keyFile ? 'no-key' : 'no-certificate', certificateFrom, keyFrom, rootFirst: false },
    };
  }
  const failure = judgePair(bundle ?? nothing, key ?? nothing);
  if (failure === undefined) return undefined;
  const rootFirst = failure.why === 'mismatch' && failure.rootFirst;
  return {
    code: 'pair',
    log: prefix + failure.log,
    values: { why: failure.why, certificateFrom, keyFrom, rootFirst },
  };
}

/** K3s's validateServiceKey: it is called also when the file is kept, and then passes. */
function judgeServiceKeys(file: string, current: FileSet, after: FileSet, taken: Taken): RotationFailure | undefined {
  const sets = [
    ['current', current(file)],
    [taken(file), after(file)],
  ] as const;
  for (const [set, pem] of sets) {
    if (pem !== undefined && readPublicKeys(pem).length > 0) continue;
    const path = shownByK3s(file, set);
    return {
      code: 'unreadable-service-key',
      log:
        pem === undefined
          ? `open ${path}: no such file or directory`
          : `error reading public key file ${path}: data does not contain any valid RSA or ECDSA public keys`,
      values: { set },
    };
  }
  const { count, signing } = serviceKeysLost(current(file), after(file));
  if (!signing) return undefined;
  return {
    code: 'service-key-lost',
    log: 'old ServiceAccount signing key not in new ServiceAccount key list',
    values: { kept: readPublicKeys(current(file) ?? nothing).length - count },
  };
}

function findingsOf(
  fields: readonly FieldVerdict[],
  current: FileSet,
  after: FileSet,
  chains: Core['chains'],
  at: number,
): RotationFinding[] {
  const findings: RotationFinding[] = [];
  const proposed = fields.filter(({ from }) => from === 'proposed');
  if (proposed.every(({ changed }) => !changed)) {
    findings.push({
      code: 'nothing-proposed',
      file: 'server/tls',
      effect: 'fatal',
      values: { found: proposed.length },
    });
  }
  const comesFrom = new Map<string, RotationSet>(fields.map(({ file, from }) => [file, from]));
  for (const ca of caNames) {
    const [bundle, key] = [tlsFile.caBundle(ca), tlsFile.caKey(ca)];
    if (comesFrom.get(bundle) === comesFrom.get(key)) continue;
    const [file, missing] = comesFrom.get(bundle) === 'proposed' ? [bundle, key] : [key, bundle];
    findings.push({ code: 'half-proposed', file, effect: 'odd', values: { missing } });
  }
  for (const { file, changed } of fields) {
    const seconds = Math.floor(current(file)?.modified ?? 0) - Math.floor(after(file)?.modified ?? 0);
    if (changed && current(file)?.modified !== undefined && after(file)?.modified !== undefined && seconds >= skew) {
      findings.push({ code: 'older-than-current', file, effect: 'fatal', values: { seconds } });
    }
  }
  return [...findings, ...sameCas(fields, after), ...withoutRoot(fields, after, chains, at)];
}

/** Seconds that a file may be newer than the datastore's copy. Source: K3s `pkg/cluster/bootstrap.go`, systemTimeSkew. */
const skew = 3;

function sameCas(fields: readonly FieldVerdict[], after: FileSet): RotationFinding[] {
  const seen = new Map<string, string>();
  return fields.flatMap(({ field, file, changed }): RotationFinding[] => {
    const first = field.endsWith('CA') ? certificatesOf(after(file))[0] : undefined;
    if (first === undefined) return [];
    const other = seen.get(first.key.spkiSha256);
    seen.set(first.key.spkiSha256, file);
    if (other === undefined || !(changed || fields.some((one) => one.file === other && one.changed))) return [];
    return [{ code: 'same-ca', file, effect: 'odd', values: { other, subject: first.subject } }];
  });
}

function withoutRoot(
  fields: readonly FieldVerdict[],
  after: FileSet,
  chains: Core['chains'],
  at: number,
): RotationFinding[] {
  return fields.flatMap(({ field, file, changed }): RotationFinding[] => {
    const [first, ...rest] = certificatesOf(after(file));
    if (!field.endsWith('CA') || !changed || first === undefined || rest.length === 0) return [];
    const others = rest.filter((certificate) => !countsAsRoot(certificate));
    const result = chains({
      leaf: first,
      roots: rest.filter(countsAsRoot),
      intermediates: others,
      at,
      usages: ['any'],
    });
    if (result.ok || result.failure !== 'unknown-authority') return [];
    return [{ code: 'bundle-without-root', file, effect: 'odd', values: { subject: first.subject } }];
  });
}

/** Go's clients and servers take every certificate of a trusted file for an anchor, and are sent the leaf's bundle. */
function trustChange(ca: CaName, current: FileSet, after: FileSet, chains: Core['chains'], at: number): TrustChange[] {
  const file = tlsFile.caBundle(ca);
  const [old, fresh] = [certificatesOf(current(file)), certificatesOf(after(file))];
  if (old[0] === undefined || fresh[0] === undefined || old[0].sha256 === fresh[0].sha256) return [];
  const trusts = (anchors: readonly Certificate[], [leaf, ...intermediates]: readonly Certificate[]) =>
    leaf !== undefined && chains({ leaf, roots: anchors, intermediates, at, usages: ['any'] }).ok;
  return [{ ca, oldTrustsNew: trusts(old, fresh), newTrustsOld: trusts(fresh, old) }];
}

function serviceKeysLost(before: PemFile | undefined, after: PemFile | undefined): Rotation['serviceKeysLost'] {
  const kept = new Set(readPublicKeys(after ?? nothing).map(({ spkiSha256 }) => spkiSha256));
  const keys = readPublicKeys(before ?? nothing);
  const lost = keys.filter(({ spkiSha256 }) => !kept.has(spkiSha256));
  return {
    count: new Set(lost.map(({ spkiSha256 }) => spkiSha256)).size,
    signing: keys[0] !== undefined && lost.includes(keys[0]),
  };
}

function hashOf(file: PemFile | undefined, chains: Core['chains'], at: number): CaHash | undefined {
  const bundle = certificatesOf(file);
  return file === undefined || bundle.length === 0 ? undefined : caHash(file.bytes, bundle, chains, at);
}

function sameBytes(one: PemFile | undefined, other: PemFile | undefined): boolean {
  return one !== undefined && other !== undefined && Buffer.compare(one.bytes, other.bytes) === 0;
}

const nothing: PemFile = { bytes: new Uint8Array(), blocks: [] };
