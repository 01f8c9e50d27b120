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
import { type KeyJob, type KeyRun, runKeyWorkers } from '../src/key-workers.ts';
import { scratch } from './judges.ts';

const workers = suite('core/key-workers');
const module = await load();
const start = { module, lanes: 'auto' as const };
const jobs: KeyJob[] = [
  { place: 0, bits: 2048 },
  { place: 1, bits: 2112 },
  { place: 2, bits: 2176 },
];
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
  assert.equal(places.sort(), [0, 1, 2]);
  assert.ok(taken.every((prime) => prime.every((octet) => octet === 0)));
});

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
});

for (const [what, code, message] of [
  ['exits', 'parentPort.on("message", () => process.exit(3))', /ended early with exit code 3/],
  ['exits at once', 'process.exit(0)', /ended early with exit code 0/],
  ['throws', 'parentPort.on("message", () => { throw new Error("x") })', /a key worker failed/],
  ['cannot be loaded', 'import "./missing.mjs"', /a key worker failed/],
  ['rejects', 'parentPort.on("message", async () => { throw new Error("x") })', /a key worker failed/],
] as const) {
  workers(`a worker that ${what} fails the run`, async () => {
    const thrown = await reason(run(yes, program(what.replaceAll(' ', '-'), code)).finished);
    assert.is(thrown.code, 'internal');
    assert.match(thrown.message, message);
  });
}

workers('a failure that a worker reports keeps its code', async () => {
  const code = 'parentPort.on("message", () => parentPort.postMessage({ code: "self-check-failed", message: "m" }))';
  const thrown = await reason(run(yes, program('reports', code)).finished);
  assert.is(thrown.code, 'self-check-failed');
  assert.is(thrown.message, 'm');
});

workers('what the taker throws fails the run', async () => {
  const code = 'parentPort.on("message", () => parentPort.postMessage({ prime: new Uint8Array(4) }))';
  const take = (): never => {
    throw new CoreError('malformed', 'taker');
  };
  assert.is((await reason(run(take, program('short', code)).finished)).message, 'taker');
});

workers('a stop ends workers that never answer', async () => {
  const endless = run(yes, program('silent', 'parentPort.on("message", () => { for (;;); })'));
  const settled = reason(endless.finished);
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
