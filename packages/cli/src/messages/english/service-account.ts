import type { Product } from '@k3s-pki/k3s';
import type { ServiceAccountProblem, ServiceAccountProblemCode, ServiceAccountProblemValues } from '@k3s-pki/plan';
import type { Message } from '../../failure.ts';
import { moment } from '../english.ts';

type Catalogue = {
  [Code in ServiceAccountProblemCode]: (values: ServiceAccountProblemValues[Code], file: string) => Message;
};

/** The words for what stands in the way of new service account keys. */
const catalogue: Catalogue = {
  absent: (_, file) => ({
    error: `${file}: there is no such file`,
    hint: 'name the data dir of a server that has started, or of a staged set, with --data-dir; agents have no service.key',
  }),
  unreadable: ({ why }, file) => ({
    error: `${file}: ${{ permission: 'no permission to read it', 'not-a-file': 'not a regular file', 'too-large': 'larger than 1 MiB, so not a service account key', io: 'cannot be read' }[why]}`,
    hint: why === 'permission' ? 'run as the user who owns it, usually root' : 'put the PEM file itself there',
  }),
  empty: (_, file) => ({
    error: `${file}: the file is empty`,
    hint: 'copy service.key from another server of the cluster, or from a backup; a new key alone would end every token',
  }),
  'broken-pem': ({ line, reason }, file) => ({
    error: `${file}: line ${line}: ${reason}`,
    hint: 'copy service.key again from a server of the cluster; a PEM block runs from its BEGIN line to its END line',
  }),
  encrypted: ({ line, legacy }, file) => ({
    error: `${file}: line ${line}: the key is encrypted${legacy ? ' (Proc-Type: 4,ENCRYPTED)' : ''}, and K3s has no passphrase for it`,
    hint: `write it unencrypted: openssl pkey -traditional -in ${file} -out ${file}.new (one key at a time), then put that in its place`,
  }),
  unusable: ({ reason }, file) => ({
    error: `${file}: ${reason}`,
    hint: 'put the service.key of the cluster there, with an unencrypted RSA or EC private key first',
  }),
  'staged-already': (_, file) => ({
    error: `${file}: another service.key is staged there, such as that of an earlier run`,
    hint: 'load that one with rotate-ca, or name another folder with --out',
  }),
  'in-use': ({ signs }, file) => ({
    error: `${file}: this is the file of a server that has been started (${signs.join(', ')}); the next start would refuse it as newer than the datastore`,
    hint: 'stage in another folder with --out, and load that with rotate-ca',
  }),
  'loose-mode': ({ mode }, file) => ({
    error: `${file}: private keys that others may read (mode ${mode.toString(8).padStart(4, '0')})`,
    hint: `chmod 600 ${file}`,
  }),
  'repeats-dropped': ({ count }, file) => ({
    error: `${file}: ${counted(count, 'repeated key')} left out`,
  }),
  'unread-dropped': ({ labels }, file) => ({
    error: `${file}: ${counted(labels.length, 'block')} left out that the API server does not read (${[...new Set(labels)].join(', ')})`,
  }),
  'keys-dropped': ({ kids }, file) => ({
    error: `${file}: --keep leaves out ${counted(kids.length, 'old key')}: as soon as this is loaded, every token that ${kids.length === 1 ? 'it' : 'one of them'} signed is refused (key id ${kids.join(', ')})`,
    hint: 'leave them out only when no token of theirs is in use; tokens in Secrets do not expire',
  }),
  'from-the-future': ({ modified }, file) => ({
    error: `${file}: it is dated ${moment(modified)}, later than now; a server whose own file is newer than what rotate-ca saves does not start`,
    hint: `set the clock right, or: touch ${file}`,
  }),
};

/** The words for one problem. */
export function describeServiceAccount(problem: ServiceAccountProblem): Message {
  const words = catalogue[problem.code] as (values: unknown, file: string) => Message;
  return words(problem.values, problem.file);
}

/** The words for a command without its folder. */
export const stageNeeded: Message = {
  error: 'service-account rotate needs a folder: --out STAGE',
  hint: 'a new one outside of the data dir; rotate-ca --path=STAGE loads it',
};

/** What comes after a staged service.key, in order; the first step is a command. */
export function serviceAccountNext(product: Product): string[] {
  return [
    'load it into the cluster:',
    `restart ${product} on every server, one after the other, then on every agent`,
    'leave an old key out of a later rotation (--keep 1) when no token of it is in use: pods get new tokens within the hour, but a client that never reads its token again may use one for a year, and tokens in Secrets do not expire',
  ];
}

function counted(number: number, one: string): string {
  return `${number} ${one}${number === 1 ? '' : 's'}`;
}
