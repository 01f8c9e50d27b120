// node core-signatures.mjs CA_DIR COUNT: P-256 keys, and a signature by the CA's key with each, by the core alone, on this
// thread, in batches of 128. Prints JSON: seconds and processor seconds of all of them, and the last batch.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCore } from '../../packages/core/src/core.ts';
import { call, load, wasm } from '../../packages/core/src/engine.ts';

const BATCH = 128;
// As in core-leaves.mjs: V8 has replaced its baseline code by then.
const WARM_UP = 300;
/** A row of `signWithNewKeys`: the public key's point, the signature's length, the signature. */
const [POINT, ROW] = [65, 138];

const [folder = '', count = '0'] = process.argv.slice(2);
const core = await createCore();
const [{ certificate: ca }] = core.inspect(readFileSync(join(folder, 'client-ca.crt')));
await core.close();
await load();
const issuer = call(() => new wasm.LeafIssuer(process.env.K3S_PKI_LANES ?? 'auto', true, false));
const caKey = readFileSync(join(folder, 'client-ca.key'));
const profile = call(() => issuer.addProfile(ca.der, caKey, [], [], 'ec:p256')) ?? 0;

const messages = Array.from({ length: BATCH }, (_, index) => `message ${index}`);
const digests = Buffer.concat(messages.map((message) => createHash('sha256').update(message).digest()));
const sign = () => call(() => issuer.signWithNewKeys(profile, digests));

for (let batch = 0; batch < WARM_UP; batch += 1) sign();
const batches = Math.ceil(Number(count) / BATCH);
let last;
const cpu = process.cpuUsage();
const started = performance.now();
for (let batch = 0; batch < batches; batch += 1) last = sign();
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpu);

const rows = messages.map((message, index) => {
  const row = Buffer.from(last.subarray(index * ROW, (index + 1) * ROW));
  const signature = row.subarray(POINT + 1, POINT + 1 + row[POINT]);
  return { message, point: row.toString('hex', 0, POINT), signature: signature.toString('hex') };
});
const report = { lanes: issuer.lanes(), seconds, cpu: (user + system) / 1e6, count: batches * BATCH, rows };
process.stdout.write(JSON.stringify(report));
