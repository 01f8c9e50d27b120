import {
  type RotationFailure,
  type RotationFailureCode,
  type RotationFailureValues,
  type RotationFinding,
  type RotationFindingCode,
  type RotationFindingValues,
  type RotationSet,
  tlsFile,
} from '@k3s-pki/k3s';
import type { RotationConsequence, RotationConsequenceCode, RotationConsequenceValues } from '@k3s-pki/plan';
import type { Message } from '../../failure.ts';
import type { ShowPath } from '../english.ts';

/** Where the files of the two sets lie. */
export type RotationPaths = Readonly<Record<RotationSet, ShowPath>>;

type FailureWords = {
  [Code in RotationFailureCode]: (values: RotationFailureValues[Code], file: string, show: RotationPaths) => Message;
};

/** Why `rotate-ca` refuses a field: what is wrong, then how to mend it. */
const failures: FailureWords = {
  'unreadable-bundle': ({ set, line, reason }, file) => ({
    error:
      line === undefined
        ? `${file}: no certificate in PEM form that K3s reads`
        : `${file}: line ${line}: a certificate that K3s does not read: ${reason}`,
    hint:
      set === 'current'
        ? 'the set in use is damaged: restore this file from another server or a backup first'
        : 'copy the file again from its source: CERTIFICATE blocks, the CA first, then its issuers up to the root',
  }),
  'single-certificate': ({ subject }, file) => ({
    error: `${file}: holds ${subject} alone`,
    hint: 'append its issuers up to the root: cat ca.pem intermediate-ca.pem root-ca.pem; a self-signed CA needs a root above it, cross-signed by the CA in use (k3s-pki rotate-default-ca-certs)',
  }),
  'not-verified': ({ subject, detail, roots }, file) =>
    roots.length === 0
      ? {
          error: `${file}: the bundle in use holds no root, so nothing can be verified with it`,
          hint: 'only --force gets past this once: put the root at the end of the new bundle, and the next rotation will do without',
        }
      : {
          error: `${file}: no chain from ${subject} to ${roots.join(' or ')}, the root in use: ${detail}`,
          hint: 'issue the new CA below the root in use, or have the new root cross-signed by the old one and append both to the bundle; it must be valid now, and any extended key usage must have serverAuth',
        },
  pair: ({ why, certificateFrom, keyFrom, rootFirst }, file) => {
    const error = {
      'no-certificate': 'no CERTIFICATE block in PEM form in the bundle',
      'malformed-certificate': "the bundle's first certificate can't be read",
      'no-key': 'no private key in PEM form',
      'encrypted-key': 'the private key is encrypted, and K3s has no passphrase for it',
      'malformed-key': "the private key can't be read",
      mismatch: rootFirst
        ? "the key belongs to a later certificate: the CA's own must be the first of the bundle"
        : 'not the key of the first certificate in the bundle',
    }[why];
    const half =
      certificateFrom === keyFrom
        ? ''
        : `; the ${certificateFrom === 'proposed' ? 'certificate' : 'key'} is new, the ${certificateFrom === 'proposed' ? 'key' : 'certificate'} in use is kept`;
    const hint = rootFirst
      ? 'order the bundle: the CA, its issuers, the root last'
      : half === ''
        ? 'put the unencrypted key of the new CA there: PKCS#1, SEC1 or PKCS#8, in PEM form'
        : 'propose certificate and key together';
    return { error: `${file}: ${error}${half}`, hint };
  },
  'unreadable-service-key': ({ set }, file) => ({
    error: `${file}: no key that the API server reads`,
    hint:
      set === 'current'
        ? 'the set in use is damaged: restore this file from another server or a backup first'
        : 'it takes RSA keys in PKCS#1 or PKCS#8 and EC keys in SEC1, unencrypted, in PEM form; then append the keys in use',
  }),
  'service-key-lost': ({ kept }, file, show) => ({
    error: `${file}: the key that signs tokens now is not in it${kept === 0 ? '' : `, only ${kept} older ones`}`,
    hint: `append the file in use: cat ${show.current(tlsFile.serviceKey)} >> ${file}`,
  }),
};

