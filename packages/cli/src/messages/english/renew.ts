import { type Product, type RenewalReason, renewalReasons } from '@k3s-pki/k3s';
import type { RenewalCause, RenewProblem, RenewProblemCode, RenewProblemValues } from '@k3s-pki/plan';
import type { Message } from '../../failure.ts';
import { octal } from '../../render/text.ts';
import { day, type ShowPath } from '../english.ts';
import { describeOverlooked, describeReasons } from './check.ts';
import { count, unitOf } from './rotate.ts';

type Catalogue = {
  [Code in RenewProblemCode]: (
    values: RenewProblemValues[Code],
    file: string,
    show: ShowPath,
    product: Product,
  ) => Message;
};

/** The words for every problem of renewing. */
const catalogue: Catalogue = {
  'agent-machine': ({ leaves }, file, _show, product) => ({
    error: `${file}: ${count(leaves.length, 'certificate')} to be renewed (${some(leaves)}), but an agent has no CA keys to sign with`,
    hint: `an agent fetches its certificates from the server at every start: systemctl restart ${unitOf(product, 'agent')}`,
  }),
  'ca-unusable': ({ reason, leaves }, file) => ({
    error: `${file}: ${reason}; it signs ${some(leaves)}`,
    hint: 'mend the CA first (on a cluster that runs a start brings it back from the datastore, or rotate-ca), or leave its services out with --service',
  }),
  'names-unknown': ({ service }, file) => ({
    error: `${file}: it cannot be read, and no other certificate has the names that it must hold`,
    hint: `K3s knows them: k3s-pki certificate rotate --service ${service}, then start it`,
  }),
  'left-to-start': (_, file) => ({
    error: `${file}: left as it is, since its names are not known; the agent fetches it anew at its next start`,
  }),
  'unusable-file': ({ why }, file) => ({
    error: `${file}: ${{ permission: 'no permission to read it', 'too-large': 'too large for a certificate or key', io: 'cannot be read', special: 'not a regular file' }[why]}`,
    hint:
      why === 'permission'
        ? 'run as the user who owns it, usually root'
        : 'move it away; a start of K3s fails on it too',
  }),
  'outlives-ca': ({ subject, notAfter, until }, file) => ({
    error: `${file}: ${subject} expires on ${day(notAfter)}, before a new leaf does (${day(until)}); nothing below it is valid after that`,
    hint: 'load a newer CA with certificate rotate-ca in time',
  }),
  'short-lived': ({ days, window }) => ({
    error: `leaves of ${count(days, 'day')} are within the ${window} days in which K3s renews: its next start makes them anew`,
  }),
  'loose-key': ({ mode }, file) => ({
    error: `${file}: a private key that others may read (mode ${octal(mode)}); the new one gets 0600`,
  }),
};

/** The words for one problem of renewing. */
export function describeRenewProblem(problem: RenewProblem, show: ShowPath, product: Product): Message {
  const words = catalogue[problem.code] as (values: unknown, file: string, show: ShowPath, product: Product) => Message;
  return words(problem.values, show(problem.file), show, product);
}

/** Why a leaf is renewed, joined by commas; `days` is the window. */
export function describeCauses(causes: readonly RenewalCause[], days: number): string {
  return causes
    .map((cause) => {
      if (cause === 'all') return 'all are renewed';
      return isReason(cause) ? describeReasons([cause], days) : describeOverlooked([cause]);
    })
    .join(', ');
}

function isReason(cause: RenewalCause): cause is RenewalReason {
  return (renewalReasons as readonly string[]).includes(cause);
}

/** The first of some paths; server and agent have files of the same name, so the folders stay. */
function some(paths: readonly string[]): string {
  const more = paths.length - 4;
  return more > 1 ? `${paths.slice(0, 4).join(', ')} and ${more} more` : paths.join(', ');
}
