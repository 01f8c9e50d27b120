import { relative, resolve } from 'node:path';
import type { Core, PrivateKey } from '@k3s-pki/core';
import { caNames, type FirstStart, type Rotation, tlsFile } from '@k3s-pki/k3s';
import {
  type CustomCaOptions,
  type CustomCaPlan,
  customCaFiles,
  customCaSigningKeys,
  planCustomCaCerts,
} from '@k3s-pki/plan';
import type { Context } from '../context.ts';
import { exitCode, Failure } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { findPassphrase } from '../passphrase.ts';
import { refusal } from '../render/ca-sets.ts';
import { reportJson, reportText } from '../render/custom-cas.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { showIn } from '../render/text.ts';
import { openKey, type Reading, readSnapshot } from '../snapshot.ts';
import {
  judgeLoading,
  judgeStart,
  type Making,
  printPlan,
  type ReadFile,
  refuseBroken,
  refuseUnloadable,
  writeSet,
} from './ca-sets.ts';

/** Checked options of the command. `dataDir` and `from` may be relative to the working directory. */
export interface GenerateCustomCaCertsOptions extends Omit<CustomCaOptions, 'from'> {
  readonly dataDir: string;
  readonly from: string | undefined;
  readonly passphraseFile: string | undefined;
  readonly output: OutputFormat;
  readonly dryRun: boolean;
}

/** Options -> plan -> artifacts -> staged -> committed -> report. Answers the exit code; throws Failure. */
export async function generateCustomCaCerts(options: GenerateCustomCaCertsOptions, context: Context): Promise<number> {
  try {
    return options.dryRun ? await showPlan(options, context) : await makeAll(options, context);
  } catch (error) {
    throw asFailure(error);
  }
}

async function showPlan(options: GenerateCustomCaCertsOptions, context: Context): Promise<number> {
  const root = resolve(context.cwd, options.dataDir);
  const { plan, signingKeys } = await makePlan(options, root, await context.core(), context);
  for (const key of signingKeys.values()) key.wipe();
  await printPlan(`custom CAs for ${plan.product}`, plan, root, options.output, context);
  return exitCode.done;
}

async function makeAll(options: GenerateCustomCaCertsOptions, context: Context): Promise<number> {
  const { clock, cwd, stdout } = context;
  const root = resolve(cwd, options.dataDir);
  const from = options.from === undefined ? undefined : resolve(cwd, options.from);
  const { plan, artifacts, verdict } = await writeSet<CustomCaPlan, Verdict>(
    root,
    {
      makePlan: (core) => makePlan(options, root, core, context),
      judge: (read, core) => ({
        start: judgeStart(read, core, clock),
        loading: from === undefined ? undefined : judgeReplacing(relative(root, from), read, core, clock),
      }),
      refuse: (verdict) => refuse(verdict, root, from),
    },
    context,
  );
  const report = { plan, artifacts, root, from, verdict: verdict.start, loading: verdict.loading };
  if (options.output !== 'text') await writeStructured(stdout, options.output, reportJson(report));
  else stdout.write(reportText(report, stdout));
  refuse(verdict, root, from);
  return exitCode.done;
}

interface Verdict {
  readonly start: FirstStart;
  /** On the server whose CAs they replace, when one is known. */
  readonly loading: Rotation | undefined;
}

function refuse({ start, loading }: Verdict, root: string, from: string | undefined): void {
  refuseBroken(start, root);
  if (loading !== undefined) refuseUnloadable(loading, from ?? root, true);
}

/** Undefined when the data dir `from` has no CAs in use, such as a copy of root and intermediate alone. */
function judgeReplacing(from: string, read: ReadFile, core: Core, clock: () => number): Rotation | undefined {
  const current: ReadFile = (path) => read(`${from}/${path}`);
  const inUse = caNames.some((ca) => current(tlsFile.caBundle(ca)) !== undefined);
  return inUse ? judgeLoading(current, read, core, clock) : undefined;
}

/** Reads, opens the keys that are needed, plans. Throws Failure with every problem of the run. */
async function makePlan(
  { from: source, ...options }: GenerateCustomCaCertsOptions,
  root: string,
  core: Core,
  context: Context,
): Promise<Making<CustomCaPlan>> {
  const from = source === undefined ? undefined : sourceFolder(source, root, context);
  const sourced = from === undefined ? {} : { from };
  let reading = readSnapshot(root, customCaFiles(sourced), core);
  const signingKeys = new Map<string, PrivateKey>();
  try {
    for (const keyFile of customCaSigningKeys({ ...options, ...sourced }, reading.snapshot)) {
      const passphrase = isEncrypted(reading, keyFile)
        ? await findPassphrase(options.passphraseFile, showIn(root)(keyFile), context)
        : undefined;
      const opened = openKey(reading, keyFile, core, passphrase);
      passphrase?.fill(0);
      reading = opened.reading;
      if (opened.key !== undefined) signingKeys.set(opened.key.type.spkiSha256, opened.key);
    }
    const now = Math.floor(context.clock() / 1000);
    const planned = planCustomCaCerts({ ...options, ...sourced }, reading.snapshot, core, now);
    if (!planned.ok) throw refusal('generate-custom-ca-certs', planned.problems, root);
    return { plan: planned.plan, reading, signingKeys };
  } catch (error) {
    for (const key of signingKeys.values()) key.wipe();
    throw error;
  }
}

/** The data dir of `--from` as the plan names it: relative to the one written to. */
function sourceFolder(source: string, root: string, { cwd }: Context): string {
  const from = relative(root, resolve(cwd, source));
  if (from !== '') return from;
  throw new Failure(
    [
      {
        error: `${root}: --from names the data dir that would be written to`,
        hint: 'stage elsewhere: --data-dir /opt/k3s',
      },
    ],
    { code: exitCode.usage },
  );
}

function isEncrypted({ snapshot }: Reading, path: string): boolean {
  const file = snapshot.files.get(path);
  return (
    file?.kind === 'file' &&
    file.blocks.some((block) => block.kind === 'encrypted-private-key' && block.scheme === 'pkcs8')
  );
}
