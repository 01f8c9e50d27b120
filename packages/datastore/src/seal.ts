import { createCipheriv, createDecipheriv, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';

/** Why a record can't be opened. `wrong-token`: it was sealed with another one, or was changed. */
export class SealError extends Error {
  override readonly name = 'SealError';
  readonly code: 'wrong-token' | 'malformed';

  constructor(code: SealError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

const saltBytes = 8;
const iterations = 4096;
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const cipher = 'aes-256-gcm';

/** Seals bootstrap data as K3s does: `<salt>:<base64 of nonce, ciphertext, tag>`. `passphrase` is the normalised token,
 *  `random` answers that many random bytes. Source: K3s `pkg/cluster/encrypt.go`, `encrypt`. */
export async function seal(
  document: Uint8Array,
  passphrase: string,
  random: (bytes: number) => Uint8Array,
): Promise<Uint8Array> {
  const salt = Buffer.from(random(saltBytes)).toString('hex');
  const nonce = random(nonceBytes);
  const key = await derive(passphrase, salt);
  try {
    const sealing = createCipheriv(cipher, key, nonce);
    const sealed = Buffer.concat([nonce, sealing.update(document), sealing.final(), sealing.getAuthTag()]);
    return new TextEncoder().encode(`${salt}:${sealed.toString('base64')}`);
  } finally {
    key.fill(0);
  }
}

/** Opens what `seal` or K3s sealed. Throws SealError; nothing is answered of a record whose tag does not fit. */
export async function unseal(record: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const parts = sealedParts(record);
  const key = await derive(passphrase, parts.salt);
  try {
    return open(parts, key);
  } finally {
    key.fill(0);
  }
}

/** A record taken apart. */
export interface SealedParts {
  /** As it is written. */
  readonly salt: string;
  /** Nonce, ciphertext and tag. */
  readonly sealed: Uint8Array;
}

/** Takes a record apart. Throws SealError `malformed`. */
export function sealedParts(record: Uint8Array): SealedParts {
  const text = Buffer.from(record.buffer, record.byteOffset, record.byteLength).toString('latin1');
  const colon = text.indexOf(':');
  if (colon < 0) throw new SealError('malformed', 'not a sealed record: no ":" after the salt');
  // Node's decoder skips what is not base64; Go's refuses it, but for line ends.
  const base64 = text.slice(colon + 1).replace(/[\r\n]/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) {
    throw new SealError('malformed', 'not a sealed record: no base64 after the salt');
  }
  if (base64.length % 4 !== 0) throw new SealError('malformed', 'not a sealed record: it may have been cut off');
  const sealed = Buffer.from(base64, 'base64');
  if (sealed.length < nonceBytes + tagBytes) {
    throw new SealError('malformed', 'not a sealed record: too short, it may have been cut off');
  }
  return { salt: text.slice(0, colon), sealed };
}

/** Opens a record with the key that its salt and a passphrase give. Throws SealError `wrong-token`. */
export function open({ sealed }: SealedParts, key: Uint8Array): Uint8Array {
  try {
    const opening = createDecipheriv(cipher, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
    opening.setAuthTag(sealed.subarray(-tagBytes));
    const opened = opening.update(sealed.subarray(nonceBytes, -tagBytes));
    opening.final();
    return opened;
  } catch {
    throw new SealError('wrong-token', 'sealed with another token, or changed since');
  }
}

/** The salt is used as the text that it is written in. Source: K3s `pkg/cluster/encrypt.go`, `deriveKey`. */
export async function derive(passphrase: string, salt: string): Promise<Buffer> {
  return promisify(pbkdf2)(passphrase, Buffer.from(salt, 'latin1'), iterations, keyBytes, 'sha1');
}
