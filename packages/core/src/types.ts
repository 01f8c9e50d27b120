/** The core's plain data: what leaves WebAssembly. Nothing here holds a private key's value. */

/** A key type as the command line writes it. */
export type KeyType = `rsa:${number}` | 'ec:p256' | 'ec:p384' | 'ec:p521' | 'ed25519';

/** What can be said of a key, public or private, without its secret. */
export interface KeyFacts {
  /** `rsa`, `ec`, `ed25519`, or the dotted OID of an algorithm the core does not know. */
  readonly algorithm: string;
  /** Size of the modulus or of the curve's order, 256 for Ed25519. 0 when the algorithm or the curve is not known. */
  readonly bits: number;
  /** `p256`, `p384`, `p521`, the dotted OID of another curve, or `explicit`; absent unless `algorithm` is `ec`. */
  readonly curve?: string;
  /** SHA-256 of the DER SubjectPublicKeyInfo, lower-case hex: equal for a key and its certificate.
   *  Empty for a private key of an algorithm or curve that is not known, whose public half cannot be computed. */
  readonly spkiSha256: string;
}

/** A parsed certificate. Times are seconds since 1970, UTC. Hex is lower case. Source: RFC 5280. */
export interface Certificate {
  readonly der: Uint8Array;
  /** SHA-256 of `der`. */
  readonly sha256: string;
  /** Content octets of the serial's INTEGER without a leading zero octet, hex. */
  readonly serial: string;
  /** For people: RFC 4514 order reversed to the encoded order, `CN=a,O=b`. */
  readonly subject: string;
  readonly issuer: string;
  /** The encoded names, hex; names are compared by these bytes, as Go's crypto/x509 does. */
  readonly subjectDer: string;
  readonly issuerDer: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly key: KeyFacts;
  readonly subjectKeyId?: string;
  readonly authorityKeyId?: string;
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLength?: number };
  /** RFC 5280 names (`digitalSignature`, `keyCertSign`, ...), in bit order. */
  readonly keyUsage?: readonly string[];
  /** `serverAuth`, `clientAuth`, ..., `anyExtendedKeyUsage`, or a dotted OID. */
  readonly extendedKeyUsage?: readonly string[];
  readonly subjectAltNames?: { readonly dns: readonly string[]; readonly ip: readonly string[] };
  /** `sha256WithRSAEncryption`, `ecdsa-with-SHA384`, `ed25519`, ... or a dotted OID. */
  readonly signatureAlgorithm: string;
  /** Why Go's crypto/x509, and so K3s, refuses to read a certificate that can still be described here: its key lies
   *  on a curve that Go does not know. Absent when Go reads it. */
  readonly refusal?: string;
}

/** The encodings of a private key that the core reads and writes. */
export type PrivateKeyForm = 'pkcs1' | 'sec1' | 'pkcs8';

/** One block of a PEM file, in file order. `start` and `end` are byte offsets: from the BEGIN line to the END line's
 *  last dash, without its line end. */
export type PemBlock = {
  readonly label: string;
  /** 1-based line of the BEGIN line. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
} & (
  | { readonly kind: 'certificate'; readonly certificate: Certificate }
  | { readonly kind: 'private-key'; readonly form: PrivateKeyForm; readonly key: KeyFacts }
  /** `scheme`: `pkcs8` (PBES2), or `legacy` for RFC 1421 headers (`Proc-Type: 4,ENCRYPTED`). */
  | { readonly kind: 'encrypted-private-key'; readonly scheme: 'pkcs8' | 'legacy' }
  | { readonly kind: 'public-key'; readonly key: KeyFacts }
  /** `EC PARAMETERS`, `CERTIFICATE REQUEST`, `TRUSTED CERTIFICATE`, `X509 CRL`, ... */
  | { readonly kind: 'other' }
  /** A block that is cut off, not base64, or not the DER that its label promises. */
  | { readonly kind: 'broken'; readonly reason: string }
);

/** A certificate to be made. Extensions are written in the order of K3s's script: subjectKeyIdentifier
 *  (SHA-1 of the public key bits), authorityKeyIdentifier (the issuer's subjectKeyIdentifier),
 *  basicConstraints critical, keyUsage critical, then extendedKeyUsage and subjectAltName when given. */
export interface CertificateSpec {
  /** Attributes in encoded order, UTF8String each. */
  readonly subject: ReadonlyArray<readonly ['CN' | 'O', string]>;
  readonly notBefore: number;
  readonly notAfter: number;
  /** 1 to 20 octets, big endian, hex; the value must be positive. */
  readonly serial: string;
  readonly ca?: { readonly pathLength?: number };
  readonly keyUsage: readonly string[];
  readonly extendedKeyUsage?: readonly string[];
  readonly subjectAltNames?: { readonly dns: readonly string[]; readonly ip: readonly string[] };
  /** Leaves of K3s carry none. Default true. */
  readonly subjectKeyId?: boolean;
  /** The self-signed CAs that K3s makes itself carry none. Default true. */
  readonly authorityKeyId?: boolean;
}

