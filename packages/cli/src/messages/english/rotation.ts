import type {
  PairFailure,
  RotationConsequence,
  RotationConsequenceCode,
  RotationConsequenceValues,
  RotationFailure,
  RotationFailureCode,
  RotationFailureValues,
  RotationFinding,
  RotationFindingCode,
  RotationFindingValues,
  RotationSet,
} from '@k3s-pki/k3s';
import type { Message } from '../../failure.ts';
import type { ShowPath } from '../english.ts';
import { duration } from './check.ts';

/** How the files of the set in use and of the new set are shown. */
export type ShowInSet = Readonly<Record<RotationSet, ShowPath>>;

type FailureWords = {
  [Code in RotationFailureCode]: (values: RotationFailureValues[Code], file: string, show: ShowInSet) => Message;
};

const failureWords: FailureWords = {
  'unreadable-bundle': ({ set, line, reason }, file, show) => ({
    error:
      line === undefined
        ? `${show[set](file)}: K3s reads no certificate in it`
        : `${show[set](file)}: line ${line}: ${reason ?? 'not a certificate'}, and K3s then reads none of the bundle`,
    hint:
      set === 'current'
        ? 'this is the file in use: compare it with another server, and with a backup'
        : 'put the CA certificate first and its issuers after it, in PEM form',
  }),
  'single-certificate': ({ subject }, file, show) => ({
    error: `${show.proposed(file)}: holds ${subject} alone; K3s wants its root, and what stands between, in the same file`,
    hint: 'a self-signed CA cannot follow another one without --force: rotate-default-ca-certs makes cross-signed ones',
  }),
  'not-verified': ({ subject, detail, roots }, file, show) => ({
    error:
      roots.length === 0
        ? `${show.proposed(file)}: nothing can vouch for ${subject}: the bundle in use does not hold its own root`
        : `${show.proposed(file)}: ${subject} was not signed, directly or over the new bundle, by what is in use (${roots.join('; ')}): ${detail}`,
    hint:
      roots.length === 0
        ? 'only --force can replace a bundle without its root'
        : 'sign the new CAs with the old root, or have the old root cross-sign the new one; another root needs --force',
  }),
  pair: ({ why, certificateFrom, keyFrom, rootFirst }, file, show) => ({
    error: `${show[keyFrom](file)}: ${pairWords[why]}`,
    hint: rootFirst
      ? "the key is of a later certificate in the bundle: put the CA's own certificate first"
      : certificateFrom === keyFrom
        ? 'stage the certificate and the key that were made together'
        : 'only one half of the pair is staged, and K3s takes the other half from the set in use: stage both',
  }),
  'unreadable-service-key': ({ set }, file, show) => ({
    error: `${show[set](file)}: K3s reads no RSA or EC key in it`,
    hint: 'RSA keys in PKCS#1 or PKCS#8, EC keys in SEC1, unencrypted, in PEM form',
  }),
  'service-key-lost': ({ kept }, file, show) => ({
    error: `${show.proposed(file)}: the key that signs service account tokens now is not in it${kept > 0 ? ', older ones are' : ''}`,
    hint: 'append the service.key in use to the new one: k3s-pki service-account rotate does it',
  }),
};

const pairWords: Readonly<Record<PairFailure['why'], string>> = {
  'no-certificate': 'there is no certificate for this key',
  'no-key': 'there is no private key in PEM form',
  'malformed-certificate': 'its certificate cannot be read',
  'encrypted-key': 'the key is encrypted, and K3s has no passphrase for it',
  'malformed-key': 'the private key cannot be read',
  mismatch: 'not the key of the first certificate in the bundle',
};

type FindingWords = {
  [Code in RotationFindingCode]: (values: RotationFindingValues[Code], file: string, show: ShowInSet) => Message;
};

