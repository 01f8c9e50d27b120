import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { normaliseToken, PasswdError, parsePasswd, tokenFileText } from '@k3s-pki/k3s';
import type { TokenRotateSnapshot } from '@k3s-pki/plan';
import { openOutput } from '@k3s-pki/stage';

/** The rows of a password file for a snapshot; nothing where there is no file. */
export function passwdFrom(content: Uint8Array | undefined): Pick<TokenRotateSnapshot, 'passwd'> {
  if (content === undefined || content.length === 0) return {};
  try {
    return { passwd: { rows: parsePasswd(Buffer.from(content).toString('utf8')) } };
  } catch (error) {
    if (error instanceof PasswdError) return { passwd: { fault: error.message } };
    throw error;
  }
}

/** The token files of a data dir. */
export interface TokenFiles {
  /** Those that hold the server token, relative to the data dir; `server/token` is among them, there or not. */
  readonly ofServer: readonly string[];
  /** Whether an agent token was set: then `agent-token` is a file, else a link to `token`. Source: K3s
     `pkg/server/server.go`. */
  readonly agentToken: boolean;
}

/** Links stay, they lead to `token`; a copy of the old token would mislead whoever reads it. */
export function tokenFiles(root: string, password: string): TokenFiles {
  const copies = ['server/node-token'].filter(
    (path) => isFile(join(root, path)) && passwordIn(root, path) === password,
  );
  return { ofServer: ['server/token', ...copies], agentToken: isFile(join(root, 'server/agent-token')) };
}

function passwordIn(root: string, path: string): string | undefined {
  return normaliseToken(tokenFileText(readFileSync(join(root, path))) ?? '');
}

function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** A new token file that gets its name only when `keep` is called, so that it is never there without a rotation. */
export function tokenOutput(path: string, token: string): { keep(): void; drop(): void } {
  const bytes = Buffer.from(`${token}\n`);
  const file = openOutput(path, { mode: 0o600, keep: 'whole' });
  try {
    file.write(bytes);
  } catch (error) {
    file.abandon();
    throw error;
  } finally {
    bytes.fill(0);
  }
  return { keep: () => file.finish(), drop: () => file.abandon() };
}
