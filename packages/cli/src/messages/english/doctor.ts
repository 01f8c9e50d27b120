import { defaultDataDir, type FatalReason, type Product } from '@k3s-pki/k3s';
import type { DoctorCode, DoctorFinding, DoctorFindingValues, DoctorSection, NextServerStart } from '@k3s-pki/plan';
import type { Message } from '../../failure.ts';
import { octal, quoted } from '../../render/text.ts';
import { day, type ShowPath } from '../english.ts';
import { describeBootstrapFinding } from './bootstrap.ts';
import { describeOverlooked, describeReasons, duration } from './check.ts';
import { describeOrigin } from './token.ts';
import { type Explanation, explainVerifyProblem } from './verify.ts';

/** Why there is nothing to look at. */
export const doctorMessages = {
  forbidden: (path: string): Message => ({ error: `${path}: no permission to read it`, hint: 'run as root' }),
  etcdStopped: 'embedded etcd runs only while K3s does: look again while it runs, before a restart',
  noFolder: (root: string): Message => ({
    error: `${root}: no such folder`,
    hint: 'name the data dir of the server with --data-dir',
  }),
  noDataDir: (root: string, product: Product): Message => ({
    error: `${root}: not a data dir of ${product}: neither server nor agent is in it`,
    hint: 'name the data dir with --data-dir (and --product rke2 for RKE2)',
  }),
  agent: (root: string): Message => ({
    error: `${root}: the data dir of an agent, which fetches all that it needs from a server at each start`,
    hint: `run this on a server; the files here are listed by k3s-pki certificate check --data-dir ${quoted(root)}`,
  }),
};

/** Headings of the report. */
export const doctorSectionNames: Readonly<Record<DoctorSection, string>> = {
  authorities: 'CAs and service account key',
  datastore: 'datastore',
  certificates: 'certificates',
  token: 'token and passwords',
  kubeconfigs: 'kubeconfigs',
  modes: 'secret files',
  clock: 'clock',
  version: 'release',
  server: 'other server',
};

/** Where the report is about, and how the commands in it are completed. */
export interface DoctorPlace {
  readonly root: string;
  readonly product: Product;
  readonly show: ShowPath;
}

/** How the next start ends. */
export function describeStart({ outcome, certain }: NextServerStart, { product }: DoctorPlace): string {
  const program = product === 'rke2' ? 'RKE2' : 'K3s';
  const words: Record<NextServerStart['outcome'], string> = {
    starts: `${program} starts and changes none of its CAs`,
    rewrites: `${program} starts and writes files anew from the datastore`,
    first: `${program} starts for the first time and makes CAs of its own`,
    replaces: `${program} starts and replaces CAs by its own`,
    hangs: `${program} retries for ever without coming up`,
    fatal: `FATAL: ${program} stops`,
  };
  return certain || outcome === 'fatal' ? words[outcome] : `${words[outcome]}, as far as the disk tells`;
}

type Words = {
  [Code in DoctorCode]: (values: DoctorFindingValues[Code], file: string, place: DoctorPlace) => Explanation;
};

