import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Product, renewalDaysOf } from '@k3s-pki/k3s';
import type { Context } from '../context.ts';

/** Milliseconds. The program prints its version at once. */
const patience = 5000;

/** The release of the program on this machine and its renewal window in days; undefined when it is not found. */
export async function installedRelease(
  root: string,
  product: Product,
  { env, signal }: Pick<Context, 'env' | 'signal'>,
): Promise<{ readonly version: string; readonly days: number } | undefined> {
  const folders = [...(env.PATH ?? '').split(delimiter).filter(Boolean), join(root, 'data/current/bin')];
  const program = folders.map((folder) => join(folder, product)).find(isProgram);
  if (program === undefined) return undefined;
  // K3s prints `k3s version v1.33.1+k3s1 (99d91538)`.
  const [, version] = /\bversion (v\d+\.\d+\.\d+\S*)/.exec(await output(program, signal)) ?? [];
  const days = version === undefined ? undefined : renewalDaysOf(version);
  return version === undefined || days === undefined ? undefined : { version, days };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function output(program: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, ['--version'], { timeout: patience, signal }, (error, stdout) => resolve(error ? '' : stdout));
  });
}
