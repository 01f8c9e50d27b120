import {
  type BootstrapData,
  nodeFollows,
  type PasswdRow,
  type Product,
  parseToken,
  passwdFile,
  passwordOf,
  rotationFields,
  type TokenFault,
} from '@k3s-pki/k3s';
import { deepFreeze } from './freeze.ts';
import type { Holder } from './rotate-snapshot.ts';
import { isOneColon } from './token.ts';

/** What stands in the way of a new server token; the words are the catalogue's. None holds a secret. */
export type TokenRotateProblem =
  /** K3s can't read it. */
  | { readonly code: 'new-token-fault'; readonly fault: TokenFault }
  /** It, or its password, has the form of a kubeadm bootstrap token: K3s does not start with it. */
  | { readonly code: 'new-token-bootstrap' }
  | { readonly code: 'new-token-one-colon' }
  /** The password would be read as a whole token. */
  | { readonly code: 'new-token-prefix' }
  /** An agent token. */
  | { readonly code: 'new-token-user' }
  | { readonly code: 'new-token-other-cas'; readonly caHash: string }
  | { readonly code: 'new-token-characters' }
  | { readonly code: 'new-token-same' }
  | { readonly code: 'no-server-user' }
  | { readonly code: 'passwd-damaged'; readonly reason: string }
  /** Fields of the record that differ from the server's disk: a rotation of CAs waits for the restart. */
  | { readonly code: 'rotation-pending'; readonly where: string; readonly fields: readonly string[] }
  | { readonly code: 'record-unread'; readonly why: string }
  | { readonly code: 'running'; readonly holders: readonly Holder[] };

export interface TokenRotateOptions {
  readonly product: Product;
  /** Through a running server, or straight into data dir and datastore. */
  readonly via: 'supervisor' | 'datastore';
  /** Goes on although K3s seems to run, or the record can't be read. */
  readonly force: boolean;
  /** The text of the new token; absent: a random one will be made. */
  readonly newToken: string | undefined;
}

/** What was found. It holds secrets, the plan does not. */
export interface TokenRotateSnapshot {
  /** Server passwords that count now: the token's, and the one that opens the record. */
  readonly passwords: readonly string[];
  /** The CA hash of the cluster. */
  readonly caHash: string;
  /** Where a server has its token beside `server/token`, for people; absent where it has not, or nobody knows. */
  readonly tokenFrom?: string;
  /** Rows of the password file, or why it can't be read; absent where nobody shows it. */
  readonly passwd?: { readonly rows: readonly PasswdRow[] } | { readonly fault: string };
  /** Whether an agent token of its own was set. */
  readonly agentToken: boolean;
  /** Files of the data dir that hold the server token beside the password file; empty over the wire. */
  readonly tokenFiles: readonly string[];
  /** `unread`: this machine is a server, and its record can't be opened. `elsewhere`: only the server could look. */
  readonly record:
    | { readonly kind: 'read'; readonly where: string; readonly pending: readonly string[] }
    | { readonly kind: 'unread' | 'elsewhere'; readonly why: string };
  readonly holders: readonly Holder[];
}

/** The plan of `token rotate`. No secret is in it. */
export interface TokenRotatePlan {
  readonly verb: 'token rotate';
  readonly product: Product;
  readonly via: TokenRotateOptions['via'];
  readonly newToken: 'given' | 'random';
  /** Whether agents need the new token too. */
  readonly nodePassword: 'changes' | 'kept' | 'unknown';
  readonly caHash: string;
  /** What this program writes, relative to the data dir; over the wire the server does. */
  readonly files: readonly string[];
  readonly record: TokenRotateSnapshot['record'];
  readonly tokenFrom?: string;
  /** Worth a warning. `short`: the password is easier to guess than those that K3s makes. */
  readonly remarks: readonly TokenRotateRemark[];
}

export type TokenRotateRemark = 'short' | 'record-elsewhere' | 'old-token-set' | 'forced';

export type PlannedTokenRotation =
  | { readonly ok: true; readonly plan: TokenRotatePlan }
  | { readonly ok: false; readonly problems: readonly TokenRotateProblem[] };

