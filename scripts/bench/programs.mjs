// The programs that are compared. Compiled ones are built once, under the digest of their sources, in the ignored .cache.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
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
  return finish(builtGo('go', '.'), args, options);
}

/** Runs the Go program that rotates CAs. Throws Absent without Go, or without the module of SQLite. */
export async function goRotate(args, options) {
  return finish(builtGo('go-rotate', './rotate'), args, options);
}

function builtGo(name, entry) {
  const sources = globSync(['*.go', 'go.*', 'bootstrap/*.go', join(entry, '*.go')], { cwd: join(here, 'go') });
  const paths = sources.map((file) => join(here, 'go', file));
  return built(name, paths, ['go', ['version']], (out) => ['go', ['build', '-buildvcs=false', '-o', out, entry]]);
}

/** Runs the C program on OpenSSL's library. Throws Absent without a C compiler or the library. */
export async function opensslEcdsa(args) {
  const path = built('openssl-ecdsa', [join(here, 'openssl-ecdsa.c')], ['cc', ['--version']], (out) => [
    'cc',
    ['-O2', '-o', out, 'openssl-ecdsa.c', '-l:libcrypto.so.3'],
  ]);
  return finish(path, args);
}

/** The WebAssembly of the folder seal. Throws Absent without cargo, the target, or the crates. */
export function sealModule() {
  const folder = join(here, 'seal');
  const target = 'wasm32-unknown-unknown';
  const { error } = spawnSync('cargo', ['--version'], { cwd: folder });
  if (error) throw new Absent('no cargo');
  const targets = process.env.CARGO_TARGET_DIR ?? join(cache, 'target');
  const { status, stderr } = spawnSync('cargo', ['build', '--quiet', '--release', '--locked', '--target', target], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, CARGO_TARGET_DIR: targets },
  });
  if (status !== 0) {
    const lack =
      /target may not be installed|failed to (download|get)|network|is not installed|tool "clang"|clang"?: not found/;
    if (lack.test(stderr)) throw new Absent(`cargo: ${firstLine(stderr)}`);
    throw new Error(`cargo ended with ${status}: ${stderr}`);
  }
  return join(targets, target, 'release', 'k3s_pki_bench_seal.wasm');
}

function firstLine(text) {
  return text.trim().split('\n', 1)[0];
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
  const cwd = command === 'go' ? join(here, 'go') : here;
  // A workspace file above a checkout would bring other modules.
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, GOWORK: 'off' } });
  if (result.status !== 0) {
    // A missing library or module is the machine's lack; anything else is our fault.
    if (/cannot find -l/.test(result.stderr)) throw new Absent('no libcrypto.so.3');
    if (command === 'go' && !/^# /m.test(result.stderr)) throw new Absent(`go: ${firstLine(result.stderr)}`);
    throw new Error(`${command} ended with ${result.status}: ${result.stderr}`);
  }
  renameSync(unfinished, path);
  return path;
}