/** What a certification request asks for; its own key signed it. Source: RFC 2986, RFC 2985 5.4.2. */
export interface CertificateRequest {
  readonly key: KeyFacts;
  /** For people, as `Certificate.subject`. */
  readonly subject: string;
  readonly commonNames: readonly string[];
  readonly organizations: readonly string[];
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly keyUsage: readonly string[];
  readonly extendedKeyUsage: readonly string[];
  /** Whether it asks to be a CA. */
  readonly ca: boolean;
  /** What else it asks for, in words: other attributes, kinds of names and extensions. */
  readonly other: readonly string[];
}

/** Why a chain was not found, in the words of the caller's choice; the code is stable. */
export type ChainFailure =
  | 'expired'
  | 'not-yet-valid'
  | 'not-a-ca'
  | 'path-length'
  | 'incompatible-usage'
  | 'name-constraints'
  | 'bad-signature'
  | 'unknown-authority'
  | 'unsupported';

/** Chains as Go's `Certificate.Verify` finds them: each a list of certificates, leaf first, root last. */
export type ChainResult =
  | { readonly ok: true; readonly chains: ReadonlyArray<readonly Certificate[]> }
  | { readonly ok: false; readonly failure: ChainFailure; readonly detail: string };

/** Arguments of a chain search. `usages` empty means Go's default, serverAuth; `any` switches the check off. */
export interface ChainRequest {
  readonly leaf: Certificate;
  readonly roots: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  /** Seconds since 1970. */
  readonly at: number;
  readonly usages?: readonly string[];
}

/** A private key that lives in WebAssembly memory until `wipe` overwrites it. */
export interface PrivateKey {
  readonly type: KeyFacts;
  /** PEM with a final newline: PKCS#1 for RSA, SEC1 for EC (named curve and public key inside, no EC PARAMETERS
   *  block), PKCS#8 for Ed25519 when `form` is not given. The caller overwrites the bytes after use. */
  toPem(form?: PrivateKeyForm): Uint8Array;
  wipe(): void;
}

/** Which arithmetic searches primes: `auto` proves at load what this CPU has. Results do not depend on it. */
export type Lanes = 'auto' | 'fma' | 'simd' | 'scalar';

/** What a key generation reports while it searches: `done` of `total` keys are finished, `tests` candidates for
 *  primes were tested. */
export type KeyProgress = (state: { readonly done: number; readonly total: number; readonly tests: number }) => void;

export interface GenerateOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: KeyProgress;
  /** Threads that search RSA keys, the calling one among them. Default: one a processor. */
  readonly workers?: number;
}

/** Closed set of failures of the core. */
export type CoreErrorCode =
  | 'wrong-passphrase'
  | 'passphrase-needed'
  | 'unsupported'
  | 'malformed'
  | 'weak-key'
  | 'self-check-failed'
  | 'aborted'
  | 'internal';

/** The core as the rest of the program sees it. */
export interface Core {
  /** Reads every PEM block of a file. Text outside blocks is skipped; CRLF is fine. Never throws on bad input. */
  inspect(file: Uint8Array): PemBlock[];
  /** Whether `issuer`'s key made the signature of `certificate`. False on an algorithm the core does not know. */
  signatureHolds(certificate: Certificate, issuer: Certificate): boolean;
  /** Path building by the rules of Go's crypto/x509. */
  chains(request: ChainRequest): ChainResult;
  /** Opens the private key in PEM bytes that hold exactly one key block. Throws CoreError. */
  openKey(pem: Uint8Array, passphrase?: Uint8Array): PrivateKey;
  /** Makes keys, in the order of `types`, RSA ones on this thread, in slices, and in worker threads. Rejects with `aborted` on `signal`. */
  generateKeys(types: readonly KeyType[], options?: GenerateOptions): Promise<PrivateKey[]>;
  /** Signs a certificate. `issuer` is absent for a self-signed one (then `issuerKey` is `subjectKey`).
   *  The result was parsed again and its signature verified with the issuer's public key. Throws CoreError. */
  issue(spec: CertificateSpec, subjectKey: PrivateKey, issuerKey: PrivateKey, issuer?: Certificate): Certificate;
  /** Reads a DER certification request. Throws CoreError, `malformed` also when its own key did not sign it. */
  inspectRequest(der: Uint8Array): CertificateRequest;
  /** Signs a certificate for the key of a request, which is verified again. Otherwise as `issue`. */
  issueForRequest(spec: CertificateSpec, request: Uint8Array, issuerKey: PrivateKey, issuer: Certificate): Certificate;
  /** PEM of a certificate: 64 columns, LF, final newline. */
  toPem(certificate: Certificate): string;
  /** The arithmetic that the engines run on here. */
  lanes(): Exclude<Lanes, 'auto'>;
  /** Ends the workers. */
  close(): Promise<void>;
}
