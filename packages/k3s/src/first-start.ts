import type { Certificate, Core, PemBlock } from '@k3s-pki/core';
import { type CaHash, caHash, partition } from './ca-hash.ts';
import { type CaName, caNames, tlsFile } from './layout.ts';
import { type BundleReading, type PemFile, readBundle } from './pem-readers.ts';

/** The files of a data dir, by path relative to it. */
export type FileSet = (path: string) => PemFile | undefined;

/** What K3s does about one file or pair when it starts on a set of CAs for the first time. */
export interface Finding {
  /** Path relative to the data dir. */
  readonly file: string;
  /** `fatal`: the server stops with an error. `hangs`: it retries without ever coming up. `replaced`: K3s silently
   *  writes a CA of its own over it. `odd`: it starts, and something else breaks later. */
  readonly effect: 'fatal' | 'hangs' | 'replaced' | 'odd';
  readonly code: FindingCode;
  /** What is wrong and what K3s does, lower case, no full stop. */
  readonly reason: string;
}

export type FindingCode =
  | 'absent'
  | 'half-pair'
  | 'no-certificate'
  | 'not-pem-certificate'
  | 'malformed-certificate'
  | 'no-key'
  | 'encrypted-key'
  | 'key-mismatch'
  | 'root-first'
  | 'not-a-ca'
  | 'expired'
  | 'not-yet-valid'
  | 'no-cert-sign'
  | 'stray-block'
  | 'usage-without-server-auth'
  | 'usage-without-client-auth'
  | 'chain'
  | 'service-key'
  | 'hash-of-file';

/** The verdict on a whole set. `accepted` means that K3s comes up with exactly these CAs. */
export interface FirstStart {
  readonly accepted: boolean;
  readonly findings: readonly Finding[];
  /** CA hash of a join token, from `server-ca.crt`; absent when that holds no certificate. */
  readonly caHash?: CaHash;
}

/**
 * What K3s does at its first start on this set of CAs, as a pure function of the files, `at` (seconds since 1970) and a
 * chain builder that follows Go's crypto/x509. Source: K3s `pkg/daemons/control/deps`, observed on running servers:
 * a wrong or missing key, `CA:FALSE`, a client-only EKU, an Ed25519 or encrypted `service.key`.
 */
export function judgeFirstStart(files: FileSet, chains: Core['chains'], at: number): FirstStart {
  const findings = [...caNames.flatMap((ca) => judgeCa(ca, files, chains, at)), ...judgeServiceKey(files)];
  const server = files(tlsFile.caBundle('server'));
  const bundle = certificatesOf(server);
  const hash = server && bundle.length > 0 ? caHash(server.bytes, bundle, chains, at) : undefined;
  if (hash?.from === 'file' && bundle.length > 1) {
    findings.push({
      file: tlsFile.caBundle('server'),
      effect: 'odd',
      code: 'hash-of-file',
      reason:
        'no chain from the first certificate to a root verifies, so a join token must carry the hash of the file itself, which changes with every rotation',
    });
  }
  return {
    accepted: findings.every((finding) => finding.effect === 'odd'),
    findings,
    ...(hash === undefined ? {} : { caHash: hash }),
  };
}

function judgeCa(ca: CaName, files: FileSet, chains: Core['chains'], at: number): Finding[] {
  const file = tlsFile.caBundle(ca);
  const keyFile = tlsFile.caKey(ca);
  const [bundle, keyPem] = [files(file), files(keyFile)];
  if (bundle === undefined && keyPem === undefined) {
    return [finding(file, 'replaced', 'absent', 'there is no such CA: K3s makes a self-signed one of its own')];
  }
  if (bundle === undefined || keyPem === undefined) {
    const [missing, present] = bundle === undefined ? [file, keyFile] : [keyFile, file];
    return [
      finding(
        missing,
        'replaced',
        'half-pair',
        `missing, but ${present} is there: K3s silently replaces both by a self-signed CA of its own`,
      ),
    ];
  }
  const reading = readBundle(bundle);
  if (!reading.ok) return [unreadableBundle(file, bundle, reading)];
  const { certificates } = reading;
  const [first, ...rest] = certificates;
  const findings = judgeKey(file, keyFile, keyPem, first, rest);
  if (first.basicConstraints?.ca !== true) {
    findings.push(
      finding(file, 'hangs', 'not-a-ca', 'the first certificate is not a CA (CA:FALSE): K3s retries for ever'),
    );
  }
  if (at > first.notAfter) {
    findings.push(finding(file, 'hangs', 'expired', 'the CA has expired: nothing that it signs is accepted'));
  }
  if (at < first.notBefore) {
    findings.push(
      finding(file, 'hangs', 'not-yet-valid', 'the CA is not valid yet: nothing that it signs is accepted'),
    );
  }
  if (first.keyUsage !== undefined && !first.keyUsage.includes('keyCertSign')) {
    findings.push(
      finding(file, 'hangs', 'no-cert-sign', 'the key usage lacks keyCertSign: nothing that it signs is accepted'),
    );
  }
  // Source: etcd `client/pkg/tlsutil`, NewCertPool: every PEM block is parsed as a certificate.
  const stray = ca.startsWith('etcd/') ? bundle.blocks.find((block) => block.kind !== 'certificate') : undefined;
  if (stray !== undefined) {
    findings.push(
      finding(
        file,
        'fatal',
        'stray-block',
        `line ${stray.line}: a ${stray.label} block, and etcd reads every block as a certificate`,
      ),
    );
  }
  findings.push(...judgeUsage(file, first));
  if (rest.length > 0) findings.push(...judgeChain(file, certificates, chains, at));
  return findings;
}

