import type { BootstrapRecordKind, FieldState, Reconciliation } from '@k3s-pki/k3s';
import type { BootstrapFinding } from '@k3s-pki/plan';
import type { Message } from '../../failure.ts';
import type { SettledHalf } from '../../rotating/token-swap.ts';
import { day, type ShowPath } from '../english.ts';

/** The words about bootstrap data in the datastore. Lines that K3s itself prints come first and as it prints them. */
export const bootstrapMessages = {
  passwordInArguments: (): Message => ({
    error: 'the endpoint holds a password, which every user of this machine could read from the command line',
    hint: 'leave --datastore-endpoint out and set K3S_DATASTORE_ENDPOINT, or write datastore-endpoint into a file for --config',
  }),
  notAServerToken: (from: string, fault: string): Message => ({
    error: `${from}: ${fault}`,
    hint: 'give the server token: --token-file FILE, K3S_TOKEN, or DIR/server/token',
  }),
  noRecord: (where: string): Message => ({
    error: `${where}: no bootstrap data found`,
    hint: 'no server has saved its CAs there yet; check that it is the datastore of this cluster (--datastore-endpoint, --config)',
  }),
  severalRecords: (where: string, keys: readonly string[]): Message => ({
    error: `${where}: found multiple bootstrap keys in storage: ${keys.join(', ')}`,
    hint: 'k3s-pki bootstrap doctor says which is which and what to do',
  }),
  locked: (where: string, key: string): Message => ({
    error: `${where}: ${key} is empty: a server holds it as a lock while it makes the bootstrap data, or died while it did`,
    hint: 'wait for that server; one that starts deletes a lock left over after five seconds; k3s-pki bootstrap doctor looks closer',
  }),
  otherToken: (where: string, keys: readonly string[], from: string): Message => ({
    error: `${where}: bootstrap data already found and encrypted with different token: ${keys.join(', ')} is not the key of the token in ${from}`,
    hint: 'give the token that the cluster was started with (--token-file); with it, k3s-pki bootstrap reseal moves the data to another one',
  }),
  wrongToken: (where: string, key: string): Message => ({
    error: `${where}: ${key} does not open with this token although the key is that of the token: the record is damaged`,
    hint: 'k3s-pki bootstrap undo puts back the record before the last change of this program; else restore the datastore from its backup',
  }),
  malformed: (where: string, key: string, reason: string): Message => ({
    error: `${where}: ${key}: ${reason}`,
    hint: 'k3s-pki bootstrap undo puts back the record before the last change of this program; else restore the datastore from its backup',
  }),
  changedMeanwhile: (where: string, key: string): Message => ({
    error: `${where}: ${key}: the record was changed meanwhile, so nothing was written`,
    hint: 'another server or program wrote it; run again',
  }),
  notTakenBack: (where: string, keys: readonly string[], why: string, backup: string): Message => ({
    error: `${where}: ${keys.join(', ')} was written before that and could not be taken back: ${why}`,
    hint: `k3s-pki bootstrap doctor tells what is there now; the records before are in ${backup}`,
  }),
  noBackup: (root: string): Message => ({
    error: `${root}/server/bootstrap-backups: there is no backup, so this program has changed no record of this data dir`,
    hint: 'name one of another data dir with --backup',
  }),
  otherDatastore: (path: string, where: string, now: string): Message => ({
    error: `${path}: a backup of ${where}, not of ${now}`,
    hint: 'name that datastore with --datastore-endpoint',
  }),
  changedSince: (where: string, key: string, path: string): Message => ({
    error: `${where}: ${key} is no longer what the change left whose backup is ${path}, so it cannot be undone`,
    hint: 'a server or program has written it since; k3s-pki bootstrap show tells what is there now',
  }),
  running: (root: string, holders: readonly string[]): Message => ({
    error: `${root}: ${holders.join(', and ')}`,
    hint: 'stop K3s first; --force goes on all the same',
  }),
  badRecipient: (recipient: string): Message => ({
    error: `${JSON.stringify(recipient.slice(0, 80))} is not a recipient of age`,
    hint: 'it begins with age1; age-keygen -y FILE prints the one of an identity',
  }),
  noLock: (): Message => ({
    error: 'nobody could open the file: neither a recipient nor a passphrase is given',
    hint: 'name a recipient (--recipient age1...), or a passphrase (--passphrase-file FILE, K3S_PKI_PASSPHRASE, or on a terminal)',
  }),
  noKey: (from: string): Message => ({
    error: `${from}: neither an identity nor a passphrase is given`,
    hint: 'name the identity of a recipient (--identity FILE), or the passphrase (--passphrase-file FILE, K3S_PKI_PASSPHRASE)',
  }),
  noIdentity: (from: string): Message => ({
    error: `${from}: holds no identity of age`,
    hint: 'a line of it begins with AGE-SECRET-KEY-1; age-keygen makes one',
  }),
  unreadableExport: (from: string, why: string): Message => ({
    error: `${from}: ${why}`,
    hint: 'name a file that bootstrap export has made',
  }),
  closedExport: (from: string): Message => ({
    error: `${from}: does not open with what was given, or is not a whole file of age`,
    hint: 'look at it with: age -d',
  }),
  notAnExport: (from: string, reason: string): Message => ({
    error: `${from}: opens, but holds no bootstrap data: ${reason}`,
    hint: 'name a file that bootstrap export has made',
  }),
  afterImport: (): readonly string[] => [
    'Restart every server: each writes the CAs of the datastore to its disk and makes new leaf certificates. Then restart the agents.',
  ],
  afterReseal: (from: string): readonly string[] => [
    `Every server must start with the token in ${from} from now on: put it into server/token and wherever the servers have theirs (config.yaml, K3S_TOKEN of the service), then restart them.`,
  ],
  afterUndo: (): readonly string[] => ['Run it again to have the change back.'],
  afterTokenUndo: (place: string | undefined): readonly string[] => [
    `Every server must start with the token from before: ${place === undefined ? 'put it' : `${place} holds it; put it into server/token of the other servers and`} wherever a server has one of its own (config.yaml, K3S_TOKEN of the service). Then start them.`,
    'Run it again to have the change back.',
  ],
  settled: ({ command, kind }: Pick<SettledHalf, 'command' | 'kind'>): Message => ({
    error:
      command === 'token rotate'
        ? `an interrupted token rotate is ${kind} now: ${kind === 'finished' ? 'its new token counts' : 'the token from before it counts'}`
        : `an interrupted bootstrap undo is ${kind} now`,
  }),
  tokenWithoutFiles: (path: string): Message => ({
    error: `${path}: a rotation of the token whose backup holds the record alone, and not server/token and cred/passwd`,
    hint: 'go back with the old token, which changes all three together: k3s-pki token rotate --offline --new-token-file OLD',
  }),
  closedFiles: (path: string, from: string): Message => ({
    error: `${path}: the files in it do not open with the token in ${from}`,
    hint: 'give the token that counts since that change: --token-file FILE',
  }),
  fileChangedSince: (file: string, path: string): Message => ({
    error: `${file}: no longer what the change left whose backup is ${path}, so it cannot be undone`,
    hint: 'somebody has written it since; k3s-pki token rotate --offline --new-token-file OLD goes to the old token all the same',
  }),
  notReadBack: (where: string, key: string, backup: string): Message => ({
    error: `${where}: ${key}: what was written is not what is read back`,
    hint: `look with k3s-pki bootstrap show; the record before is in ${backup}, and k3s-pki bootstrap undo puts it back`,
  }),
};

