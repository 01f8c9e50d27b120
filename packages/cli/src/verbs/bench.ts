import { generateKeyPairSync } from 'node:crypto';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { type BulkProfile, type Core, type KeyType, type LeafRow, openBulk } from '@k3s-pki/core';
import { leafKeyUsage } from '@k3s-pki/k3s';
import type { Context } from '../context.ts';
import { exitCode, internalError } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { lanesOf } from '../lanes.ts';
import { type BenchReport, benchText, type Measurement } from '../render/bench.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { progress } from '../terminal.ts';
import { version } from '../version.ts';

export interface BenchOptions {
  /** None: all of them, and leaves. */
  readonly types: readonly KeyType[];
  /** For each measurement. */
  readonly seconds: number;
  readonly workers: number | undefined;
  readonly output: OutputFormat;
}

const allTypes: readonly KeyType[] = ['rsa:2048', 'rsa:3072', 'rsa:4096', 'ec:p256', 'ec:p384', 'ec:p521', 'ed25519'];

/** Makes things in memory for a while and prints how many a second. Answers the exit code; throws Failure. */
export async function bench(options: BenchOptions, context: Context): Promise<number> {
  const { stdout, stderr } = context;
  const spinner = progress(stderr);
  try {
    const core = await context.core();
    const measurements: Measurement[] = [];
    for (const plan of plansOf(options, core, context)) {
      spinner.show(`measuring ${plan.name}, ${plan.threads === 1 ? 'one thread' : `${plan.threads} threads`}`);
      measurements.push(await plan.run());
    }
    spinner.end();
    const report: BenchReport = {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      load: loadavg()[0] ?? 0,
      node: process.versions.node,
      lanes: core.lanes(),
      measurements,
    };
    if (options.output === 'text') stdout.write(benchText(report, stdout));
    else await writeStructured(stdout, options.output, { command: 'bench', ok: true, version, ...report });
    return exitCode.done;
  } catch (error) {
    throw asFailure(error);
  } finally {
    spinner.end();
  }
}

interface Plan {
  readonly name: string;
  readonly threads: number;
  readonly run: () => Promise<Measurement>;
}

function plansOf({ types, seconds, workers }: BenchOptions, core: Core, context: Context): Plan[] {
  const { signal, clock } = context;
  const cores = workers ?? availableParallelism();
  const keys = (type: KeyType): Plan => {
    const threads = type.startsWith('rsa:') ? cores : 1;
    const types = Array.from({ length: type.startsWith('rsa:') ? 2 * threads : 16 }, () => type);
    const make = async (): Promise<number> => {
      for (const key of await core.generateKeys(types, { signal, workers: threads })) key.wipe();
      return types.length;
    };
    return {
      name: `${type} key`,
      threads,
      run: () => repeat({ name: `${type} key`, threads, seconds }, make, context),
    };
  };
  const leaves = (threads: number): Plan => {
    const name = 'leaf certificate with key';
    return { name, threads, run: () => issueLeaves({ name, threads, seconds }, core, context) };
  };
  if (types.length > 0) return types.map(keys);
  const name = 'encrypted key opened';
  const opening = encryptedKey();
  const open = async (): Promise<number> => {
    core.openKey(opening.pem, opening.passphrase).wipe();
    return 1;
  };
  return [
    ...allTypes.map(keys),
    leaves(1),
    ...(cores > 1 ? [leaves(cores)] : []),
    { name, threads: 1, run: () => repeat({ name, threads: 1, seconds }, open, { signal, clock }) },
  ];
}

type Subject = Pick<Measurement, 'name' | 'threads' | 'seconds'>;

/** Calls `make`, which answers how many it made, until the time is over. The first call is not counted: V8's baseline
 *  code does it. */
async function repeat(
  { name, threads, seconds }: Subject,
  make: () => Promise<number>,
  { clock, signal }: Pick<Context, 'clock' | 'signal'>,
): Promise<Measurement> {
  await make();
  const started = clock();
  let count = 0;
  for (;;) {
    signal.throwIfAborted();
    count += await make();
    const taken = (clock() - started) / 1000;
    if (taken >= seconds) return { name, threads, count, seconds: taken, perSecond: count / taken };
  }
}

async function issueLeaves(subject: Subject, core: Core, context: Context): Promise<Measurement> {
  const { clock, env } = context;
  const now = Math.floor(clock() / 1000);
  const profile = await throwAwayAuthority(core, now);
  const issuer = await openBulk([profile], { workers: subject.threads, check: 'sample', lanes: lanesOf(env) });
  profile.caKey.fill(0);
  try {
    const rows = Array.from({ length: issuer.batchSize }, (_, index): LeafRow => {
      const commonName = `system:node:bench-${index}`;
      const names = { commonName, organizations: ['system:nodes'], dns: [], ip: [] };
      return { ...names, notBefore: now, notAfter: now + 365 * 86_400 };
    });
    // As many batches as keep the workers busy, and the next ones while these are issued.
    const make = async (): Promise<number> => {
      const batches = Array.from({ length: 4 * issuer.depth }, async () => {
        (await issuer.issue(0, rows)).release();
      });
      await Promise.all(batches);
      return batches.length * rows.length;
    };
    return await repeat(subject, make, context);
  } finally {
    await issuer.close();
  }
}

async function throwAwayAuthority(core: Core, now: number): Promise<BulkProfile> {
  const [key] = await core.generateKeys(['ec:p256']);
  if (key === undefined) return internalError('no key was made');
  try {
    const spec = {
      subject: [['CN', 'k3s-pki-bench']],
      notBefore: now,
      notAfter: now + 3650 * 86_400,
      serial: '01',
      ca: {},
      keyUsage: ['keyCertSign'],
    } as const;
    const [keyUsage, extendedKeyUsage] = [leafKeyUsage, ['clientAuth']];
    return { ca: core.issue(spec, key, key), caKey: key.toPem(), keyUsage, extendedKeyUsage, keyType: 'ec:p256' };
  } finally {
    key.wipe();
  }
}

/** A key as `openssl genpkey -aes256` writes it: PBKDF2 with 2,048 rounds, which is most of the time to open it. */
function encryptedKey(): { readonly pem: Uint8Array; readonly passphrase: Uint8Array } {
  const passphrase = 'bench';
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase },
  });
  return { pem: Buffer.from(privateKey), passphrase: Buffer.from(passphrase) };
}
