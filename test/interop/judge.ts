import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a judge's run left. The streams are latin1 when `binary` was asked for, else UTF-8. */
export interface Verdict {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A judge that this machine lacks, and what it lacks. */
export interface Absent {
  readonly absent: string;
}

/** Go's crypto/x509 and the packages that K3s is built from, as the program in `go/`. */
export interface GoJudge {
  /** The built program. */
  readonly path: string;
  /** Runs a subcommand. */
  run(args: readonly string[], stdin?: string): Verdict;
  /** Runs a subcommand and parses its JSON. Throws an Error with the judge's own words when there is no verdict. */
  json<T>(args: readonly string[], stdin?: string): T;
  /** Runs a subcommand that answers each line of JSON with one. */
  lines<Question, Answer>(args: readonly string[], questions: readonly Question[]): Answer[];
}

/** The OpenSSL program. */
export interface OpenSsl {
  /** Major and minor version, `3.0`. */
  readonly version: string;
  run(args: readonly string[], options?: { stdin?: string | Uint8Array; cwd?: string; binary?: boolean }): Verdict;
  /** The same, but throws an Error with OpenSSL's own words unless it exits with 0. Returns stdout. */
  ok(args: readonly string[], options?: { stdin?: string | Uint8Array; cwd?: string; binary?: boolean }): string;
}

const goFolder = join(import.meta.dirname, 'go');
// A batch of path questions is some megabytes; Node's default is one.
const maxBuffer = 1 << 28;

let builtJudge: GoJudge | Absent | undefined;
let foundOpenSsl: OpenSsl | Absent | undefined;

/** Builds the Go judge on the first call in this machine's temporary folder, under the digest of its sources, so
 *  that every later call in any process finds it. Absent without Go, or when its modules can't be had. */
export function goJudge(): GoJudge | Absent {
  builtJudge ??= buildJudge();
  return builtJudge;
}

/** Finds OpenSSL 1.1.1 or newer as `$OPENSSL` or on the PATH. LibreSSL's options differ: it counts as absent. */
export function openssl(): OpenSsl | Absent {
  foundOpenSsl ??= findOpenSsl();
  return foundOpenSsl;
}

/** Returns the judge, or `undefined` after the line `not run: <suite>, <what is lacking>` on stdout.
 *  Throws instead when `K3S_PKI_REQUIRE_JUDGES` is 1. */
export function present<Judge extends object>(suite: string, judge: Judge | Absent): Judge | undefined {
  if (!('absent' in judge)) return judge;
  if (process.env.K3S_PKI_REQUIRE_JUDGES === '1') {
    throw new Error(`${suite}: ${judge.absent}, and K3S_PKI_REQUIRE_JUDGES=1 asks for every judge`);
  }
  process.stdout.write(`not run: ${suite}, ${judge.absent}\n`);
  return undefined;
}

function buildJudge(): GoJudge | Absent {
  const path = buildProgram(goFolder);
  if (typeof path !== 'string') return path;
  const run = (args: readonly string[], stdin = ''): Verdict => finished(path, spawn(path, args, stdin));
  const spoken = (args: readonly string[], stdin?: string): string => {
    const verdict = run(args, stdin);
    if (verdict.status !== 0) throw new Error(verdict.stderr.trim());
    return verdict.stdout;
  };
  return {
    path,
    run,
    json: <T>(args: readonly string[], stdin?: string) => JSON.parse(spoken(args, stdin)) as T,
    lines: <Question, Answer>(args: readonly string[], questions: readonly Question[]) => {
      const stdout = spoken(args, questions.map((question) => `${JSON.stringify(question)}\n`).join(''));
      const answers = stdout.split('\n').slice(0, -1);
      if (answers.length !== questions.length) {
        throw new Error(`the judge answered ${answers.length} of ${questions.length} lines`);
      }
      return answers.map((line) => JSON.parse(line) as Answer);
    },
  };
}

/** Builds the Go program of a folder, once for the machine. Answers its path. */
export function buildProgram(goFolder: string): string | Absent {
  const go = spawnSync('go', ['version'], { cwd: goFolder, encoding: 'utf8' });
  if (go.error) return { absent: 'no go' };
  if (go.status !== 0) return { absent: `go does not start: ${firstLine(go.stderr)}` };
  const folder = privateFolder();
  const path = join(
    folder,
    `judge-${digestOfSources(goFolder, go.stdout)}${process.platform === 'win32' ? '.exe' : ''}`,
  );
  if (!existsSync(path)) {
    // Two test files may build at once: each builds beside the target, and the last rename wins with equal bytes.
    const mine = `${path}.${process.pid}`;
    const build = spawnSync('go', ['build', '-buildvcs=false', '-mod=readonly', '-o', mine, '.'], {
      cwd: goFolder,
      encoding: 'utf8',
      // A workspace file above a checkout would bring other modules.
      env: { ...process.env, GOWORK: 'off' },
    });
    if (build.status !== 0) {
      rmSync(mine, { force: true });
      // The compiler's errors follow a `# package` line and are our fault; anything else is the machine's lack.
      if (/^# /m.test(build.stderr)) throw new Error(`go build: ${build.stderr}`);
      return { absent: `go can't build the judge: ${firstLine(build.stderr.replace(/^go: downloading .*\n/gm, ''))}` };
    }
    renameSync(mine, path);
  }
  return path;
}

/** A folder that only this user can write: whoever could put a program there would be our judge. */
function privateFolder(): string {
  const user = process.getuid?.() ?? 'me';
  const folder = join(tmpdir(), `k3s-pki-judges-${user}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const facts = lstatSync(folder);
  const foreign = process.platform !== 'win32' && (facts.uid !== user || (facts.mode & 0o022) !== 0);
  if (!facts.isDirectory() || foreign) {
    throw new Error(`${folder} belongs to someone else or is writable by others, remove it or set TMPDIR`);
  }
  return folder;
}

function digestOfSources(goFolder: string, goVersion: string): string {
  const hash = createHash('sha256').update(goVersion);
  for (const name of readdirSync(goFolder).sort()) {
    if (/\.go$|^go\.(mod|sum)$/.test(name)) hash.update(`${name}\0`).update(readFileSync(join(goFolder, name)));
  }
  return hash.digest('hex').slice(0, 16);
}

function findOpenSsl(): OpenSsl | Absent {
  const program = process.env.OPENSSL ?? 'openssl';
  const probe = spawnSync(program, ['version'], { encoding: 'utf8' });
  if (probe.error || probe.status !== 0) return { absent: 'no openssl' };
  const version = /^OpenSSL (\d+\.\d+)/.exec(probe.stdout)?.[1];
  if (version === undefined || version === '1.0') return { absent: `no OpenSSL, but ${firstLine(probe.stdout)}` };
  const run: OpenSsl['run'] = (args, options = {}) =>
    finished(program, spawn(program, args, options.stdin ?? '', options.cwd, options.binary ? 'latin1' : 'utf8'));
  return {
    version,
    run,
    ok: (args, options) => {
      const verdict = run(args, options);
      if (verdict.status !== 0) throw new Error(`openssl ${args[0]}: ${verdict.stderr.trim()}`);
      return verdict.stdout;
    },
  };
}

function spawn(
  program: string,
  args: readonly string[],
  input: string | Uint8Array,
  cwd?: string,
  encoding: BufferEncoding = 'utf8',
): SpawnSyncReturns<string> {
  return spawnSync(program, [...args], { input, encoding, maxBuffer, ...(cwd === undefined ? {} : { cwd }) });
}

function finished(program: string, result: SpawnSyncReturns<string>): Verdict {
  if (result.error) throw result.error;
  if (result.status === null) throw new Error(`${program} was ended by ${result.signal}`);
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}

/** A failure as the Go judge prints it. Classes are stable, `reason` is Go's own text and is not. */
export interface JudgedFailure {
  readonly failure?: string;
  readonly reason?: string;
  /** With `unknown-authority`: the class of what spoilt the first candidate issuer. */
  readonly hint?: string;
}

/** An answer for one CA, leaf or connection. */
export interface Judged extends JudgedFailure {
  readonly name: string;
  readonly ok: boolean;
}

/** The CA hash of a token: of the chain's root in DER, or of the file's literal bytes. */
export interface JudgedHash extends JudgedFailure {
  readonly file?: string;
  readonly hash?: string;
  readonly of?: 'root' | 'file';
  readonly root?: string;
}

/** What can be said of a key without its secret. */
export interface JudgedKey {
  readonly algorithm: 'rsa' | 'ec' | 'ed25519';
  readonly bits: number;
  readonly curve?: string;
  readonly spkiSha256: string;
}

/** `judge first-start SERVER_DIR`: whether K3s comes up on the CAs in `SERVER_DIR/tls`. */
export interface FirstStart {
  readonly ok: boolean;
  /** `client`, `server`, `request-header`, `etcd/server`, `etcd/peer`. */
  readonly cas: ReadonlyArray<Judged & { readonly certificates: number; readonly leaves?: readonly Judged[] }>;
  readonly serviceKey: JudgedFailure & {
    readonly ok: boolean;
    readonly first?: JudgedKey;
    readonly publicKeys: number;
  };
  /** TLS connections between the components with the leaves that the CAs issued. */
  readonly meetings: readonly Judged[];
  readonly caHash: JudgedHash;
}

/** `judge chains ROOT_PEM TLS_DIR`: one per CA. Chains are SHA-256 of the certificates, leaf first. */
export type Chains = ReadonlyArray<Judged & { readonly chains?: ReadonlyArray<readonly string[]> }>;

/** `judge keys FILE...`: the PEM blocks of each file. */
export type Keys = ReadonlyArray<{
  readonly file: string;
  readonly keys: ReadonlyArray<{ readonly label: string } & Partial<JudgedKey> & JudgedFailure>;
}>;

/** The line that `judge rotate-ca` answers two server folders with: what K3s's checks refuse, in its order. */
export interface RotationAnswer {
  readonly refused: ReadonlyArray<{ readonly field: string; readonly text: string }>;
  /** By the CA's path below `tls`, without its suffix; absent where a bundle is unreadable. */
  readonly oldTrustsNew: Readonly<Record<string, boolean>>;
  readonly newTrustsOld: Readonly<Record<string, boolean>>;
}

/** A line for `judge verify`. Certificates are DER in base64, `at` is seconds since 1970; no usage is serverAuth. */
export interface Question {
  readonly leaf: string;
  readonly roots: readonly string[];
  readonly intermediates: readonly string[];
  readonly at: number;
  readonly usages?: readonly string[];
}

/** The line that `judge verify` answers with: the chains as SHA-256, leaf first, or a failure. */
export interface Answer extends JudgedFailure {
  readonly chains?: ReadonlyArray<readonly string[]>;
}

/** A line of `judge puzzles`: a generated question with Go's answer. */
export interface Puzzle {
  readonly question: Question;
  readonly answer: Answer;
}

/** Questions on generated PKIs (cross-signed CAs, keys and names that several certificates share, every flaw that Go
 *  looks for and some that it ignores) with the answers of crypto/x509. A seed and a count choose the shapes; keys are
 *  new at every call. About 40 % have a chain. 2,000 take 4 s of CPU time and 15 MB. `at` is seconds since 1970.
 *  The answer `limit` means that Go gave up after 100 signature checks: no verdict to compare with. */
export function puzzles(judge: GoJudge, options: { seed: number; count: number; at: number }): Puzzle[] {
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const verdict = judge.run(['puzzles', ...flags]);
  if (verdict.status !== 0) throw new Error(verdict.stderr.trim());
  return verdict.stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Puzzle);
}
