// npm test [-- FILTER]: runs every *.test.ts of the workspace, each in a process of its own, two at a time.
// Ends with `N passed, N failed`. A suite that ran no test, or that did not end by itself, counts as failed.
// K3S_PKI_REQUIRE_JUDGES=1 (CI) makes a judge that is absent from the machine a failure.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { relative } from 'node:path';
import { workspace } from './setup.mjs';

const filter = process.argv[2] ?? '';
const suites = globSync(['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'], {
  cwd: workspace,
  exclude: ['**/node_modules/**'],
})
  .filter((file) => file.includes(filter))
  .sort();
const queue = [...suites];
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

function run(suite) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [suite], {
      cwd: workspace,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
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
