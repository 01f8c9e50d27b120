// Comparisons of bulk issuance: client-kubelet certificates with their keys.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Absent } from './process.mjs';
import { go, k3sPki, openssl, opensslEcdsa, script, shell } from './programs.mjs';
import * as verified from './verify.mjs';

const PROFILE = ['certificate', 'issue', '--profile', 'client-kubelet', '--name', 'edge-%06d'];
const MEMORY = '/dev/shm';
const TMPFS = 0x01021994;

/** Whole process to a stream that is thrown away, start-up included. */
export function leaves({ short }, workers) {
  const count = short ? 10_000 : 100_000;
  const shellCount = short ? 20 : 50;
  const peculiarCount = short ? 200 : 1000;
  const rivals = [
    { name: 'go', title: 'Go crypto/x509', run: () => goLeaves(count, workers) },
    ...(workers === 1
      ? [
          {
            name: 'peculiar',
            title: `@peculiar/x509 (${peculiarCount} rows)`,
            run: async () => {
              const { wall, cpu, stdout } = await script('peculiar-leaves.mjs', [
                authority().tls,
                String(peculiarCount),
              ]);
              checkLast(JSON.parse(stdout), peculiarCount);
              return { wall, cpu, units: peculiarCount };
            },
          },
          {
            name: 'openssl',
            title: `openssl ecparam, req, x509 (${shellCount} rows)`,
            run: async () => {
              const args = [authority().tls, String(shellCount)];
              const { wall, cpu, stdout } = await shell('scripts/bench/openssl-leaves.sh', args, {
                env: { OPENSSL: openssl },
              });
              const pems = verified.blocks(stdout).slice(-2 - verified.blocks(authority().bundle).length);
              checkLast({ certificate: pems.slice(0, -1).join(''), key: pems.at(-1) }, shellCount);
              return { wall, cpu, units: shellCount };
            },
          },
        ]
      : []),
  ];
  return {
    name: `leaves-${workers}-worker${workers === 1 ? '' : 's'}`,
    title: `client-kubelet certificate with key, ${count.toLocaleString('en')} rows to a stream, whole process, ${workers} worker${workers === 1 ? '' : 's'}`,
    unit: 'certificate',
    rounds: short ? 3 : 5,
    turns: 1,
    warmUps: 0,
    subjects: [
      { name: 'ours', title: 'k3s-pki certificate issue --tar -', run: () => ourLeaves(count, workers) },
      ...rivals,
    ],
  };
}

/** The core without shell and sink, against Go's loop without the program's start. */
export function leavesCore({ short }) {
  const count = 128 * (short ? 100 : 1000);
  return {
    name: 'leaves-core',
    title: 'client-kubelet certificate with key, core alone, batches of 128, one thread, warm',
    unit: 'certificate',
    rounds: short ? 3 : 5,
    turns: 1,
    warmUps: 0,
    subjects: [
      { name: 'ours', title: 'core', run: () => ourCore(count) },
      {
        name: 'go',
        title: 'Go crypto/x509, its loop alone',
        run: async () => {
          const units = count / 4;
          const { seconds, cpu } = await goReport(units, 1);
          return { wall: seconds, cpu, units };
        },
      },
    ],
  };
}

/** A P-256 key, and a signature by one key that stays. */
export function keyAndSignature({ short }) {
  const count = short ? 5000 : 50_000;
  const library = (form) => async () => {
    const { stdout } = await opensslEcdsa([form, String(count)]);
    const { seconds, cpu } = JSON.parse(stdout);
    return { wall: seconds, cpu, units: count };
  };
  return {
    name: 'key-and-signature',
    title: 'P-256 key, and a signature by one key that stays, one thread, warm',
    unit: 'key and signature',
    rounds: short ? 3 : 5,
    turns: 1,
    warmUps: 0,
    subjects: [
      { name: 'ours', title: 'core, batches of 128', run: () => ourSignatures(128 * (short ? 100 : 1000)) },
      { name: 'openssl', title: 'OpenSSL library, EC_KEY and ECDSA_sign', run: library('direct') },
      { name: 'openssl-evp', title: 'OpenSSL library, EVP', run: library('evp') },
    ],
  };
}

