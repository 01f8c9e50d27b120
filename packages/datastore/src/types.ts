/** A key's current value. */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** What `swap` and `remove` compare: etcd's mod revision, the id of kine's row. Decimal. */
  readonly revision: string;
}

/** What became of a compare-and-swap. `conflict`: the key was not at the expected revision; nothing was changed. */
export type Swapped = { readonly kind: 'swapped'; readonly revision: string } | { readonly kind: 'conflict' };

/** K3s's datastore, whichever it is. Every call rejects with DatastoreError, or with the reason of the signal. */
export interface Datastore {
  /** For people and reports, without credentials: `postgres at db.example:5432/kubernetes`. */
  readonly description: string;
  /** Keys that begin with `prefix`, in order. */
  list(prefix: string): Promise<Entry[]>;
  read(key: string): Promise<Entry | undefined>;
  /** Sets the value if the key is at `expected`, or is `absent`. Atomic: of several at once one is `swapped`. */
  swap(key: string, expected: string | 'absent', value: Uint8Array): Promise<Swapped>;
  /** Removes the key if it is at `revision`. The new revision is 0 when the answer got lost and a second look found the
   *  key gone. */
  remove(key: string, revision: string): Promise<Swapped>;
  close(): Promise<void>;
}