/** Plans a new server token, or says all that stands in its way. Source: K3s `pkg/server/handlers/token.go`. */
export function planTokenRotate(options: TokenRotateOptions, snapshot: TokenRotateSnapshot): PlannedTokenRotation {
  const { product, via, force, newToken } = options;
  const { caHash, passwd, agentToken, tokenFiles, record, holders, tokenFrom } = snapshot;
  const problems: TokenRotateProblem[] = newToken === undefined ? [] : newTokenProblems(newToken, snapshot);
  const rows = passwd !== undefined && 'rows' in passwd ? passwd.rows : undefined;
  if (passwd !== undefined && 'fault' in passwd) problems.push({ code: 'passwd-damaged', reason: passwd.fault });
  if (rows !== undefined && passwordOf(rows, 'server') === undefined) problems.push({ code: 'no-server-user' });
  if (record.kind === 'read' && record.pending.length > 0) {
    problems.push({ code: 'rotation-pending', where: record.where, fields: record.pending });
  }
  if (record.kind === 'unread' && !force) problems.push({ code: 'record-unread', why: record.why });
  if (holders.length > 0 && !force) problems.push({ code: 'running', holders });
  if (problems.length > 0) return { ok: false, problems };
  const password = newToken === undefined ? undefined : newPassword(newToken);
  const remarks: TokenRotateRemark[] = [
    ...(password !== undefined && password.length < shortest ? (['short'] as const) : []),
    ...(record.kind === 'elsewhere' ? (['record-elsewhere'] as const) : []),
    ...(tokenFrom === undefined ? [] : (['old-token-set'] as const)),
    ...(record.kind === 'unread' || holders.length > 0 ? (['forced'] as const) : []),
  ];
  const plan = {
    verb: 'token rotate' as const,
    product,
    via,
    newToken: newToken === undefined ? ('random' as const) : ('given' as const),
    nodePassword: rows === undefined ? ('unknown' as const) : nodeFollows(rows, agentToken) ? 'changes' : 'kept',
    caHash,
    files: via === 'datastore' ? [...tokenFiles, ...(rows === undefined ? [] : [passwdFile])] : [],
    record,
    ...(tokenFrom === undefined ? {} : { tokenFrom }),
    remarks,
  } satisfies TokenRotatePlan;
  return { ok: true, plan: deepFreeze(plan) };
}

/** The fields of new CAs that a record holds and a server's disk does not: K3s saves its disk when it rotates the token, and
 *  would revert them. `disk` answers by field. */
export function pendingFields(data: BootstrapData, disk: (field: string) => Uint8Array | undefined): readonly string[] {
  return rotationFields.flatMap(({ field }) => {
    const [stored, there] = [data.files.get(field)?.content, disk(field)];
    if (stored === undefined || stored.length === 0 || there === undefined) return [];
    return Buffer.from(stored).equals(there) ? [] : [field];
  });
}

/** The password in the text of a checked new token. */
export function newPassword(text: string): string {
  const parsed = parseToken(text);
  if (!parsed.ok || parsed.token.kind !== 'password') throw new TypeError('a token that was not checked');
  return parsed.token.password;
}

function newTokenProblems(text: string, { caHash, passwords, passwd }: TokenRotateSnapshot): TokenRotateProblem[] {
  const parsed = parseToken(text);
  if (!parsed.ok) return [{ code: 'new-token-fault', fault: parsed.fault }];
  const { token } = parsed;
  if (token.kind === 'bootstrap') return [{ code: 'new-token-bootstrap' }];
  if (isOneColon(token)) return [{ code: 'new-token-one-colon' }];
  const { password, user, form } = token;
  const alone = parseToken(password);
  const rows = passwd !== undefined && 'rows' in passwd ? passwd.rows : [];
  const found: [TokenRotateProblem, boolean][] = [
    [{ code: 'new-token-prefix' }, form === 'no-separator' || password.startsWith('K10')],
    [{ code: 'new-token-user' }, form !== 'no-separator' && user !== '' && user !== 'server'],
    [{ code: 'new-token-other-cas', caHash }, token.caHash !== '' && token.caHash !== caHash],
    [{ code: 'new-token-bootstrap' }, alone.ok && alone.token.kind === 'bootstrap'],
    [{ code: 'new-token-characters' }, !/^[!-~]+$/.test(password) || /[,"]/.test(password)],
    [{ code: 'new-token-same' }, [...passwords, passwordOf(rows, 'server')].includes(password)],
  ];
  return found.flatMap(([problem, holds]) => (holds ? [problem] : []));
}

/** Characters. K3s's own have 32; whoever reads the datastore can try passwords at leisure, 4096 rounds of PBKDF2 each. */
const shortest = 20;
