// Comparisons of RSA key generation.

import { finish } from './process.mjs';
import { go, k3sPki, openssl, script } from './programs.mjs';
import * as verified from './verify.mjs';

/** Keys of each size, one thread, warm process. */
export function rsaKeys({ short }) {
  // A turn holds enough keys to outlast a stall of the machine, few enough that all subjects see the same weather.
  const plans = short
    ? { 2048: { count: 4, turns: 2 }, 3072: { count: 2, turns: 1 }, 4096: { count: 2, turns: 1 } }
    : { 2048: { count: 16, turns: 4 }, 3072: { count: 8, turns: 3 }, 4096: { count: 6, turns: 4 } };
  return Object.entries(plans).map(([size, { count, turns }]) => {
    const bits = Number(size);
    return {
      name: `rsa-${bits}`,
      title: `RSA-${bits} key, one thread, warm process`,
      unit: 'key',
      rounds: short ? 3 : 5,
      turns,
      warmUps: 0,
      subjects: [
        { name: 'ours', title: 'k3s-pki core', run: async () => inProcess(await keys('core', 3), bits) },
        { name: 'node', title: 'node:crypto', run: async () => inProcess(await keys('node', 1), bits) },
        { name: 'go', title: 'Go crypto/rsa', run: async () => inProcess(await goKeys(), bits) },
        { name: 'openssl', title: 'openssl genpkey', run: () => processes(() => genpkey(bits), bits, count) },
      ],
    };

    function keys(engine, warmUp) {
      return script('rsa-keys.mjs', [engine, bits, count, warmUp].map(String));
    }
    function goKeys() {
      return go(['rsa', '--bits', String(bits), '--count', String(count)]);
    }
  });
}

/** One RSA-2048 key by a fresh process, everything included. */
export function rsaProcess({ short }) {
  const bits = 2048;
  const code = `process.stdout.write(crypto.generateKeyPairSync('rsa', { modulusLength: ${bits}, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs1', format: 'pem' } }).privateKey)`;
  const subject = (name, title, run) => ({ name, title, run: () => processes(run, bits, 1) });
  return {
    name: 'rsa-2048-process',
    title: 'one RSA-2048 key, fresh process',
    unit: 'key',
    rounds: short ? 3 : 8,
    // Every single key is a turn: the search's length is random, so a round is the mean of several.
    turns: short ? 4 : 16,
    warmUps: 1,
    subjects: [
      subject('ours', 'k3s-pki key generate', () => k3sPki(['key', 'generate', '--type', `rsa:${bits}`, '--out', '-'])),
      subject('node', 'node -e generateKeyPairSync', () => finish(process.execPath, ['-e', code])),
      subject('openssl', 'openssl genpkey', () => genpkey(bits)),
    ],
  };
}

function genpkey(bits) {
  return finish(openssl, ['genpkey', '-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${bits}`]);
}

/** A turn from what a program timed by itself. */
function inProcess({ stdout }, bits) {
  const { each, cpu, testsPerKey, keys } = JSON.parse(stdout);
  for (const pem of keys) verified.privateKey(pem, { type: 'rsa', bits });
  if (keys.length !== each.length) throw new Error(`${keys.length} keys in ${each.length} times`);
  return { wall: each.reduce((sum, seconds) => sum + seconds, 0), cpu, units: each.length, each, testsPerKey };
}

/** A turn of processes, a key each. */
async function processes(run, bits, count) {
  const each = [];
  let cpu = 0;
  for (let made = 0; made < count; made += 1) {
    const result = await run();
    verified.privateKey(result.stdout, { type: 'rsa', bits });
    each.push(result.wall);
    cpu += result.cpu ?? Number.NaN;
  }
  const wall = each.reduce((sum, seconds) => sum + seconds, 0);
  return { wall, units: count, each, ...(Number.isFinite(cpu) ? { cpu } : {}) };
}
