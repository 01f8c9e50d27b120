import { normaliseFault } from '@k3s-pki/k3s';
import type { TokenRotatePlan, TokenRotateProblem, TokenRotateRemark } from '@k3s-pki/plan';
import type { Message } from '../../failure.ts';
import type { SwapCommand } from '../../rotating/token-swap.ts';
import type { RecoveredRotation, TokenRotated } from '../../rotating/token-target.ts';
import { describeHolder, unitOf } from './rotate.ts';
import { describeFault, describeRemark } from './token.ts';

/** The words for what stands in the way of a new server token. `from` is where the new one was read, for people. */
export function describeTokenRotateProblem(problem: TokenRotateProblem, from: string, dataDir: string): Message {
  switch (problem.code) {
    case 'new-token-fault':
      return describeFault(problem.fault, from);
    case 'new-token-bootstrap':
      return {
        error: `${from}: has the form of a kubeadm bootstrap token, with which no server starts; K3s says: ${normaliseFault}`,
        hint: 'leave --new-token-file out, and a random password is made',
      };
    case 'new-token-one-colon': {
      const { error, hint } = describeRemark('one-colon');
      return { error: `${from}: ${error}`, ...(hint === undefined ? {} : { hint }) };
    }
    case 'new-token-prefix':
      return {
        error: `${from}: the password begins with K10, so K3s would read it as a whole token`,
        hint: 'give a password that begins otherwise',
      };
    case 'new-token-user':
      return {
        error: `${from}: the user of the token is not server`,
        hint: 'the server token is rotated: give K10<CA hash>::server:<password>, or a password alone',
      };
    case 'new-token-other-cas':
      return {
        error: `${from}: the token has the CA hash of another cluster; this one has ${problem.caHash}`,
        hint: 'give the password alone: the CA hash is written before it',
      };
    case 'new-token-characters':
      return {
        error: `${from}: the password holds white space, a comma, a quotation mark or a character outside ASCII, which cred/passwd, a unit file or a shell misreads`,
        hint: 'take letters, digits and -._~, in one line',
      };
    case 'new-token-same':
      return {
        error: `${from}: the new password is the one in use, so nothing would change`,
        hint: 'give another one, or leave --new-token-file out',
      };
    case 'no-server-user':
      return {
        error: `${dataDir}/server/cred/passwd: server token not found: the file has no row of the user server`,
        hint: 'k3s-pki bootstrap restore writes the file of the datastore; or start the server once',
      };
    case 'passwd-damaged':
      return {
        error: `${dataDir}/server/cred/passwd: ${problem.reason}`,
        hint: 'k3s-pki bootstrap restore writes the file of the datastore',
      };
    case 'rotation-pending':
      return {
        error: `${problem.where}: holds other CAs than the server's disk (${problem.fields.join(', ')}): a rotation of CAs waits for the restart, and token rotate would save the old ones again`,
        hint: 'restart the servers first, then rotate the token; k3s-pki bootstrap show tells the differences',
      };
    case 'record-unread':
      return {
        error: `${problem.why}; so nobody can tell whether a rotation of CAs waits for the restart, which token rotate would revert`,
        hint: 'mend that first; --force goes on without looking, as K3s does',
      };
    case 'running':
      return {
        error: `${dataDir}: ${problem.holders.map(describeHolder).join(', and ')}`,
        hint: 'a running server is asked without --offline; else stop K3s first, on every server; --force goes on all the same',
      };
  }
}

/** What is worth a warning. */
export function describeTokenRotateRemark(remark: TokenRotateRemark, plan: TokenRotatePlan): Message {
  const { record, tokenFrom } = plan;
  const why = record.kind === 'read' ? '' : record.why;
  const remarks: Record<TokenRotateRemark, Message> = {
    short: {
      error: 'the password is short, and it seals the keys of every CA in the datastore',
      hint: 'leave --new-token-file out: a random one has 32 characters',
    },
    'record-elsewhere': {
      error: `the server alone knows whether a rotation of CAs waits for its restart, which this would revert: ${why}`,
      hint: 'run this on the server, or be sure that it was restarted since the last rotate-ca',
    },
    'old-token-set': {
      error: `${tokenFrom} still holds the old token: a server that starts with it stops with "bootstrap data already found and encrypted with different token"`,
      hint: 'write the new token there before the start',
    },
    forced: {
      error: record.kind === 'read' ? 'K3s seems to run' : `not looked for a rotation that waits: ${why}`,
      hint: '--force goes on all the same',
    },
  };
  return remarks[remark];
}

