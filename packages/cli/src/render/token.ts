import type { Writable } from 'node:stream';
import { mask, maskToken, publicHash, publicUser, type Token } from '@k3s-pki/k3s';
import type { HashOrigin, PasswordVerdict, TokenRemark } from '@k3s-pki/plan';
import { describeRemark } from '../messages/english/token.ts';
import { painter } from '../terminal.ts';
import type { CaBundle, FoundToken } from '../token-source.ts';
import { aligned } from './text.ts';

/** What a token says, for people. The secret shows only when `reveal` is set; `bootstrapKey` belongs to it. */
export function tokenText(found: FoundToken, reveal: string | undefined, stdout: Writable): string {
  const { token, text, from } = found;
  const paint = painter(stdout);
  const shown = (value: string) => (value === '' ? '-' : value);
  const rows =
    token.kind === 'bootstrap'
      ? [
          ['kind', 'kubeadm bootstrap token'],
          ['id', token.id],
          ['secret', reveal === undefined ? mask : token.secret],
        ]
      : [
          ['kind', 'user and password'],
          ['user', shown(reveal === undefined ? publicUser(token.user) : token.user)],
          ['password', reveal === undefined ? mask : token.password],
        ];
  return [
    `${paint('bold', reveal === undefined ? maskToken(text) : text)}`,
    '',
    ...aligned([
      ['from', from],
      ['form', formText(token)],
      ['CA hash', shown(publicHash(token.caHash))],
      ...rows,
      ...(reveal === undefined || token.kind === 'bootstrap' ? [] : [['bootstrap data', reveal]]),
    ]),
    '',
  ].join('\n');
}

/** The same for programs. */
export function tokenJson(
  { token, text, from }: FoundToken,
  reveal: string | undefined,
  remarks: readonly TokenRemark[],
) {
  return {
    command: 'token show',
    ok: true,
    from,
    form: token.form,
    kind: token.kind,
    caHash: publicHash(token.caHash),
    ...(token.kind === 'bootstrap'
      ? { id: token.id }
      : { user: reveal === undefined ? publicUser(token.user) : token.user }),
    masked: maskToken(text),
    ...(reveal === undefined ? {} : { token: text, ...secretOf(token, reveal) }),
    remarks: remarks.map(remarkJson),
  };
}

function secretOf(token: Token, bootstrapKey: string) {
  return token.kind === 'bootstrap' ? { secret: token.secret } : { password: token.password, bootstrapKey };
}

export function remarkJson(remark: TokenRemark) {
  const { error, hint } = describeRemark(remark);
  return { code: remark, message: error, ...(hint === undefined ? {} : { hint }) };
}

function formText({ form }: Token): string {
  return {
    secure: 'K10, CA hash, ::, credentials',
    'no-hash': 'K10, no CA hash, ::, credentials',
    'no-separator': 'K10 without "::"',
    bare: 'without K10 and CA hash',
  }[form];
}

/** What a check has found. */
export interface TokenCheck {
  readonly found: FoundToken;
  readonly bundle: CaBundle;
  /** What the token's hash was made from, when it is not that of the bundle. */
  readonly origin: HashOrigin | undefined;
  readonly password: PasswordVerdict | undefined;
  readonly remarks: readonly TokenRemark[];
}

export function tokenCheckText({ found, bundle, password }: TokenCheck, stdout: Writable): string {
  const paint = painter(stdout);
  const { token } = found;
  const verdict =
    token.caHash === ''
      ? `${paint('yellow', '!')} the token names no CAs; K3s would accept these, and any others`
      : `${paint('green', '✔')} the token is of these CAs`;
  return [
    verdict,
    '',
    ...aligned([
      ['token', `${maskToken(found.text)}  (${found.from})`],
      ['CAs', bundle.from],
      ['CA hash', `${bundle.caHash.hash}  (${hashSource(bundle)})`],
      ['password', passwordText(password)],
    ]),
    '',
  ].join('\n');
}

export function tokenCheckJson({ found, bundle, origin, password, remarks }: TokenCheck) {
  return {
    command: 'token check',
    ok: origin === undefined && password?.kind !== 'wrong',
    from: found.from,
    masked: maskToken(found.text),
    cas: bundle.from,
    caHash: bundle.caHash,
    tokenHash: publicHash(found.token.caHash),
    origin,
    password,
    remarks: remarks.map(remarkJson),
  };
}

/** What was hashed: the root's name, or the file. */
export function hashSource({ caHash, certificates }: CaBundle): string {
  if (caHash.from === 'file') return certificates.length === 1 ? 'of the file, one certificate' : 'of the file';
  return `of ${certificates.find(({ sha256 }) => sha256 === caHash.hash)?.subject ?? 'the root'}`;
}

function passwordText(password: PasswordVerdict | undefined): string {
  if (password?.kind === 'right') return `that of ${password.users.join(' and ')}`;
  return password?.kind === 'not-there' ? 'not checked: a bootstrap token is a Secret of the cluster' : 'not checked';
}
