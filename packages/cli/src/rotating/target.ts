import type { FileSet, RotationField } from '@k3s-pki/k3s';
import type { RotateCaPlan } from '@k3s-pki/plan';
import type { ShowPath } from '../messages/english.ts';

/** A cluster whose CAs can be replaced, and the set that it has. */
export interface RotationTarget {
  /** Who gets the new set, for people. */
  readonly where: string;
  /** Paths are relative to a data dir. */
  readonly current: FileSet;
  /** Where the current set was read, for people. */
  readonly currentFrom: string;
  readonly showCurrent: ShowPath;
  /** Replaces the fields of the plan. Throws Failure: nothing was changed, or the message says what is in doubt. */
  load(contents: ReadonlyMap<RotationField, Uint8Array>, plan: RotateCaPlan): Promise<Loaded>;
  close(): Promise<void>;
}

/** Whether the record in the datastore was read back and holds the new set; else why that could not be seen, or, with
 *  `differs`, what was seen instead. */
export type ReadBack =
  | { readonly ok: true; readonly from: string }
  | { readonly ok: false; readonly why: string; readonly differs?: true };

/** What came of it. */
export interface Loaded {
  readonly readBack: ReadBack;
  /** The file that holds the record from before; absent over the wire. */
  readonly backup?: string;
}
