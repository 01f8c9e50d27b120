/** The pool of key workers, with the real worker and with programs that fail as workers can. */

import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../src/engine.ts';
import { CoreError } from '../src/errors.ts';
import { type KeyJob, runKeyWorkers } from '../src/key-workers.ts';
import { scratch } from './judges.ts';

const workers = suite('core/key-workers');
const module = await load();
const jobs: KeyJob[] = [
  { place: 0, type: 'rsa:2048' },
  { place: 1, type: 'rsa:2112' },
  { place: 2, type: 'rsa:2176' },
];

workers('every key comes once, and its bytes are overwritten after they were taken', async () => {
  const taken: Uint8Array[] = [];
  const places: number[] = [];
  await runKeyWorkers(module, jobs, ({ place }, pem) => {
    assert.match(Buffer.from(pem).toString(), /^-----BEGIN RSA PRIVATE KEY-----\n/);
    taken.push(pem);
    places.push(place);
  }).finished;
  assert.equal(places.sort(), [0, 1, 2]);
  assert.ok(taken.every((pem) => pem.length > 1000 && pem.every((octet) => octet === 0)));
});

workers('the longest keys are begun first', async () => {
  const echo = program(
    'echo',
    `parentPort.on('message', (type) => parentPort.postMessage({ pem: Buffer.from(type) }))`,
  );
  const many: KeyJob[] = [2048, 8192, 3072, 4096, 6144].map((bits, place) => ({ place, type: `rsa:${bits}` }));
  const first = many.toSorted((a, b) => Number(b.type.slice(4)) - Number(a.type.slice(4)));
  const begun = first.slice(0, Math.min(availableParallelism(), many.length)).map((job) => job.place);
  const order: number[] = [];
  const take = (job: KeyJob, pem: Uint8Array): void => {
    assert.is(Buffer.from(pem).toString(), job.type);
    order.push(job.place);
  };
  await runKeyWorkers(module, many, take, echo).finished;
  assert.ok(begun.includes(order[0] ?? -1));
  assert.equal(order.toSorted(), [0, 1, 2, 3, 4]);
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
      runKeyWorkers(module, jobs, () => {}, program(what.replaceAll(' ', '-'), code)).finished,
    );
    assert.is(thrown.code, 'internal');
    assert.match(thrown.message, message);
  });
}

workers('a failure that a worker reports keeps its code', async () => {
  const code = 'parentPort.on("message", () => parentPort.postMessage({ code: "self-check-failed", message: "m" }))';
  const thrown = await reason(runKeyWorkers(module, jobs, () => {}, program('reports', code)).finished);
  assert.is(thrown.code, 'self-check-failed');
  assert.is(thrown.message, 'm');
});

workers('what the taker throws fails the run', async () => {
  const code = 'parentPort.on("message", () => parentPort.postMessage({ pem: new Uint8Array(4) }))';
  const thrown = await reason(
    runKeyWorkers(
      module,
      jobs,
      () => {
        throw new CoreError('malformed', 'taker');
      },
      program('short', code),
    ).finished,
  );
  assert.is(thrown.message, 'taker');
});

workers('a stop ends workers that never answer', async () => {
  const run = runKeyWorkers(module, jobs, () => {}, program('silent', 'parentPort.on("message", () => { for (;;); })'));
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
