// Times the engine in WebAssembly, interleaved with node:crypto. Build first:
//   cargo build -p pki-p256 --release --target wasm32-unknown-unknown --example bench
//   wasm-bindgen --target experimental-nodejs-module --out-dir target/bench \
//     target/wasm32-unknown-unknown/release/examples/bench.wasm
// then: node crates/p256/bench/bench.ts [batch] [rounds]
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';

const folder = new URL('../../../target/bench/', import.meta.url);
const { Bench } = await import(new URL('bench.js', folder).href);

const batch = Number(process.argv[2] ?? 128);
const rounds = Number(process.argv[3] ?? 200);

function subjectPublicKeyInfo(point: Uint8Array) {
  const prefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');
  return createPublicKey({ key: Buffer.concat([prefix, point]), format: 'der', type: 'spki' });
}

function time(work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / 1000;
}

const median = (x: number[]) => x.toSorted((a, b) => a - b)[x.length >> 1] as number;

const lanes = (process.env.LANES ?? 'fma,simd').split(',');
const engines = lanes.map((name) => {
  const start = process.hrtime.bigint();
  const bench = new Bench(name, true, 42);
  const made = Number(process.hrtime.bigint() - start) / 1e6;
  console.log(`${name}: ${bench.lanes()}, made in ${made.toFixed(2)} ms`);
  return { name, bench, keys: [] as number[], signatures: [] as number[], hashes: [] as number[] };
});

// node:crypto signs no digests of ECDSA, so it judges the last batch's keys; the crate's tests judge
// the signatures.
const native = { keys: [] as number[], signatures: [] as number[] };
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const message = Buffer.alloc(32, 1);
for (let round = 0; round < rounds; round++) {
  for (const engine of engines) {
    engine.bench.draw_digests(batch);
    engine.keys.push(time(() => engine.bench.keys(batch)) / batch);
    engine.signatures.push(time(() => engine.bench.sign()) / batch);
    engine.hashes.push(time(() => engine.bench.hash(batch, 500)) / batch);
  }
  if (round % 10 === 0) {
    native.keys.push(time(() => generateKeyPairSync('ec', { namedCurve: 'P-256' })));
    native.signatures.push(time(() => sign('sha256', message, privateKey)));
  }
}
for (const { name, bench, keys, signatures, hashes } of engines) {
  const publics = bench.publics();
  for (let i = 0; i < batch; i++) subjectPublicKeyInfo(publics.subarray(65 * i, 65 * i + 65));
  const warm = (x: number[]) => x.slice(x.length >> 1);
  const show = (x: number[]) => `${Math.min(...x).toFixed(2)} (median ${median(warm(x)).toFixed(2)})`;
  console.log(
    `${name}: key ${show(keys)}, signature ${show(signatures)}, both ${(Math.min(...keys) + Math.min(...signatures)).toFixed(2)} (median ${(median(warm(keys)) + median(warm(signatures))).toFixed(2)}), hash of 500 bytes ${show(hashes)} us`,
  );
  console.log(
    `  first batches: ${keys
      .slice(0, 5)
      .map((x, i) => (x + (signatures[i] as number)).toFixed(1))
      .join(' ')}`,
  );
}
console.log(`node:crypto: key ${median(native.keys).toFixed(1)}, signature ${median(native.signatures).toFixed(1)} us`);
