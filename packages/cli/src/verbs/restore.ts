import { relative, resolve, sep } from 'node:path';
import { judgeFirstStart, type Product } from '@k3s-pki/k3s';
import { type CaJudge, planRestore, type RestoreOptions, type RestorePlan, summarizeBackups } from '@k3s-pki/plan';
import type { Context } from '../context.ts';
import { exitCode } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { findHolders } from '../holders.ts';
import { applyLeafChanges, backupWrites, copyWrite, type LeafRun } from '../leaf-changes.ts';
import { filesOf, type LeafReading, readLeafTree } from '../leaf-tree.ts';
import { leafMessages, leafRefusal } from '../render/leaf-problems.ts';
import { writeMessages } from '../render/messages.ts';
import { backupsJson, backupsText, restoreJson, restorePlanText, restoreText } from '../render/restore.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';

/** Checked options of the command. `dataDir` may be relative to the working directory. */
export interface RestoreCommandOptions extends Omit<RestoreOptions, 'backup'> {
  /** Absent: the backups are listed. */
  readonly backup: string | undefined;
  readonly dataDir: string;
  readonly output: OutputFormat;
  readonly dryRun: boolean;
}

/** Puts a backup back, or lists what there is. Answers the exit code; throws Failure. */
export async function restore(options: RestoreCommandOptions, context: Context): Promise<number> {
  const root = resolve(context.cwd, options.dataDir);
  try {
    if (options.backup === undefined) return await list(options.product, root, options.output, context);
    const named = { ...options, backup: nameIn(root, options.backup, context) };
    const plan = () => makePlan(named, root, context);
    if (options.dryRun) await print((await plan()).plan, root, options, context);
    else await applyLeafChanges(root, context, async () => runOf(await plan(), root, options, context));
    return exitCode.done;
  } catch (error) {
    throw asFailure(error);
  }
}

async function list(product: Product, root: string, output: OutputFormat, context: Context): Promise<number> {
  const { stdout, clock } = context;
  const core = await context.core();
  const { tree } = readLeafTree(root, product, core, [], true);
  const listed = summarizeBackups(product, tree, core, Math.floor(clock() / 1000));
  if (!listed.ok) throw leafRefusal('certificate restore', listed.problems, root, product);
  if (output !== 'text') await writeStructured(stdout, output, backupsJson(listed.plan, root, product));
  else stdout.write(backupsText(listed.plan, root, product, stdout));
  return exitCode.done;
}

/** A path that the shell completed is a backup's name too. */
function nameIn(root: string, backup: string, { cwd }: Context): string {
  if (!backup.includes('/')) return backup;
  const path = relative(root, resolve(cwd, backup)).split(sep).join('/');
  return path.startsWith('..') ? backup : path;
}

type Planned = { readonly plan: RestorePlan; readonly reading: LeafReading };

async function makePlan(
  options: RestoreCommandOptions & RestoreOptions,
  root: string,
  context: Context,
): Promise<Planned> {
  const core = await context.core();
  const { product } = options;
  const holders = await findHolders(root, product, context);
  const reading = readLeafTree(root, product, core, holders, true);
  const now = Math.floor(context.clock() / 1000);
  const judge: CaJudge = (placed) => judgeFirstStart(filesOf(reading, placed), (request) => core.chains(request), now);
  const planned = planRestore(options, reading.tree, core, judge, now);
  if (!planned.ok) throw leafRefusal('certificate restore', planned.problems, root, product);
  writeMessages('warning', leafMessages(planned.plan.warnings, root, product), context);
  return { plan: planned.plan, reading };
}

function runOf({ plan, reading }: Planned, root: string, options: RestoreCommandOptions, context: Context): LeafRun {
  const { backup, directories, writes, removes } = plan;
  const { contents } = reading;
  return {
    directories: [...directories, ...(backup?.directories ?? [])],
    writes: [...backupWrites(backup, contents), ...writes.map((write) => copyWrite(write, write.replaces, contents))],
    removes: removes.map(({ path, sha256 }) => ({ path, expect: sha256 })),
    contents,
    report: () => print(plan, root, options, context),
  };
}

async function print(
  plan: RestorePlan,
  root: string,
  { output, dryRun }: RestoreCommandOptions,
  { stdout }: Context,
): Promise<void> {
  if (output !== 'text') await writeStructured(stdout, output, restoreJson(plan, root, dryRun));
  else stdout.write(dryRun ? restorePlanText(plan, root, stdout) : restoreText(plan, root, stdout));
}
