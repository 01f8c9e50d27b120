import { resolve } from 'node:path';
import type { Core, PrivateKey } from '@k3s-pki/core';
import { type FirstStart, judgeFirstStart, type PemFile } from '@k3s-pki/k3s';
import {
  type CustomCaOptions,
  type CustomCaPlan,
  customCaFiles,
  customCaSigningKey,
  type Planned,
  planCustomCaCerts,
} from '@k3s-pki/plan';
import { commit, lock, stage, unlock } from '@k3s-pki/stage';
import { type Artifacts, makeArtifacts } from '../artifacts.ts';
import type { Context } from '../context.ts';
import { exitCode, Failure } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { describeFinding } from '../messages/english.ts';
import { findPassphrase } from '../passphrase.ts';
import { planJson, planText, refusal, reportJson, reportText, warningsOf } from '../render/custom-cas.ts';
import { writeMessages } from '../render/messages.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { showIn } from '../render/text.ts';
import { openKey, type Reading, readSnapshot } from '../snapshot.ts';
import { progress } from '../terminal.ts';

/** Checked options of the command. `dataDir` may be relative to the working directory. */
export interface GenerateCustomCaCertsOptions extends CustomCaOptions {
  readonly dataDir: string;
  readonly passphraseFile: string | undefined;
  readonly output: OutputFormat;
  readonly dryRun: boolean;
}

/** Options -> plan -> artifacts -> staged -> committed -> report. Answers the exit code; throws Failure. */
export async function generateCustomCaCerts(options: GenerateCustomCaCertsOptions, context: Context): Promise<number> {
  try {
    return options.dryRun ? await printPlan(options, context) : await makeAll(options, context);
  } catch (error) {
    throw asFailure(error);
  }
}

async function printPlan(options: GenerateCustomCaCertsOptions, context: Context): Promise<number> {
  const root = resolve(context.cwd, options.dataDir);
  const { plan, signingKey } = await makePlan(options, root, await context.core(), context);
  signingKey?.wipe();
  writeMessages('warning', warningsOf(plan, root), context);
  if (options.output !== 'text') await writeStructured(context.stdout, options.output, planJson(plan, root));
  else context.stdout.write(planText(plan, root, context.stdout));
  return exitCode.done;
}

async function makeAll(options: GenerateCustomCaCertsOptions, context: Context): Promise<number> {
  const { clock, signal, stdout } = context;
  const root = resolve(context.cwd, options.dataDir);
  const core = await context.core();
  const held = await lock(root, { clock });
  try {
    if (held.recovery.kind !== 'clean') {
      writeMessages('warning', [{ error: `${root}: ${held.recovery.detail}` }], context);
    }
    const { plan, reading, signingKey } = await makePlan(options, root, core, context);
    writeMessages('warning', warningsOf(plan, root), context);
    const artifacts = await make(plan, reading, core, signingKey, context);
    const judge = (read: (path: string) => Uint8Array | undefined) => judgeFiles(read, core, clock);
    const staged = await stage(changesOf(plan, artifacts, root), {
      clock,
      signal,
      lock: held,
      verify: (read) => refuseBroken(judge(orAbsent(read)), root),
    });
    for (const { content } of artifacts.files) content.fill(0);
    await commit(staged);
    // Once more from the disk, by the path that K3s will read.
    const onDisk = readSnapshot(root, customCaFiles, core);
    const verdict = judge((path) => onDisk.contents.get(path));
    const report = { plan, root, artifacts, verdict };
    if (options.output !== 'text') await writeStructured(stdout, options.output, reportJson(report));
    else stdout.write(reportText(report, stdout));
    refuseBroken(verdict, root);
    return exitCode.done;
  } finally {
    await unlock(held);
  }
}

/** Reads, opens the one key that is needed, plans. Throws Failure with every problem of the run. */
async function makePlan(
  options: GenerateCustomCaCertsOptions,
  root: string,
  core: Core,
  context: Context,
): Promise<{ plan: CustomCaPlan; reading: Reading; signingKey: PrivateKey | undefined }> {
  let reading = readSnapshot(root, customCaFiles, core);
  const keyFile = customCaSigningKey(reading.snapshot);
  let signingKey: PrivateKey | undefined;
  if (keyFile !== undefined) {
    const passphrase = isEncrypted(reading, keyFile)
      ? await findPassphrase(options.passphraseFile, showIn(root)(keyFile), context)
      : undefined;
    ({ reading, key: signingKey } = openKey(reading, keyFile, core, passphrase));
    passphrase?.fill(0);
  }
  const planned: Planned<CustomCaPlan> = planCustomCaCerts(
    options,
    reading.snapshot,
    core,
    Math.floor(context.clock() / 1000),
  );
  if (planned.ok) return { plan: planned.plan, reading, signingKey };
  signingKey?.wipe();
  throw refusal(planned.problems, root);
}

function isEncrypted({ snapshot }: Reading, path: string): boolean {
  const file = snapshot.files.get(path);
  return (
    file?.kind === 'file' &&
    file.blocks.some((block) => block.kind === 'encrypted-private-key' && block.scheme === 'pkcs8')
  );
}

async function make(
  plan: CustomCaPlan,
  reading: Reading,
  core: Core,
  signingKey: PrivateKey | undefined,
  { stderr, signal, random }: Context,
): Promise<Artifacts> {
  const spinner = progress(stderr);
  try {
    return await makeArtifacts(plan, reading, core, {
      signingKey,
      random,
      signal,
      onProgress: ({ done, total, tests }) =>
        spinner.show(
          `making keys: ${done} of ${total} done${tests > 0 ? `, ${tests} candidates for primes tested` : ''}`,
        ),
    });
  } finally {
    spinner.end();
  }
}

function changesOf(plan: CustomCaPlan, { files }: Artifacts, root: string) {
  return {
    root,
    directories: plan.directories,
    writes: files.map(({ path, content, mode, secret, replaces }) => ({
      path,
      content,
      mode,
      secret,
      expect: replaces,
    })),
  };
}

/** The files as K3s will judge them at its first start; `read` answers undefined for an absent file. */
function judgeFiles(read: (path: string) => Uint8Array | undefined, core: Core, clock: () => number): FirstStart {
  const files = new Map<string, PemFile>();
  const load = (path: string): PemFile | undefined => {
    const known = files.get(path);
    if (known !== undefined) return known;
    const bytes = read(path);
    if (bytes === undefined) return undefined;
    const file = { bytes, blocks: core.inspect(bytes) };
    files.set(path, file);
    return file;
  };
  return judgeFirstStart(load, (request) => core.chains(request), Math.floor(clock() / 1000));
}

/** A set that we made and K3s would not start on must never be put in place. */
function refuseBroken({ accepted, findings }: FirstStart, root: string): void {
  if (accepted) return;
  const messages = findings
    .filter(({ effect }) => effect !== 'odd')
    .map((finding) => ({ error: describeFinding(finding, showIn(root)) }));
  throw new Failure(messages);
}

function orAbsent(read: (path: string) => Uint8Array): (path: string) => Uint8Array | undefined {
  return (path) => {
    try {
      return read(path);
    } catch (error) {
      if ((error as { cause?: NodeJS.ErrnoException }).cause?.code === 'ENOENT') return undefined;
      throw error;
    }
  };
}
