import { normaliseFault, type Product, type TokenFault, tokenFaults } from '@k3s-pki/k3s';
import type { HashOrigin, TokenRemark } from '@k3s-pki/plan';
import type { SupervisorError } from '@k3s-pki/supervisor';
import type { Message } from '../../failure.ts';

/** The words for a token that K3s can't read; K3s's own come first. */
export function describeFault(fault: TokenFault, from: string): Message {
  const hints: Record<TokenFault, string> = {
    empty: 'give a token with --token-file FILE, --token-file - (standard input), K3S_TOKEN or K3S_TOKEN_FILE',
    'hash-length':
      'between K10 and :: stand the 64 characters of the CA hash, or nothing; copy the whole line of server/token again',
    format: 'a token is K10<CA hash>::<user>:<password>, K10<CA hash>::<id>.<secret>, or a password alone',
  };
  return { error: `${from}: ${tokenFaults[fault]}`, hint: hints[fault] };
}

/** The words for what is worth knowing of a token that K3s can read. */
export function describeRemark(remark: TokenRemark): Message {
  return remarks[remark];
}

const remarks: Record<TokenRemark, Message> = {
  'one-colon': {
    error:
      'one colon after the CA hash: K3s reads the hash as the user, checks no hash, and takes the rest as the password',
    hint: 'write two: K10<CA hash>::<user>:<password>',
  },
  'no-separator': {
    error:
      'it begins with K10 and has no "::": K3s reads what stands before the first colon as the user, and checks no CA hash',
    hint: 'a password must not begin with K10; a whole token is K10<CA hash>::<user>:<password>',
  },
  'not-hexadecimal': {
    error: 'what stands in the place of the CA hash is not hexadecimal: it matches no cluster',
    hint: 'copy the whole line of server/token again',
  },
  'upper-case': {
    error: 'the CA hash has capital letters: K3s compares letter by letter, with lower case, so it matches no cluster',
    hint: 'write it in lower case, or copy the line of server/token again',
  },
  'white-space': {
    error: 'it holds white space or a line break, which K3s takes as part of the user or password',
    hint: 'a token is one line without spaces; look at it with: od -c',
  },
  bootstrap: {
    error: `a kubeadm bootstrap token joins agents only; where a server token is needed, K3s says: ${normaliseFault}`,
    hint: 'for servers use the token in server/token; never make a bootstrap token the server token',
  },
  'no-hash': {
    error: 'no CA hash: whoever joins with it trusts any server that answers',
    hint: 'k3s-pki token for --ca server-ca.crt writes the full form',
  },
};

/** The words for why a CA hash is not the one of a bundle: who is right, and what to do. */
export function describeOrigin(origin: HashOrigin, bundle: string): Message {
  switch (origin.kind) {
    case 'upper-case':
      return {
        error: 'the token has the right CA hash with capital letters, and K3s compares letter by letter',
        hint: 'write the hash in lower case',
      };
    case 'file':
      return {
        error: `the token's hash is the SHA-256 of ${bundle} itself, but the file has several certificates: K3s takes the hash of their root`,
        hint: 'k3s-pki token for --ca FILE writes the token that K3s accepts',
      };
    case 'certificate':
      return {
        error: `the token's hash is that of one certificate of the bundle (number ${origin.position}, ${origin.subject}), which is not what K3s takes`,
        hint: 'k3s-pki token for --ca FILE writes the token that K3s accepts',
      };
    case 'line-ends':
      return {
        error:
          'the token was made from the same CA certificate with other line ends or white space around it: of a single certificate K3s hashes the file octet for octet',
        hint: 'k3s-pki token for --ca FILE writes the token for the file as it is',
      };
    case 'other':
      return {
        error: `the token is of other CAs than ${bundle}: of another cluster, or of this one before its root changed`,
        hint: 'if the address is right, take the token from server/token on a server, or rewrite it with k3s-pki token for --ca FILE; if the hash of a server changed by itself, find out why before you trust it',
      };
  }
}

/** The words for a token that does not fit its use. */
export const tokenMessages = {
  noToken: (product: Product, file: string): Message => ({
    error: `${file}: there is no such file, and no token is given`,
    hint: `give one with --token-file FILE, --token-file - (standard input), ${product.toUpperCase()}_TOKEN or ${product.toUpperCase()}_TOKEN_FILE`,
  }),
  unreadableToken: (file: string, why: string): Message => ({
    error: `${file}: ${why}`,
    hint: 'a token file holds one line; run as the user who owns it, usually root',
  }),
  damagedPasswords: (file: string, reason: string): Message => ({
    error: `${file}: ${reason}`,
    hint: 'no server starts with it; k3s-pki bootstrap restore writes the file of the datastore',
  }),
  twoBundles: {
    error: 'FILE and --ca are both given',
    hint: 'they say the same: leave one out',
  },
  casNeeded: {
    error: 'token for needs the new CAs: --ca FILE',
    hint: 'the bundle that the servers will present, such as STAGE/tls/server-ca.crt',
  },
  sharedInput: {
    error: '--token-file - and --ca - both mean standard input',
    hint: 'name a file for one of them',
  },
  oneBundle: {
    error: '--ca and --server are both given',
    hint: 'check against one at a time; without either, server-ca.crt of the data dir counts',
  },
  neverPrinted: {
    error: 'a token is printed only when it is asked for',
    hint: '--out FILE writes it to a new file with mode 0600, --out - or --reveal to standard output',
  },
  noFolder: (folder: string): Message => ({
    error: `${folder}: there is no such folder`,
    hint: 'make it first, closed to other users: mkdir -m 700',
  }),
  twoOutputs: {
    error: '--out FILE and --reveal are both given',
    hint: 'the token goes to one place: a file, or standard output',
  },
  masked: {
    error: 'the secret part is masked',
    hint: '--out FILE writes the token to a new file with mode 0600, --out - or --reveal to standard output',
  },
  wrongPassword: (file: string, users: readonly string[]): Message => ({
    error: `not authorized: the password of the token is not one of ${file} (${users.join(', ') || 'no user'})`,
    hint: 'after "token rotate" the old password counts until the restart; else take the token from server/token on a server',
  }),
  absentBundle: (file: string): Message => ({
    error: `${file}: there is no such file`,
    hint: "name the bundle that the servers present: DIR/server/tls/server-ca.crt, or an agent's agent/server-ca.crt",
  }),
  unreadableBundle: (file: string, why: string): Message => ({
    error: `${file}: ${why}`,
    hint: 'name the PEM file of the CA certificates itself',
  }),
  noCertificate: (file: string): Message => ({
    error: `${file}: data does not contain any valid RSA or ECDSA certificates`,
    hint: 'the bundle is a PEM file with CERTIFICATE blocks, such as server-ca.crt',
  }),
  badCertificate: (file: string, line: number, reason: string): Message => ({
    error: `${file}: line ${line}: ${reason}`,
    hint: 'K3s reads the whole bundle or none of it: copy the file again from a server',
  }),
  hashOfFile: (file: string): Message => ({
    error: `${file}: no chain leads from its first certificate to a root, so the CA hash is that of the whole file, and every change of the file changes it`,
    hint: 'the bundle needs the CA first, then its issuers up to the self-signed root, all valid and without a foreign usage',
  }),
  connection: ({ code, message, mend }: SupervisorError): Message => ({
    error: code === 'address' || code === 'untrusted' ? message : `failed to get CA certs: ${message}`,
    ...(mend === undefined ? {} : { hint: mend }),
  }),
} as const;
