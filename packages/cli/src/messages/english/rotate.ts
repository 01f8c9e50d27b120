import { defaultDataDir, type Finding, type Product, type RenewalReason } from '@k3s-pki/k3s';
import type { Holder, LeafProblem, LeafProblemCode, LeafProblemValues } from '@k3s-pki/plan';
import type { Message } from '../../failure.ts';
import { nearest } from '../../nearest.ts';
import { octal, quoted } from '../../render/text.ts';
import type { ShowPath } from '../english.ts';

type Catalogue = {
  [Code in LeafProblemCode]: (
    values: LeafProblemValues[Code],
    file: string,
    show: ShowPath,
    product: Product,
  ) => Message;
};

/** The words for every problem of rotating and restoring. K3s's own where it has some: `cas-unfit`, `unknown-service`. */
const catalogue: Catalogue = {
  'no-data-dir': (_, file, _show, product) => ({
    error: `${file}: there is neither server nor agent in it, so no ${product} has been started there`,
    hint: `name the data dir with --data-dir or DATA_DIR; ${product}'s own is data-dir in /etc/rancher/${product}/config.yaml`,
  }),
  'unknown-service': ({ service, known }) => {
    const similar = nearest(service, known);
    const list = `known services: ${known.join(', ')}`;
    return {
      error: `service ${service} is not recognized`,
      hint:
        service === 'certificate-authority'
          ? `CAs are rotated with certificate rotate-ca; ${list}`
          : similar === undefined
            ? list
            : `did you mean ${similar}? ${list}`,
    };
  },
  'server-service': ({ service }, file) => ({
    error: `service ${service} belongs to servers, and ${file} is an agent's`,
    hint: 'run this on each server, or name services of agents: kube-proxy, kubelet and the -controller',
  }),
  running: ({ holders, role }, file, _show, product) => ({
    error: `${file}: ${holders.map(describeHolder).join(', and ')}`,
    hint: `stop it first: systemctl stop ${unitOf(product, role)}; if that serves another data dir, --force goes on`,
  }),
  unreadable: ({ why }, file) => ({
    error: `${file}: ${{ permission: 'no permission to read it', 'too-large': 'larger than 16 MiB, so not a certificate or key', io: 'cannot be read' }[why]}`,
    hint: why === 'permission' ? 'run as the user who owns it, usually root' : 'move it out of the folder',
  }),
  'not-copied': (_, file) => ({ error: `${file}: not a regular file, so not in the backup` }),
  'cas-unfit': ({ reason, effect }, file) => ({
    error: `${file}: ${reason}; ${consequence[effect]}`,
    hint: 'mend the CAs first (k3s-pki generate-custom-ca-certs, or certificate rotate-ca), since new leaves need them; --force goes on',
  }),
  'nothing-to-rotate': () => ({ error: 'none of the files is there: nothing to rotate' }),
  'no-backup': ({ backup, known }, file) => ({
    error: `${file}: there is no backup ${JSON.stringify(backup)}`,
    hint:
      known.length === 0
        ? 'there is none at all: they are the folders server/tls-<seconds> and agent/tls-<seconds>'
        : `there are ${known.slice(0, 6).join(', ')}${known.length > 6 ? ' and older ones' : ''}; k3s-pki certificate restore lists them`,
  }),
  'two-backups': ({ paths }, file) => ({
    error: `${file}: there are two backups of this name`,
    hint: `name one of ${paths.join(', ')}`,
  }),
  'nothing-to-restore': ({ services }, file) => ({
    error: `${file}: it has no file of ${services.join(', ')}`,
    hint: 'name another backup or other services; k3s-pki certificate restore lists the backups',
  }),
  'broken-file': ({ reason }, file) => ({
    error: `${file}: ${reason}`,
    hint: 'name the services that are to come back with --service, without that one',
  }),
  'pair-mismatch': ({ key }, file, show) => ({
    error: `${file}: ${show(key)} is not its key, and K3s would not notice`,
    hint: 'leave that service out with --service, or --force',
  }),
  'half-pair': ({ missing, removed }, file, show) => ({
    error: `${file}: the backup has this half alone; ${removed ? `${show(missing)} goes, and ` : ''}K3s makes the other half at its next start`,
  }),
  'loose-mode': ({ mode }, file) => ({
    error: `${file}: a private key that others may read (mode ${octal(mode)}); the copy gets 0600`,
    hint: `chmod 600 ${file}`,
  }),
  'ca-differs': ({ used }, file, show) => ({
    error: `${file}: differs from ${show(used)}, the CA in use; on a cluster that runs the datastore wins over the disk, and a newer file on the disk is fatal at the next start`,
    hint: 'to go back to these CAs load them with certificate rotate-ca; to put them on the disk of a cluster that has no datastore yet, --force',
  }),
  'ca-replaced': ({ backup }, file, show) => ({
    error: `${file}: replaced by ${show(backup)}; where the datastore has another CA, K3s's next start is fatal ("newer than datastore and could cause a cluster outage")`,
  }),
  'ca-returned': ({ backup }, file, show) => ({
    error: `${file}: it was missing and comes back from ${show(backup)}; where the datastore has another one, K3s's next start is fatal ("newer than datastore and could cause a cluster outage")`,
    hint: `remove the file in that case: K3s writes the datastore's one`,
  }),
  'leaves-renewed': ({ why, files }, file) => ({
    error: `${file}: ${count(files.length, 'leaf', 'leaves')} ${renewal[why]}, so K3s makes ${files.length === 1 ? 'it' : 'them'} anew at its next start: ${files.map((path) => path.slice(path.indexOf('/') + 1)).join(', ')}`,
  }),
  'bad-signature': ({ ca }, file, show) => ({
    error: `${file}: ${show(ca)} did not sign it, and K3s would not notice`,
    hint: 'leave that service out with --service, or --force',
  }),
  'flat-backup': ({ files }, file) => ({
    error: `${file}: K3s put the agent's files over the server's of the same name here, so ${files.length === 1 ? 'one file stays as it is' : `${files.length} files stay as they are`}: ${files.join(', ')}`,
  }),
};

