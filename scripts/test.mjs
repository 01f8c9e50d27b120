// npm test [-- FILTER]: runs every *.test.ts of the workspace, each in a process of its own, two at a time. All of them
// together test a release that is built for it, which is what users run, and starts in half of the time; with a FILTER the
// checkout's program is tested as it is. K3S_PKI_TEST_BIN names another folder of programs.
// Ends with `N passed, N failed`. A suite that ran no test, or that did not end by itself, counts as failed.
// K3S_PKI_REQUIRE_JUDGES=1 (CI) makes a judge that is absent from the machine a failure.
import { spawn, spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { workspace } from './setup.mjs';

const filter = process.argv[2] ?? '';
const suites = globSync(['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'], {
  cwd: workspace,
  exclude: ['**/node_modules/**'],
})
  .filter((file) => file.includes(filter))
  .sort();
if (filter === '') process.env.K3S_PKI_TEST_BIN ??= release();
// These take longest and begin first, so that none is left over at the end.
const longest = [
  'interop/state-machine',
  'interop/generate-custom-ca-certs',
  'stage/test/crash',
  'cli/rotate-robustness',
];
const queue = suites.toSorted((one, other) => rank(one) - rank(other));
/** Compiled code and stripped types, which the suites share. */
const compiled = join(workspace, '.cache', 'test');
const total = { passed: 0, failed: 0 };
const absent = new Set();

await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, work));
for (const line of [...absent].sort()) console.log(line);
if (suites.length === 0) {
  console.log(`no suite matches ${JSON.stringify(filter)}`);
  total.failed += 1;
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

async function work() {
  for (let suite = queue.shift(); suite !== undefined; suite = queue.shift()) {
    const started = performance.now();
    const { code, output } = await run(suite);
    const { passed, failed, lines } = judge(output, code);
    total.passed += passed;
    total.failed += failed;
    for (const line of lines) absent.add(line);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(
      `${failed === 0 ? 'ok  ' : 'FAIL'} ${relative('.', suite)}  ${passed} passed${failed ? `, ${failed} failed` : ''}  ${seconds} s`,
    );
    if (failed > 0) console.log(output.replace(/^/gm, '     '));
  }
}

function rank(suite) {
  const place = longest.findIndex((part) => suite.includes(part));
  return place < 0 ? longest.length : place;
}

/** Builds a release and answers its folder of programs, which is gone with this process. It lies in the workspace, where the
 *  tests that run as another user find it. */
function release() {
  const cache = join(workspace, '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'test-release-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const args = [join(workspace, 'scripts', 'build-release.mjs'), '--out', folder];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`build-release ended with ${status}: ${stderr}`);
  return join(folder, 'bin');
}

function run(suite) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [suite], {
      cwd: workspace,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1', NODE_COMPILE_CACHE: compiled },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), 10 * 60_000);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

/** Reads uvu's closing lines; there may be several suites in a file. */
function judge(output, code) {
  const sum = (pattern) => [...output.matchAll(pattern)].reduce((count, [, number]) => count + Number(number), 0);
  const all = sum(/^ {2}Total: +(\d+)$/gm);
  const passed = sum(/^ {2}Passed: +(\d+)$/gm);
  const skipped = sum(/^ {2}Skipped: +(\d+)$/gm);
  const lines = [...output.matchAll(/not run: .+$/gm)].map(([line]) => line);
  let failed = all - passed;
  // A skipped test is not a passed one; neither is a suite that died or held no test.
  if (skipped > 0) failed += skipped;
  if (failed === 0 && (code !== 0 || (all === 0 && lines.length === 0))) failed = 1;
  if (lines.length > 0 && process.env.K3S_PKI_REQUIRE_JUDGES === '1') failed += lines.length;
  return { passed, failed, lines };
}
