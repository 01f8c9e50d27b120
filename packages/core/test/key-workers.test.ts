/** The pool of key workers, with the real worker and with programs that fail as workers can. */

import { checkPrimeSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../src/engine.ts';
import { CoreError } from '../src/errors.ts';
import { type KeyJob, runKeyWorkers, type WorkerStart } from '../src/key-workers.ts';
import { scratch } from './judges.ts';

const workers = suite('core/key-workers');
const start: WorkerStart = { module: await load(), lanes: 'auto' };
const jobs: KeyJob[] = [
  { place: 0, bits: 2048 },
  { place: 1, bits: 2112 },
  { place: 2, bits: 2176 },
];
const tell = (): void => {};

workers('every key comes once, of two primes of its size, which are overwritten after they were taken', async () => {
  const taken: Uint8Array[] = [];
  const places: number[] = [];
  const take = ({ place, bits }: KeyJob, p: Uint8Array, q: Uint8Array): boolean => {
    for (const prime of [p, q]) {
      assert.is(prime.length, bits / 16);
      assert.ok(checkPrimeSync(BigInt(`0x${Buffer.from(prime).toString('hex')}`)));
    }
    taken.push(p, q);
    places.push(place);
    return true;
  };
  await runKeyWorkers(start, jobs, take, tell).finished;
  assert.equal(places.sort(), [0, 1, 2]);
  assert.ok(taken.every((prime) => prime.every((octet) => octet === 0)));
});

workers('one worker makes every key, the longest first', async () => {
  const echo = program(
    'echo',
    `parentPort.on('message', (bits) => parentPort.postMessage({ prime: new Uint8Array(bits / 16) }))`,
  );
  const many: KeyJob[] = [2048, 8192, 3072, 4096, 6144].map((bits, place) => ({ place, bits }));
  const order: number[] = [];
  const take = (job: KeyJob, p: Uint8Array, q: Uint8Array): boolean => {
    assert.is(p.length + q.length, job.bits / 8);
    return order.push(job.bits) > 0;
  };
  await runKeyWorkers(start, many, take, tell, 1, echo).finished;
  assert.equal(order, [8192, 6144, 4096, 3072, 2048]);
});

workers('two primes that make no key cost one more', async () => {
  const count = program(
    'count',
    `let n = 0; parentPort.on('message', () => parentPort.postMessage({ prime: Uint8Array.of(++n) }))`,
  );
  const pairs: number[][] = [];
  const take = (_: KeyJob, p: Uint8Array, q: Uint8Array): boolean => pairs.push([p[0] ?? 0, q[0] ?? 0]) === 3;
  await runKeyWorkers(start, [{ place: 0, bits: 2048 }], take, tell, 1, count).finished;
  assert.equal(pairs, [
    [1, 2],
    [1, 3],
    [1, 4],
  ]);
});

for (const [what, code, message] of [
  ['exits', 'parentPort.on("message", () => process.exit(3))', /ended early with exit code 3/],
  ['exits at once', 'process.exit(0)', /ended early with exit code 0/],
  ['throws', 'parentPort.on("message", () => { throw new Error("x") })', /a key worker failed/],
  ['cannot be loaded', 'import "./missing.mjs"', /a key worker failed/],
  ['rejects', 'parentPort.on("message", async () => { throw new Error("x") })', /a key worker failed/],
] as const) {
  workers(`a worker that ${what} fails the run`, async () => {
    const thrown = await reason(
      runKeyWorkers(start, jobs, () => true, tell, 2, program(what.replaceAll(' ', '-'), code)).finished,
    );
    assert.is(thrown.code, 'internal');
    assert.match(thrown.message, message);
  });
}

workers('a failure that a worker reports keeps its code', async () => {
  const code = 'parentPort.on("message", () => parentPort.postMessage({ code: "self-check-failed", message: "m" }))';
  const thrown = await reason(runKeyWorkers(start, jobs, () => true, tell, 2, program('reports', code)).finished);
  assert.is(thrown.code, 'self-check-failed');
  assert.is(thrown.message, 'm');
});

workers('what the taker throws fails the run', async () => {
  const code = 'parentPort.on("message", () => parentPort.postMessage({ prime: new Uint8Array(4) }))';
  const thrown = await reason(
    runKeyWorkers(
      start,
      jobs,
      () => {
        throw new CoreError('malformed', 'taker');
      },
      tell,
      2,
      program('short', code),
    ).finished,
  );
  assert.is(thrown.message, 'taker');
});

workers('a stop ends workers that never answer', async () => {
  const run = runKeyWorkers(
    start,
    jobs,
    () => true,
    tell,
    2,
    program('silent', 'parentPort.on("message", () => { for (;;); })'),
  );
  const settled = reason(run.finished);
  await setTimeout(100);
  run.stop(new CoreError('aborted', 'stopped'));
  assert.is((await settled).message, 'stopped');
});

workers.run();

function program(name: string, code: string): URL {
  const file = join(scratch, `${name}.mjs`);
  writeFileSync(file, `import { parentPort } from 'node:worker_threads';\n${code};\n`);
  return pathToFileURL(file);
}

async function reason(promise: Promise<void>): Promise<CoreError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.instance(thrown, CoreError);
  return thrown as CoreError;
}
