// Does the time of a batch of multiples depend on the scalars? Welch's t over two classes of batches
// in random order, one of a fixed scalar and one of random scalars, after Reparaz, Balasch and
// Verbauwhede, "Dude, is my code constant time?" (2017). |t| above 4.5 would be a leak found; below,
// that this machine, these classes and this many batches show none, not that there is none.
// Build as bench.ts says, then: node crates/p256/bench/leak.ts [batches]
import { randomBytes, randomInt } from 'node:crypto';

const folder = new URL('../../../target/bench/', import.meta.url);
const { Bench } = await import(new URL('bench.js', folder).href);

const batches = Number(process.argv[2] ?? 20_000);
const rows = 16;
const classes: Record<string, Uint8Array> = {
  'no class but another random scalar': randomBytes(32).fill(0x3c, 0, 1),
  'all digits smallest': new Uint8Array(32).fill(0x7f),
  one: Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 1 : 0)),
  'order less one': Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550', 'hex'),
};

function moments(x: number[]) {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (x.length - 1);
  return { mean, variance, count: x.length };
}

for (const lanes of ['fma', 'simd']) {
  const bench = new Bench(lanes, true, 7);
  for (const [name, scalar] of Object.entries(classes)) {
    // Both classes read from as many places of memory of their own: a fixed scalar read from one
    // place would be warmer in the cache than a random one just drawn, and was seen as a difference.
    const pool = 256;
    const inputs = [0, 1].map((kind) =>
      Array.from({ length: pool }, () => {
        const scalars = randomBytes(rows * 32);
        for (let row = 0; row < rows; row++) {
          scalars[row * 32] = (scalars[row * 32] as number) & 0x7f;
          if (kind === 0) scalars.set(scalar, row * 32);
        }
        return scalars;
      }),
    );
    const times: [number[], number[]] = [[], []];
    for (let i = 0; i < batches + 500; i++) {
      const kind = randomInt(2) as 0 | 1;
      const scalars = inputs[kind]?.[randomInt(pool)];
      const start = process.hrtime.bigint();
      bench.multiply(scalars);
      const time = Number(process.hrtime.bigint() - start);
      if (i >= 500) times[kind].push(time);
    }
    // Interrupts have nothing to do with the scalars: the slowest tenth of all goes.
    const limit = times.flat().sort((a, b) => a - b)[Math.floor(batches * 0.9)] as number;
    const [a, b] = times.map((x) => moments(x.filter((time) => time <= limit)));
    if (!a || !b) throw new Error('both classes have batches');
    const t = (a.mean - b.mean) / Math.sqrt(a.variance / a.count + b.variance / b.count);
    console.log(
      `${lanes}, ${name}: t = ${t.toFixed(2)}, ${(a.mean / 1000).toFixed(2)} against ${(b.mean / 1000).toFixed(2)} us a batch of ${rows}, ${a.count + b.count} batches`,
    );
  }
}
