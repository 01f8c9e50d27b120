// node core-leaves.mjs CA_DIR COUNT: client-kubelet certificates with keys by the core alone, one worker, batches of 128.
// Prints JSON: seconds and processor seconds of COUNT leaves, the last one's PEM; or what is absent.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCore } from '../../packages/core/src/core.ts';

const BATCH = 128;
// Half a second of batches: V8 has replaced its baseline code by then.
const WARM_UP = 200;

const [folder = '', count = '0'] = process.argv.slice(2);
const bundle = readFileSync(join(folder, 'client-ca.crt'));
const core = await createCore();
if (typeof core.openBulk === 'function') await measure();
else process.stdout.write(JSON.stringify({ absent: 'not there yet: openBulk of the core' }));
await core.close();

async function measure() {
  const [block] = core.inspect(bundle);
  const now = Math.floor(Date.now() / 1000);
  const notBefore = Math.max(now - 3600, block.certificate.notBefore);
  const profile = {
    ca: block.certificate,
    caKey: readFileSync(join(folder, 'client-ca.key')),
    keyUsage: ['digitalSignature', 'keyEncipherment'],
    extendedKeyUsage: ['clientAuth'],
    keyType: 'ec:p256',
  };
  const issuer = await core.openBulk([profile], { workers: 1, check: 'sample' });
  const rows = (batch) =>
    Array.from({ length: BATCH }, (_, index) => ({
      commonName: `system:node:${node(batch * BATCH + index)}`,
      organizations: ['system:nodes'],
      dns: [],
      ip: [],
      notBefore,
      notAfter: notBefore + 365 * 86_400,
    }));

  /** Keeps `depth` batches under way, as a sink that is never full does. */
  const batches = async (number) => {
    let next = 0;
    let last;
    const lane = async () => {
      while (next < number) {
        const batch = next++;
        const issued = await issuer.issue(0, rows(batch));
        if (batch === number - 1) last = pair(issued, batch);
        issued.release();
      }
    };
    await Promise.all(Array.from({ length: issuer.depth }, lane));
    return last;
  };

  await batches(WARM_UP);
  const cpu = process.cpuUsage();
  const started = performance.now();
  const last = await batches(Number(count) / BATCH);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await issuer.close();
  process.stdout.write(JSON.stringify({ seconds, cpu: (user + system) / 1e6, last }));
}

function pair(issued, batch) {
  const text = (octets) => Buffer.from(octets).toString('latin1');
  return {
    node: node(batch * BATCH + BATCH - 1),
    certificate: text(issued.certificate(BATCH - 1)) + text(bundle),
    key: text(issued.key(BATCH - 1)),
  };
}

function node(row) {
  return `edge-${String(row).padStart(6, '0')}`;
}
