import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goJudge, openssl, present } from './judge.ts';
import { piped, type StreamVerdict } from './piped.ts';

/**
 * RSA keys of one run: Go judges each, OpenSSL one in twenty. 400 of them here, which is 15 seconds of a processor;
 * `K3S_PKI_JUDGED_RSA_KEYS=2000` is the full number.
 */
const count = Number(process.env.K3S_PKI_JUDGED_RSA_KEYS || 400);
const every = 20;
const go = present('interop/rsa-keys', goJudge());
const ssl = present('interop/rsa-keys', openssl());

interface Verdict extends StreamVerdict {
  /** How many different ones there are. */
  readonly primes: number;
}

if (go && ssl) {
  const test = suite('interop/rsa-keys');
  let sample: readonly string[] = [];

  test(`Go accepts ${count} keys, and no prime is there twice`, () => {
    const ours = ['key', 'generate', '--type', 'rsa:2048', '--count', String(count), '--out', '-'];
    const judgement = ['rsa-keys', '--bits', '2048', '--every', String(every)];
    const { verdict, sample: lines } = piped<Verdict>(go, ours, judgement);
    assert.equal(verdict, { judged: count, refused: 0, reasons: [], primes: 2 * count });
    sample = lines.map((line) => JSON.parse(line) as string);
    assert.is(sample.length, Math.floor(count / every));
  });

  test('OpenSSL accepts a sample', () => {
    for (const key of sample) {
      assert.match(ssl.ok(['rsa', '-check', '-noout'], { stdin: key }), 'RSA key ok');
    }
  });

  test('the judge refuses what is wrong', () => {
    const judged = (bits: number, ...keys: readonly string[]) => {
      const run = go.run(['rsa-keys', '--bits', String(bits)], keys.join(''));
      return JSON.parse(run.stdout) as Verdict;
    };
    const [one = '', two = ''] = sample;
    assert.match(judged(3072, one).reasons[0] ?? '', '2048 bits');
    assert.match(judged(2048, one.replace('RSA PRIVATE', 'EC PRIVATE')).reasons[0] ?? '', 'not one RSA PRIVATE KEY');
    const place = one.length / 2;
    const changed = one.slice(0, place) + (one[place] === 'A' ? 'B' : 'A') + one.slice(place + 1);
    assert.is(judged(2048, changed).refused, 1);
    const { refused, primes } = judged(2048, one, two, one);
    assert.equal({ refused, primes }, { refused: 0, primes: 4 });
  });

  test.run();
}
