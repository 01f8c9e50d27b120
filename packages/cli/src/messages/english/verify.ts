import type { CaShape, FindingCode, NodeRole, TopologyKind } from '@k3s-pki/k3s';
import type { VerifyProblem, VerifyProblemCode, VerifyProblemValues, VerifySectionName } from '@k3s-pki/plan';
import { octal } from '../../render/text.ts';
import { day, type ShowPath } from '../english.ts';

/** What is wrong, what K3s logs about it where it does, and how to mend it. */
export interface Explanation {
  readonly text: string;
  readonly k3s?: string;
  readonly mend?: string;
}

type Words = {
  [Code in VerifyProblemCode]: (values: VerifyProblemValues[Code], file: string, show: ShowPath) => Explanation;
};

const words: Words = {
  'k3s-start': ({ finding }) => {
    const k3s = startLines[finding.code];
    const consequence = {
      fatal: 'K3s stops at its start',
      hangs: 'K3s never comes up',
      replaced: '',
      odd: 'K3s starts all the same',
    }[finding.effect];
    return {
      text: consequence === '' ? finding.reason : `${finding.reason} (${consequence})`,
      ...(k3s === undefined ? {} : { k3s }),
      mend: startMends[finding.code],
    };
  },
  unreadable: ({ why }) => ({
    text: `${{ permission: 'no permission to read it', 'not-a-file': 'not a regular file', 'too-large': 'larger than 1 MiB', io: 'cannot be read' }[why]}, so nothing can be said of it`,
    mend: why === 'permission' ? 'run as the user who owns it, usually root' : 'put the PEM file itself there',
  }),
  'outlives-issuer': ({ subject, notAfter, issuer, until }) => ({
    text: `${subject} is valid until ${day(notAfter)}, longer than its issuer ${issuer} (${day(until)}), and is worth nothing after that`,
    mend: 'renew the issuer in time, or issue this CA for fewer days',
  }),
  'path-length': ({ subject, pathLength, below }) => ({
    text: `${subject} allows ${pathLength} CAs below it (pathlen:${pathLength}), and ${below} ${below === 1 ? 'is' : 'are'} there: K3s does not mind, OpenSSL and Python refuse the certificates below (error 25)`,
    mend: `have it issued again without a path length, or with pathlen:${below}`,
  }),
  'expires-soon': ({ subject, notAfter, days }) => ({
    text: `${subject} expires on ${day(notAfter)}, in ${days === 1 ? '1 day' : `${days} days`}; certificates that K3s makes would outlive it`,
    mend: 'rotate the CAs before then: an expired CA stops the whole cluster',
  }),
  'issuer-expired': ({ subject, notAfter }) => ({
    text: `${subject} expired on ${day(notAfter)}`,
    mend: 'renew it under the same key and put it in the bundle',
  }),
  'weak-key': ({ subject, bits }) => ({
    text: `${subject} has a weak key (RSA ${bits})`,
    mend: 'use RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519',
  }),
  'weak-signature': ({ subject, algorithm }) => ({
    text: `${subject} is signed with ${algorithm}, which is broken`,
    mend: 'have it issued again with SHA-256 or better; its key can stay',
  }),
  'readable-key': ({ mode }, file) => ({
    text: `a private key that others may read (mode ${octal(mode)})`,
    mend: `chmod 600 ${file}`,
  }),
  'writable-by-others': ({ mode }, file) => ({
    text: `others may change it (mode ${octal(mode)})`,
    mend: `chmod go-w ${file}`,
  }),
  'foreign-owner': ({ owner, expected }, file) => ({
    text: `belongs to user ${owner}, the tls folder to ${expected}`,
    mend: `chown ${expected} ${file}`,
  }),
  'authority-key': () => ({
    text: 'the key that signs CAs lies on a machine of the cluster',
    mend: 'keep a secure copy elsewhere and remove it here; K3s does not need it',
  }),
  'same-key': ({ other, subject }, _, show) => ({
    text: `${subject} has the same key as the CA in ${show(other)}: who is trusted by one is trusted by the other`,
    mend: 'make a CA of its own for each purpose',
  }),
  'stray-certificate': ({ subject }) => ({
    text: `${subject} is in the bundle, has nothing to do with its CA, and is trusted all the same`,
    mend: 'remove it, unless it is meant to be trusted (a root of before or after a change)',
  }),
  'duplicate-service-key': ({ count }) => ({
    text: `${count === 1 ? 'one key is' : `${count} keys are`} there twice`,
    mend: 'nothing breaks; generate-custom-ca-certs keeps each key once',
  }),
  'useless-service-key': ({ line, label }) => ({
    text: `line ${line}: the API server does not read this block (${label})`,
    mend: 'remove it, or convert it: RSA in PKCS#1 or PKCS#8, EC in SEC1, unencrypted',
  }),
  'wrong-authority-key': ({ certificate }, _, show) => ({
    text: `not the key of ${show(certificate)}`,
    mend: 'put its own key there, or remove this one: nothing can be issued with the pair',
  }),
};

