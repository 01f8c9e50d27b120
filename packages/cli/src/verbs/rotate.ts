import { resolve } from 'node:path';
import { type FileSet, judgeFirstStart } from '@k3s-pki/k3s';
import { planRotate, type RotateOptions, type RotatePlan, roleOf } from '@k3s-pki/plan';
import type { Context } from '../context.ts';
import { exitCode } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { findHolders } from '../holders.ts';
import { applyLeafChanges, backupWrites, type LeafRun } from '../leaf-changes.ts';
import { filesOf, type LeafReading, readLeafTree } from '../leaf-tree.ts';
import { leafMessages, leafRefusal } from '../render/leaf-problems.ts';
import { writeMessages } from '../render/messages.ts';
import { rotateJson, rotatePlanText, rotateText } from '../render/rotate.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';

/** Checked options of the command. `dataDir` may be relative to the working directory. */
export interface RotateCommandOptions extends RotateOptions {
  readonly dataDir: string;
  readonly output: OutputFormat;
  readonly dryRun: boolean;
}

/** Backs the leaves up and takes those of the chosen services away. Answers the exit code; throws Failure. */
export async function rotate(options: RotateCommandOptions, context: Context): Promise<number> {
  const root = resolve(context.cwd, options.dataDir);
  try {
    const plan = () => makePlan(options, root, context);
    if (options.dryRun) await print((await plan()).plan, root, options, context);
    else await applyLeafChanges(root, context, async () => runOf(await plan(), root, options, context));
    return exitCode.done;
  } catch (error) {
    throw asFailure(error);
  }
}

type Planned = { readonly plan: RotatePlan; readonly reading: LeafReading };

async function makePlan(options: RotateCommandOptions, root: string, context: Context): Promise<Planned> {
  const core = await context.core();
  const holders = await findHolders(root, options.product, context);
  const reading = readLeafTree(root, options.product, core, holders, false);
  const now = Math.floor(context.clock() / 1000);
  const files: FileSet = filesOf(reading);
  const firstStart =
    roleOf(reading.tree) === 'server' ? judgeFirstStart(files, (request) => core.chains(request), now) : undefined;
  const planned = planRotate(options, reading.tree, firstStart, now);
  if (!planned.ok) throw leafRefusal('certificate rotate', planned.problems, root, options.product);
  writeMessages('warning', leafMessages(planned.plan.warnings, root, options.product), context);
  return { plan: planned.plan, reading };
}

function runOf({ plan, reading }: Planned, root: string, options: RotateCommandOptions, context: Context): LeafRun {
  const { backup, marker, removes } = plan;
  const { contents } = reading;
  const empty =
    marker === undefined
      ? []
      : [{ path: marker.path, content: new Uint8Array(), mode: marker.mode, owner: marker.owner, secret: false }];
  return {
    directories: backup?.directories ?? [],
    writes: [...backupWrites(backup, contents), ...empty.map((write) => ({ ...write, expect: 'absent' }))],
    removes: removes.map(({ path, sha256 }) => ({ path, expect: sha256 })),
    contents,
    report: () => print(plan, root, options, context),
  };
}

async function print(
  plan: RotatePlan,
  root: string,
  { output, dryRun }: RotateCommandOptions,
  { stdout }: Context,
): Promise<void> {
  if (output !== 'text') await writeStructured(stdout, output, rotateJson(plan, root, dryRun));
  else stdout.write(dryRun ? rotatePlanText(plan, root, stdout) : rotateText(plan, root, stdout));
}
