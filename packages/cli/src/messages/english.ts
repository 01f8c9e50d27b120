import type { Finding } from '@k3s-pki/k3s';
import type { Problem, ProblemCode, ProblemValues, RowProblem, RowProblemCode, RowProblemValues } from '@k3s-pki/plan';
import type { Message } from '../failure.ts';
import { caSetCatalogue } from './english/ca-sets.ts';
import { day, moment } from './english/dates.ts';

export { day, moment };

/** How a file is shown to the user, given its path relative to the data dir. */
export type ShowPath = (path: string) => string;

type Catalogue = {
  [Code in ProblemCode]: (values: ProblemValues[Code], file: string, show: ShowPath) => Message;
};

/** The words for every problem: what is wrong, then how to mend it. */
const catalogue: Catalogue = {
  ...caSetCatalogue,
  'in-use': ({ signs }, _file, show) => ({
    error: `${show('')}: this data dir belongs to a server that has been started (${signs.map(show).join(', ')} ${signs.length === 1 ? 'exists' : 'exist'}); the CAs of a running cluster must not be overwritten`,
    hint: `stage elsewhere and load with rotate-ca: k3s-pki generate-custom-ca-certs --from ${show('')} --data-dir /opt/k3s, then k3s-pki certificate rotate-ca --path /opt/k3s/server (--force overwrites all the same)`,
  }),
  unreadable: ({ why }, file) => ({
    error: `${file}: ${{ permission: 'no permission to read it', 'not-a-file': 'not a regular file', 'too-large': 'larger than 1 MiB, so not a certificate or key', io: 'cannot be read' }[why]}`,
    hint: why === 'permission' ? 'run as the user who owns it, usually root' : 'put the PEM file itself there',
  }),
  empty: (_, file) => ({
    error: `${file}: the file is empty`,
    hint: 'put the PEM file there again, or remove it to have a new one made',
  }),
  'broken-pem': ({ line, reason }, file) => ({
    error: `${file}: line ${line}: ${reason}`,
    hint: 'copy the file again from its source; a PEM block runs from its BEGIN line to its END line',
  }),
  'no-certificate': ({ der, trusted }, file) => ({
    error: `${file}: no CERTIFICATE block in PEM form`,
    hint: der
      ? `it looks like DER: openssl x509 -inform der -in ${file} -out ${file}.new, then put that in its place`
      : trusted
        ? `it holds a TRUSTED CERTIFICATE, which K3s does not read: openssl x509 -in ${file} -out ${file}.new, then put that in its place`
        : 'put the CA certificate there in PEM form',
  }),
  'no-key': ({ der, publicOnly }, file) => ({
    error: `${file}: no private key in PEM form${publicOnly ? ', only a public one' : ''}`,
    hint: der
      ? `it looks like DER: openssl pkey -inform der -in ${file} -out ${file}.new, then put that in its place`
      : 'put the private key there: PKCS#1, SEC1 or PKCS#8, in PEM form',
  }),
  'legacy-encryption': (_, file) => ({
    error: `${file}: encrypted in the old PEM form (Proc-Type: 4,ENCRYPTED), whose key derivation is too weak to use`,
    hint: `convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in ${file} -out ${file}.new, then put that in its place`,
  }),
  'passphrase-needed': (_, file) => ({
    error: `${file}: the key is encrypted and no passphrase was given`,
    hint: 'name a file that holds it with --passphrase-file, set K3S_PKI_PASSPHRASE, or run on a terminal to be asked',
  }),
  'wrong-passphrase': (_, file) => ({
    error: `${file}: the passphrase does not open this key`,
    hint: `try it with openssl: openssl pkey -in ${file} -noout`,
  }),
  'two-inputs': ({ other }, file, show) => ({
    error: `${file}: differs from ${show(other)}, and both are inputs`,
    hint: 'remove the one that is not meant',
  }),
  'copy-left-behind': (_, file) => ({
    error: `${file}: this copy of a private key stays in the data dir`,
    hint: 'remove it when you have a secure copy',
  }),
  'half-pair': ({ missing }, file, show) => ({
    error: `${file}: half a pair, ${show(missing)} is missing`,
    hint: `put ${show(missing)} there too, or remove ${file} to have both made new`,
  }),
  'root-missing': ({ missing }, file, show) => ({
    error: `${file}: an intermediate CA is given, but its root is not`,
    hint: `put the root certificate that issued it in ${show(missing)}`,
  }),
  'root-key-needed': ({ missing, intermediate, intermediateKey }, file, show) => ({
    error: `${file}: cannot generate the intermediate CA without the root's private key`,
    hint: `put the root's key in ${show(missing)}, or an intermediate that it issued in ${show(intermediate)} with its key in ${show(intermediateKey)}`,
  }),
  'key-mismatch': ({ key, subject, count }, file, show) => ({
    error: `${file}: ${show(key)} is not the key of ${count === 1 ? `this certificate (${subject})` : `any of the ${count} certificates in it`}`,
    hint: `compare: openssl x509 -in ${file} -noout -pubkey; openssl pkey -in ${show(key)} -pubout`,
  }),
  'not-a-ca': ({ subject }, file) => ({
    error: `${file}: ${subject} is not a CA certificate (basicConstraints CA:TRUE is missing); K3s retries for ever on such a one`,
    hint: 'ask for a CA certificate: basicConstraints critical,CA:TRUE and keyUsage keyCertSign',
  }),
  expired: ({ subject, notAfter }, file) => ({
    error: `${file}: ${subject} expired on ${day(notAfter)}`,
    hint: 'renew this CA first; nothing that it signs would be accepted',
  }),
  'not-yet-valid': ({ subject, notBefore }, file) => ({
    error: `${file}: ${subject} is not valid before ${moment(notBefore)}`,
    hint: `wait until then, or correct this machine's clock if it is wrong`,
  }),
  'outlived-issuer': ({ subject, notAfter, signs, until }, file) => ({
    error: `${file}: ${subject} expires on ${day(notAfter)}, before ${signs} that it signs (${day(until)}); that one is worth nothing after its issuer`,
    hint: 'give fewer days, or renew this CA in time',
  }),
  'path-length': ({ subject, pathLength, needed }, file) => ({
    error: `${file}: ${subject} allows ${count(pathLength, 'CA')} below it (pathlen:${pathLength}), and ${count(needed, 'is', 'are')} needed`,
    hint: `use a CA without a path length constraint, or with pathlen:${needed} or more`,
  }),
  'no-cert-sign': ({ subject }, file) => ({
    error: `${file}: ${subject} must not sign certificates (keyUsage lacks keyCertSign)`,
    hint: 'use a CA certificate whose keyUsage has keyCertSign',
  }),
  'usage-without-server-auth': ({ subject, usages }, file) => ({
    error: `${file}: ${subject} is limited to ${usages.join(', ')}; without serverAuth K3s hangs at its start and refuses it in rotate-ca`,
    hint: 'use a CA without an extended key usage, or with serverAuth and clientAuth',
  }),
  'usage-without-client-auth': ({ subject, usages }, file) => ({
    error: `${file}: ${subject} is limited to ${usages.join(', ')}; some clients will refuse the client certificates below it`,
    hint: 'a CA without an extended key usage, or with serverAuth and clientAuth, serves every purpose',
  }),
  'weak-key': ({ subject, bits }, file) => ({
    error: `${file}: ${subject} has a weak key (RSA ${bits})`,
    hint: 'use RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519',
  }),
  'weak-signature': ({ subject, algorithm }, file) => ({
    error: `${file}: ${subject} is signed with ${algorithm}, which is broken`,
    hint: 'have it issued again with SHA-256 or better; its key can stay the same',
  }),
  'unsupported-key': ({ subject, algorithm }, file) => ({
    error: `${file}: ${subject} has a key that Kubernetes does not support (${algorithm})`,
    hint: 'use RSA, P-256, P-384, P-521 or Ed25519',
  }),
  'not-issued-by': ({ subject, issuer, why, roots }, file, show) => ({
    error: `${file}: ${
      {
        name: `${subject} was issued by ${issuer}, which is not in ${show(roots)}`,
        'key-id': `${subject} was issued by another ${issuer} than the one in ${show(roots)} (the key identifiers differ)`,
        signature: `the signature of ${subject} was not made by the ${issuer} in ${show(roots)}`,
      }[why]
    }`,
    hint: `check: openssl verify -CAfile ${show(roots)} ${file}`,
  }),
  'chain-refused': ({ subject, detail }, file) => ({
    error: `${file}: K3s finds no chain from ${subject} to its root: ${detail}`,
    hint: 'use a CA that Go accepts: no critical extension beyond basicConstraints, keyUsage and the like',
  }),
  'root-not-self-signed': ({ subject, issuer }, file) => ({
    error: `${file}: the chain ends in ${subject}, which is no root: ${issuer} issued it`,
    hint: `append the self-signed root certificate to ${file}; join tokens carry its hash`,
  }),
  'several-certificates': ({ count: certificates }, file) => ({
    error: `${file}: holds ${certificates} certificates; each of them goes into every bundle and will be trusted by the cluster`,
  }),
  'service-key': ({ reason }, file) => ({
    error: `${file}: ${reason}`,
    hint: 'put the service account key of the cluster there (an unencrypted RSA or EC private key first), or remove the file if no cluster uses it',
  }),
  'service-key-dropped': ({ count: dropped }, file) => ({
    error: `${file}: ${count(dropped, 'duplicate key')} left out`,
  }),
  'no-ca-file': ({ ca }, file) => ({
    error: `${file}: there is no such file; the ${ca} CA signs the leaves that were asked for`,
    hint: 'name the tls folder with --ca-dir, or the data dir that has server/tls with --data-dir',
  }),
  'leaf-outlives-ca': ({ subject, notAfter, until, most }, file) => ({
    error: `${file}: ${subject} expires on ${day(notAfter)}, before the leaves that it would sign (${day(until)})`,
    hint: most < 1 ? 'renew this CA first' : `give at most --days ${most}, or renew this CA first`,
  }),
  'loose-mode': ({ mode }, file) => ({
    error: `${file}: a private key that others may read (mode ${mode.toString(8).padStart(4, '0')})`,
    hint: `chmod 600 ${file}`,
  }),
};

