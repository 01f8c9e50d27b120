/** What the tests of this package share: sets of files as plain data, a look at a tree that uses nothing of the package,
 *  and real child processes that can be stopped at a step. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reachableByAll } from '@k3s-pki/testkit';

export interface Entry {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** A run as the child gets it, as JSON. */
export interface Run {
  readonly root: string;
  readonly directories: ReadonlyArray<readonly [path: string, mode: number]>;
  readonly writes: readonly Entry[];
  readonly removes: readonly string[];
  /** Of every directory and file. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Milliseconds since 1970. */
  readonly clock: number;
  readonly do: 'commit' | 'recover' | 'stage' | 'contend';
  /** SIGKILL at the step of this index, counted from 0; -1 is before the first. */
  readonly killAt?: number;
  /** At the first step of this name: block until killed, after the line `blocked`. */
  readonly blockAt?: string;
  /** At the first step of this name: make a directory there. */
  readonly obstruct?: readonly [step: string, path: string];
  /** At the first step of this name: send this signal to the own process. */
  readonly signalAt?: readonly [step: string, signal: 'SIGTERM' | 'SIGINT'];
  /** What the child does with SIGTERM: abort the signal given to stage, or process.exit(7). */
  readonly onSignal?: 'abort' | 'exit';
  /** Print the name of each step. */
  readonly record?: boolean;
  readonly rounds?: number;
  readonly openFiles?: boolean;
}

export interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly steps: readonly string[];
  /** The child's last line that is JSON. */
  readonly result: { readonly [key: string]: unknown };
  readonly stderr: string;
}

// Halves the start-up of the hundreds of children (65-85 ms instead of 170-230 on a busy machine).
const compileCache = fs.mkdtempSync(join(os.tmpdir(), 'stage-test-cache-'));
fs.chmodSync(compileCache, 0o777);
process.on('exit', () => fs.rmSync(compileCache, { recursive: true, force: true }));

const child = fileURLToPath(new URL('./child.ts', import.meta.url));

export function start(run: Run, user?: { uid: number; gid: number }) {
  const [node, program] = [process.execPath, child].map((path) => (user === undefined ? path : reachableByAll(path)));
  const process_ = spawn(node ?? '', [program ?? ''], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
    ...user,
  });
  process_.stdin.end(JSON.stringify(run));
  let stdout = '';
  let stderr = '';
  process_.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  process_.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const blocked = new Promise<void>((resolve, reject) => {
    process_.stdout.on('data', () => {
      if (stdout.includes('blocked\n')) resolve();
    });
    process_.on('close', () => reject(new Error(`the child ended before it blocked: ${stdout}${stderr}`)));
  });
  blocked.catch(() => {});
  const ended = new Promise<Outcome>((resolve, reject) => {
    process_.on('error', reject);
    process_.on('close', (code, signal) => {
      const lines = stdout.split('\n').filter((line) => line !== '');
      const json = lines.findLast((line) => line.startsWith('{'));
      resolve({
        code,
        signal,
        steps: lines.filter((line) => line.startsWith('step ')).map((line) => line.slice(5)),
        result: json === undefined ? {} : JSON.parse(json),
        stderr,
      });
    });
  });
  return { pid: process_.pid as number, blocked, ended, kill: () => process_.kill('SIGKILL') };
}

export function outcome(run: Run, user?: { uid: number; gid: number }): Promise<Outcome> {
  return start(run, user).ended;
}

/** Runs at most two tasks at a time: child processes spend most of their time in starting up. */
export async function eachTwo<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const lane = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await task(item);
  };
  await Promise.all([lane(), lane()]);
}

const temporary = new Set<string>();
process.on('exit', () => {
  for (const folder of temporary)
    for (const each of [folder, `${folder}.copy`]) fs.rmSync(each, { recursive: true, force: true });
});

export function temporaryFolder(parent: string = os.tmpdir()): string {
  const folder = fs.realpathSync(fs.mkdtempSync(join(parent, 'stage-test-')));
  temporary.add(folder);
  return folder;
}

/** For tests of hundreds of runs: memory, where fsync is free, if there is some. A killed process leaves the same there. */
export const memory: string = (() => {
  try {
    fs.accessSync('/dev/shm', fs.constants.W_OK);
    return '/dev/shm';
  } catch {
    return os.tmpdir();
  }
})();

export function lay(root: string, directories: Run['directories'], entries: readonly Entry[]): void {
  fs.mkdirSync(root, { recursive: true });
  for (const [path, mode] of directories) {
    fs.mkdirSync(join(root, path), { recursive: true });
    fs.chmodSync(join(root, path), mode);
  }
  for (const { path, text, mode } of entries) {
    fs.writeFileSync(join(root, path), text);
    fs.chmodSync(join(root, path), mode);
  }
}

/** Every path under `folder` as `path mode hash-or-kind`, sorted; the package's private folders are left out on request. */
export function tree(folder: string, options: { readonly withoutPrivate?: boolean } = {}): string[] {
  const lines: string[] = [];
  const walk = (at: string, path: string) => {
    for (const name of fs.readdirSync(at).sort()) {
      if (options.withoutPrivate === true && name.startsWith('.k3s-pki-stage')) continue;
      const stats = fs.lstatSync(join(at, name));
      const mode = (stats.mode & 0o7777).toString(8);
      const inner = path === '' ? name : `${path}/${name}`;
      if (stats.isDirectory()) {
        lines.push(`${inner}/ ${mode}`);
        walk(join(at, name), inner);
      } else if (stats.isFile()) {
        lines.push(
          `${inner} ${mode} ${createHash('sha256')
            .update(fs.readFileSync(join(at, name)))
            .digest('hex')}`,
        );
      } else {
        lines.push(`${inner} ${mode} ${stats.isSymbolicLink() ? `-> ${fs.readlinkSync(join(at, name))}` : 'special'}`);
      }
    }
  };
  walk(folder, '');
  return lines;
}

export interface Found {
  readonly path: string;
  readonly mode: number;
  readonly text: string;
}

/** Every regular file under `folder`, with its content, by path. */
export function files(folder: string): Found[] {
  const found: Found[] = [];
  for (const entry of fs.readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found.push({ path, mode: fs.lstatSync(path).mode & 0o7777, text: fs.readFileSync(path, 'utf8') });
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** For judges that a machine may lack. In CI their absence is a failure. */
export function notRun(what: string, why: string): void {
  console.log(`not run: ${what}, ${why}`);
  if (process.env.K3S_PKI_REQUIRE_JUDGES === '1') throw new Error(`not run: ${what}, ${why}`);
}

export const isRoot = process.geteuid?.() === 0;
