import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** The checkout's programs. */
export const checkoutBin = resolve(import.meta.dirname, '../../packages/cli/bin');

/** The programs that are tested: of a release that the runner built for all suites, or the checkout's. */
const testedBin = process.env.K3S_PKI_TEST_BIN ?? checkoutBin;

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The names that the program goes by. */
export const programNames = ['k3s-pki', 'generate-custom-ca-certs', 'rotate-default-ca-certs'] as const;

export interface RunOptions {
  readonly name?: (typeof programNames)[number];
  /** The folder of the program, when not of the tested ones. */
  readonly bin?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Runs the real program to its end. The environment is this process's without what would steer the program. */
export function k3sPki(args: readonly string[], options: RunOptions = {}): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program(options), ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: environment(options.env),
    encoding: 'utf8',
    input: options.input ?? '',
  });
  return { code: status, stdout, stderr };
}

/** Starts the real program and leaves it running. */
export function startK3sPki(args: readonly string[], options: RunOptions = {}): ChildProcess {
  return spawn(process.execPath, [program(options), ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: environment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

export function program({ name = 'k3s-pki', bin = testedBin }: RunOptions = {}): string {
  return join(bin, `${name}.js`);
}

export function environment(added: RunOptions['env'] = {}): NodeJS.ProcessEnv {
  const { DATA_DIR, PRODUCT, K3S_TOKEN, K3S_TOKEN_FILE, K3S_PKI_PASSPHRASE, K3S_PKI_DEBUG, FORCE_COLOR, ...others } =
    process.env;
  // The program has a cache of its own.
  const { NODE_COMPILE_CACHE, ...rest } = others;
  return { ...rest, NO_COLOR: '1', ...added };
}

/** A folder that is gone when the process ends. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'k3s-pki-test-'));
  if (folders.length === 0) process.on('exit', removeFolders);
  folders.push(path);
  return path;
}

const folders: string[] = [];

function removeFolders(): void {
  for (const each of folders) rmSync(each, { recursive: true, force: true });
}

/** Puts files below a folder; a path's directories are made. Keys get mode 0600. */
export function put(root: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content, { mode: path.endsWith('.key') ? 0o600 : 0o644 });
  }
}

/** Everything below a folder, by path: `0600 <sha256>`, `0750 /`, `-> target`. Two equal trees were not touched.
 *  What vanishes while it looks is left out: a program may be at work. */
export function tree(root: string, under = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of present(() => readdirSync(join(root, under)))?.sort() ?? []) {
    const path = under === '' ? name : `${under}/${name}`;
    const entry = present(() => describeEntry(join(root, path)));
    if (entry === undefined) continue;
    found[path] = entry;
    if (entry.endsWith('/')) Object.assign(found, tree(root, path));
  }
  return found;
}

function describeEntry(path: string): string {
  const stat = lstatSync(path);
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
  if (stat.isDirectory()) return `${mode} /`;
  if (stat.isSymbolicLink()) return `-> ${readlinkSync(path)}`;
  return stat.isFile() ? `${mode} ${createHash('sha256').update(readFileSync(path)).digest('hex')}` : mode;
}

function present<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The blocks of a PEM text. */
export function blocks(pem: string): string[] {
  return pem.match(/-----BEGIN ([^-]+)-----[\s\S]*?-----END \1-----\n?/g) ?? [];
}

/** The part of a test run's environment that only fast keys need. */
export const fastKeys = ['--root-key', 'ec:p256', '--intermediate-key', 'ec:p256'] as const;
