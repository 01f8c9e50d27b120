import type { Certificate, Core } from '@k3s-pki/core';
import {
  caHash,
  certificatesOf,
  type FileSet,
  hashMismatch,
  parseToken,
  partition,
  tlsFile,
  tokenFaults,
  tokenFile,
} from '@k3s-pki/k3s';
import { type DoctorFinding, found } from './doctor-findings.ts';
import { hashOrigin, judgePassword } from './token.ts';

/** A token file as it was found. `unreadable` says why. */
export type TokenFileSight =
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly reason: string }
  | { readonly kind: 'token'; readonly text: string; readonly linkTo?: string };

/** One certificate file or embedded certificate of a kubeconfig. */
export interface KubeconfigPart {
  /** `clusters/NAME/certificate-authority-data`, or the path of the file that it names. */
  readonly part: string;
  readonly role: 'ca' | 'client';
  readonly certificates: readonly Certificate[];
}

export interface KubeconfigSight {
  /** Absolute. */
  readonly file: string;
  /** K3s writes it anew at every start. */
  readonly rewritten: boolean;
  readonly parts: readonly KubeconfigPart[];
  /** Files that it names and that are not there. */
  readonly missing: readonly string[];
  readonly problem?: string;
}

export interface SecretInputs {
  readonly at: number;
  readonly inUse: boolean;
  readonly tokens: { readonly server: TokenFileSight; readonly agent: TokenFileSight; readonly node: TokenFileSight };
  /** Rows of `cred/passwd`; absent when there is none. */
  readonly passwd: readonly (readonly string[])[] | undefined;
  readonly kubeconfigs: readonly KubeconfigSight[];
  /** Permission bits of files with secrets, CA keys excepted; paths as they are shown. */
  readonly modes: ReadonlyMap<string, number>;
  /** Files that the user may not read, and why. */
  readonly unreadable: ReadonlyMap<string, string>;
}

type X509 = Pick<Core, 'chains'>;

const passwdFile = 'server/cred/passwd';
const nodeToken = 'server/node-token';

/** The token files against the CAs that the next start will have, and against the passwords. */
export function judgeTokens({ tokens, passwd, inUse, at }: SecretInputs, cas: FileSet, x509: X509): DoctorFinding[] {
  const findings: DoctorFinding[] = [];
  if (tokens.server.kind === 'absent' && inUse) {
    findings.push(found('token', 'warning', 'token-absent', {}, { file: tokenFile.server }));
  }
  findings.push(...judgeToken(tokenFile.server, tokens.server, 'server', passwd, cas, at, x509));
  // A link to server/token says nothing that server/token does not.
  if (tokens.agent.kind !== 'token' || tokens.agent.linkTo === undefined) {
    findings.push(...judgeToken(tokenFile.agent, tokens.agent, 'node', passwd, cas, at, x509));
  }
  const { node, server } = tokens;
  if (node.kind === 'token' && node.linkTo === undefined && server.kind === 'token' && node.text !== server.text) {
    findings.push(found('token', 'warning', 'node-token-copy', { target: tokenFile.server }, { file: nodeToken }));
  }
  return [...findings, ...judgePasswd(passwd, inUse)];
}

function judgeToken(
  file: string,
  sight: TokenFileSight,
  user: 'server' | 'node',
  passwd: SecretInputs['passwd'],
  cas: FileSet,
  at: number,
  { chains }: X509,
): DoctorFinding[] {
  if (sight.kind === 'absent') return [];
  if (sight.kind === 'unreadable') {
    return [found('token', 'warning', 'token-unreadable', { reason: sight.reason }, { file })];
  }
  const parsed = parseToken(sight.text);
  if (!parsed.ok) {
    return [found('token', 'error', 'token-unreadable', { reason: tokenFaults[parsed.fault] }, { file })];
  }
  const { token } = parsed;
  const findings: DoctorFinding[] = [];
  const bundle = cas(tlsFile.caBundle('server'));
  const certificates = certificatesOf(bundle);
  if (bundle !== undefined && certificates.length > 0 && token.caHash !== '') {
    const right = caHash(bundle.bytes, certificates, (request) => chains(request), at).hash;
    if (right !== token.caHash) {
      const origin = hashOrigin(token.caHash, right, bundle, certificates);
      findings.push(
        found('token', 'warning', 'token-hash', { line: hashMismatch(token.caHash, right), origin }, { file }),
      );
    }
  }
  const rows = passwd?.filter(([, name]) => name === user) ?? [];
  if (rows.length > 0) {
    const verdict = judgePassword(token, rows);
    if (verdict.kind === 'wrong') {
      findings.push(found('token', 'error', 'token-password', { users: verdict.users }, { file }));
    }
  }
  return findings;
}

function judgePasswd(passwd: SecretInputs['passwd'], inUse: boolean): DoctorFinding[] {
  if (passwd === undefined) {
    return inUse ? [found('token', 'warning', 'passwd-absent', {}, { file: passwdFile })] : [];
  }
  const short = passwd.find((row) => row.length < 2);
  if (short !== undefined) {
    const values = { found: short.length };
    return [found('token', 'error', 'passwd-columns', values, { file: passwdFile, start: 'fatal' })];
  }
  return ['server', 'node']
    .filter((user) => !passwd.some(([, name]) => name === user))
    .map((user) => found('token', 'warning', 'passwd-user', { user }, { file: passwdFile }));
}

/** Kubeconfigs against the CAs that the next start will have. */
export function judgeKubeconfigs({ kubeconfigs, at }: SecretInputs, cas: FileSet, { chains }: X509): DoctorFinding[] {
  const [server, client] = [cas(tlsFile.caBundle('server')), cas(tlsFile.caBundle('client'))].map(certificatesOf);
  return kubeconfigs.flatMap(({ file, rewritten, parts, missing, problem }) => {
    if (problem !== undefined) {
      return [found('kubeconfigs', 'warning', 'kubeconfig-unreadable', { reason: problem }, { file })];
    }
    const severity = rewritten ? 'note' : 'warning';
    const findings: DoctorFinding[] = missing.map((target) =>
      found('kubeconfigs', 'warning', 'kubeconfig-reference', { target }, { file }),
    );
    for (const { part, role, certificates } of parts) {
      const [first, ...rest] = role === 'ca' ? (server ?? []) : certificates;
      if (first === undefined) continue;
      const result =
        role === 'ca'
          ? chains({ leaf: first, roots: certificates, intermediates: rest, at, usages: ['any'] })
          : chains({ leaf: first, roots: client ?? [], ...other(rest), at, usages: ['clientAuth'] });
      if (result.ok) continue;
      findings.push(
        role === 'ca'
          ? found('kubeconfigs', severity, 'kubeconfig-ca', { part, rewritten }, { file })
          : found('kubeconfigs', severity, 'kubeconfig-client', { part, rewritten, detail: result.detail }, { file }),
      );
    }
    return findings;
  });
}

/** What a client sends after its certificate helps on the way up and is no anchor. */
function other(rest: readonly Certificate[]) {
  return { intermediates: partition(rest).intermediates };
}

/** Modes of what must stay secret, and what this user could not see. */
export function judgeSecrets({ modes, unreadable }: SecretInputs): DoctorFinding[] {
  return [
    ...[...modes]
      .filter(([, mode]) => (mode & 0o077) !== 0)
      .map(([file, mode]) => found('modes', 'warning', 'readable-secret', { mode }, { file })),
    ...[...unreadable].map(([file, why]) => found('modes', 'warning', 'unreadable', { why }, { file })),
  ];
}
