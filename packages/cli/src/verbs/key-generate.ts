import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { CoreError, type KeyType } from '@k3s-pki/core';
import { nameOf } from '@k3s-pki/plan';
import { makeFolder, openOutput } from '@k3s-pki/stage';
import type { Context } from '../context.ts';
import { exitCode, Failure } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { streamTarget } from '../issuing/targets.ts';
import { grouped, number } from '../render/issue.ts';
import { writeMessages } from '../render/messages.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { isTerminal, painter, progress } from '../terminal.ts';
import { version } from '../version.ts';

export interface KeyGenerateOptions {
  readonly type: KeyType;
  readonly count: number;
  readonly workers: number | undefined;
  /** A folder, which may be relative to the working directory, or `-`. */
  readonly out: string;
  readonly output: OutputFormat;
}

/** Makes keys and hands each on as soon as it is there. Answers the exit code; throws Failure. */
export async function generateKeys(options: KeyGenerateOptions, context: Context): Promise<number> {
  try {
    return options.out === '-' ? await toStream(options, context) : await toFolder(options, context);
  } catch (error) {
    throw asFailure(error);
  }
}

async function toStream(options: KeyGenerateOptions, context: Context): Promise<number> {
  if (isTerminal(context.stdout)) {
    writeMessages('warning', [{ error: 'private keys are printed on this terminal' }], context);
  }
  const { write } = streamTarget(context.stdout);
  await makeEach(options, context, (pem) => write(Buffer.from(pem.buffer, pem.byteOffset, pem.length)));
  return exitCode.done;
}

async function toFolder(options: KeyGenerateOptions, context: Context): Promise<number> {
  const { type, count, output } = options;
  const { cwd, stdout } = context;
  const folder = resolve(cwd, options.out);
  const digits = Math.max(5, String(count).length);
  const fileOf = (index: number) => join(folder, nameOf({ before: 'key-', digits, after: '.key' }, index + 1));
  for (let index = 0; existsSync(folder) && index < count; index += 1) {
    if (!existsSync(fileOf(index))) continue;
    throw new Failure([
      { error: `${fileOf(index)}: it exists already, and a key is never replaced`, hint: 'choose another folder' },
    ]);
  }
  makeFolder(folder);
  await makeEach(options, context, (pem, index) => {
    const file = openOutput(fileOf(index), { mode: 0o600, keep: 'whole' });
    try {
      file.write(pem);
      file.finish();
    } catch (error) {
      file.abandon();
      throw error;
    }
  });
  if (output !== 'text') {
    const names = { first: fileOf(0), last: fileOf(count - 1) };
    await writeStructured(stdout, output, {
      command: 'key generate',
      ok: true,
      version,
      type,
      count,
      out: folder,
      ...names,
    });
  } else stdout.write(`${painter(stdout)('green', '✔')} ${number(count, 'key')} (${type}) in ${folder}\n`);
  return exitCode.done;
}

/** Batches, so that any number of keys takes bounded memory; each key is overwritten after `take`. */
async function makeEach(
  { type, count, workers = availableParallelism() }: KeyGenerateOptions,
  context: Context,
  take: (pem: Uint8Array, index: number) => Promise<void> | void,
): Promise<void> {
  const core = await context.core();
  const spinner = progress(context.stderr);
  const batch = workers * keysPerWorker(type);
  let done = 0;
  try {
    while (done < count) {
      const types = Array.from({ length: Math.min(batch, count - done) }, () => type);
      const keys = await core.generateKeys(types, {
        signal: context.signal,
        workers,
        onProgress: ({ done: made }) => spinner.show(`making keys: ${done + made} of ${count}, ${type}`),
      });
      try {
        for (const key of keys) {
          const pem = key.toPem();
          try {
            await take(pem, done);
          } finally {
            pem.fill(0);
          }
          done += 1;
        }
      } finally {
        for (const key of keys) key.wipe();
      }
    }
  } catch (error) {
    if (!(error instanceof CoreError && error.code === 'aborted')) throw error;
    const made = `interrupted: ${grouped(done)} of ${number(count, 'key')} were made`;
    throw new Failure([{ error: made }], { code: exitCode.interrupted, cause: error });
  } finally {
    spinner.end();
  }
}

/** Starting the workers costs about 30 ms a batch: some seconds of searching make that nothing. */
function keysPerWorker(type: KeyType): number {
  const bits = Number(/^rsa:(\d+)$/.exec(type)?.[1] ?? 0);
  return bits === 0 ? 64 : Math.max(2, Math.round(64 * (2048 / bits) ** 3));
}
