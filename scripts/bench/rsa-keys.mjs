// node rsa-keys.mjs core|node BITS COUNT WARM_UP: RSA keys one after another on one thread of a warm process. Prints JSON:
// seconds of each key, processor seconds of all of them, their PEM. The first WARM_UP keys are not counted.
import { generateKeyPairSync } from 'node:crypto';

const [engine, ...numbers] = process.argv.slice(2);
const [bits = 2048, count = 1, warmUp = 1] = numbers.map(Number);
const ends = [];
let cpu = process.cpuUsage();

/** Called when a key is finished; warm-up keys leave one entry, the start of the first counted key. */
function finished(done) {
  if (done < warmUp) return;
  if (done === warmUp) cpu = process.cpuUsage();
  ends.push(performance.now());
}

const pems = engine === 'core' ? await byCore() : byNode();
const { user, system } = process.cpuUsage(cpu);
const each = ends.slice(1).map((end, index) => (end - ends[index]) / 1000);
process.stdout.write(
  `${JSON.stringify({ each, cpu: (user + system) / 1e6, keys: pems.slice(warmUp).map((pem) => pem()) })}\n`,
);

/** By the function that every command calls, held to one worker; what it does beside the search is counted too. */
async function byCore() {
  const { createCore } = await import('../../packages/core/src/core.ts');
  const core = await createCore();
  const types = Array.from({ length: warmUp + count }, () => `rsa:${bits}`);
  const keys = await core.generateKeys(types, { workers: 1, onProgress: ({ done }) => finished(done) });
  return keys.map((key) => () => Buffer.from(key.toPem()).toString('latin1'));
}

function byNode() {
  return Array.from({ length: warmUp + count }, (_, index) => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: bits });
    finished(index + 1);
    return () => privateKey.export({ type: 'pkcs1', format: 'pem' });
  });
}
