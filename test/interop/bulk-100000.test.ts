import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, fastKeys, folder, k3sPki } from '../cli/program.ts';
import { goJudge, openssl, present } from './judge.ts';
import { piped, type StreamVerdict } from './piped.ts';

/**
 * A hundred thousand leaves of one run: Go judges each of them, OpenSSL the chains of 200 and the keys of 20.
 * `K3S_PKI_JUDGED_LEAVES` sets another number.
 */
const count = Number(process.env.K3S_PKI_JUDGED_LEAVES || 100_000);
const every = Math.max(1, Math.floor(count / 200));
const go = present('interop/bulk-100000', goJudge());
const ssl = present('interop/bulk-100000', openssl());

/** How many different ones there are. */
interface Verdict extends StreamVerdict {
  readonly serials: number;
  readonly keys: number;
  readonly nodes: number;
}

interface Line {
  readonly node: string;
  readonly serial: string;
  readonly certificate: string;
  readonly key: string;
}

if (go && ssl) {
  const test = suite('interop/bulk-100000');
  const cluster = folder();
  const root = join(cluster, 'server/tls/root-ca.pem');
  let sample: readonly Line[] = [];

  test.before(() => {
    assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', cluster, ...fastKeys]).code, 0);
  });

  test(`Go accepts ${count} leaves and keys, and none is there twice`, () => {
    const args = ['--profile', 'client-kubelet', '--nodes', String(count), '--name', 'edge-%06d', '--jsonl', '-'];
    const ours = ['certificate', 'issue', '--data-dir', cluster, ...args, '--manifest', join(cluster, 'm.jsonl')];
    const judgement = ['issued', '--usage', 'clientAuth', '--every', String(every), root];
    const { verdict, sample: lines } = piped<Verdict>(go, ours, judgement);
    const all = { judged: count, refused: 0, reasons: [], serials: count, keys: count, nodes: count };
    assert.equal(verdict, all);
    sample = lines.map((line) => JSON.parse(line) as Line);
    assert.is(sample.length, Math.floor(count / every));
  });

  test('OpenSSL verifies the chains of a sample and reads the keys of some', () => {
    const chain = join(cluster, 'chain.pem');
    const [, ca = '', intermediate = ''] = blocks(sample[0]?.certificate ?? '');
    writeFileSync(chain, ca + intermediate);
    const files = sample.map(({ node, certificate }) => {
      const file = join(cluster, `${node}.crt`);
      writeFileSync(file, certificate);
      return file;
    });
    const options = ['-x509_strict', '-purpose', 'sslclient', '-CAfile', root, '-untrusted', chain];
    assert.is(ssl.ok(['verify', ...options, ...files]), files.map((file) => `${file}: OK\n`).join(''));
    for (const [index, { node, key, serial }] of sample.entries()) {
      if (index % 10 !== 0) continue;
      const shown = ['-noout', '-subject', '-serial', '-pubkey', '-nameopt', 'RFC2253'];
      const text = ssl.ok(['x509', '-in', files[index] ?? '', ...shown]);
      const publicKey = ssl.ok(['pkey', '-pubout'], { stdin: key });
      ssl.ok(['pkey', '-check', '-noout'], { stdin: key });
      const subject = `subject=CN=system:node:${node},O=system:nodes`;
      const lines = [subject, `serial=${serial.toUpperCase()}`, publicKey];
      for (const line of lines) assert.ok(text.includes(line), `${text} has no ${line}`);
    }
  });

  test('the judge refuses what is wrong', () => {
    const [one, two] = sample;
    if (one === undefined || two === undefined) throw new Error('a sample of two');
    const judged = (...lines: readonly object[]) => {
      const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      return JSON.parse(go.run(['issued', '--usage', 'clientAuth', root], input).stdout) as Verdict;
    };
    const wrong = {
      "the key is not the certificate's": { ...one, key: two.key },
      'the digest is': { ...one, sha256: '00' },
      'the serial is': { ...one, serial: two.serial },
      'the common name is': { ...one, node: two.node },
      'no CA follows the leaf': { ...one, certificate: blocks(one.certificate)[0] },
    };
    for (const [reason, line] of Object.entries(wrong)) {
      const { refused, reasons } = judged(line);
      assert.is(refused, 1, reason);
      assert.match(reasons[0] ?? '', reason);
    }
    const { refused, serials, keys, nodes } = judged(one, two, one);
    assert.equal({ refused, serials, keys, nodes }, { refused: 0, serials: 2, keys: 2, nodes: 2 });
  });

  test.run();
}
