// Runs whole processes and says what they took.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/** A rival, or a command of ours, that can't run here; the message says what is lacking. */
export class Absent extends Error {}

/** GNU time, which gives wait4's figures to a program that can't call it. Alpine's and macOS's have no `-f`. */
const gnuTime = process.platform === 'linux' && existsSync('/usr/bin/time') ? '/usr/bin/time' : undefined;
export const seesCpu = gnuTime !== undefined;

const LIMIT = 20 * 60_000;
let serial = 0;

/**
 * Runs a program to its end. Seconds: `wall` from before the start to the end, `cpu` user and system with all of its
 * children, in steps of 10 ms, absent without GNU time. `peak` is the largest resident process in bytes. `stdout` is
 * a Buffer, or empty when `discard`. Throws Absent when there is no such program, Error when it exits with another
 * code than 0 (`code` and `stderr` are its properties).
 */
export async function finish(command, args, { env = {}, cwd, discard = false } = {}) {
  serial += 1;
  const report = join(tmpdir(), `k3s-pki-bench-${process.pid}-${serial}`);
  const line = gnuTime ? [gnuTime, '-q', '-f', '%U %S %M', '-o', report, command, ...args] : [command, ...args];
  const [program = '', ...rest] = line;
  const chunks = { stdout: [], stderr: [] };
  try {
    const started = performance.now();
    const code = await new Promise((resolve, reject) => {
      const child = spawn(program, rest, {
        cwd,
        env: { ...environment, ...env },
        stdio: ['ignore', discard ? 'ignore' : 'pipe', 'pipe'],
        timeout: LIMIT,
      });
      for (const name of ['stdout', 'stderr']) child[name]?.on('data', (chunk) => chunks[name].push(chunk));
      child.on('error', (error) => reject(error.code === 'ENOENT' ? new Absent(`no ${command}`) : error));
      child.on('close', (status, signal) => resolve(status ?? signal));
    });
    const wall = (performance.now() - started) / 1000;
    const stderr = Buffer.concat(chunks.stderr).toString();
    // 127 is GNU time's own answer to a program that is not there.
    if (code === 127 && gnuTime) throw new Absent(`no ${command}`);
    if (code !== 0) {
      const words = `${[command, ...args]
        .map((word) => basename(word))
        .join(' ')
        .slice(0, 200)} ended with ${code}: ${stderr.trim().slice(-1000)}`;
      throw Object.assign(new Error(words), { code, stderr });
    }
    return { wall, ...usage(report), stdout: Buffer.concat(chunks.stdout) };
  } finally {
    rmSync(report, { force: true });
  }
}

/** A folder that is gone when the bench ends. */
export function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), 'k3s-pki-bench-'));
  process.on('exit', () => rmSync(path, { recursive: true, force: true }));
  return path;
}

function usage(report) {
  if (!gnuTime) return {};
  const [user = 0, system = 0, kibibytes = 0] = readFileSync(report, 'utf8').trim().split(' ').map(Number);
  return { cpu: user + system, peak: kibibytes * 1024 };
}

/** This process's environment without what would steer the programs. */
const environment = (() => {
  const { DATA_DIR, PRODUCT, JOB_COMPLETION_INDEX, NODE_OPTIONS, FORCE_COLOR, GOMAXPROCS, GOGC, ...kept } = process.env;
  const own = Object.entries(kept).filter(([name]) => name === 'K3S_PKI_LANES' || !/^(K3S|RKE2)_/.test(name));
  return { ...Object.fromEntries(own), NO_COLOR: '1', LC_ALL: 'C' };
})();