const words: Words = {
  authority: ({ problem }, _, { show }) => {
    const explanation = explainVerifyProblem(problem, show);
    // Some reasons end with K3s's own words.
    const [, k3s] = /: (x509: .*)$/.exec(problem.code === 'k3s-start' ? problem.values.finding.reason : '') ?? [];
    return k3s === undefined ? explanation : { ...explanation, k3s };
  },
  'first-start': () => ({ text: 'none is there: the first start makes its own' }),
  'perhaps-replaced': ({ problem }, _, place) => ({
    text: `${explainVerifyProblem(problem, place.show).text}, unless the datastore, which was not looked at, brings it back`,
    mend: program('bootstrap restore', place),
  }),
  'datastore-not-seen': ({ reason, hint }) => ({
    text: `not looked at: ${reason}`,
    ...(hint === undefined ? {} : { mend: hint }),
  }),
  'no-datastore-yet': () => ({ text: 'no server has been started here yet' }),
  record: ({ finding }, _, { show }) => {
    const { error, hint } = describeBootstrapFinding(finding, show);
    return { text: error, ...(hint === undefined ? {} : { mend: hint }) };
  },
  'no-record': ({ where, embedded }) =>
    embedded
      ? {
          text: `${where} holds no bootstrap data, and K3s does not begin in a datastore that was in use`,
          k3s: 'no bootstrap data found in datastore - check server token value and verify datastore integrity',
          mend: 'check that it is the datastore of this cluster; else restore a snapshot: k3s server --cluster-reset --cluster-reset-restore-path=SNAPSHOT',
        }
      : {
          text: `${where} holds no bootstrap data: the next start saves the CAs of this disk there`,
          mend: 'check that it is the datastore of this cluster (--datastore-endpoint, --config)',
        },
  'disk-newer': ({ files }, _, place) => ({
    text: `${files.length === 1 ? 'a file differs' : `${files.length} files differ`} from the datastore and ${files.length === 1 ? 'was' : 'were'} changed after it was saved there; the datastore would win, so K3s refuses`,
    k3s: newerThanDatastore(files.map(place.show)),
    mend: `take the files of the datastore, copies are kept (if those of the disk are right, load them with rotate-ca afterwards): ${program('bootstrap restore', place)}`,
  }),
  'record-of-other-token': ({ keys, from }, _, place) => ({
    text: `${keys.join(', ')} does not belong to the token in ${from}`,
    k3s: 'bootstrap data already found and encrypted with different token',
    mend: `find the token of the record (another server's server/token), then: ${program('bootstrap reseal --token-file OLD --new-token-file NEW', place)}`,
  }),
  'stale-token': ({ from, opens }, _, { product }) => ({
    text: `the token in ${from} comes before ${opens} and is another one, and the record belongs to the latter`,
    k3s: 'bootstrap data already found and encrypted with different token',
    mend: `write the token of ${opens} into config.yaml, ${product.toUpperCase()}_TOKEN or the service, or remove it there`,
  }),
  'record-damaged': ({ reason }, _, place) => ({
    text: reason,
    // What opens and is no bootstrap data fails in other words.
    ...(reason.includes('does not open') ? { k3s: 'cipher: message authentication failed' } : {}),
    mend: `restore the datastore from its backup, or put back the record before the last change of this program: ${program('bootstrap undo', place)}`,
  }),
  'rotation-waits': ({ files }, _, { product, show }) => ({
    text: `a rotation waits for the restart: the datastore has newer CAs, and wins over ${files.map(show).join(', ')}`,
    mend: `systemctl restart ${service(product)} on every server, then on the agents; no "token rotate" before that: it saves the old CAs of the disk again`,
  }),
  'disk-older': ({ files }, _, { show }) => ({
    text: `the datastore wins over ${files.map(show).join(', ')}`,
    mend: 'nothing, when the datastore is right; k3s-pki bootstrap show tells the differences',
  }),
  'fresh-disk': ({ files }) => ({
    text: `the disk lacks cred, tls or tls/etcd: everything is written from the datastore${files.length === 0 ? '' : ` (${files.length} files)`}, and nothing is compared`,
  }),
  'leaf-fatal': ({ reason }) => {
    const [text, k3s] = fatalWords[reason];
    return {
      text,
      ...(k3s === undefined ? {} : { k3s }),
      mend: 'move both halves aside: the next start makes them anew',
    };
  },
  'leaf-overlooked': ({ faults, service: name }, _, place) => ({
    text: `K3s keeps it and does not notice: ${describeOverlooked(faults)}`,
    ...(name === undefined
      ? {}
      : { mend: `with K3s stopped: ${program(`certificate rotate --service ${name}`, place)}` }),
  }),
  'leaf-expired': ({ notAfter }, _, { product }) => ({
    text: `expired on ${day(notAfter)}; the next start renews it`,
    mend: `systemctl restart ${service(product)}`,
  }),
  'leaves-renewed': ({ leaves, days }) => ({
    text: `the next start renews ${renewedLeaves(leaves, days)}`,
  }),
  'supervisor-refused': (_values, _file, place) => ({
    text: "the supervisor's certificate is of other CAs, and K3s does not make it anew: agents and clients refuse it",
    k3s: 'CA cert validation failed',
    mend: `with K3s stopped: ${program(`certificate rotate --service ${place.product}-server`, place)}`,
  }),
  'supervisor-marked': () => ({ text: "the next start makes the supervisor's certificate anew" }),
  'supervisor-unreadable': (_values, _file, place) => ({
    text: "holds no certificate that can be read; the supervisor's certificate cannot be judged",
    mend: `with K3s stopped: ${program(`certificate rotate --service ${place.product}-server`, place)}`,
  }),
  'token-absent': () => ({
    text: 'not there: unless its configuration names the token, a start cannot open the record in the datastore',
    mend: 'put the token of the cluster there (mode 0600); another server has it in server/token',
  }),
  'token-unreadable': ({ reason }) => ({ text: reason, mend: 'take the token from server/token on another server' }),
  'token-hash': ({ line, origin }, file, place) => ({
    text: `it was made for other CAs: ${describeOrigin(origin, place.show('server/tls/server-ca.crt')).error}; who joins with a copy of it is refused`,
    k3s: line,
    mend: `a start writes this file anew; for copies: ${program(`token for --token-file ${quoted(file)} --ca ${quoted(place.show('server/tls/server-ca.crt'))} --out FILE`, { ...place, root: defaultDataDir(place.product) })}`,
  }),
  'token-password': ({ users }, _, { show }) => ({
    text: `its password is not the one of ${users.join(', ')} in ${show('server/cred/passwd')}`,
    k3s: 'not authorized',
    mend: 'write the token that the servers were started with into both, or set a new one with k3s token rotate on a running server',
  }),
  'node-token-copy': ({ target }, file, { show }) => ({
    text: `a copy that differs from ${show(target)}, where K3s has a link to it`,
    mend: `ln -sf ${quoted(show(target))} ${quoted(file)}`,
  }),
  'passwd-absent': () => ({
    text: 'not there: the next start writes it from the datastore, or makes a new node password that no agent has',
  }),
  'passwd-damaged': ({ reason }, file, place) => {
    const [, columns] = /: (must have .*)$/.exec(reason) ?? [];
    return {
      text: `K3s cannot read it: ${reason}`,
      ...(columns === undefined ? {} : { k3s: `password file '${file}' ${columns}` }),
      mend: program('bootstrap restore', place),
    };
  },
  'passwd-user': ({ user }) => ({ text: `has no row for the user ${user}; the next start adds one` }),
  'kubeconfig-ca': ({ part, rewritten }) => ({
    text: `${part} does not hold the CAs of this cluster; kubectl says "x509: certificate signed by unknown authority"`,
    mend: staleMend(rewritten),
  }),
  'kubeconfig-client': ({ part, detail, rewritten }) => ({
    text: `${part} is refused: ${detail}; kubectl says "You must be logged in to the server (Unauthorized)"`,
    mend: staleMend(rewritten),
  }),
  'kubeconfig-unreadable': ({ reason }) => ({ text: reason }),
  'kubeconfig-reference': ({ target }) => ({ text: `names ${target}, which is not there` }),
  'readable-secret': ({ mode }, file) => ({
    text: `others may read it (mode ${octal(mode)})`,
    mend: `chmod 600 ${quoted(file)}`,
  }),
  unreadable: ({ why }) => ({
    text: why === 'too-large' ? 'larger than 1 MiB, so not looked into' : 'not a regular file, or it cannot be read',
  }),
  'clock-behind': ({ seconds }) => ({
    text: `was written ${duration(seconds)} after this machine's present time: the clock was set back, or was wrong then; new certificates are not valid yet for others`,
    mend: 'timedatectl set-ntp true, and look at the date before the restart',
  }),
  'clock-differs': ({ seconds, server }) => ({
    text: `this machine is ${duration(Math.abs(seconds))} ${seconds > 0 ? 'behind' : 'ahead of'} ${server}`,
    mend: 'timedatectl set-ntp true, on both',
  }),
  'version-unknown': ({ days }) => ({
    text: `not found; certificates are taken to be renewed ${days} days before their end (name it with --k3s-version)`,
  }),
  'server-not-seen': ({ reason, hint }) => ({
    text: `not looked at: ${reason}`,
    ...(hint === undefined ? {} : { mend: hint }),
  }),
  'server-other-cas': ({ server, line }, _, { product }) => ({
    text: `${server} has other CAs on its disk; a server that joins it takes them over at its next start`,
    k3s: line,
    mend: `after a rotation restart the server that has not been restarted (systemctl restart ${service(product)}), the one that others join first`,
  }),
  'server-untrusted': ({ reason, hint }) => ({
    text: 'its certificate is not of its own CAs',
    k3s: reason,
    ...(hint === undefined ? {} : { mend: hint }),
  }),
};