/** What K3s or its parts log where our reason doesn't end with it. Source: rancher/dynamiclistener `cert/pem.go`, Go
 *  `crypto/x509`. */
const startLines: Partial<Record<FindingCode, string>> = {
  'no-certificate': 'data does not contain any valid RSA or ECDSA certificates',
  'not-pem-certificate': 'data does not contain any valid RSA or ECDSA certificates',
  'no-key': 'data does not contain a valid RSA or ECDSA private key',
  'encrypted-key': 'data does not contain a valid RSA or ECDSA private key',
  'not-a-ca': 'x509: invalid signature: parent certificate cannot sign this kind of certificate',
  'no-cert-sign': 'x509: invalid signature: parent certificate cannot sign this kind of certificate',
  expired: 'x509: certificate has expired or is not yet valid',
  'not-yet-valid': 'x509: certificate has expired or is not yet valid',
  'usage-without-server-auth': 'x509: certificate specifies an incompatible key usage',
  'usage-without-client-auth': 'x509: certificate specifies an incompatible key usage',
};

const startMends: Record<FindingCode, string> = {
  absent:
    'k3s-pki generate-custom-ca-certs makes the whole set; for a folder that holds only what rotate-ca is to change, name the set in use with --against',
  'half-pair': 'put the other half there too; the pair belongs together',
  'no-certificate': 'put the CA there in PEM form, its issuers after it (from DER: openssl x509 -inform der)',
  'not-pem-certificate': 'write it again as a plain certificate: openssl x509 -in FILE -out NEW',
  'malformed-certificate': 'copy the file again from its source',
  'no-key': 'put the private key there: PKCS#1, SEC1 or PKCS#8, in PEM form (from DER: openssl pkey -inform der)',
  'encrypted-key': 'write it unencrypted with mode 0600: openssl pkey -in FILE -out NEW',
  'key-mismatch': 'compare: openssl x509 -noout -pubkey -in CRT; openssl pkey -pubout -in KEY',
  'root-first': 'order the bundle: the CA, its issuers, the root last',
  'not-a-ca': 'have it issued again with basicConstraints critical,CA:TRUE and keyUsage keyCertSign',
  expired: 'issue a new one below the same root and load it with rotate-ca',
  'not-yet-valid': 'wait until then, or correct the clock of this machine if it is wrong',
  'no-cert-sign': 'have it issued again with keyUsage keyCertSign',
  'stray-block': 'keep keys and certificates in files of their own',
  'usage-without-server-auth': 'have it issued again without an extended key usage, or with serverAuth and clientAuth',
  'usage-without-client-auth': 'have it issued again without an extended key usage, or with serverAuth and clientAuth',
  chain: 'put every issuer up to the self-signed root behind it',
  'service-key': 'the key that signs must be first: RSA, or EC in SEC1, unencrypted, in PEM form',
  'hash-of-file': 'put every issuer up to the self-signed root behind it',
};

/** The words for one problem. */
export function explainVerifyProblem(problem: VerifyProblem, show: ShowPath): Explanation {
  const explain = words[problem.code] as (values: unknown, file: string, show: ShowPath) => Explanation;
  return explain(problem.values, show(problem.file), show);
}

/** Headings of the report. */
export const sectionNames: Readonly<Record<VerifySectionName, string>> = {
  client: 'client CA',
  server: 'server CA',
  'request-header': 'request-header CA',
  'etcd/peer': 'etcd peer CA',
  'etcd/server': 'etcd server CA',
  'service-key': 'service account key',
  authorities: 'root, intermediate',
  folder: 'folders',
};

/** What a set of CAs is. */
export const topologyNames: Readonly<Record<TopologyKind, string>> = {
  custom: 'custom CAs below one root',
  isolated: 'custom CAs, each below a root of its own',
  default: 'self-signed CAs, as K3s makes them itself',
  'cross-signed': "K3s's own CAs after a rotation: new roots, cross-signed by the old CAs",
  mixed: 'CAs of several kinds',
  none: 'no CA',
};

export const shapeNames: Readonly<Record<CaShape, string>> = {
  'self-signed': 'self-signed',
  chained: 'below a root in its bundle',
  'cross-signed': 'below a root that the CA before it has cross-signed',
  rootless: 'without a root in its bundle',
  unreadable: 'without a certificate that K3s reads',
  absent: 'not there',
};

/** What a certificate above the five CAs is. */
export const roleNames: Readonly<Record<NodeRole, string>> = {
  root: 'root',
  'former-root': 'former root',
  'former-ca': 'former CA',
  'cross-signed-root': 'root, cross-signed',
  intermediate: 'intermediate',
  ca: 'CA',
};
