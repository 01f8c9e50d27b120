import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Context } from './context.ts';
import { Failure } from './failure.ts';
import { isTerminal } from './terminal.ts';

/** The variable that may hold a passphrase. Environments can be read by the same user's processes; a file is better. */
export const passphraseVariable = 'K3S_PKI_PASSPHRASE';

/**
 * The passphrase for an encrypted key, by file, environment or, on a terminal, by asking; undefined when there is none
 * to be had. One final line end of the file does not count. The caller overwrites the bytes after use.
 */
export async function findPassphrase(
  file: string | undefined,
  keyFile: string,
  { env, cwd, stdin, stderr, signal }: Context,
): Promise<Uint8Array | undefined> {
  if (file !== undefined) {
    const path = resolve(cwd, file);
    try {
      const bytes = readFileSync(path);
      const ends = bytes.at(-1) === 0x0a ? (bytes.at(-2) === 0x0d ? 2 : 1) : 0;
      return bytes.subarray(0, bytes.length - ends);
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : 'cannot be read';
      throw new Failure(
        [{ error: `${path}: ${reason}`, hint: '--passphrase-file names a file that holds the passphrase' }],
        {
          cause: error,
        },
      );
    }
  }
  const value = env[passphraseVariable];
  if (value !== undefined && value !== '') return new TextEncoder().encode(value);
  if (!isTerminal(stderr) || (stdin as Partial<NodeJS.ReadStream>).isTTY !== true) return undefined;
  const { default: password } = await import('@inquirer/password');
  try {
    const answer = await password({ message: `Passphrase for ${keyFile}:` }, { input: stdin, output: stderr, signal });
    return new TextEncoder().encode(answer);
  } catch (error) {
    // Ctrl-C at the prompt.
    throw new Failure([{ error: 'interrupted, nothing was written' }], { code: 130, cause: error });
  }
}
