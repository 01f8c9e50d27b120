/** The five CAs, in the order in which K3s's script makes them; a name is also the path below `server/tls`. */
export const caNames = ['client', 'server', 'request-header', 'etcd/peer', 'etcd/server'] as const;
export type CaName = (typeof caNames)[number];

/** Folder of a data dir that holds CAs, keys and certificates of a server. */
export const tlsDir = 'server/tls';

/** Paths relative to the data dir. Source: K3s `pkg/daemons/config`, `contrib/util`. */
export const tlsFile = {
  rootCertificate: `${tlsDir}/root-ca.pem`,
  rootBundle: `${tlsDir}/root-ca.crt`,
  rootKey: `${tlsDir}/root-ca.key`,
  intermediateCertificate: `${tlsDir}/intermediate-ca.pem`,
  intermediateBundle: `${tlsDir}/intermediate-ca.crt`,
  intermediateKey: `${tlsDir}/intermediate-ca.key`,
  serviceKey: `${tlsDir}/service.key`,
  /** The CA's own certificate, alone. K3s does not read it. */
  caCertificate: (ca: CaName) => `${tlsDir}/${ca}-ca.pem`,
  /** The CA's certificate followed by its issuers: what K3s reads. */
  caBundle: (ca: CaName) => `${tlsDir}/${ca}-ca.crt`,
  caKey: (ca: CaName) => `${tlsDir}/${ca}-ca.key`,
  /** The root that one CA has for itself in the isolated topology. K3s does not read it. */
  ownRootCertificate: (ca: CaName) => `${tlsDir}/${ca}-root-ca.pem`,
  ownRootKey: (ca: CaName) => `${tlsDir}/${ca}-root-ca.key`,
} as const;

/** Where `rotate-default-ca-certs` stages a set for `rotate-ca`. Source: K3s `contrib/util/rotate-default-ca-certs.sh`. */
export const rotationDir = 'server/rotate-ca';

/** A path in `server/tls` as it lies in the staged set. */
export function inRotation(path: string): string {
  return path.replace(tlsDir, `${rotationDir}/tls`);
}

/** The files of the staged set beside those that `rotate-ca` reads; names as K3s's script has them. */
export const rotationFile = {
  rootKey: (ca: CaName) => `${rotationDir}/tls/${ca}-root.key`,
  selfSigned: (ca: CaName) => `${rotationDir}/tls/${ca}-root-ssigned.pem`,
  crossSigned: (ca: CaName) => `${rotationDir}/tls/${ca}-root-xsigned.pem`,
  oldRoot: (ca: CaName) => `${rotationDir}/tls/${ca}-root-old.pem`,
  /** A copy of the old key that the script leaves with mode 0640. */
  oldRootKey: (ca: CaName) => `${rotationDir}/tls/${ca}-root-old.key`,
} as const;

/** Join tokens of a running server. Source: K3s `pkg/server/server.go`. */
export const tokenFile = { server: 'server/token', agent: 'server/agent-token' } as const;

/** Modes that K3s's script leaves behind under its `umask 027`. */
export const mode = { directory: 0o750, certificate: 0o640, key: 0o600 } as const;

/** What exists in a data dir as soon as a server has started in it once; relative to the data dir. */
export const signsOfUse = ['server/db', 'server/token', 'server/cred'] as const;

/** The part of a subject that stands for a CA: `etcd/peer` is `etcd-peer`. */
export function hyphenated(ca: string): string {
  return ca.replace('/', '-');
}
