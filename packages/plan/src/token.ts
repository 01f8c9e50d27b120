import { createHash } from 'node:crypto';
import type { Certificate } from '@k3s-pki/core';
import { isHash, type PemFile, publicUser, type Token } from '@k3s-pki/k3s';

/** What a user should know of a token that K3s can read; the words are the catalogue's. */
export interface TokenRemarkValues {
  /** Whoever holds it trusts any server. */
  'no-hash': Record<never, never>;
  /** It joins agents; a server doesn't take it as its token. */
  bootstrap: Record<never, never>;
  /** `K10<hash>:server:password`: the hash is read as the user, and the user as part of the password. */
  'one-colon': Record<never, never>;
  /** `K10` without `::`, perhaps a password that happens to begin so. */
  'no-separator': Record<never, never>;
  'not-hexadecimal': Record<never, never>;
  'upper-case': Record<never, never>;
  /** In the user or password; K3s takes it for a part of them. */
  'white-space': Record<never, never>;
}
export type TokenRemark = keyof TokenRemarkValues;

/** Everything worth a warning in a token, most serious first. */
export function tokenRemarks(token: Token): TokenRemark[] {
  const { caHash, form, kind } = token;
  const parts = kind === 'password' ? [token.user, token.password] : [];
  const found: Record<TokenRemark, boolean> = {
    'one-colon': isOneColon(token),
    'no-separator': form === 'no-separator' && !isOneColon(token),
    'not-hexadecimal': caHash !== '' && !isHash(caHash),
    'upper-case': isHash(caHash) && caHash !== caHash.toLowerCase(),
    'white-space': parts.some((part) => /[\p{White_Space}\ufeff]/u.test(part)),
    bootstrap: kind === 'bootstrap',
    'no-hash': caHash === '' && form !== 'no-separator',
  };
  return (Object.keys(found) as TokenRemark[]).filter((remark) => found[remark]);
}

/** Whether a token was meant to have a CA hash and lacks one colon behind it. */
export function isOneColon(token: Token): boolean {
  return token.kind === 'password' && token.form === 'no-separator' && isHash(token.user);
}

/** What a CA hash that K3s does not accept for a bundle was made from. */
export type HashOrigin =
  /** It is the right one, with capital letters. */
  | { readonly kind: 'upper-case' }
  /** SHA-256 of the file, which has several certificates: K3s takes their root's. */
  | { readonly kind: 'file' }
  /** SHA-256 of one certificate, `position` counts from 1. */
  | { readonly kind: 'certificate'; readonly subject: string; readonly position: number }
  /** SHA-256 of this one certificate's file with other line ends or white space. */
  | { readonly kind: 'line-ends' }
  | { readonly kind: 'other' };

/**
 * Finds out how a CA hash came about that differs from `right`, the one of the bundle. `certificates` are the bundle's,
 * in file order.
 */
export function hashOrigin(
  caHash: string,
  right: string,
  { bytes, blocks }: PemFile,
  certificates: readonly Certificate[],
): HashOrigin {
  const wanted = caHash.toLowerCase();
  if (wanted === right) return { kind: 'upper-case' };
  if (wanted === sha256(bytes)) return { kind: 'file' };
  const text = new TextDecoder('latin1').decode(bytes);
  const variants = (one: string) => {
    const unix = one.replaceAll('\r\n', '\n').trim();
    return [unix, `${unix}\n`, `${unix}\n\n`, `${unix.replaceAll('\n', '\r\n')}\r\n`];
  };
  const position = certificates.findIndex((certificate) => {
    const block = blocks.find((each) => each.kind === 'certificate' && each.certificate.sha256 === certificate.sha256);
    const texts = block === undefined ? [] : variants(text.slice(block.start, block.end));
    return certificate.sha256 === wanted || texts.some((each) => sha256(Buffer.from(each, 'latin1')) === wanted);
  });
  const certificate = certificates[position];
  if (certificate !== undefined && certificates.length > 1) {
    return { kind: 'certificate', subject: certificate.subject, position: position + 1 };
  }
  if (certificate?.sha256 === wanted) return { kind: 'certificate', subject: certificate.subject, position: 1 };
  const same =
    certificate !== undefined || variants(text).some((each) => sha256(Buffer.from(each, 'latin1')) === wanted);
  return { kind: same ? 'line-ends' : 'other' };
}

/** What `server/cred/passwd` says of a token. */
export type PasswordVerdict =
  /** `users` have this password. */
  | { readonly kind: 'right'; readonly users: readonly string[] }
  | { readonly kind: 'wrong'; readonly users: readonly string[] }
  /** A bootstrap token lies in a Secret of the cluster. */
  | { readonly kind: 'not-there' };

/**
 * Looks for a token's password among the rows of a passwd file: password, name, uid, groups. The user of the token does not
 * count: clients say `server` or `node` whatever it is. Source: K3s `pkg/passwd`, `pkg/clientaccess`, `WithUser`.
 */
export function judgePassword(token: Token, rows: readonly (readonly string[])[]): PasswordVerdict {
  if (token.kind === 'bootstrap') return { kind: 'not-there' };
  // In a damaged file anything may stand in a name's place, a password too.
  const users = rows.flatMap(([password, name]) => (name === undefined ? [] : [{ password, name: publicUser(name) }]));
  const right = users.filter(({ password }) => password === token.password);
  if (right.length > 0) return { kind: 'right', users: right.map(({ name }) => name) };
  return { kind: 'wrong', users: users.map(({ name }) => name) };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
