// Installs the workspace and a current Node.js through a pinned pnpm. No dependencies; runs on any Node >= 18.
// Done once: a stamp in node_modules names the lock file that was installed, and the next start does nothing.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const workspace = fileURLToPath(new URL('..', import.meta.url));
/** The Node.js that scripts and tests run on, whatever the machine's own is. */
export const node = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));

const pnpm = 'pnpm@12.21.0';
const stamp = new URL('../node_modules/.set-up', import.meta.url);

/** Sets the checkout up when it is not; answers whether there was something to do. Ends the process when it can't. */
export async function setup() {
  const wanted = fingerprint();
  if (existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return false;
  const started = Date.now();
  const done = say('setting up: packages and Node.js, once, about 15 s');
  try {
    await install();
  } catch (error) {
    process.stderr.write(`\n${error.message}\n`);
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
  done(`set up in ${Math.round((Date.now() - started) / 1000)} s`);
  return true;
}

/** Of everything that decides what gets installed. */
function fingerprint() {
  const hash = createHash('sha256').update(pnpm).update(`${process.platform} ${process.arch}`);
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    hash.update(readFileSync(new URL(`../${file}`, import.meta.url)));
  return hash.digest('hex');
}

function install() {
  return new Promise((resolve, reject) => {
    const windows = process.platform === 'win32';
    const args = ['-y', pnpm, 'install', '--frozen-lockfile', '--reporter=append-only'];
    const child = spawn(windows ? 'npx.cmd' : 'npx', args, {
      cwd: workspace,
      shell: windows,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else
        reject(
          new Error(
            `${output.trimEnd()}\nk3s-pki: error: set-up failed: pnpm install ended with ${code}\nk3s-pki: hint: the npm registry must be reachable; then run the same command again`,
          ),
        );
    });
  });
}

/** Shows a step on stderr while it runs. On a terminal the line is replaced when it ends. */
function say(text) {
  const terminal = process.stderr.isTTY === true;
  const started = Date.now();
  process.stderr.write(terminal ? `k3s-pki: ${text} ...` : `k3s-pki: ${text}\n`);
  const timer = terminal
    ? setInterval(
        () => process.stderr.write(`\r\x1b[Kk3s-pki: ${text} ... ${Math.round((Date.now() - started) / 1000)} s`),
        1000,
      )
    : undefined;
  return (end) => {
    clearInterval(timer);
    process.stderr.write(terminal ? `\r\x1b[Kk3s-pki: ${end}\n` : `k3s-pki: ${end}\n`);
  };
}
