import type { KeyFacts, PemBlock } from '@k3s-pki/core';
import { publicKeyIn } from './pem-readers.ts';

/** A PEM block of `service.key` and what the cluster does with it. */
export interface ServiceKey {
  /** Place of the block in the file, from 0. */
  readonly block: number;
  /** 1-based line of the BEGIN line. */
  readonly line: number;
  readonly label: string;
  readonly private: boolean;
  /** Absent when the block has no key that could be read. */
  readonly key?: KeyFacts;
  /** `kid` of the API server's JWKS and of the tokens' headers; absent like `key`. */
  readonly kid?: string;
  /** `signs`: the first key, when it is a private key that can sign. `verifies`: tokens that it signed are accepted.
   *  `repeats`: an earlier block is the same key. `unread`: the API server passes over it. */
  readonly role: 'signs' | 'verifies' | 'repeats' | 'unread';
}

/**
 * What the API server reads in `service.key`, block by block. It signs with the first key (`service.current.key`) and
 * accepts tokens of every RSA and EC key, private, public or a certificate's; an EC key in PKCS#8, an Ed25519 key and
 * an encrypted one are passed over. Source: K3s `pkg/daemons/control/deps`, k8s.io/client-go `util/keyutil`,
 * ParsePublicKeysPEM.
 */
export function serviceKeys(blocks: readonly PemBlock[]): ServiceKey[] {
  const seen = new Set<string>();
  return blocks.map((block, index) => {
    const key = keyOf(block);
    const at = { block: index, line: block.line, label: block.label, private: block.kind === 'private-key' };
    if (key === undefined) return { ...at, role: 'unread' };
    const facts = { ...at, key, ...(key.spkiSha256 === '' ? {} : { kid: keyId(key.spkiSha256) }) };
    if (publicKeyIn(block) === undefined) return { ...facts, role: 'unread' };
    if (seen.has(key.spkiSha256)) return { ...facts, role: 'repeats' };
    seen.add(key.spkiSha256);
    return { ...facts, role: at.private && seen.size === 1 ? 'signs' : 'verifies' };
  });
}

/** A key that tokens are verified with. */
export type VerifyingKey = ServiceKey & { readonly key: KeyFacts; readonly kid: string };

/**
 * The keys of a file that tokens are verified with, once each, in file order; of a key's blocks the private one.
 * `repeats` counts the blocks that are left out for it, `unread` are those that the API server passes over.
 */
export function distinctServiceKeys(blocks: readonly PemBlock[]): {
  readonly keys: readonly VerifyingKey[];
  readonly repeats: number;
  readonly unread: readonly ServiceKey[];
} {
  const keys = new Map<string, VerifyingKey>();
  const unread: ServiceKey[] = [];
  let repeats = 0;
  for (const found of serviceKeys(blocks)) {
    const { kid, key, role } = found;
    if (role === 'unread' || kid === undefined || key === undefined) {
      unread.push(found);
      continue;
    }
    const known = keys.get(kid);
    if (known !== undefined) repeats += 1;
    if (known === undefined || (!known.private && found.private)) keys.set(kid, { ...found, kid, key });
  }
  return { keys: [...keys.values()], repeats, unread };
}

/** The key id in the API server's JWKS: base64url of the SHA-256 of the SubjectPublicKeyInfo in DER, which is given in
 *  hexadecimal. Source: Kubernetes `pkg/serviceaccount/jwt.go`, `keyIDFromPublicKey`. */
export function keyId(spkiSha256: string): string {
  return Buffer.from(spkiSha256, 'hex').toString('base64url');
}

function keyOf(block: PemBlock): KeyFacts | undefined {
  if (block.kind === 'certificate') return block.certificate.key;
  return block.kind === 'private-key' || block.kind === 'public-key' ? block.key : undefined;
}
