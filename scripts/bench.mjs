// npm run bench [-- OPTIONS], on the workspace's Node by run.mjs: k3s-pki beside what an administrator has natively.
// Exits with 0 whatever the figures are, 1 when something did not run or gave a wrong result, 2 on wrong usage.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { check } from './bench/check.mjs';
import { compare } from './bench/compare.mjs';
import { customCaCerts } from './bench/custom-ca-certs.mjs';
import * as bulk from './bench/leaves.mjs';
import { load, machine } from './bench/machine.mjs';
import { markdown } from './bench/markdown.mjs';
import { seesCpu } from './bench/process.mjs';
import { release, useProgram } from './bench/programs.mjs';
import { rotateCaOffline } from './bench/rotate-ca.mjs';
import { rsaKeys, rsaProcess } from './bench/rsa.mjs';
import { sealRecords } from './bench/seal.mjs';
import { judge } from './bench/targets.mjs';
import { workspace } from './setup.mjs';

const usage = `usage: npm run bench -- [--short] [--only NAME]... [--out DIR] [--program FILE]

  --short         few rounds and small counts: under 3 minutes, for CI
  --only NAME     only comparisons whose name begins so, more than once for more
  --list          name the comparisons and end
  --out DIR       where bench.json and bench.md go, bench-results when not given
  --program FILE  time this k3s-pki.js, the checkout's say, instead of a release that is built for it
`;

const options = readOptions();

const short = options.short === true;
const all = [
  ...rsaKeys({ short }),
  rsaProcess({ short }),
  customCaCerts({ short }),
  bulk.leaves({ short }, 1),
  bulk.leaves({ short }, 2),
  bulk.leavesCore({ short }),
  bulk.keyAndSignature({ short }),
  bulk.leavesOut({ short }),
  bulk.leavesMillion({ short }),
  check({ short }),
  rotateCaOffline({ short }),
  ...sealRecords({ short }),
];
if (options.list) {
  for (const { name, title } of all) process.stdout.write(`${name.padEnd(20)}${title}\n`);
  process.exit(0);
}
const only = options.only ?? [''];
const unknown = only.find((prefix) => !all.some(({ name }) => name.startsWith(prefix)));
if (unknown !== undefined) refuse(`no comparison is called ${unknown}`);
const here = process.env.INIT_CWD ?? process.cwd();
if (options.program !== undefined) {
  const program = resolve(here, options.program);
  if (!existsSync(program)) refuse(`${options.program}: no such file`);
  useProgram(program);
} else useProgram(await release());

const wanted = all.filter(({ name }) => only.some((prefix) => name.startsWith(prefix)));
const started = new Date().toISOString();
const before = load();
const comparisons = [];
const failures = [];
if (!seesCpu) say('no GNU time: processor time and memory of whole processes are not measured');
try {
  if (wanted.some(({ name }) => /^(leaves|key-)/.test(name))) await bulk.prepareAuthority();
  for (const comparison of wanted) {
    const { failures: more, ...result } = await compare(comparison, progress);
    comparisons.push(result);
    failures.push(...more);
    for (const { title, absent } of result.subjects)
      if (absent !== undefined) say(`${result.name}: not run: ${title}: ${absent.split('\n', 1)[0]}`);
  }
} catch (error) {
  failures.push(error.message);
}
const report = {
  machine: machine(),
  started,
  finished: new Date().toISOString(),
  short,
  load: { before, after: load() },
  targets: judge(comparisons),
  comparisons,
  failures,
};
const folder = options.out === undefined ? join(workspace, 'bench-results') : resolve(here, options.out);
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'bench.json'), `${JSON.stringify(report, null, 1)}\n`);
writeFileSync(join(folder, 'bench.md'), markdown(report));
clear();
process.stdout.write(markdown(report));
for (const failure of failures) process.stderr.write(`bench: error: ${failure}\n`);
process.stderr.write(`bench: every sample is in ${join(folder, 'bench.json')}\n`);
process.exitCode = failures.length === 0 ? 0 : 1;

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        short: { type: 'boolean' },
        only: { type: 'string', multiple: true },
        list: { type: 'boolean' },
        out: { type: 'string' },
        program: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    return values;
  } catch (error) {
    return refuse(error.message.split('\n', 1)[0]);
  }
}

function refuse(what) {
  process.stderr.write(`bench: error: ${what}\n\n${usage}`);
  process.exit(2);
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Kbench: ${text}`);
}

function say(text) {
  clear();
  process.stderr.write(`bench: ${text}\n`);
}

function clear() {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}
