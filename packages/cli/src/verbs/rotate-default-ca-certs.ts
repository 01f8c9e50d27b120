import { resolve } from 'node:path';
import type { Core } from '@k3s-pki/core';
import {
  type FirstStart,
  inRotation,
  parseToken,
  type Rotation,
  tokenFaults,
  tokenFile,
  tokenFileText,
} from '@k3s-pki/k3s';
import {
  planRotateDefaultCas,
  type RotateDefaultCaOptions,
  type RotateDefaultCaPlan,
  rotateDefaultFiles,
} from '@k3s-pki/plan';
import type { Context } from '../context.ts';
import { exitCode } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { refusal } from '../render/ca-sets.ts';
import { rotatedJson, rotatedText } from '../render/rotated-cas.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { type Reading, readSnapshot } from '../snapshot.ts';
import {
  judgeLoading,
  judgeStart,
  type Making,
  openFoundKeys,
  printPlan,
  refuseBroken,
  refuseUnloadable,
  writeSet,
} from './ca-sets.ts';

/** Checked options of the command. `dataDir` may be relative to the working directory. */
export interface RotateDefaultCaCertsOptions extends RotateDefaultCaOptions {
  readonly dataDir: string;
  readonly reveal: boolean;
  readonly output: OutputFormat;
  readonly dryRun: boolean;
}

/** What K3s says of the staged set. */
interface Verdict {
  readonly start: FirstStart;
  readonly loading: Rotation;
}

/** Options -> plan -> artifacts -> staged -> committed -> report. Answers the exit code; throws Failure. */
export async function rotateDefaultCaCerts(options: RotateDefaultCaCertsOptions, context: Context): Promise<number> {
  try {
    return options.dryRun ? await showPlan(options, context) : await makeAll(options, context);
  } catch (error) {
    throw asFailure(error);
  }
}

async function showPlan(options: RotateDefaultCaCertsOptions, context: Context): Promise<number> {
  const root = resolve(context.cwd, options.dataDir);
  const { plan } = readAndPlan(options, root, await context.core(), context);
  await printPlan(`cross-signed CAs for ${plan.product}`, plan, root, options.output, context);
  return exitCode.done;
}

async function makeAll(options: RotateDefaultCaCertsOptions, context: Context): Promise<number> {
  const { clock, cwd, stdout } = context;
  const root = resolve(cwd, options.dataDir);
  const refuse = ({ start, loading }: Verdict) => {
    refuseUnloadable(loading, root, false);
    refuseBroken(start, root);
  };
  const written = await writeSet<RotateDefaultCaPlan, Verdict>(
    root,
    {
      makePlan: async (core) => makePlan(options, root, core, context),
      judge: (read, core) => ({
        start: judgeStart((path) => read(inRotation(path)), core, clock),
        loading: judgeLoading(read, (path) => read(inRotation(path)), core, clock),
      }),
      refuse,
    },
    context,
  );
  const core = await context.core();
  const { contents } = readSnapshot(root, Object.values(written.plan.tokens), core);
  const tokens = Object.entries(written.plan.tokens).map(([user, file]) => ({
    user: user as 'server' | 'agent',
    file,
    token: tokenFileText(contents.get(file) ?? new Uint8Array()) ?? '',
  }));
  const report = { ...written, root, tokens, reveal: options.reveal };
  if (options.output !== 'text') await writeStructured(stdout, options.output, rotatedJson(report));
  else stdout.write(rotatedText(report, stdout));
  refuse(written.verdict);
  return exitCode.done;
}

function makePlan(
  options: RotateDefaultCaCertsOptions,
  root: string,
  core: Core,
  context: Context,
): Making<RotateDefaultCaPlan> {
  const { plan, reading } = readAndPlan(options, root, core, context);
  return { plan, reading, signingKeys: openFoundKeys(plan, reading, core) };
}

/** Throws Failure with every problem of the run. */
function readAndPlan(
  options: RotateDefaultCaCertsOptions,
  root: string,
  core: Core,
  { clock }: Context,
): Omit<Making<RotateDefaultCaPlan>, 'signingKeys'> {
  const reading = readSnapshot(root, rotateDefaultFiles, core);
  const now = Math.floor(clock() / 1000);
  const planned = planRotateDefaultCas(options, reading.snapshot, core, now, faultsOfTokens(reading));
  if (planned.ok) return { plan: planned.plan, reading };
  throw refusal('rotate-default-ca-certs', planned.problems, root);
}

/** What is wrong with the token files, in K3s's words where it has any. */
function faultsOfTokens({ contents }: Reading): Map<string, string> {
  return new Map(
    Object.values(tokenFile).flatMap((file): [string, string][] => {
      const bytes = contents.get(file);
      const text = bytes === undefined ? 'absent' : tokenFileText(bytes);
      const parsed = text === undefined ? undefined : parseToken(text);
      if (parsed === undefined) return [[file, 'it is not UTF-8']];
      if (!parsed.ok) return [[file, tokenFaults[parsed.fault]]];
      return parsed.token.kind === 'bootstrap' ? [[file, 'a kubeadm bootstrap token, which joins agents only']] : [];
    }),
  );
}
