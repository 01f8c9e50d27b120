import { dirname, relative, resolve } from 'node:path';
import type { Core } from '@k3s-pki/core';
import {
  defaultCaDaysFrom,
  defaultCaYearsVariable,
  type FirstStart,
  type Product,
  parseToken,
  tokenFaults,
  tokenFileText,
} from '@k3s-pki/k3s';
import { type DefaultCaPlan, defaultCaFiles, planDefaultCas } from '@k3s-pki/plan';
import { recover } from '@k3s-pki/stage';
import type { Context } from '../context.ts';
import { exitCode } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { refusal } from '../render/ca-sets.ts';
import { defaultJson, defaultText } from '../render/default-cas.ts';
import { writeMessages } from '../render/messages.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { type Reading, readSnapshot } from '../snapshot.ts';
import { judgeStart, type Making, printPlan, refuseBroken, writeSet } from './ca-sets.ts';

/** Checked options of the command. Paths may be relative to the working directory. */
export interface GenerateDefaultCaCertsOptions {
  readonly product: Product;
  readonly dataDir: string;
  readonly days: number | undefined;
  readonly tokenFile: string | undefined;
  readonly reveal: boolean;
  readonly output: OutputFormat;
  readonly dryRun: boolean;
}

/** Options -> plan -> artifacts -> staged -> committed -> report. Answers the exit code; throws Failure. */
export async function generateDefaultCaCerts(
  options: GenerateDefaultCaCertsOptions,
  context: Context,
): Promise<number> {
  try {
    return options.dryRun ? await showPlan(options, context) : await makeAll(options, context);
  } catch (error) {
    throw asFailure(error);
  }
}

async function showPlan(options: GenerateDefaultCaCertsOptions, context: Context): Promise<number> {
  const root = resolve(context.cwd, options.dataDir);
  const { plan } = makePlan(options, root, await context.core(), context);
  await printPlan(`default CAs for ${plan.product}`, plan, root, options.output, context);
  return exitCode.done;
}

async function makeAll(options: GenerateDefaultCaCertsOptions, context: Context): Promise<number> {
  const { clock, cwd, stdout } = context;
  const root = resolve(cwd, options.dataDir);
  if (options.tokenFile !== undefined) await endInterrupted(dirname(resolve(cwd, options.tokenFile)), context);
  const written = await writeSet<DefaultCaPlan, FirstStart>(
    root,
    {
      makePlan: async (core) => makePlan(options, root, core, context),
      judge: (read, core) => judgeStart(read, core, clock),
      refuse: (verdict) => refuseBroken(verdict, root),
    },
    context,
  );
  const { token: planned } = written.plan;
  const bytes = planned && readSnapshot(root, [planned.file], await context.core()).contents.get(planned.file);
  const token = bytes && tokenFileText(bytes);
  const report = { ...written, root, token, reveal: options.reveal };
  if (options.output !== 'text') await writeStructured(stdout, options.output, defaultJson(report));
  else stdout.write(defaultText(report, stdout));
  refuseBroken(written.verdict, root);
  return exitCode.done;
}

/** A run that was killed while it put the token in place: its CAs were there by then. */
async function endInterrupted(folder: string, context: Context): Promise<void> {
  const recovery = await recover(folder, context);
  if (recovery.kind !== 'clean') writeMessages('warning', [{ error: `${folder}: ${recovery.detail}` }], context);
}

/** Throws Failure with every problem of the run. */
function makePlan(
  { product, ...options }: GenerateDefaultCaCertsOptions,
  root: string,
  core: Core,
  context: Context,
): Making<DefaultCaPlan> {
  const { clock, cwd, env } = context;
  const { days, ignored } = defaultCaDaysFrom(env[defaultCaYearsVariable]);
  if (ignored !== undefined && options.days === undefined) {
    const error = `${defaultCaYearsVariable}: not a number of years from 1 to 100, so it is not used`;
    writeMessages('warning', [{ error }], context);
  }
  const tokenFile =
    options.tokenFile === undefined ? {} : { tokenFile: relative(root, resolve(cwd, options.tokenFile)) };
  const reading = readSnapshot(root, defaultCaFiles(tokenFile), core);
  const now = Math.floor(clock() / 1000);
  const fault = faultOfToken(reading, tokenFile.tokenFile);
  const planned = planDefaultCas({ product, days: options.days ?? days, ...tokenFile }, reading.snapshot, now, fault);
  if (planned.ok) return { plan: planned.plan, reading, signingKeys: new Map() };
  throw refusal('generate-default-ca-certs', planned.problems, root);
}

/** Why the first server could not start with the token in `file`, in K3s's words where it has any. */
function faultOfToken({ contents }: Reading, file: string | undefined): string | undefined {
  const bytes = file === undefined ? undefined : contents.get(file);
  if (bytes === undefined) return undefined;
  const text = tokenFileText(bytes);
  const parsed = text === undefined ? undefined : parseToken(text);
  if (parsed === undefined) return 'it is not UTF-8';
  if (!parsed.ok) return tokenFaults[parsed.fault];
  if (parsed.token.kind === 'bootstrap') return 'a kubeadm bootstrap token, which joins agents only';
  return ['', 'server'].includes(parsed.token.user) ? undefined : 'its user is not server';
}
