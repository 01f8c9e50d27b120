import type { Core } from '@k3s-pki/core';
import { compileCore } from '@k3s-pki/core/compile';
import { commandOf, wordsOf } from './commands/commands.ts';
import type { Context } from './context.ts';
import { exitCode } from './failure.ts';
import { lanesOf } from './lanes.ts';

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

  // What can go on beside the rest of the start is begun first. `core` below tells when the core cannot be compiled.
  const words = wordsOf(programName, argv);
  if (commandOf(words)?.core) compileCore().catch(() => {});
  await searchEarly(words);
  let core: Promise<Core> | undefined;
  const context: Context = {
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    colorDepth: 1,
    programName,
    cwd: process.cwd(),
    clock: Date.now,
    // Loading it takes 5 ms, which help and the like do without.
    random: (bytes) => process.getBuiltinModule('node:crypto').randomBytes(bytes),
    core: () => (core ??= loadCore(process.env)),
    signal: interruption.signal,
  };
  try {
    const { run } = await import('./run.ts');
    return await run(argv, context);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    // One that could not be loaded was reported where it was asked for.
    await core?.then(
      (loaded) => loaded.close(),
      () => {},
    );
  }
}

/** Begins the search that `key generate` will go on with. A mistake in the words is told where they are read. */
async function searchEarly(words: readonly string[]): Promise<void> {
  if (words[0] !== 'key' || words[1] !== 'generate' || words.some((word) => word === '--help' || word === '-h')) return;
  const given = words.findLast((word, at) => words[at - 1] === '--type' || word.startsWith('--type='));
  const type = given?.replace('--type=', '') ?? 'rsa:2048';
  const bits = Number(/^rsa:(\d{4})$/.exec(type)?.[1]);
  try {
    if (bits > 0) await (await import('@k3s-pki/core/early-search')).beginSearch(bits, lanesOf(process.env));
  } catch {
    // Told when the key is made.
  }
}

async function loadCore(env: NodeJS.ProcessEnv): Promise<Core> {
  const { createCore } = await import('@k3s-pki/core');
  return createCore({ lanes: lanesOf(env) });
}
