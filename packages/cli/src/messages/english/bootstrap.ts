import type { BootstrapRecordKind } from '@k3s-pki/k3s';
import type { Message } from '../../failure.ts';

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
