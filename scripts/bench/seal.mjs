// Comparisons of sealing bootstrap data: which implementation the program uses is decided by them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './process.mjs';
import { go, script, sealModule } from './programs.mjs';
import * as verified from './verify.mjs';

/** A record of usual size, where the key's derivation counts, and one as large as no cluster has, where the cipher does. */
export function sealRecords({ short }) {
  return [
    {
      name: 'seal-record',
      title: 'bootstrap data of 20 kB sealed and opened, PBKDF2 twice, warm process',
      bytes: 20_000,
      plan: short ? { count: 10, warmUp: 5 } : { count: 50, warmUp: 20 },
    },
    {
      name: 'seal-40mb',
      title: 'bootstrap data of 40 MB sealed and opened, warm process',
      bytes: 40_000_000,
      plan: short ? { count: 1, warmUp: 0 } : { count: 2, warmUp: 1 },
    },
  ].map(({ name, title, bytes, plan: { count, warmUp } }) => {
    const counts = [count, warmUp].map(String);
    const inNode = (way, module) => (files) =>
      script('seal-record.mjs', [way, files.document, files.record, ...counts, ...(module ? [module()] : [])]);
    const inGo = ({ document, record }) =>
      go([
        ...['seal', '--document', document, '--record', record, '--passphrase', verified.passphrase],
        ...['--count', String(count), '--warm-up', String(warmUp)],
      ]);
    const subject = (name, title, run) => ({ name, title, run: () => turn(bytes, run) });
    return {
      name,
      title,
      unit: 'record',
      rounds: short ? 1 : 5,
      turns: 1,
      warmUps: 0,
      subjects: [
        subject('ours', 'k3s-pki: node:crypto, the record’s text checked', inNode('product')),
        subject('node', 'node:crypto alone', inNode('node')),
        subject('rust-crypto', 'WebAssembly: RustCrypto', inNode('rust-crypto', sealModule)),
        subject('ring', 'WebAssembly: ring', inNode('ring', sealModule)),
        subject('go', 'Go crypto/pbkdf2 and crypto/cipher', inGo),
      ],
    };
  });
}

let work;

async function turn(bytes, run) {
  work ??= temporaryFolder();
  const files = { document: join(work, `${bytes}.json`), record: join(work, 'record') };
  // The text itself decides nothing.
  const document = Buffer.alloc(bytes, JSON.stringify({ Content: 'MIIBdzCCAR2gAwIBAgIBADAKBggqhkjOPQQDAjAj' }));
  if (!existsSync(files.document)) writeFileSync(files.document, document);
  const { stdout } = await run(files);
  if (!verified.openedRecord(readFileSync(files.record)).equals(document))
    throw new Error('the record holds something else');
  const { each, cpu } = JSON.parse(stdout);
  return { wall: each.reduce((sum, seconds) => sum + seconds, 0), cpu, units: each.length, each };
}