const fatalWords: Readonly<Record<FatalReason, readonly [text: string, k3s?: string]>> = {
  'ca-key': ['the key of its CA cannot be read'],
  'ca-certificate': ['the certificate of its CA cannot be read'],
  'ca-key-mismatch': [
    'key and certificate of its CA do not belong together',
    "x509: provided PrivateKey doesn't match parent's PublicKey",
  ],
  'key-unusable': [
    'it must be renewed, and its key cannot be parsed',
    'data does not contain a valid RSA or ECDSA private key',
  ],
  'key-unreadable': ['its key is no regular file'],
  'certificate-unreadable': ['it is no regular file'],
};

/** What is wrong, K3s's own line about it, and how to mend it. `file` of the finding is shown beside it. */
export function explainDoctorFinding({ code, values, file }: DoctorFinding, place: DoctorPlace): Explanation {
  const explain = words[code] as (values: unknown, file: string, place: DoctorPlace) => Explanation;
  return explain(values, file === undefined ? '' : place.show(file), place);
}

/** K3s's line, word by word. Source: K3s `pkg/cluster/bootstrap.go`, `ReconcileBootstrapData`. */
function newerThanDatastore(paths: readonly string[]): string {
  return `${paths.join(', ')} newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore.`;
}

/** A command of this program for the data dir that was looked at. */
function program(command: string, { root, product }: Pick<DoctorPlace, 'root' | 'product'>): string {
  const dir = root === defaultDataDir(product) ? '' : ` --data-dir ${quoted(root)}`;
  return `k3s-pki ${command}${dir}${product === 'k3s' ? '' : ` --product ${product}`}`;
}

/** The files, those with the same reasons together. */
function renewedLeaves(leaves: DoctorFindingValues['leaves-renewed']['leaves'], days: number): string {
  const byReason = new Map<string, string[]>();
  for (const { file, reasons } of leaves) {
    const reason = describeReasons(reasons, days);
    byReason.set(reason, [...(byReason.get(reason) ?? []), file.replace('server/tls/', '')]);
  }
  return [...byReason].map(([reason, files]) => `${files.join(', ')} (${reason})`).join('; ');
}

function staleMend(rewritten: boolean): string {
  return rewritten
    ? 'K3s writes it anew at its next start'
    : 'copy the kubeconfig of a server again (/etc/rancher/k3s/k3s.yaml), and set the address in it';
}

function service(product: Product): string {
  return product === 'k3s' ? 'k3s' : 'rke2-server';
}
