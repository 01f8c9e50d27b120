/** A search that is begun before the program is loaded: what it found is not lost, and belongs to one key generation. */
import { checkPrimeSync, createPrivateKey } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createCore } from '../src/core.ts';
import { beginSearch, takeSearch } from '../src/early-search.ts';

const test = suite('early search');
const request = { bits: 2048, both: false };

test('it is taken once, and only on its lanes', async () => {
  await beginSearch(2048, 'scalar');
  const begun = takeSearch('scalar');
  assert.ok(begun.tests() > 0);
  const next = takeSearch('scalar');
  assert.is(next.tests(), 0);
  await beginSearch(2048, 'scalar');
  assert.is(takeSearch('auto').tests(), 0);
  for (const search of [begun, next]) search.release();
});

test('a prime that was found early is the next one', async () => {
  await beginSearch(2048, 'auto');
  const search = takeSearch('auto');
  // Once there is one, nothing more is tested.
  let tests = -1;
  while (tests !== search.tests()) {
    tests = search.tests();
    for (let times = 0; times < 20; times += 1) search.begin(2048);
  }
  const prime = search.step(request);
  assert.is(prime?.length, 128);
  assert.ok(checkPrimeSync(prime ?? 0n));
  assert.is(search.tests(), tests);
  search.step(request);
  search.step(request);
  assert.ok(search.tests() > tests, 'then the search goes on');
  search.release();
});

test('a key generation goes on with it', async () => {
  await beginSearch(2048, 'auto');
  const core = await createCore();
  const [key] = await core.generateKeys(['rsa:2048']);
  const { asymmetricKeyDetails } = createPrivateKey(Buffer.from(key?.toPem() ?? []));
  assert.is(asymmetricKeyDetails?.modulusLength, 2048);
  assert.is(takeSearch('auto').tests(), 0);
  key?.wipe();
});

test.run();
