// npm start -- ARGS: sets the checkout up when needed, then runs k3s-pki in the folder the user stands in.
import { join } from 'node:path';
import { spawnInherit } from './run.mjs';
import { node, setup, workspace } from './setup.mjs';

await setup();
const program = join(workspace, 'packages', 'cli', 'bin', 'k3s-pki.js');
process.exitCode = await spawnInherit(node, [program, ...process.argv.slice(2)], {
  cwd: process.env.INIT_CWD ?? process.cwd(),
});
