import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder, k3sPki, tree } from './program.ts';

interface Report {
  readonly lanes: string;
  readonly cpu: string;
  readonly measurements: readonly {
    name: string;
    threads: number;
    count: number;
    seconds: number;
    perSecond: number;
  }[];
}

const test = suite('bench');

test('every kind is measured, as JSON; nothing is written', () => {
  const cwd = folder();
  const run = k3sPki(['bench', '--seconds', '0.1', '--workers', '2', '--output', 'json'], { cwd });
  assert.is(run.code, 0, run.stderr);
  const { cpu, lanes, measurements }: Report = JSON.parse(run.stdout);
  assert.ok(cpu.length > 0);
  assert.ok(['fma', 'simd'].includes(lanes));
  assert.equal(
    measurements.map(({ name, threads }) => `${name} ${threads}`),
    [
      'rsa:2048 key 2',
      'rsa:3072 key 2',
      'rsa:4096 key 2',
      'ec:p256 key 1',
      'ec:p384 key 1',
      'ec:p521 key 1',
      'ed25519 key 1',
      'leaf certificate with key 1',
      'leaf certificate with key 2',
      'encrypted key opened 1',
    ],
  );
  for (const { count, seconds, perSecond } of measurements) {
    assert.ok(count > 0 && seconds >= 0.1);
    assert.is(perSecond, count / seconds);
  }
  assert.equal(tree(cwd), {});
});

test('some kinds alone, on the arithmetic that was asked for', () => {
  const args = ['bench', '--type', 'ed25519', '--type', 'ec:p256', '--seconds', '0.1'];
  const run = k3sPki(args, { env: { K3S_PKI_LANES: 'simd' } });
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stdout, /integers in vectors \(simd\)/);
  assert.match(run.stdout, /^MADE +THREADS +A SECOND +ONE IN\ned25519 key +1 +[\d.,]+ +[\d.]+ [mu]?s\nec:p256 key /m);
  assert.is(run.stderr, '');
});

for (const [label, args, error] of [
  ['no type', ['--type', 'rsa:1024'], 'invalid value for --type'],
  ['no time', ['--seconds', '0'], 'invalid value for --seconds: expected'],
  ['no number', ['--seconds', 'long'], 'invalid value for --seconds: expected'],
] as const) {
  test(`wrong usage: ${label}`, () => {
    const run = k3sPki(['bench', ...args]);
    assert.is(run.code, 2);
    assert.is(run.stdout, '');
    assert.match(run.stderr, error);
  });
}

test.run();
