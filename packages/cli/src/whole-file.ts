import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { commit, openOutput, stage } from '@k3s-pki/stage';
import type { Context } from './context.ts';
import { Failure } from './failure.ts';

/** Puts a whole report in a file's place at once, so that whoever reads it meanwhile gets the old one or the new one. A
 *  device or fifo is written to. Throws Failure or StageError; then the old file is in place. */
export async function replaceFile(path: string, content: string, { clock, signal }: Context): Promise<void> {
  const bytes = new TextEncoder().encode(content);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isFile() && !found.isDirectory()) {
    const device = openOutput(path, { mode: 0o644, keep: 'always' });
    device.write(bytes);
    device.finish();
    return;
  }
  if (!existsSync(dirname(path))) {
    throw new Failure([{ error: `${dirname(path)}: there is no such folder`, hint: `mkdir -p ${dirname(path)}` }]);
  }
  // A link stays one: its target is replaced.
  const target = found === undefined ? join(realpathSync(dirname(path)), basename(path)) : realpathSync(path);
  const write = {
    path: basename(target),
    content: bytes,
    mode: found === undefined ? 0o644 : found.mode & 0o777,
    secret: false,
  };
  const changes = { root: dirname(target), directories: [], writes: [write] };
  await commit(await stage(changes, { clock, signal, verify: () => {} }));
}
