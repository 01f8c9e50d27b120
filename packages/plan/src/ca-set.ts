import { type FileSet, rotationFields } from '@k3s-pki/k3s';

/** What is known of a path besides its content. */
export interface PathFacts {
  readonly kind: 'file' | 'directory' | 'unreadable';
  /** Why an unreadable one is so. */
  readonly why?: 'permission' | 'not-a-file' | 'too-large' | 'io';
  /** Permission bits; 0 where not even they could be read. */
  readonly mode: number;
  /** Numeric user; absent on systems without one. */
  readonly owner?: number;
}

/** The CA files of a data dir, a `server` folder or a `tls` folder, as if it were a data dir. */
export interface CaSet {
  /** The files that could be read. */
  readonly files: FileSet;
  /** Every path that exists, of those that matter; `server/tls` and `server/tls/etcd` are among them. */
  readonly facts: ReadonlyMap<string, PathFacts>;
  /** Whether a server has been started on it. */
  readonly inUse: boolean;
}

/** The set that a server would have after `rotate-ca`: what is proposed, and what K3s keeps of the set in use. */
export function setAfterRotation(current: CaSet, proposed: CaSet): CaSet {
  const rotated = new Set<string>(rotationFields.map(({ file }) => file));
  const given = (file: string) => (proposed.files(file)?.bytes.length ?? 0) > 0 || !rotated.has(file);
  return { ...proposed, files: (file) => (given(file) ? proposed : current).files(file) };
}
