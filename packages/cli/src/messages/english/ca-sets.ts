import type { CaSetProblemValues, Topology } from '@k3s-pki/plan';
import type { Message } from '../../failure.ts';
import type { ShowPath } from '../english.ts';
import { day } from './dates.ts';

type CaSetCatalogue = {
  [Code in keyof CaSetProblemValues]: (values: CaSetProblemValues[Code], file: string, show: ShowPath) => Message;
};

/** The words for the problems of the verbs that make whole sets of CAs. */
export const caSetCatalogue: CaSetCatalogue = {
  'other-topology': ({ asked }, file) => ({
    error: `${file}: belongs to the ${asked === 'isolated' ? 'shared' : 'isolated'} topology, and --topology ${asked} was asked for`,
    hint:
      asked === 'isolated'
        ? 'leave --topology out, or use another folder: isolated CAs have a root each (client-root-ca.pem, ...)'
        : 'add --topology isolated, or use another folder: shared CAs have root-ca.pem in common',
  }),
  'same-root': ({ subject }, file) => ({
    error: `${file}: the key of ${subject}, which is the root of another CA; isolated CAs need a root each`,
    hint: 'put another root there, or leave --topology isolated out',
  }),
  'from-without-root': ({ topology, other, cas }, file) => ({
    error: `${file}: no ${topology === 'shared' ? 'root-ca.pem or intermediate-ca.pem' : 'client-root-ca.pem or another root of a CA of its own'} to sign the new CAs with`,
    hint: other
      ? topology === 'shared'
        ? 'the CAs there have a root each: add --topology isolated'
        : 'the CAs there share a root: leave --topology isolated out'
      : cas
        ? 'custom CAs: put root and intermediate from your secure copy into the staging folder and leave --from out; CAs that the server made itself: use rotate-default-ca-certs'
        : '--from names the data dir of a server, such as /var/lib/rancher/k3s',
  }),
  'from-without-service-key': (_, file) => ({
    error: `${file}: there is no such file; without the old service account keys every pod's token is refused`,
    hint: '--from names the data dir of a server, such as /var/lib/rancher/k3s',
  }),
  'no-current-cas': (_, file) => ({
    error: `${file}: there are no CAs`,
    hint: 'run this on a server, with --data-dir (DATA_DIR) where its server/tls is',
  }),
  'no-current-ca': ({ ca }, file) => ({
    error: `${file}: current ${ca} CA does not exist; cannot continue`,
    hint: 'run this on a server, with --data-dir (DATA_DIR) where its server/tls is',
  }),
  'no-service-key': (_, file) => ({
    error: `${file}: there is no such file; without the old service account keys every pod's token is refused`,
    hint: 'run this on a server, with --data-dir (DATA_DIR) where its server/tls is',
  }),
  'custom-cas': ({ cas, issuers }, file) => ({
    error: `${file}: custom CAs (${cas.join(', ')}), issued by ${issuers.length === 1 ? issuers[0] : 'a root each'}; a new root can be cross-signed only with the key of the old one, which is not beside them`,
    hint: `custom CAs are rotated under their own root: k3s-pki generate-custom-ca-certs --from ${file.replace(/\/server\/tls$/, '') || '/'} --data-dir /opt/k3s${issuers.length === 1 ? '' : ' --topology isolated'}`,
  }),
  'old-root-ends-soon': ({ subject, notAfter }, file) => ({
    error: `${file}: ${subject} expires on ${day(notAfter)}; whoever trusts only it refuses the new CAs from then on`,
    hint: 'restart every node, and the pods that hold its certificate, before that day',
  }),
  'staged-set': (_, file) => ({
    error: `${file}: a set is staged there that is not in use yet`,
    hint: 'if it was loaded with rotate-ca, restart the servers before the next rotation; if it was not, load it, remove the folder, or give --force to replace it',
  }),
  'no-token': (_, file) => ({
    error: `${file}: there is no such file, so no new token can be written; only its CA hash is shown`,
    hint: 'write K10, the hash, :: and what follows the :: in the old token',
  }),
  'bad-token': ({ fault }, file) => ({
    error: `${file}: not a server's token: ${fault}`,
    hint: "a server's token is K10<hash>::server:<password>, or the password alone",
  }),
  'started-already': ({ signs }, _file, show) => ({
    error: `${show('')}: this data dir belongs to a server that has been started (${signs.map(show).join(', ')} ${signs.length === 1 ? 'exists' : 'exist'}), which has made its CAs`,
    hint: `new CAs for it: k3s-pki rotate-default-ca-certs --data-dir ${show('')}`,
  }),
  'token-file-of-server': (_, file) => ({
    error: `${file}: a server writes its own token there, and a first start with it is not a first start any more`,
    hint: 'use a file that you will name with --token-file, such as /etc/rancher/k3s/token',
  }),
  'made-already': ({ files: [first = '', ...others] }, _file, show) => ({
    error: `${show(first)}${others.length === 0 ? '' : ` and ${others.length} more`}: already there; K3s would use what it finds at its first start and make the rest`,
    hint: 'remove what is not meant, or use another folder; the join token of a finished set: k3s-pki token new --data-dir DIR --out FILE',
  }),
};

/** What a topology gives and what it costs; one line each. */
export const topologyWords: { [Name in Topology]: { readonly protects: string; readonly exposes: string } } = {
  shared: {
    protects: 'the CAs can be replaced under the same root, and join tokens stay',
    exposes: "the key of any of the five CAs, etcd's too, can make a cluster admin",
  },
  isolated: {
    protects: "only the client CA can make a cluster admin, no other CA's key can",
    exposes: 'there are five roots to keep, one for each CA',
  },
};

/** A staged set that K3s would not load; `log` is K3s's own line. */
export function rotationRefused(log: string, of: string, sourced: boolean): Message {
  return {
    error: `${of}: rotate-ca would refuse the new CAs there: ${log}`,
    hint: sourced
      ? 'the root taken over is not that of the CAs in use; put the right one there, or, to change the root on purpose, stage without --from and load with --force'
      : `see what is wrong with the CAs in use: k3s-pki verify ${of}`,
  };
}

/** What there is to do about a set that does not fit, whatever rotate-ca says. */
export function rotationUnfit(of: string): Message {
  return { error: `${of}: a server would not start after loading the new CAs there`, hint: 'nothing was written' };
}

/** The CAs are in place, the token file outside the data dir is not; `why` begins with its path. */
export function besideFailed(why: string): Message {
  return {
    error: `${why}; the CAs are in place, the token is not`,
    hint: 'make the token for them: k3s-pki token new --data-dir DIR --out FILE',
  };
}

/** The steps after `rotate-default-ca-certs`. */
export const rotationSteps = {
  title: 'Next, in this order',
  load: 'load the set',
  tokens: (product: string) =>
    `give the new token to every node that has one beginning with K10, servers too: token in /etc/rancher/${product}/config.yaml, its token-file, or ${product.toUpperCase()}_TOKEN in the environment file of its service (a bare password stays as it is)`,
  restart: (product: string) => `restart ${product} on every server, then on every agent`,
  remove: 'when all of them run, remove the staged set: it holds private keys and tokens',
} as const;
