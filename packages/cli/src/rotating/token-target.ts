import type { TokenRotateSnapshot } from '@k3s-pki/plan';
import { Failure } from '../failure.ts';

/** A cluster whose server token can be replaced. */
export interface TokenTarget {
  /** Who gets the new token, for people. */
  readonly where: string;
  /** Where the new token lies afterwards, for people. */
  readonly tokenPlace: string;
  readonly snapshot: TokenRotateSnapshot;
  /** What an interrupted run had left, and what became of it; then the snapshot is from after that. */
  readonly recovered?: RecoveredRotation;
  /** Replaces the password. Throws Failure: nothing was changed, or UncertainRotation. */
  rotate(password: string): Promise<TokenRotated>;
  close(): Promise<void>;
}

/** `finished`: the token in the data dir is the new one, `password` says it. `undone`: the old one counts. */
export type RecoveredRotation =
  | { readonly kind: 'finished'; readonly password: string; readonly backup: string }
  | { readonly kind: 'undone' };

/** What came of it. */
export interface TokenRotated {
  /** Whether the record was read back and opens with the new token alone; else why that could not be seen. */
  readonly readBack: { readonly ok: true; readonly from: string } | { readonly ok: false; readonly why: string };
  /** The file that holds the record from before; absent over the wire. */
  readonly backup?: string;
}

/** It failed when the new token may count already, so that whoever has it must keep it. */
export class UncertainRotation extends Failure {}
