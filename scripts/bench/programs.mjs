// The programs that are compared. Compiled ones are built once, under the digest of their sources, in the ignored .cache.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { workspace } from '../setup.mjs';
import { Absent, finish } from './process.mjs';

const here = import.meta.dirname;
const cache = join(workspace, '.cache', 'bench');

export const openssl = process.env.OPENSSL ?? 'openssl';

let program = join(workspace, 'packages', 'cli', 'bin', 'k3s-pki.js');

/** Builds the release of this checkout, which is what users run, and answers its program. */
export async function release() {
  const folder = join(cache, 'release');
  await finish(process.execPath, [join(workspace, 'scripts', 'build-release.mjs'), '--out', folder]);
  return join(folder, 'bin', 'k3s-pki.js');
}

/** Times another build of ours. */
export function useProgram(path) {
  program = path;
}

/** Runs k3s-pki. Throws Absent for a command or an option that it doesn't have yet. */
export async function k3sPki(args, options) {
  try {
    return await finish(process.execPath, [program, ...args], options);
  } catch (error) {
    const missing = error.code === 2 && /unknown (command|option)/.exec(error.stderr);
    throw missing ? new Absent('the command is not there yet') : error;
  }
}

/** Runs a script of this folder on this Node. */
export function script(name, args, options) {
  return finish(process.execPath, [join(here, name), ...args], options);
}

/** Runs a shell script of the workspace. */
export function shell(path, args, options) {
  return finish('sh', [join(workspace, path), ...args], options);
}

/** Runs the Go program. Throws Absent without Go. */
export async function go(args, options) {
  const sources = readdirSync(join(here, 'go')).map((name) => join(here, 'go', name));
  const path = built('go', sources, ['go', ['version']], (out) => [
    'go',
    ['build', '-buildvcs=false', '-trimpath', '-o', out, '.'],
  ]);
  return finish(path, args, options);
}

/** Runs the C program on OpenSSL's library. Throws Absent without a C compiler or the library. */
export async function opensslEcdsa(args) {
  const path = built('openssl-ecdsa', [join(here, 'openssl-ecdsa.c')], ['cc', ['--version']], (out) => [
    'cc',
    ['-O2', '-o', out, 'openssl-ecdsa.c', '-l:libcrypto.so.3'],
  ]);
  return finish(path, args);
}

function built(name, sources, [compiler, versionArgs], build) {
  const version = spawnSync(compiler, versionArgs, { encoding: 'utf8' });
  if (version.error || version.status !== 0) throw new Absent(`no ${compiler}`);
  const hash = createHash('sha256').update(version.stdout);
  for (const source of sources.sort()) hash.update(readFileSync(source));
  const path = join(cache, `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(path)) return path;
  mkdirSync(cache, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  const [command, args] = build(unfinished);
  const cwd = name === 'go' ? join(here, 'go') : here;
  // A workspace file above a checkout would bring other modules.
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, GOWORK: 'off' } });
  if (result.status !== 0) {
    // A missing library is the machine's lack; anything else is our fault.
    if (/cannot find -l/.test(result.stderr)) throw new Absent('no libcrypto.so.3');
    throw new Error(`${command} ended with ${result.status}: ${result.stderr}`);
  }
  renameSync(unfinished, path);
  return path;
}