const findingWords: FindingWords = {
  'nothing-proposed': ({ found }, file, show) => ({
    error:
      found === 0
        ? `${show.proposed(file)}: none of the files that rotate-ca reads is there; K3s would answer "certificates saved to datastore" and rotate nothing`
        : `${show.proposed(file)}: every file equals the one in use, so there is nothing to rotate`,
    hint: '--path names the folder above tls: /opt/k3s/server for /opt/k3s/server/tls/server-ca.crt',
  }),
  'half-proposed': ({ missing }, file, show) => ({
    error: `${show.proposed(file)}: half a pair; ${show.current(missing)} stays as it is`,
    hint: 'stage both halves',
  }),
  'older-than-current': ({ seconds }, file, show) => ({
    error: `${show.proposed(file)}: older than the file in use by ${duration(seconds)}; K3s stores that time, and its next start stops: the file on the disk is newer than datastore and could cause a cluster outage`,
    hint: 'k3s-pki certificate rotate-ca sends the time of the rotation; with K3s itself: touch the staged files first',
  }),
  'same-ca': ({ other, subject }, file, show) => ({
    error: `${show.proposed(file)}: the same key as in ${show.proposed(other)} (${subject}): who may sign for one purpose may sign for the other`,
    hint: 'give each of the five CAs a key of its own',
  }),
  'bundle-without-root': ({ subject }, file, show) => ({
    error: `${show.proposed(file)}: the root of ${subject} is not in it; the next rotation will need --force`,
    hint: 'append the intermediate and the root',
  }),
};

type ConsequenceWords = {
  [Code in RotationConsequenceCode]: (values: RotationConsequenceValues[Code]) => Message;
};

const consequenceWords: ConsequenceWords = {
  'tokens-refused': ({ after }) => ({
    error: 'join tokens with the old CA hash are refused',
    hint: `before a node restarts, give it a token that begins with K10${after}:: (config.yaml, .env files, systemd units)`,
  }),
  'server-distrusted': () => ({
    error: 'pods, agents and kubeconfigs that know the old server CA alone refuse the new API server',
    hint: 'restart the agents, then every pod that talks to the API; give out kubeconfigs again',
  }),
  'supervisor-certificate': () => ({
    error: 'the supervisor keeps its old certificate, and everything that has the new CAs refuses it',
    hint: 'on each server, before its restart: k3s-pki certificate rotate --service k3s-server',
  }),
  'clients-refused': () => ({
    error:
      'client certificates of the old client CA are refused: agents until their restart, copied kubeconfigs for good',
    hint: 'restart the agents soon after the servers; give out kubeconfigs again',
  }),
  'etcd-members-apart': () => ({
    error: 'members of etcd with the old CAs and with the new ones refuse each other',
    hint: 'restart the servers one right after the other; the cluster has no quorum in between',
  }),
  'aggregation-refused': () => ({
    error: 'extension API servers, such as metrics-server, refuse the API server until they have read its new CA',
    hint: 'restart their pods after the servers',
  }),
  'service-tokens-refused': ({ keys, signing }) => ({
    error: `service account tokens that ${keys === 1 ? 'a dropped key' : `${keys} dropped keys`} signed are refused${signing ? ', all tokens of running pods among them' : ''}`,
    hint: signing
      ? 'keep the old service.key behind the new key, or restart every pod'
      : 'fine once the tokens of those keys have expired',
  }),
};

/** The words for one check of K3s that fails. */
export function describeRotationFailure(failure: RotationFailure, file: string, show: ShowInSet): Message {
  const words = failureWords[failure.code] as (values: unknown, file: string, show: ShowInSet) => Message;
  return words(failure.values, file, show);
}

/** The words for what K3s accepts and should not. */
export function describeRotationFinding({ code, file, values }: RotationFinding, show: ShowInSet): Message {
  return (findingWords[code] as (values: unknown, file: string, show: ShowInSet) => Message)(values, file, show);
}

/** The words for what stops working. */
export function describeConsequence({ code, values }: RotationConsequence): Message {
  return (consequenceWords[code] as (values: unknown) => Message)(values);
}