/** The steps after a rotation. */
export function tokenRollout({ product, nodePassword, via }: TokenRotatePlan, place: string): RolloutLine[] {
  const variable = `${product.toUpperCase()}_TOKEN`;
  const agents: RolloutLine[] =
    nodePassword === 'kept'
      ? [{ what: 'agents have a token of their own, which stays' }]
      : [
          {
            what: `${nodePassword === 'unknown' ? 'unless agents have a token of their own, ' : ''}give every agent the new token where it has one (token in its config.yaml, ${variable} of its service), then restart it`,
            command: `systemctl restart ${unitOf(product, 'agent')}`,
          },
        ];
  return [
    {
      what: `give every server the new token where it has one of its own: token or token-file in /etc/rancher/${product}/config.yaml, ${variable} of its service, --token of its unit; ${place} holds it`,
    },
    {
      what: via === 'supervisor' ? 'restart the servers, one after the other' : 'start the servers',
      command: `systemctl ${via === 'supervisor' ? 'restart' : 'start'} ${unitOf(product, 'server')}`,
    },
    ...agents,
    { what: 'keep the old token as long as snapshots and backups from before are kept: they open with it alone' },
  ];
}

export interface RolloutLine {
  readonly what: string;
  readonly command?: string;
}

export const tokenRotateMessages = {
  bootstrapToken: (from: string): Message => ({
    error: `${from}: a bootstrap token joins agents only`,
    hint: 'use the server token: server/token on a server',
  }),
  unpinned: (from: string, server: string): Message => ({
    error: `${from}: the token has no CA hash, so nobody can tell whether ${server} is this cluster's server, and it would be sent both passwords`,
    hint: 'take the full token (K10...) from server/token on a server, or run this there',
  }),
  sharedInput: {
    error: '--token-file - and --new-token-file - both mean standard input',
    hint: 'name a file for one of them',
  },
  notToOutput: {
    error: '--out names a file, not standard output',
    hint: 'a token is written to a new file with mode 0600',
  },
  serverOffline: {
    error: '--server and --offline are both given',
    hint: '--offline asks no server',
  },
  unreachable: (message: string): Message => ({
    error: message,
    hint: 'name a running server with --server https://HOST:6443 (RKE2: 9345); for a stopped one: --offline',
  }),
  outputExists: (path: string): Message => ({
    error: `${path}: exists already`,
    hint: 'a token is written to a new file only: name another one',
  }),
  noServerCa: (where: string, file: string): Message => ({
    error: `${file}: there is no such file, and ${where} has no server CA either`,
    hint: 'name the data dir of a server with --data-dir',
  }),
  diskElsewhere: (where: string): string =>
    `the server does not give its files (it has no embedded etcd), so ${where} cannot be compared with its disk`,
  stillOld: (where: string): string => `${where} has no record under the new token`,
  oldLeft: (where: string): string => `${where} has another record beside that of the new token`,
  oldLeftBehind: (where: string, key: string, reason: string, command: SwapCommand): Message => ({
    error: `${where}: ${key}: the token was changed, but the record from before could not be removed: ${reason}`,
    hint: `run ${command === 'token rotate' ? 'token rotate --offline' : 'bootstrap undo'} again: it finishes this, and nothing else`,
  }),
  oldChanged: (where: string, key: string, backup: string): Message => ({
    error: `${where}: ${key}: the token was changed, but a server changed the record from before meanwhile, so it was left there`,
    hint: `stop every server, then k3s-pki bootstrap doctor; the record from before is in ${backup}`,
  }),
  inDoubt: (message: string, seen: TokenRotated['readBack']): Message => ({
    error: `${message}; the token may have been replaced or not: ${seen.ok ? `the record in ${seen.from} has the new one` : seen.why}`,
    hint: 'look before you try again: k3s-pki token check on the server compares server/token with cred/passwd, k3s-pki bootstrap doctor with the datastore; both passwords may be needed',
  }),
  keptOutput: (file: string): Message => ({ error: `${file} holds the new token, in case it counts` }),
  outputFailed: (reason: string, place: string): Message => ({
    error: `the token was rotated, but not written for you: ${reason}`,
    hint: `it is in ${place}`,
  }),
  recovered: ({ kind }: RecoveredRotation): Message => ({
    error:
      kind === 'finished'
        ? 'an earlier run was interrupted and is finished now: its new token counts'
        : 'an earlier run was interrupted and is undone: the token from before it counts',
  }),
};