type RowCatalogue = { [Code in RowProblemCode]: (values: RowProblemValues[Code]) => string };

/** The words for every problem of a row: what is wrong and what would be right. */
const rowCatalogue: RowCatalogue = {
  'bad-row': ({ reason }) => reason,
  'unknown-column': ({ column }) =>
    `unknown column ${quote(column)}; the columns are node, cn, organizations, dns, ip, days, key and out, separated by commas`,
  'no-node': () => 'no node is named',
  'bad-node': ({ node }) =>
    `${quote(node)} is not a node name: lower-case letters, digits, "-" and ".", beginning and ending with a letter or digit`,
  'long-common-name': ({ commonName, profile }) =>
    `the common name ${quote(commonName)} of ${profile} is longer than 64 characters`,
  'bad-text': ({ column, value }) =>
    `${quote(value)} in ${column} is empty, longer than 64 characters, or has a control character or bytes that are not UTF-8`,
  'fixed-subject': ({ column }) =>
    `${column} is given, but K3s fixes the subject of every profile of this run; only server, client and peer take one`,
  'bad-dns': ({ value }) => `${quote(value)} is not a DNS name (several are separated by ";")`,
  'bad-ip': ({ value }) => `${quote(value)} is not an IP address (several are separated by ";")`,
  'bad-days': ({ value }) => `${quote(value)} is not a lifetime in days from 1 to 36500`,
  'outlives-ca': ({ days, most, ca }) =>
    `${days} days are longer than the ${ca} CA is valid; at most ${most} are possible`,
  'bad-key': ({ value }) =>
    `${quote(value)} is not a key type: rsa:2048 to rsa:8192 in steps of 64, ec:p256, ec:p384, ec:p521 or ed25519`,
  'bad-out': ({ value, why }) =>
    `${quote(value)} cannot be a folder of the output: ${
      {
        parent: '".." leads out of it',
        absolute: 'it must be a relative path',
        characters: 'each part is of letters, digits and "-_.@+", and begins with a letter, digit or "_", at most 255',
        reserved: 'the name is taken by a file of this program',
        long: 'it is too long',
      }[why]
    }`,
  'issuer-name': ({ subject, ca }) =>
    `its subject ${quote(subject)} is the name of the ${ca} CA, so the leaf would pass for self-signed`,
  'bad-request': ({ reason }) => `not a certification request that can be granted: ${reason}`,
  'request-beyond': ({ what, profile }) =>
    `the request asks for ${quote(what)}, which ${profile} for this node does not have; names and addresses of its own need a row (--from)`,
  'request-weak-key': ({ bits }) => `the request's key is weak (RSA ${bits}); it needs 2048 bits or more`,
  'duplicate-output': ({ out }) =>
    `${quote(out)} is written by an earlier row too, or lies inside or around its folder`,
};

/** The words for what is wrong with a row. */
export function describeRow(problem: RowProblem): string {
  return (rowCatalogue[problem.code] as (values: unknown) => string)(problem.values);
}

/** A value of an input, shortened and without anything that would steer a terminal. */
function quote(value: string): string {
  const shown = value.length > 80 ? `${value.slice(0, 77)}...` : value;
  return JSON.stringify(shown).replace(/[\x7f-\x9f]/g, '\ufffd');
}

/** The words for one problem. */
export function describe(problem: Problem, show: ShowPath): Message {
  const words = catalogue[problem.code] as (values: unknown, file: string, show: ShowPath) => Message;
  return words(problem.values, show(problem.file), show);
}

/** The words for what K3s would do about a file. */
export function describeFinding({ file, effect, reason }: Finding, show: ShowPath): string {
  const consequence = {
    fatal: 'K3s stops at its start',
    hangs: 'K3s never comes up',
    replaced: 'K3s puts a CA of its own in its place',
    odd: 'K3s starts',
  }[effect];
  return `${show(file)}: ${reason} (${consequence})`;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