/** Files of each node on a file system in memory. */
export function leavesOut({ short }) {
  const count = short ? 2000 : 20_000;
  const workers = availableParallelism();
  const subject = (name, title, run) => ({
    name,
    title,
    run: async () => {
      const folder = inMemory();
      try {
        const { wall, cpu, peak } = await run(join(folder, 'out'));
        checkFolder(join(folder, 'out'), count);
        return { wall, cpu, peak, units: count };
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  });
  return {
    name: 'leaves-out',
    title: `client-kubelet certificate with key, ${count.toLocaleString('en')} rows to files on tmpfs, whole process, ${workers} workers`,
    unit: 'certificate',
    rounds: short ? 3 : 5,
    turns: 1,
    warmUps: 0,
    subjects: [
      subject('ours', 'k3s-pki certificate issue --out', (out) => issue(count, workers, ['--out', out])),
      subject('go', 'Go crypto/x509', (out) => go(goArgs(count, workers, ['--out', out]))),
    ],
  };
}

/** Whether the rate and the memory hold at ten times the rows. */
export function leavesMillion({ short }) {
  const [few, many] = short ? [10_000, 100_000] : [100_000, 1_000_000];
  const workers = availableParallelism();
  return {
    name: 'leaves-million',
    title: `client-kubelet certificate with key, ${many.toLocaleString('en')} rows to a stream, whole process, ${workers} workers`,
    unit: 'certificate',
    rounds: short ? 2 : 5,
    turns: 1,
    warmUps: 0,
    subjects: [
      { name: 'ours', title: `${many.toLocaleString('en')} rows`, run: () => ourLeaves(many, workers) },
      { name: 'fewer', title: `${few.toLocaleString('en')} rows`, run: () => ourLeaves(few, workers) },
    ],
  };
}

/** The manifest goes to the working folder: one in memory where there is one, for Go writes none. */
async function issue(count, workers, output, options) {
  const cwd = scratch();
  try {
    const places = ['--ca-dir', authority().tls, '--nodes', String(count), '--workers', String(workers)];
    return await k3sPki([...PROFILE, ...places, ...output], { ...options, cwd });
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

async function ourLeaves(count, workers) {
  await sampleOfOurs();
  const { wall, cpu, peak } = await issue(count, workers, ['--tar', '-'], { discard: true });
  return { wall, cpu, peak, units: count };
}

/** A stream that is thrown away can't be checked: before the first one a smaller one is, row by row. */
function sampleOfOurs() {
  sample ??= (async () => {
    const { stdout } = await issue(1000, 2, ['--tar', '-']);
    const nodes = new Map();
    for (const [path, content] of tarFiles(stdout)) {
      const node = /edge-\d+/.exec(path)?.[0];
      const kind = /client-kubelet\.(crt|key)$/.exec(path)?.[1];
      if (node !== undefined && kind !== undefined) nodes.set(node, { ...nodes.get(node), [kind]: content });
    }
    if (nodes.size !== 1000) throw new Error(`${nodes.size} nodes in a tar of 1000`);
    const keys = new Set();
    for (const [node, { crt, key }] of nodes) {
      verified.kubelet({ node, certificate: crt, key, bundle: authority().bundle });
      keys.add(key);
    }
    if (keys.size !== nodes.size) throw new Error('two nodes have the same key');
  })();
  return sample;
}
let sample;

async function ourCore(count) {
  const { stdout } = await script('core-leaves.mjs', [authority().tls, String(count)]);
  const { absent, seconds, cpu, count: units, lanes, last } = JSON.parse(stdout);
  if (absent) throw new Absent(absent);
  verified.kubelet({ ...last, bundle: authority().bundle });
  return { wall: seconds, cpu, units, lanes };
}

async function ourSignatures(count) {
  const { stdout } = await script('core-signatures.mjs', [authority().tls, String(count)]);
  const { seconds, cpu, count: units, lanes, rows } = JSON.parse(stdout);
  verified.keysAndSignatures(rows, verified.blocks(authority().bundle)[0]);
  return { wall: seconds, cpu, units, lanes };
}

async function goLeaves(count, workers) {
  const { wall, cpu, peak, stdout } = await go(goArgs(count, workers));
  checkLast(JSON.parse(stdout), count);
  return { wall, cpu, peak, units: count };
}

async function goReport(count, workers) {
  const report = JSON.parse((await go(goArgs(count, workers))).stdout);
  checkLast(report, count);
  return report;
}

function goArgs(count, workers, more = []) {
  return ['leaves', '--ca-dir', authority().tls, '--count', String(count), '--workers', String(workers), ...more];
}

function checkLast({ certificate, key }, count) {
  const node = `edge-${String(count).padStart(6, '0')}`;
  verified.kubelet({ node, certificate, key, bundle: authority().bundle });
}

/** A folder per node; one node in a hundred is judged. */
function checkFolder(root, count) {
  const files = readdirSync(root, { recursive: true }).filter((path) => path.endsWith('client-kubelet.crt'));
  if (files.length !== count) throw new Error(`${files.length} certificates in a folder of ${count} nodes`);
  for (const file of files.filter((_, index) => index % 100 === 0)) {
    const read = (name) => readFileSync(join(root, dirname(file), name), 'latin1');
    const node = /edge-\d+/.exec(file)?.[0];
    const pair = { certificate: read('client-kubelet.crt'), key: read('client-kubelet.key') };
    verified.kubelet({ node, ...pair, bundle: authority().bundle });
  }
}

/** CAs as generate-custom-ca-certs makes them, their root and intermediate P-256: a leaf's file holds both. */
function authority() {
  if (made === undefined) throw new Error('prepareAuthority comes first');
  return made;
}
let made;

export async function prepareAuthority() {
  const dataDir = mkdtempSync(join(tmpdir(), 'k3s-pki-bench-ca-'));
  process.on('exit', () => rmSync(dataDir, { recursive: true, force: true }));
  const keys = ['--root-key', 'ec:p256', '--intermediate-key', 'ec:p256'];
  await k3sPki(['generate-custom-ca-certs', '--data-dir', dataDir, ...keys]);
  const tls = join(dataDir, 'server', 'tls');
  made = { tls, bundle: readFileSync(join(tls, 'client-ca.crt'), 'latin1') };
}

/** A new folder in memory. Throws Absent where there is none. */
function inMemory() {
  if (!hasTmpfs()) throw new Absent(`no tmpfs on ${MEMORY}`);
  return mkdtempSync(join(MEMORY, 'k3s-pki-bench-'));
}

function scratch() {
  return mkdtempSync(join(hasTmpfs() ? MEMORY : tmpdir(), 'k3s-pki-bench-'));
}

function hasTmpfs() {
  return existsSync(MEMORY) && statfsSync(MEMORY).type === TMPFS;
}

/** Path and text of each file of a tar archive. Source: POSIX.1-1988, ustar; other entries are passed over. */
function* tarFiles(archive) {
  const text = (start, end) => archive.toString('latin1', start, end).replace(/\0.*$/s, '');
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, at + 136).trim() || '0', 8);
    const kind = archive[at + 156];
    const prefix = text(at + 345, at + 500);
    const name = text(at, at + 100);
    if (kind === 0 || kind === 0x30) yield [prefix ? `${prefix}/${name}` : name, text(at + 512, at + 512 + size)];
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
