import type { KeyType } from '@k3s-pki/core';
import { type CaName, mode, type Product } from '@k3s-pki/k3s';
import type { Problem } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

/** Names a certificate or key that a plan makes: a CA, its own root, that root signed by the CA before it. */
export type PlanId = 'service' | 'root' | 'intermediate' | CaName | `${CaName}-root` | `${CaName}-root-xsigned`;

/** A certificate that was found, by file and SHA-256 of its DER. */
export interface FoundCertificate {
  readonly file: string;
  readonly sha256: string;
  readonly subject: string;
}

export type PlannedIssuer =
  | { readonly kind: 'self' }
  | { readonly kind: 'new'; readonly id: PlanId }
  | { readonly kind: 'found'; readonly certificate: FoundCertificate; readonly keyFile: string };

/** Times are seconds since 1970. */
export interface PlannedCertificate {
  readonly id: PlanId;
  /** The planned key that it certifies, where that has another name. */
  readonly key?: PlanId;
  readonly commonName: string;
  readonly issuer: PlannedIssuer;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly pathLength?: number;
  /** False for the self-signed CAs that K3s makes itself. Default true. */
  readonly authorityKeyId?: boolean;
}

/** A piece of a file, in file order. `block` counts the PEM blocks of the file it is taken from, from 0. */
export type FilePart =
  | { readonly kind: 'new-key'; readonly id: PlanId }
  | { readonly kind: 'new-certificate'; readonly id: PlanId }
  | ({ readonly kind: 'found-certificate' } & FoundCertificate)
  | { readonly kind: 'found-block'; readonly file: string; readonly block: number }
  | { readonly kind: 'found-file'; readonly file: string }
  /** A join token: the CA hash of the planned bundle `bundle`, and the credentials of the token in `file`, or new ones. */
  | { readonly kind: 'token'; readonly bundle: string; readonly file?: string };

export interface PlannedFile {
  /** Relative to the data dir; a join token's may lead out of it. */
  readonly path: string;
  readonly mode: number;
  readonly secret: boolean;
  readonly parts: readonly FilePart[];
  /** SHA-256 of what stands there now; the commit refuses when it has changed by then. */
  readonly replaces: string | 'absent';
}

/** What will be made of what. Frozen, printable as JSON, without a secret. Paths are relative to the data dir. */
export interface CaPlan {
  readonly verb: string;
  readonly product: Product;
  /** Seconds since 1970; part of every new subject. */
  readonly timestamp: number;
  /** Input files as they are used. */
  readonly uses: readonly { readonly file: string; readonly subject?: string }[];
  readonly keys: readonly { readonly id: PlanId; readonly type: KeyType }[];
  /** Issuers before what they sign. */
  readonly certificates: readonly PlannedCertificate[];
  readonly directories: readonly { readonly path: string; readonly mode: number }[];
  readonly files: readonly PlannedFile[];
  readonly removes?: readonly { readonly path: string; readonly expect: string }[];
  readonly warnings: readonly Problem[];
}

export type Planned<Plan> =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** A file to be written; a `.key` is secret. Modes are those of K3s's scripts unless others are given. */
export function fileWriter(
  snapshot: Snapshot,
  modes: { readonly certificate: number; readonly key: number } = mode,
): (path: string, parts: readonly FilePart[], secret?: boolean) => PlannedFile {
  return (path, parts, secret = path.endsWith('.key')) => ({
    path,
    mode: secret ? modes.key : modes.certificate,
    secret,
    parts,
    replaces: contentOf(snapshot, path),
  });
}

/** SHA-256 of a file of the snapshot, or `absent`. */
export function contentOf(snapshot: Snapshot, path: string): string | 'absent' {
  const file = snapshot.files.get(path);
  return file?.kind === 'file' ? file.sha256 : 'absent';
}
