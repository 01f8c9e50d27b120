import { isUtf8 } from 'node:buffer';

/** A token with a user and a password; what servers and agents share. `caHash` is empty when the token names none. */
export interface PasswordToken {
  readonly kind: 'password';
  readonly form: TokenForm;
  /** What stands in the CA hash's place: 64 octets that K3s does not check to be hexadecimal, or nothing. */
  readonly caHash: string;
  /** Empty for a bare password: then the caller's own name counts, `server` or `node`. */
  readonly user: string;
  readonly password: string;
}

/** A kubeadm bootstrap token. It joins agents; a server does not take it. */
export interface BootstrapToken {
  readonly kind: 'bootstrap';
  readonly form: TokenForm;
  readonly caHash: string;
  /** Six characters that are no secret: part of the name of the token's Secret. */
  readonly id: string;
  readonly secret: string;
}

/** How a token was written. `secure`: with a CA hash. `no-hash`: `K10::`. `no-separator`: `K10` without `::`, such as
 *  `K10<hash>:server:password`, in which K3s sees no hash. `bare`: without `K10`. */
export type TokenForm = 'secure' | 'no-hash' | 'no-separator' | 'bare';
export type Token = PasswordToken | BootstrapToken;

/** K3s's words for a token that it can't read. Source: `pkg/clientaccess/token.go`, `parseToken`. */
export const tokenFaults = {
  empty: 'token must not be empty',
  'hash-length': 'invalid token CA hash length',
  format: 'invalid token format',
} as const;
export type TokenFault = keyof typeof tokenFaults;

export type ParsedToken =
  | { readonly ok: true; readonly token: Token }
  | { readonly ok: false; readonly fault: TokenFault };

/** Octets of a CA hash: SHA-256 in hexadecimal. */
export const caHashLength = 64;

/** Random octets behind the password of a token that K3s makes. Source: `pkg/util/token.go`, `Random`. */
export const passwordOctets = 16;

/** What stands for a secret. It says nothing of the secret's length. */
export const mask = '********';

const prefix = 'K10';
const separator = '::';

/**
 * Reads a token as K3s does, octet for octet: nothing is trimmed, the hash may be anything of the right length, and the
 * first `::` counts. Source: K3s `pkg/clientaccess/token.go`, `parseToken`.
 */
export function parseToken(text: string): ParsedToken {
  if (text === '') return { ok: false, fault: 'empty' };
  if (!text.startsWith(prefix)) {
    const bootstrap = bootstrapToken(text, 'bare', '');
    return { ok: true, token: bootstrap ?? { kind: 'password', form: 'bare', caHash: '', user: '', password: text } };
  }
  const rest = text.slice(prefix.length);
  const at = rest.indexOf(separator);
  const caHash = at < 0 ? '' : rest.slice(0, at);
  const credentials = at < 0 ? rest : rest.slice(at + separator.length);
  // Octets, as Go counts: a hash of 64 characters that are not ASCII is too long.
  if (caHash !== '' && Buffer.byteLength(caHash) !== caHashLength) return { ok: false, fault: 'hash-length' };
  const form = at < 0 ? 'no-separator' : caHash === '' ? 'no-hash' : 'secure';
  const bootstrap = bootstrapToken(credentials, form, caHash);
  if (bootstrap !== undefined) return { ok: true, token: bootstrap };
  const colon = credentials.indexOf(':');
  const password = credentials.slice(colon + 1);
  if (colon < 0 || password === '') return { ok: false, fault: 'format' };
  return { ok: true, token: { kind: 'password', form, caHash, user: credentials.slice(0, colon), password } };
}

/** What follows the `::`. */
export function tokenCredentials(token: Token): string {
  return token.kind === 'bootstrap' ? `${token.id}.${token.secret}` : `${token.user}:${token.password}`;
}

/** The `K10` form with `caHash`, by default the token's own. Source: `pkg/clientaccess/token.go`, `Info.String`. */
export function formatToken(token: Token, caHash: string = token.caHash): string {
  return `${prefix}${caHash}${separator}${tokenCredentials(token)}`;
}

/** K3s's words for a token that is no server token. Source: `pkg/util/token.go`, `NormalizeToken`. */
export const normaliseFault =
  'failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>';

/** The password alone: what encrypts the bootstrap data. `undefined` (K3s says `normaliseFault`) for a bootstrap token
 *  and for what is no token. Source: `pkg/util/token.go`, `NormalizeToken`. */
export function normaliseToken(text: string): string | undefined {
  const parsed = parseToken(text);
  return parsed.ok && parsed.token.kind === 'password' ? parsed.token.password : undefined;
}

/** A token as it may be shown: the hash, a well-known user and the id of a bootstrap token stay, all else is masked, and
 *  all of a text that is no token. */
export function maskToken(text: string): string {
  const parsed = parseToken(text);
  if (!parsed.ok) return mask;
  const { token } = parsed;
  const credentials = token.kind === 'bootstrap' ? `${token.id}.${mask}` : `${publicUser(token.user)}:${mask}`;
  switch (token.form) {
    case 'bare':
      return token.kind === 'bootstrap' ? credentials : mask;
    case 'no-separator':
      return prefix + credentials;
    default:
      return prefix + publicHash(token.caHash) + separator + credentials;
  }
}

/** A CA hash as it may be shown. K3s takes anything in its place, so that may be a secret that got there by mistake. */
export function publicHash(caHash: string): string {
  return caHash === '' || isHash(caHash) ? caHash : mask;
}

/** A user as it may be shown: what K3s itself writes there, or a hash that `K10<hash>:server:password` puts there. */
export function publicUser(user: string): string {
  return user === '' || user === 'server' || user === 'node' || isHash(user) ? user : mask;
}

/** What K3s says when a token was made for other CAs. Source: `pkg/clientaccess/token.go`, `validateCAHash`. */
export function hashMismatch(tokenHash: string, clusterHash: string): string {
  return `token CA hash does not match the Cluster CA certificate hash: ${publicHash(tokenHash)} != ${clusterHash}`;
}

/** A password as K3s makes it; `random` answers that many random octets. */
export function randomPassword(random: (octets: number) => Uint8Array): string {
  return Buffer.from(random(passwordOctets)).toString('hex');
}

/** The text of a token file: white space around it does not count. `undefined` when it is not UTF-8, which would not
 *  survive the JSON that tokens travel in. Source: `pkg/util/token.go`, `ReadTokenFromFile`. */
export function tokenFileText(bytes: Uint8Array): string | undefined {
  // Go's white space, which is Unicode's; String.trim would take a byte order mark too, and K3s does not.
  return isUtf8(bytes)
    ? Buffer.from(bytes)
        .toString('utf8')
        .replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '')
    : undefined;
}

/** Whether it is what SHA-256 gives, in either case. */
export function isHash(text: string): boolean {
  return /^[0-9a-fA-F]{64}$/.test(text);
}

/** Source: k8s.io/cluster-bootstrap `token/api`, `BootstrapTokenPattern`. */
function bootstrapToken(text: string, form: TokenForm, caHash: string): BootstrapToken | undefined {
  const [, id, secret] = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { kind: 'bootstrap', form, caHash, id, secret };
}
