import type { Certificate, Core, PemBlock } from '@k3s-pki/core';
import {
  certainOf,
  type DataDirLeaf,
  type FoundFile,
  judgeLeaf,
  type LeafOutlook,
  type RenewalReason,
  renewalDays,
  tlsFile,
} from '@k3s-pki/k3s';
import type { LeafTreeEntry } from './rotate-snapshot.ts';

/** What becomes of a restored leaf at K3s's next start: it is kept, an agent asks for another one whatever it has, or K3s
 *  makes it anew for a reason. */
export type LeafFate = 'kept' | 'requested' | RenewalReason;

/** The outlook of a server's leaf. `entryAt` answers what will stand at a path; `at` is seconds since 1970. */
export function outlookOf(
  leaf: DataDirLeaf,
  entryAt: (path: string) => LeafTreeEntry | undefined,
  { signatureHolds }: Pick<Core, 'signatureHolds'>,
  at: number,
): LeafOutlook {
  const found = (path: string) => foundFile(entryAt(path));
  const files = {
    certificate: found(`${leaf.path}.crt`),
    key: found(`${leaf.path}.key`),
    caCertificate: found(tlsFile.caBundle(leaf.ca)),
    caKey: found(tlsFile.caKey(leaf.ca)),
  };
  return judgeLeaf(files, certainOf(leaf), { at, days: renewalDays, signatureHolds });
}

function foundFile(entry: LeafTreeEntry | undefined): FoundFile {
  if (entry === undefined) return 'absent';
  // A tree holds no bytes; they tell a PEM block's headers, which no certificate of K3s has.
  return entry.kind === 'file' ? { bytes: new Uint8Array(), blocks: entry.blocks } : 'unreadable';
}

export function firstCertificate(blocks: readonly PemBlock[] | undefined): Certificate | undefined {
  for (const block of blocks ?? []) if (block.kind === 'certificate') return block.certificate;
  return undefined;
}

/** SHA-256 of the public half of the first private key. */
export function firstKey(blocks: readonly PemBlock[] | undefined): string | undefined {
  for (const block of blocks ?? []) if (block.kind === 'private-key') return block.key.spkiSha256;
  return undefined;
}
