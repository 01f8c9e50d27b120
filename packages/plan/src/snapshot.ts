import type { KeyFacts, PemBlock } from '@k3s-pki/core';

/** A file as it was read, before anything was decided. */
export type SnapshotFile =
  | { readonly kind: 'unreadable'; readonly why: 'permission' | 'not-a-file' | 'too-large' | 'io' }
  | {
      readonly kind: 'file';
      /** Permission bits. */
      readonly mode: number;
      /** SHA-256 of the bytes, lower-case hex. */
      readonly sha256: string;
      readonly size: number;
      /** Whether the bytes look like DER (a SEQUENCE) instead of PEM. */
      readonly der: boolean;
      readonly blocks: readonly PemBlock[];
      /** What the passphrase did to the first encrypted key: its facts, or why it stayed closed. */
      readonly opened?: KeyFacts | 'passphrase-needed' | 'wrong-passphrase';
    };

/** The files of a data dir that a plan looks at, by path relative to it; absent files are not in the map. */
export interface Snapshot {
  readonly files: ReadonlyMap<string, SnapshotFile>;
  /** Paths that exist only in a data dir in use (`signsOfUse`). */
  readonly inUse: readonly string[];
}
