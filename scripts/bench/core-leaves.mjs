// node core-leaves.mjs CA_DIR COUNT: client-kubelet certificates with keys by the core alone, on this thread, in batches
// of 128, from the rows' packing to the PEM. Prints JSON: seconds and processor seconds of COUNT leaves, the last one's
// PEM; or what is absent.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCore } from '../../packages/core/src/core.ts';
import { call, load, wasm } from '../../packages/core/src/engine.ts';

const BATCH = 128;
// About half a second: V8 has replaced its baseline code by then.
const WARM_UP = 300;
const DAY = 86_400;

const [folder = '', count = '0'] = process.argv.slice(2);
const answer = wasm.LeafIssuer === undefined ? { absent: 'the core’s batch engine is not there yet' } : await measure();
process.stdout.write(JSON.stringify(answer));

async function measure() {
  const { packRows } = await import('../../packages/core/src/bulk-rows.ts');
  const { readLeaves } = await import('../../packages/core/src/bulk-leaves.ts');
  const bundle = readFileSync(join(folder, 'client-ca.crt'));
  const core = await createCore();
  const [{ certificate: ca }] = core.inspect(bundle);
  await core.close();
  await load();
  const notBefore = Math.max(Math.floor(Date.now() / 1000) - 3600, ca.notBefore);
  const usages = [['digitalSignature', 'keyEncipherment'], ['clientAuth']];
  // As `certificate issue` opens it for many rows: the large table, a sample of the signatures verified by ring.
  const issuer = call(() => new wasm.LeafIssuer(process.env.K3S_PKI_LANES ?? 'auto', true, false));
  const caKey = readFileSync(join(folder, 'client-ca.key'));
  const profile = call(() => issuer.addProfile(ca.der, caKey, ...usages, 'ec:p256')) ?? 0;

  let memory;
  const issue = (batch) => {
    const rows = Array.from({ length: BATCH }, (_, index) => ({
      commonName: `system:node:${node(batch * BATCH + index)}`,
      organizations: ['system:nodes'],
      dns: [],
      ip: [],
      notBefore,
      notAfter: notBefore + 365 * DAY,
    }));
    const packed = call(() => issuer.issue(profile, packRows(rows), memory && new Uint8Array(memory)));
    const leaves = readLeaves(packed, BATCH, (released) => {
      memory = released;
    });
    const text = (octets) => Buffer.from(octets).toString('latin1');
    const last = {
      node: node(batch * BATCH + BATCH - 1),
      certificate: text(leaves.certificate(BATCH - 1)) + text(bundle),
      key: text(leaves.key(BATCH - 1)),
    };
    leaves.release();
    return last;
  };

  for (let batch = 0; batch < WARM_UP; batch += 1) issue(batch);
  const batches = Math.ceil(Number(count) / BATCH);
  let last;
  const cpu = process.cpuUsage();
  const started = performance.now();
  for (let batch = 0; batch < batches; batch += 1) last = issue(batch);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { lanes: issuer.lanes(), seconds, cpu: (user + system) / 1e6, count: batches * BATCH, last };
}

function node(row) {
  return `edge-${String(row + 1).padStart(6, '0')}`;
}
