import { randomBytes } from 'node:crypto';
import { createCore } from '@k3s-pki/core';
import type { Context } from './context.ts';
import { exitCode } from './failure.ts';
import { lanesOf } from './lanes.ts';
import { run } from './run.ts';

/** Runs the program on this process's streams and answers its exit code. Source of the codes: `failure.ts`. */
export async function main(programName: string, argv: readonly string[]): Promise<number> {
  // `| head` closes the pipe early: the work is done or not, and nobody reads on. 0, as the shell expects of a filter.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(exitCode.done);
      throw error;
    });
  }
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);

  let core: ReturnType<typeof createCore> | undefined;
  const context: Context = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    colorDepth: 1,
    programName,
    cwd: process.cwd(),
    clock: Date.now,
    random: (bytes) => randomBytes(bytes),
    core: () => (core ??= createCore({ lanes: lanesOf(process.env) })),
    signal: interruption.signal,
  };
  try {
    return await run(argv, context);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    if (core !== undefined) await (await core).close();
  }
}