function unreadableBundle(file: string, bundle: PemFile, reading: BundleReading & { ok: false }): Finding {
  if (reading.why === 'malformed') {
    const { line, reason } = reading;
    return finding(
      file,
      'fatal',
      'malformed-certificate',
      `line ${line}: a certificate that Go does not read: ${reason}`,
    );
  }
  return bundle.blocks.some((block) => block.label === 'TRUSTED CERTIFICATE')
    ? finding(file, 'fatal', 'not-pem-certificate', 'a TRUSTED CERTIFICATE block is not read by K3s')
    : finding(file, 'fatal', 'no-certificate', 'holds no CERTIFICATE block in PEM form');
}

function judgeKey(
  file: string,
  keyFile: string,
  keyPem: PemFile,
  first: Certificate,
  rest: readonly Certificate[],
): Finding[] {
  const key = keyPem.blocks.find((block) => block.kind === 'private-key' || block.kind === 'encrypted-private-key');
  if (key === undefined) return [finding(keyFile, 'fatal', 'no-key', 'holds no private key in PEM form')];
  if (key.kind !== 'private-key') {
    return [finding(keyFile, 'fatal', 'encrypted-key', 'the key is encrypted: K3s has no passphrase for it')];
  }
  if (key.key.spkiSha256 === first.key.spkiSha256) return [];
  return [
    rest.some((certificate) => certificate.key.spkiSha256 === key.key.spkiSha256)
      ? finding(
          file,
          'fatal',
          'root-first',
          "the CA's own certificate is not the first of the bundle: x509: provided PrivateKey doesn't match parent's PublicKey",
        )
      : finding(
          keyFile,
          'fatal',
          'key-mismatch',
          "not the key of the first certificate: x509: provided PrivateKey doesn't match parent's PublicKey",
        ),
  ];
}

function judgeUsage(file: string, first: Certificate): Finding[] {
  const usages = first.extendedKeyUsage;
  if (usages === undefined || usages.includes('anyExtendedKeyUsage')) return [];
  if (!usages.includes('serverAuth')) {
    return [
      finding(
        file,
        'hangs',
        'usage-without-server-auth',
        'the extended key usage lacks serverAuth: the server never comes up on it, and rotate-ca refuses it',
      ),
    ];
  }
  if (!usages.includes('clientAuth') && file !== tlsFile.caBundle('server')) {
    return [
      finding(
        file,
        'hangs',
        'usage-without-client-auth',
        'the extended key usage lacks clientAuth: the client certificates that it signs are refused',
      ),
    ];
  }
  return [];
}

function judgeChain(
  file: string,
  [first, ...rest]: readonly Certificate[],
  chains: Core['chains'],
  at: number,
): Finding[] {
  if (first === undefined) return [];
  const result = chains({ leaf: first, ...partition(rest), at });
  return result.ok
    ? []
    : [
        finding(
          file,
          'odd',
          'chain',
          `its first certificate does not verify with the rest of the bundle: ${result.detail}; rotate-ca will need --force`,
        ),
      ];
}

function judgeServiceKey(files: FileSet): Finding[] {
  const file = tlsFile.serviceKey;
  const pem = files(file);
  if (pem === undefined) {
    return [finding(file, 'replaced', 'absent', 'there is no service account key: K3s makes one of its own')];
  }
  const reason = whyServiceKeyFails(pem.blocks);
  return reason === undefined ? [] : [finding(file, 'fatal', 'service-key', reason)];
}

/** Why K3s can't start with these blocks as `service.key`; undefined when it can. The first key signs tokens. */
export function whyServiceKeyFails(blocks: readonly PemBlock[]): string | undefined {
  const first = blocks.filter((block) => block.kind !== 'other')[0];
  if (first === undefined) return 'holds no key';
  if (first.kind === 'private-key') {
    if (first.key.algorithm === 'ec' && first.form === 'pkcs8') {
      // Source: k8s.io/client-go/util/keyutil, ParsePublicKeysPEM: EC keys are read as SEC1 only.
      return 'the first key is an EC key in PKCS#8 form, which the API server does not read; SEC1 (EC PRIVATE KEY) is';
    }
    if (first.key.algorithm === 'rsa' || first.key.algorithm === 'ec') return undefined;
    return `the first key is ${first.key.algorithm === 'ed25519' ? 'Ed25519' : 'of an unknown type'}: K3s signs service account tokens with RSA or EC keys only`;
  }
  if (first.kind === 'encrypted-private-key') return 'the first key is encrypted: K3s has no passphrase for it';
  if (first.kind === 'public-key' || first.kind === 'certificate') {
    return 'the first key is a public key: K3s needs the private key to sign service account tokens';
  }
  return `the first block is broken: ${first.reason}`;
}

/** The certificates that K3s reads from a bundle, in file order: none when one of them is malformed. */
export function certificatesOf(file: PemFile | undefined): readonly Certificate[] {
  const reading = file === undefined ? undefined : readBundle(file);
  return reading?.ok ? reading.certificates : [];
}

function finding(file: string, effect: Finding['effect'], code: FindingCode, reason: string): Finding {
  return { file, effect, code, reason };
}
