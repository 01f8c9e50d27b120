/** Programs that we did not write, asked what they think of our files. */
import { spawnSync } from 'node:child_process';
import { createHash, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REQUIRED = process.env.K3S_PKI_REQUIRE_JUDGES === '1';

/** A folder of this test process, removed at its end. */
export const scratch: string = mkdtempSync(join(tmpdir(), 'k3s-pki-core-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

function works(program: string, argument: string): boolean {
  return spawnSync(program, [argument]).status === 0;
}

/** Whether `program` is there. When it is not, one line says what is not run; with K3S_PKI_REQUIRE_JUDGES=1 it throws. */
export function has(program: 'openssl' | 'go', suite: string): boolean {
  if (works(program, 'version')) {
    return true;
  }
  if (REQUIRED) {
    throw new Error(`${suite}: ${program} is required and not found`);
  }
  console.log(`not run: ${suite}, no ${program}`);
  return false;
}

/** Runs openssl; throws with its stderr unless it exits 0. Returns stdout. */
export function openssl(args: readonly string[], input?: Uint8Array | string): Buffer {
  const result = spawnSync('openssl', args, { input: input ?? '', cwd: scratch, maxBuffer: 1 << 26 });
  if (result.status !== 0) {
    throw new Error(`openssl ${args.join(' ')}: ${result.stderr}`);
  }
  return result.stdout;
}

export interface GoQuestion {
  readonly Op: 'parse' | 'signature' | 'verify';
  readonly Leaf: string;
  readonly Parent?: string;
  readonly Roots?: readonly string[];
  readonly Intermediates?: readonly string[];
  readonly At?: number;
  readonly Usages?: readonly string[];
}

export interface GoAnswer {
  readonly ok: boolean;
  readonly error?: string;
  readonly chains?: readonly (readonly string[])[];
  readonly facts?: {
    readonly serial: string;
    readonly subjectDer: string;
    readonly issuerDer: string;
    readonly notBefore: number;
    readonly notAfter: number;
    readonly spkiSha256: string;
    readonly subjectKeyId: string;
    readonly authorityKeyId: string;
    readonly constrained: boolean;
    readonly ca: boolean;
    readonly pathLength: number;
    readonly keyUsage: number;
    readonly usages: readonly number[] | null;
    readonly unknownUsages: readonly string[] | null;
    readonly dns: readonly string[] | null;
    readonly ip: readonly string[] | null;
  };
}

let judge: string | undefined;

/** Asks Go's crypto/x509, one answer a question. */
export function askGo(questions: readonly GoQuestion[]): GoAnswer[] {
  judge ??= buildJudge();
  const result = spawnSync(judge, [], {
    input: questions.map((question) => JSON.stringify(question)).join('\n'),
    maxBuffer: 1 << 28,
  });
  if (result.status !== 0) {
    throw new Error(`the Go judge failed: ${result.stderr}`);
  }
  return result.stdout
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as GoAnswer);
}

function buildJudge(): string {
  const program = join(scratch, 'judge');
  const result = spawnSync('go', ['build', '-o', program, '.'], {
    cwd: fileURLToPath(new URL('./go', import.meta.url)),
  });
  if (result.status !== 0) {
    throw new Error(`go build: ${result.stderr}`);
  }
  return program;
}

export const base64 = (der: Uint8Array): string => Buffer.from(der).toString('base64');

/** SHA-256 of node:crypto's own SubjectPublicKeyInfo. */
export function spkiSha256(key: KeyObject): string {
  const spki = key.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex');
}
