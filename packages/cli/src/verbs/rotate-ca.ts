import { resolve } from 'node:path';
import { planRotateCa, type RotateCaOptions, type RotateCaPlan } from '@k3s-pki/plan';
import type { Context } from '../context.ts';
import { exitCode, Failure } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { rotateCaMessages as words } from '../messages/english/rotate-ca.ts';
import type { ShowInSet } from '../messages/english/rotation.ts';
import {
  type RotateCaReport,
  refusalMessages,
  refusedJson,
  rotateCaJson,
  rotateCaPlanText,
  rotateCaText,
} from '../render/rotate-ca.ts';
import { writeStructured } from '../render/structured.ts';
import { openDatastoreTarget, readBackFrom } from '../rotating/datastore-target.ts';
import { readStagedSet, type StagedSet } from '../rotating/staged-set.ts';
import { openSupervisorTarget } from '../rotating/supervisor-target.ts';
import type { Loaded, RotationTarget } from '../rotating/target.ts';
import { findToken } from '../token-source.ts';
import type { BootstrapOptions } from './bootstrap/options.ts';

/** Checked options of the command. Paths may be relative to the working directory. */
export interface RotateCaCommandOptions extends RotateCaOptions, BootstrapOptions {
  readonly path: string;
  readonly server: string | undefined;
  readonly dryRun: boolean;
}

/** Options -> plan -> loaded -> report. Answers the exit code; throws Failure. */
export async function rotateCa(options: RotateCaCommandOptions, context: Context): Promise<number> {
  const { output, dryRun } = options;
  const { stdout } = context;
  try {
    const staged = readStagedSet(resolve(context.cwd, options.path), await context.core());
    const target = await openTarget(options, context);
    try {
      const show = { current: target.showCurrent, proposed: staged.show };
      const plan = await makePlan(options, target, staged, show, context);
      const report: RotateCaReport = { plan, show, where: target.where, currentFrom: target.currentFrom };
      if (dryRun) {
        if (output !== 'text') await writeStructured(stdout, output, rotateCaJson(report));
        else stdout.write(rotateCaPlanText(report, stdout));
        return exitCode.done;
      }
      const loaded = await target.load(staged.contents, plan);
      refuseUnsaved({ ...report, loaded });
      if (output !== 'text') await writeStructured(stdout, output, rotateCaJson({ ...report, loaded }));
      else stdout.write(rotateCaText({ ...report, loaded }, stdout));
      return exitCode.done;
    } finally {
      await target.close();
      for (const content of staged.contents.values()) content.fill(0);
    }
  } catch (error) {
    throw asFailure(error);
  }
}

/** K3s has said yes, and the record says no: whoever restarts now restarts for nothing, or into something else. */
function refuseUnsaved(report: RotateCaReport & { readonly loaded: Loaded }): void {
  const { readBack } = report.loaded;
  if (readBack.ok || readBack.differs !== true) return;
  const message = words.notSaved(report.where, readBack.why);
  throw new Failure([message], {
    report: { ...rotateCaJson(report), ok: false, problems: [{ message: message.error, hint: message.hint }] },
  });
}

async function openTarget(options: RotateCaCommandOptions, context: Context): Promise<RotationTarget> {
  const { product, server, timeout, via } = options;
  const record = { ...options, dataDir: resolve(context.cwd, options.dataDir) };
  if (via === 'datastore') return openDatastoreTarget(record, context);
  const { dataDir } = record;
  const found = await findToken(record, context);
  const readBack = readBackFrom({ ...record, found }, context);
  return openSupervisorTarget({ product, dataDir, server, found, timeout, readBack }, context);
}

async function makePlan(
  options: RotateCaCommandOptions,
  target: RotationTarget,
  staged: StagedSet,
  show: ShowInSet,
  { core, clock }: Context,
): Promise<RotateCaPlan> {
  const x509 = await core();
  const now = Math.floor(clock() / 1000);
  const planned = planRotateCa(options, target.current, staged.files, (request) => x509.chains(request), now);
  if (planned.ok) return planned.plan;
  throw new Failure(refusalMessages(planned, show), { report: refusedJson(planned, show, target) });
}
