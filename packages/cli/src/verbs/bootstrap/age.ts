import type { Context } from '../../context.ts';
import { Failure } from '../../failure.ts';
import { bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import { findPassphrase } from '../../passphrase.ts';
import { readInput } from '../../token-source.ts';

/** Who can open an exported file: the owners of recipients, or whoever knows the passphrase. */
export interface AgeLock {
  readonly recipients: readonly string[];
  readonly passphraseFile: string | undefined;
}

export interface AgeKey {
  /** Holds identities, as age-keygen writes them. */
  readonly identityFile: string | undefined;
  readonly passphraseFile: string | undefined;
}

const largest = 1 << 27;

/** Encrypts in the age format (age-encryption.org/v1). Throws Failure. */
export async function ageEncrypt(
  bytes: Uint8Array,
  { recipients, passphraseFile }: AgeLock,
  context: Context,
): Promise<Uint8Array> {
  const { Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (error) {
      throw new Failure([words.badRecipient(recipient)], { cause: error });
    }
  }
  if (recipients.length === 0) {
    const passphrase = await findPassphrase(passphraseFile, 'the exported file', context);
    if (passphrase === undefined || passphrase.length === 0) throw new Failure([words.noLock()]);
    encrypter.setPassphrase(Buffer.from(passphrase).toString());
    passphrase.fill(0);
  }
  return encrypter.encrypt(bytes);
}

/** Opens a file in the age format. Throws Failure. */
export async function ageDecrypt(
  file: string,
  { identityFile, passphraseFile }: AgeKey,
  context: Context,
): Promise<Uint8Array> {
  const read = await readInput(file, largest, context);
  if ('why' in read) throw new Failure([words.unreadableExport(read.from, read.why)]);
  const { Decrypter, armor } = await import('age-encryption');
  const decrypter = new Decrypter();
  if (identityFile !== undefined) {
    for (const identity of await identitiesOf(identityFile, context)) decrypter.addIdentity(identity);
  } else {
    const passphrase = await findPassphrase(passphraseFile, read.from, context);
    if (passphrase === undefined) throw new Failure([words.noKey(read.from)]);
    decrypter.addPassphrase(Buffer.from(passphrase).toString());
    passphrase.fill(0);
  }
  try {
    const text = Buffer.from(read.bytes.subarray(0, 64)).toString('latin1');
    return await decrypter.decrypt(
      text.trimStart().startsWith('-----BEGIN AGE')
        ? armor.decode(Buffer.from(read.bytes).toString('latin1'))
        : read.bytes,
    );
  } catch (error) {
    throw new Failure([words.closedExport(read.from)], { cause: error });
  }
}

async function identitiesOf(file: string, context: Context): Promise<string[]> {
  const read = await readInput(file, 1 << 20, context);
  if ('why' in read) throw new Failure([words.unreadableExport(read.from, read.why)]);
  const identities = Buffer.from(read.bytes)
    .toString()
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('AGE-SECRET-KEY-'));
  read.bytes.fill(0);
  if (identities.length === 0) throw new Failure([words.noIdentity(read.from)]);
  return identities;
}
