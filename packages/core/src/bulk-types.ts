import type { Certificate, KeyType, Lanes } from './types.ts';

/** A kind of leaf and the CA that signs it: what is the same in every row. */
export interface BulkProfile {
  readonly ca: Certificate;
  /** PEM of the CA's private key, unencrypted, one block. Copied; the caller overwrites its own bytes. */
  readonly caKey: Uint8Array;
  /** RFC 5280 names; K3s's leaves have digitalSignature and keyEncipherment. */
  readonly keyUsage: readonly string[];
  readonly extendedKeyUsage: readonly string[];
  /** Key of each leaf. `ec:p256` signed by a P-256 CA takes the batch engine, everything else the ordinary path. */
  readonly keyType: KeyType;
}

/** What differs from row to row. Times are seconds since 1970. */
export interface LeafRow {
  readonly commonName: string;
  /** In encoded order, before the common name as Go's pkix.Name encodes it: O, then CN. */
  readonly organizations: readonly string[];
  readonly dns: readonly string[];
  /** Textual IPv4 or IPv6 addresses. */
  readonly ip: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The leaves of one batch, in row order, as views of one buffer; valid until `release`, which the next batches' memory comes from. */
export interface IssuedLeaves {
  readonly count: number;
  /** PEM of the leaf alone. */
  certificate(row: number): Uint8Array;
  /** PEM of its private key: SEC1 for EC, PKCS#1 for RSA, PKCS#8 for Ed25519. */
  key(row: number): Uint8Array;
  /** 16 random octets with the top bit clear and not zero, lower-case hex. */
  serial(row: number): string;
  /** SHA-256 of the DER, lower-case hex. */
  sha256(row: number): string;
  /** Overwrites the keys. */
  release(): void;
}

/** A pool of workers that issues leaves; batches run side by side, each promise resolves with its own batch. */
export interface BulkIssuer {
  /** Issues one leaf with a new key per row. `profile` is an index into the profiles of `openBulk`.
   *  Rejects with CoreError `self-check-failed` (naming the row) when a result was wrong, `aborted` after `close`. */
  issue(profile: number, rows: readonly LeafRow[]): Promise<IssuedLeaves>;
  /** Number of batches worth keeping under way. */
  readonly depth: number;
  /** Rows per batch that the engine likes best. */
  readonly batchSize: number;
  close(): Promise<void>;
}

/** `check`: verify with ring a random sample of the leaves, or all of them. */
export interface BulkOptions {
  readonly workers: number;
  readonly check: 'sample' | 'all';
  /** Rows to come, when that is known: for fewer than 2,000 a worker the engine makes a smaller table. */
  readonly expected?: number;
  /** Arithmetic of the batch engine, default `auto`. Equal randomness gives equal leaves on each. */
  readonly lanes?: Lanes;
}

/** `openBulk` of the core. */
export type OpenBulk = (profiles: readonly BulkProfile[], options: BulkOptions) => Promise<BulkIssuer>;
