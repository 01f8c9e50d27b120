import type { IssuedLeaves } from '@k3s-pki/core';
import type { NodeRow, PlannedProfile } from '@k3s-pki/plan';

/** Where leaves go. A node's come together: profile p's is at `places[p]` of `leaves[p]`; both lists are reused. */
export interface Sink {
  node(row: NodeRow, leaves: readonly IssuedLeaves[], places: readonly number[]): void;
  /** Called after each batch: hands on what was gathered. */
  drain(): Promise<void>;
  /** Everything was issued. */
  finish(): Promise<void>;
  /** The run ends early. */
  abandon(): Promise<void>;
}

/** A profile with the bytes that follow its leaves in a certificate file: the CA bundle, as K3s writes it. */
export interface ProfileOutput extends PlannedProfile {
  readonly bundle: Uint8Array;
  /** Whether there is a key beside each certificate; a request's stays where it was made. */
  readonly withKey: boolean;
}
