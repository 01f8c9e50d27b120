// node scripts/run.mjs NAME ARGS...: sets up, then runs a tool of the workspace, or a script of it, on the workspace's Node.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { node, setup, workspace } from './setup.mjs';

/** Runs a command line with this process's streams; answers its exit code. Signals reach the child by the terminal. */
export function spawnInherit(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options });
    // Ctrl-C goes to the whole group: wait for the child's own answer to it.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await setup();
  const [name, ...args] = process.argv.slice(2);
  const tool = join(workspace, 'node_modules', '.bin', name);
  const path = `${join(workspace, 'node_modules', 'node', 'bin')}:${process.env.PATH}`;
  process.exitCode = existsSync(tool)
    ? await spawnInherit(tool, args, { cwd: workspace, env: { ...process.env, PATH: path } })
    : await spawnInherit(node, [join(workspace, name), ...args], { cwd: workspace });
}
