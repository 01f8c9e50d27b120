import { resolve } from 'node:path';
import type { Core } from '@k3s-pki/core';
import { type FileSet, leafDaysFrom, leafDaysVariable, type PemFile } from '@k3s-pki/k3s';
import { outlookOf, type PlannedLeaf, planRenew, type RenewOptions, type RenewPlan } from '@k3s-pki/plan';
import { commit, lock, stage, unlock } from '@k3s-pki/stage';
import { isDataDir } from '../checking/data-dir.ts';
import type { Context } from '../context.ts';
import { exitCode, Failure, internalError } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { findHolders } from '../holders.ts';
import { makeLeaves } from '../leaf-artifacts.ts';
import { filesOf, type LeafReading, readLeafTree } from '../leaf-tree.ts';
import { describeNextStart } from '../messages/english/check.ts';
import { writeMessages } from '../render/messages.ts';
import { renewJson, renewMessages, renewRefusal, renewText } from '../render/renew.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';

/** Checked options of the command. `dataDir` may be relative to the working directory. */
export interface CertificateRenewOptions extends Omit<RenewOptions, 'days'> {
  readonly dataDir: string;
  readonly output: OutputFormat;
  readonly dryRun: boolean;
  /** Whether the exit code says that something was renewed, or is due. */
  readonly tells: boolean;
}

/** Exit code of `--exit-code`. */
const renewedCode = 3;

/** Options -> plan -> leaves -> staged -> committed -> report. Answers the exit code; throws Failure. */
export async function certificateRenew(options: CertificateRenewOptions, context: Context): Promise<number> {
  const root = resolve(context.cwd, options.dataDir);
  try {
    const core = await context.core();
    // The lock of a root that is not there would lie in a folder above it; the plan is a refusal then.
    const plan =
      options.dryRun || isDataDir(root) !== true
        ? makePlan(options, root, core, context).plan
        : await renew(options, root, core, context);
    await print(plan, root, options, context);
    return options.tells && plan.leaves.length > 0 ? renewedCode : exitCode.done;
  } catch (error) {
    throw asFailure(error);
  }
}

async function renew(options: CertificateRenewOptions, root: string, core: Core, context: Context): Promise<RenewPlan> {
  const { clock, signal } = context;
  const held = await lock(root, { clock });
  let reading: LeafReading | undefined;
  try {
    if (held.recovery.kind !== 'clean') {
      writeMessages('warning', [{ error: `${root}: ${held.recovery.detail}` }], context);
    }
    const planned = makePlan(options, root, core, context);
    const { plan } = planned;
    reading = planned.reading;
    if (plan.leaves.length > 0) {
      const writes = await makeLeaves(plan.leaves, reading, core, context);
      const judge = (read: (path: string) => Uint8Array) =>
        refuseBroken(plan.leaves, stagedFiles(read, core), core, Math.floor(clock() / 1000));
      const changes = { root, directories: [], writes };
      const staged = await stage(changes, { clock, signal, lock: held, verify: judge });
      for (const { content, secret } of writes) if (secret) content.fill(0);
      await commit(staged);
    }
    return plan;
  } finally {
    for (const bytes of reading?.contents.values() ?? []) bytes.fill(0);
    await unlock(held);
  }
}

function makePlan(options: CertificateRenewOptions, root: string, core: Core, context: Context) {
  const { product } = options;
  const reading = readLeafTree(root, product, core, [], false);
  const now = Math.floor(context.clock() / 1000);
  const planned = planRenew({ ...options, days: lifetime(context) }, reading.tree, filesOf(reading), core, now);
  if (!planned.ok) throw renewRefusal(planned, root, product);
  writeMessages('warning', renewMessages(planned.plan.warnings, root, product), context);
  return { plan: planned.plan, reading };
}

/** Days that K3s would give a leaf in this environment. */
function lifetime(context: Context): number {
  const { days, ignored } = leafDaysFrom(context.env[leafDaysVariable]);
  if (ignored !== undefined) {
    const error = `${leafDaysVariable} is no number and is ignored, as K3s does; leaves get ${days} days`;
    writeMessages('warning', [{ error }], context);
  }
  if (days >= 1 && days <= 36_500) return days;
  throw new Failure([{ error: `${leafDaysVariable} is ${days}`, hint: 'a lifetime is 1 to 36500 days' }], {
    code: exitCode.usage,
  });
}

/** Leaves that a start would not simply keep must never be put in place. */
function refuseBroken(leaves: readonly PlannedLeaf[], files: FileSet, core: Core, now: number): void {
  for (const leaf of leaves) {
    const { path } = leaf.certificate;
    const outlook = outlookOf(leaf, files, core, now);
    if (outlook.action !== 'keep' || outlook.overlooked.length > 0) {
      internalError(`${path}: ${describeNextStart(outlook, 0)}`);
    }
    const [certificate, ...rest] =
      files(path)?.blocks.flatMap((block) => (block.kind === 'certificate' ? [block.certificate] : [])) ?? [];
    if (certificate === undefined) internalError(path);
    for (const usage of leaf.extendedKeyUsage) {
      const found = core.chains({ leaf: certificate, roots: rest, intermediates: rest, at: now, usages: [usage] });
      if (!found.ok) throw new Failure([{ error: `${path}: ${usage}: ${found.detail}`, hint: 'see k3s-pki verify' }]);
    }
  }
}

/** The staged files, each read and parsed once. */
function stagedFiles(read: (path: string) => Uint8Array, core: Core): FileSet {
  const files = new Map<string, PemFile>();
  return (path) => {
    const known = files.get(path);
    if (known !== undefined) return known;
    const bytes = read(path);
    const file = { bytes, blocks: core.inspect(bytes) };
    if (path.endsWith('.key')) bytes.fill(0);
    files.set(path, file);
    return file;
  };
}

async function print(
  plan: RenewPlan,
  root: string,
  { product, output, dryRun }: CertificateRenewOptions,
  context: Context,
): Promise<void> {
  const { stdout } = context;
  const holders = plan.leaves.length > 0 && !dryRun ? await findHolders(root, product, context) : [];
  if (output !== 'text') await writeStructured(stdout, output, renewJson(plan, root, holders, dryRun));
  else stdout.write(renewText(plan, root, { holders, dryRun, stdout }));
}