const consequence: Readonly<Record<Finding['effect'], string>> = {
  fatal: 'K3s would not start with new leaves',
  hangs: 'K3s would never come up with new leaves',
  replaced: 'its next start makes another CA, which no other machine trusts',
  odd: '',
};

const renewal: Readonly<Record<RenewalReason, string>> = {
  expired: 'expired',
  'within-window': 'within the renewal window',
  'common-name': 'with another common name than K3s gives',
  organizations: 'with other organizations than K3s gives',
  'names-missing': 'without a name that K3s gives',
  'authority-key-id': 'of another CA than the one in use',
  'certificate-missing': 'without a certificate',
  'key-missing': 'without a key',
};

/** The words for one problem of rotating or restoring. */
export function describeLeafProblem(problem: LeafProblem, show: ShowPath, product: Product): Message {
  const words = catalogue[problem.code] as (values: unknown, file: string, show: ShowPath, product: Product) => Message;
  return words(problem.values, show(problem.file), show, product);
}

export function describeHolder(holder: Holder): string {
  if (holder.kind === 'process') return `process ${holder.pid} (${holder.command}) uses this data dir`;
  return holder.answers === 'supervisor'
    ? `K3s answers on ${holder.address}`
    : `a program listens on ${holder.address}, the supervisor's port`;
}

/** The systemd unit that the installer makes. Source: K3s and RKE2 `install.sh`. */
export function unitOf(product: Product, role: 'server' | 'agent'): string {
  if (product === 'rke2') return `rke2-${role}`;
  return role === 'server' ? 'k3s' : 'k3s-agent';
}

/** K3s's own lines, which people and their scripts look for. Source: K3s `pkg/cli/cert/cert.go`, `rotate`. */
export const k3sLine = {
  detected: (role: 'server' | 'agent') =>
    role === 'server'
      ? 'Server detected, rotating agent and server certificates'
      : 'Agent detected, rotating agent certificates',
  listener: 'Rotating dynamic listener certificate',
  service: (service: string) => `Rotating certificates for ${service}`,
  done: (backup: string, product: Product) =>
    `Successfully backed up certificates to ${backup}, please restart ${product} server or agent to rotate certificates`,
} as const;

/** The command that puts a backup back. */
export function restoreCommand(backup: string, product: Product, root: string): string {
  const words = ['k3s-pki certificate restore', backup];
  if (product !== 'k3s') words.push(`--product ${product}`);
  if (root !== defaultDataDir(product)) words.push(`--data-dir ${quoted(root)}`);
  return words.join(' ');
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
