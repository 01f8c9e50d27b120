import type { CaName } from '@k3s-pki/k3s';
import type { Topology } from './generate-custom-ca-certs.ts';

/** Problems of the verbs that make whole sets of CAs. */
export interface CaSetProblemValues {
  /** A CA of the one topology lies where a set of the other was asked for. */
  'other-topology': { readonly asked: Topology };
  /** Two of the isolated CAs were given one root, or two of one key. */
  'same-root': { readonly subject: string };
  /** `--from` names a data dir without the CAs that would sign; `other`: it has those of the other topology; `cas`: it
   *  has CAs in use. */
  'from-without-root': { readonly topology: Topology; readonly other: boolean; readonly cas: boolean };
  'from-without-service-key': Record<never, never>;
  /** There is nothing to rotate. */
  'no-current-cas': Record<never, never>;
  /** A CA that is to be rotated is absent. */
  'no-current-ca': { readonly ca: string };
  'no-service-key': Record<never, never>;
  /** CAs below a root whose key is not beside them; `issuers` once each: one in the shared topology. */
  'custom-cas': { readonly cas: readonly CaName[]; readonly issuers: readonly string[] };
  /** The new CAs are trusted through this one for so long. */
  'old-root-ends-soon': { readonly subject: string; readonly notAfter: number };
  /** An earlier staged set that is not the one in use. */
  'staged-set': Record<never, never>;
  'no-token': Record<never, never>;
  /** `fault`: K3s's words, where it has any. */
  'bad-token': { readonly fault: string };
  /** The data dir belongs to a server that has its CAs; `signs` are paths relative to it. */
  'started-already': { readonly signs: readonly string[] };
  /** A token file where only a server that has started has one. */
  'token-file-of-server': Record<never, never>;
  /** K3s would use these files and make the rest. */
  'made-already': { readonly files: readonly string[] };
}
