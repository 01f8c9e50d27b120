import type { Readable, Writable } from 'node:stream';
import type { Core } from '@k3s-pki/core';
import type { BaseContext } from 'clipanion';

/** What a command may touch of the world; everything that a test wants to hold still enters here. */
export interface Context extends BaseContext {
  stdin: Readable;
  stdout: Writable;
  stderr: Writable;
  env: Record<string, string | undefined>;
  /** The name the program was called by; error lines start with it. */
  programName: string;
  /** Relative paths start here. */
  cwd: string;
  /** Milliseconds since 1970. */
  clock: () => number;
  random: (bytes: number) => Uint8Array;
  /** The core, loaded on first use. */
  core: () => Promise<Core>;
  /** Aborted by Ctrl-C and SIGTERM. */
  signal: AbortSignal;
}
