// Plain JavaScript that every Node since 18 can read: an older one gets one clear line, or the Node of the checkout.
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';
import { cache, dependency, load, ownNode, root } from './layout.js';

const oldest = [22, 19];

/** Starts the program as `programName`; in a checkout the TypeScript runs as it is. */
export async function launch(programName) {
  if (!isRecent(process.versions.node)) return relaunch(programName);
  if (dependency !== undefined && !existsSync(dependency)) {
    return refuse(programName, 'this checkout is not set up', `run npm start in ${fileURLToPath(root)}`);
  }
  // Compiled code and stripped types are kept beside the program: from the second run on, start-up takes a quarter of the
  // time. Not in the shared temporary folder, Node's default: another user could put code there that we would run.
  if (process.env.NODE_DISABLE_COMPILE_CACHE === undefined) {
    nodeModule.enableCompileCache?.(cache);
  }
  const { main } = await load();
  process.exitCode = await main(programName, process.argv.slice(2));
}

/** Runs the same command line under the Node that set-up brought, signals and exit code passed through. */
async function relaunch(programName) {
  if (ownNode === undefined || !existsSync(ownNode)) {
    refuse(programName, `Node.js ${process.versions.node} is too old`, `install Node.js ${oldest.join('.')} or newer`);
    return;
  }
  const { spawn } = await import('node:child_process');
  const child = spawn(fileURLToPath(ownNode), process.argv.slice(1), { stdio: 'inherit' });
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