/** The words for a field that K3s refuses; its own words are `failure.log`. */
export function describeRotationFailure(file: string, failure: RotationFailure, show: RotationPaths): Message {
  const words = failures[failure.code] as (values: unknown, file: string, show: RotationPaths) => Message;
  const set = 'set' in failure.values ? failure.values.set : 'proposed';
  return words(failure.values, show[set](file), show);
}

type FindingWords = {
  [Code in RotationFindingCode]: (values: RotationFindingValues[Code], file: string, show: RotationPaths) => Message;
};

/** What K3s accepts without a word, and what then goes wrong. */
const findings: FindingWords = {
  'nothing-proposed': ({ found }, file, { proposed }) => ({
    error:
      found === 0
        ? `${proposed(file)}: none of the files that rotate-ca reads is there; K3s would warn of each, save what it has and answer "certificates saved to datastore"`
        : `${proposed(file)}: every file equals the one in use; K3s would answer "certificates saved to datastore" and change nothing`,
    hint: 'name the folder whose tls folder has the new files',
  }),
  'half-proposed': ({ missing }, file, { proposed }) => ({
    error: `${proposed(file)}: half a pair; K3s keeps the ${missing.endsWith('.key') ? 'key' : 'certificate'} in use`,
    hint: `put ${proposed(missing)} there too`,
  }),
  'older-than-current': ({ seconds }, file, { current, proposed }) => ({
    error: `${proposed(file)}: ${spanOf(seconds)} older than the file in use; K3s accepts it, and the next start of a server stops with "${current(file)} newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore."`,
    hint: `touch ${proposed(file)} before it is loaded`,
  }),
  'same-ca': ({ other, subject }, file, { proposed }) => ({
    error: `${proposed(file)}: ${subject} has the same key as the CA in ${proposed(other)}: who is trusted by one is trusted by the other`,
    hint: 'make a CA of its own for each purpose',
  }),
  'bundle-without-root': ({ subject }, file, { proposed }) => ({
    error: `${proposed(file)}: K3s accepts it, but the root of ${subject} is not in it: the next rotation will need --force, and join tokens carry the hash of the file`,
    hint: 'append the root certificate',
  }),
};

/** The words for what K3s does not say. */
export function describeRotationFinding({ code, file, values }: RotationFinding, show: RotationPaths): Message {
  return (findings[code] as (values: unknown, file: string, show: RotationPaths) => Message)(values, file, show);
}

type ConsequenceWords = {
  [Code in RotationConsequenceCode]: (values: RotationConsequenceValues[Code]) => string;
};

const consequences: ConsequenceWords = {
  'new-token': ({ before, after }) =>
    `join tokens change: K10${before}:: is refused, every node that joined with it needs K10${after}:: before its restart`,
  'server-untrusted': () =>
    'agents, pods and kubeconfigs have the old server CA: agents must join again with the new token, every pod must be restarted, every copied kubeconfig replaced',
  'supervisor-certificate': () =>
    'the supervisor\'s own certificate stays the old one, and every client fails with "CA cert validation failed" until you run certificate rotate --service k3s-server and restart each server once more',
  'clients-refused': () =>
    'client certificates of the old CA are refused: copied kubeconfigs and what the certificates API signed; those of the nodes are renewed at their restart',
  'etcd-split': () =>
    'etcd members before and after their restart refuse each other: with more than one server stop all of them, then start all of them',
  'aggregation-refused': () =>
    'aggregated API servers, such as metrics-server, refuse requests until they have read the new CA: restart them',
  'tokens-refused': ({ count, signing }) =>
    signing
      ? 'the tokens of all pods are refused: every pod must be restarted, every long-lived token made anew'
      : `tokens of ${count === 1 ? 'an older key' : `${count} older keys`} are refused: long-lived ones must be made anew`,
  restart: ({ agents, pods }) => {
    if (agents) return `restart every server, then every agent${pods ? ', then every pod' : ''}`;
    return `restart every server${pods ? ', then every pod' : ''}; agents${pods ? '' : ' and pods'} need no restart`;
  },
};

/** What a rotation means for those who hold the old set. */
export function describeConsequence({ code, values }: RotationConsequence): string {
  return (consequences[code] as (values: unknown) => string)(values);
}

/** `40 s`, `3 h`, `12 days`. */
function spanOf(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}