/** What a record is, for a table. */
export const recordKinds: Readonly<Record<BootstrapRecordKind, string>> = {
  current: 'of this token',
  locked: 'empty: a lock',
  'no-token': 'of the empty token, K3s migrates it',
  unnormalised: 'of the token as written, K3s migrates it',
  foreign: 'of another token',
};

/** How a field stands against the disk, for a table. */
export const fieldStates: Readonly<Record<FieldState, string>> = {
  same: 'same',
  'disk-newer': 'NEWER',
  'disk-older': 'older',
  absent: 'missing',
  unknown: 'no file',
};

/** What the next start does. */
export const nextStart: Readonly<Record<Reconciliation['start'], string>> = {
  unchanged: 'it changes nothing on the disk',
  rewrites: 'it writes the files on the disk anew from the datastore',
  stops:
    'it stops with "newer than datastore and could cause a cluster outage"; k3s-pki bootstrap restore writes the files of the datastore',
};

/** The words for a finding of the doctor. */
export function describeBootstrapFinding(finding: BootstrapFinding, show: ShowPath): Message {
  switch (finding.code) {
    case 'no-record':
      return {
        error: 'no bootstrap data found: a server that starts here would make CAs of its own',
        hint: 'check that this is the datastore of the cluster; a running server with embedded etcd saves it at its next start',
      };
    case 'several':
      return {
        error: `found multiple bootstrap keys in storage: ${finding.keys.join(', ')}; a server starts, but rotate-ca and token rotate fail`,
        hint:
          finding.readable === 1
            ? 'k3s-pki bootstrap prune keeps the one that this token opens and removes the others, with a backup'
            : finding.readable === 0
              ? 'none of them opens with this token: give the one that the servers run with (--token-file)'
              : 'start K3s once, which migrates records of older forms, then look again',
      };
    case 'locked':
      return {
        error: `${finding.key} is empty: the lock of a server that makes the bootstrap data, or that died while it did`,
        hint: 'when no server is starting now: a server that starts waits five seconds and deletes it, or k3s-pki bootstrap prune removes it',
      };
    case 'foreign':
      return {
        error: `${finding.key}: bootstrap data already found and encrypted with different token`,
        hint: 'find the token that it was sealed with (another server: server/token, K3S_TOKEN in the service), then k3s-pki bootstrap reseal --token-file OLD --new-token-file NEW',
      };
    case 'to-migrate':
      return {
        error: `${finding.key} is sealed ${finding.kind === 'no-token' ? 'with the empty token, so whoever reads the datastore can open it' : 'with the token as it is written, hash included'}`,
        hint: 'K3s migrates it at its next start; k3s-pki bootstrap reseal does it now',
      };
    case 'damaged':
      return {
        error: finding.reason,
        hint: 'k3s-pki bootstrap undo puts back the record before the last change of this program; else restore the datastore from its backup',
      };
    case 'old-format':
      return {
        error: `${finding.key} is in the format of K3s before 1.22, without time stamps`,
        hint: 'every file on the disk that differs counts as newer: let a current K3s save it anew',
      };
    case 'fields-missing':
      return {
        error: `the record lacks ${finding.names.join(', ')}: a new server would make CAs of its own in their place`,
        hint: 'start a server whose server/tls is complete with --cluster-reset, or restore the datastore from its backup',
      };
    case 'disk-newer':
      return {
        error: `${finding.files.map(show).join(', ')} newer than datastore and could cause a cluster outage`,
        hint: 'the next start stops with this line; k3s-pki bootstrap restore writes the files of the datastore; if the files on the disk are the right ones, load them with rotate-ca on a running server',
      };
    case 'disk-differs':
      return {
        error: `the next start writes ${finding.files.map(show).join(', ')} anew from the datastore`,
        hint: 'nothing, when the datastore is right; k3s-pki bootstrap show tells the differences',
      };
    case 'pair-broken':
      return {
        error: `${finding.key} is not the key of the first certificate of ${finding.certificate}: no server starts with it`,
        hint: 'k3s-pki bootstrap undo, or restore the datastore from its backup',
      };
    case 'expired':
      return {
        error: `${finding.name}: ${finding.subject} expired on ${day(finding.notAfter)}`,
        hint: 'make new CAs and load them with rotate-ca',
      };
  }
}
