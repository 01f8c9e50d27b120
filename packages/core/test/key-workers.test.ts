/** The pool of key workers, with the real worker and with programs that fail as workers can. */
<<<<<<< HEAD

=======
>>>>>>> pki
import { checkPrimeSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../src/engine.ts';
import { CoreError } from '../src/errors.ts';
<<<<<<< HEAD
import { type KeyJob, runKeyWorkers, type WorkerStart } from '../src/key-workers.ts';
import { scratch } from './judges.ts';

const workers = suite('core/key-workers');
const start: WorkerStart = { module: await load(), lanes: 'auto' };
=======
import { type KeyJob, type KeyRun, runKeyWorkers } from '../src/key-workers.ts';
import { scratch } from './judges.ts';

const workers = suite('core/key-workers');
const module = await load();
const start = { module, lanes: 'auto' as const };
>>>>>>> pki
const jobs: KeyJob[] = [
  { place: 0, bits: 2048 },
  { place: 1, bits: 2112 },
  { place: 2, bits: 2176 },
];
<<<<<<< HEAD
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
=======
const yes = (): boolean => true;
const run = (take: Parameters<typeof runKeyWorkers>[2], program?: URL, count?: number): KeyRun =>
  runKeyWorkers(start, jobs, take, () => {}, count, program);

workers('every key gets two primes of its size, and their bytes are overwritten after they were taken', async () => {
  const taken: Uint8Array[] = [];
  const places: number[] = [];
  await run(({ place, bits }, p, q) => {
    for (const prime of [p, q]) {
      assert.is(prime.length, bits / 16);
      assert.ok(checkPrimeSync(prime.slice().buffer));
    }
    assert.not.equal(p, q);
    taken.push(p, q);
    places.push(place);
    return true;
  }).finished;
>>>>>>> pki
  assert.equal(places.sort(), [0, 1, 2]);
  assert.ok(taken.every((prime) => prime.every((octet) => octet === 0)));
});

<<<<<<< HEAD
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
=======
workers('two primes that make no key: one more is searched', async () => {
  let refusals = 2;
  const pairs: Uint8Array[][] = [];
  await run((_, p, q) => {
    pairs.push([p.slice(), q.slice()]);
    refusals -= 1;
    return refusals < 0;
  }).finished;
  assert.is(pairs.length, 5);
});

workers('the longest key is made first by a single worker', async () => {
  const order: number[] = [];
  await run(({ place }) => order.push(place) > 0, undefined, 1).finished;
  assert.equal(order, [2, 1, 0]);
>>>>>>> pki
});

for (const [what, code, message] of [
  ['exits', 'parentPort.on("message", () => process.exit(3))', /ended early with exit code 3/],
  ['exits at once', 'process.exit(0)', /ended early with exit code 0/],
  ['throws', 'parentPort.on("message", () => { throw new Error("x") })', /a key worker failed/],
  ['cannot be loaded', 'import "./missing.mjs"', /a key worker failed/],
  ['rejects', 'parentPort.on("message", async () => { throw new Error("x") })', /a key worker failed/],
] as const) {
  workers(`a worker that ${what} fails the run`, async () => {
<<<<<<< HEAD
    const thrown = await reason(
      runKeyWorkers(start, jobs, () => true, tell, 2, program(what.replaceAll(' ', '-'), code)).finished,
    );
=======
    const thrown = await reason(run(yes, program(what.replaceAll(' ', '-'), code)).finished);
>>>>>>> pki
    assert.is(thrown.code, 'internal');
    assert.match(thrown.message, message);
  });
}

workers('a failure that a worker reports keeps its code', async () => {
  const code = 'parentPort.on("message", () => parentPort.postMessage({ code: "self-check-failed", message: "m" }))';
<<<<<<< HEAD
  const thrown = await reason(runKeyWorkers(start, jobs, () => true, tell, 2, program('reports', code)).finished);
=======
  const thrown = await reason(run(yes, program('reports', code)).finished);
>>>>>>> pki
  assert.is(thrown.code, 'self-check-failed');
  assert.is(thrown.message, 'm');
});

workers('what the taker throws fails the run', async () => {
  const code = 'parentPort.on("message", () => parentPort.postMessage({ prime: new Uint8Array(4) }))';
<<<<<<< HEAD
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
=======
  const take = (): never => {
    throw new CoreError('malformed', 'taker');
  };
  assert.is((await reason(run(take, program('short', code)).finished)).message, 'taker');
});

workers('a stop ends workers that never answer', async () => {
  const endless = run(yes, program('silent', 'parentPort.on("message", () => { for (;;); })'));
  const settled = reason(endless.finished);
>>>>>>> pki
  await setTimeout(100);
  endless.stop(new CoreError('aborted', 'stopped'));
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
