// Plain JavaScript that every Node since 18 can read: an older one gets one clear line, or the Node of the checkout.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

const oldest = [22, 19];

/** Starts the program as `programName`; in a checkout the TypeScript runs as it is. */
export async function launch(programName) {
  if (!isRecent(process.versions.node)) return relaunch(programName);
  const main = new URL('../src/main.ts', import.meta.url);
  if (!existsSync(new URL('../node_modules/clipanion', import.meta.url))) {
    return refuse(
      programName,
      'this checkout is not set up',
      `run npm start in ${fileURLToPath(new URL('../../..', import.meta.url))}`,
    );
  }
  // Compiled code and stripped types are kept beside the program: from the second run on, start-up takes a quarter of the
  // time. Not in the shared temporary folder, Node's default: another user could put code there that we would run.
  if (process.env.NODE_DISABLE_COMPILE_CACHE === undefined) {
    nodeModule.enableCompileCache?.(fileURLToPath(new URL('../.cache', import.meta.url)));
  }
  const { main: run } = await import(main.href);
  process.exitCode = await run(programName, process.argv.slice(2));
}

/** Runs the same command line under the Node that set-up brought, signals and exit code passed through. */
function relaunch(programName) {
  const node = fileURLToPath(new URL('../../../node_modules/node/bin/node', import.meta.url));
  if (!existsSync(node)) {
    refuse(programName, `Node.js ${process.versions.node} is too old`, `install Node.js ${oldest.join('.')} or newer`);
    return;
  }
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 143);
  });
}

function isRecent(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
}

function refuse(programName, what, mend) {
  process.stderr.write(`${programName}: error: ${what}\n${programName}: hint: ${mend}\n`);
  process.exitCode = 1;
}
