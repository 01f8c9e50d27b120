// node rsa-keys.mjs core|node BITS COUNT WARM_UP: RSA keys one after another on this thread, warm. Prints JSON: seconds of
// each key, processor seconds of all of them, their PEM, primality tests a key. The first WARM_UP keys are not counted.
import { generateKeyPairSync } from 'node:crypto';

const [engine, ...numbers] = process.argv.slice(2);
const [bits = 2048, count = 1, warmUp = 1] = numbers.map(Number);
const { key, pem, tests = () => undefined } = engine === 'core' ? await core() : native();

for (let made = 0; made < warmUp; made += 1) key();
const testsBefore = tests();
const cpu = process.cpuUsage();
const keys = [];
const each = [];
for (let made = 0; made < count; made += 1) {
  const started = performance.now();
  keys.push(key());
  each.push((performance.now() - started) / 1000);
}
const { user, system } = process.cpuUsage(cpu);
const testsPerKey = testsBefore === undefined ? undefined : (tests() - testsBefore) / count;
process.stdout.write(`${JSON.stringify({ each, cpu: (user + system) / 1e6, testsPerKey, keys: keys.map(pem) })}\n`);

/** As the program makes them while there are more than a few. */
async function core() {
  const { call, load, wasm } = await import('../../packages/core/src/engine.ts');
  await load();
  const search = call(() => new wasm.RsaPairSearch(bits, process.env.K3S_PKI_LANES ?? 'auto'));
  return {
    tests: () => search.tests(),
    key() {
      for (;;) {
        let primes;
        do primes = call(() => search.step());
        while (primes === undefined);
        const half = primes.length / 2;
        const made = call(() => wasm.rsaKeyFromPrimes(primes.subarray(0, half), primes.subarray(half)));
        if (made !== undefined) return made;
      }
    },
    pem: (made) => Buffer.from(call(() => made.pem())).toString('latin1'),
  };
}

function native() {
  return {
    key: () => generateKeyPairSync('rsa', { modulusLength: bits }).privateKey,
    pem: (made) => made.export({ type: 'pkcs1', format: 'pem' }),
  };
}
