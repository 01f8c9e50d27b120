import { statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Core, KeyType } from '@k3s-pki/core';
import { type Product, type ServiceKey, serviceKeys, tlsFile, whyServiceKeyFails } from '@k3s-pki/k3s';
import { planServiceAccountRotate, type ServiceAccountPlan, stagedServiceKey } from '@k3s-pki/plan';
import { commit, lock, stage, unlock } from '@k3s-pki/stage';
import type { Context } from '../context.ts';
import { exitCode, Failure, internalError } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { describeServiceAccount, stageNeeded } from '../messages/english/service-account.ts';
import { concat, withUnixLines } from '../octets.ts';
import { writeMessages } from '../render/messages.ts';
import {
  serviceAccountPlanJson,
  serviceAccountPlanText,
  serviceAccountRefusal,
  serviceAccountReportJson,
  serviceAccountReportText,
  serviceKeysJson,
  serviceKeysText,
} from '../render/service-account.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { type Reading, readSnapshot } from '../snapshot.ts';
import { progress } from '../terminal.ts';

/** Checked options of `service-account list`. Paths may be relative to the working directory. */
export interface ServiceAccountListOptions {
  readonly file: string | undefined;
  readonly dataDir: string;
  readonly output: OutputFormat;
}

/** Checked options of `service-account rotate`. Paths may be relative to the working directory. */
export interface ServiceAccountRotateOptions {
  readonly product: Product;
  readonly dataDir: string;
  readonly out: string | undefined;
  readonly keyType: KeyType;
  readonly keep: number | undefined;
  readonly output: OutputFormat;
  readonly dryRun: boolean;
}

/** Lists the keys of a `service.key`. Exit code 1 when K3s would not start on the file; throws Failure. */
export async function listServiceKeys(options: ServiceAccountListOptions, context: Context): Promise<number> {
  const { stdout, cwd } = context;
  const path = resolve(cwd, options.file ?? join(options.dataDir, tlsFile.serviceKey));
  const { snapshot } = readSnapshot(dirname(path), [basename(path)], await context.core());
  const file = snapshot.files.get(basename(path));
  const refuse = (code: 'absent' | 'empty' | 'unreadable', values: object = {}) =>
    new Failure([describeServiceAccount({ severity: 'error', code, file: path, values } as never)]);
  if (file === undefined) throw refuse('absent');
  if (file.kind === 'unreadable') throw refuse('unreadable', { why: file.why });
  if (file.size === 0) throw refuse('empty');
  const keys = serviceKeys(file.blocks);
  const reason = whyServiceKeyFails(file.blocks);
  if (options.output !== 'text') await writeStructured(stdout, options.output, serviceKeysJson(path, keys, reason));
  else if (keys.length > 0) stdout.write(serviceKeysText(path, keys, stdout));
  if (reason === undefined) return exitCode.done;
  throw new Failure([describeServiceAccount({ severity: 'error', code: 'unusable', file: path, values: { reason } })]);
}

/** Options -> plan -> artifact -> staged -> committed -> report. Answers the exit code; throws Failure. */
export async function rotateServiceKey(options: ServiceAccountRotateOptions, context: Context): Promise<number> {
  const { out } = options;
  if (out === undefined) throw new Failure([stageNeeded], { code: exitCode.usage });
  try {
    return options.dryRun ? await printPlan({ ...options, out }, context) : await makeKey({ ...options, out }, context);
  } catch (error) {
    throw asFailure(error);
  }
}

type WithOut = ServiceAccountRotateOptions & { readonly out: string };

async function printPlan(options: WithOut, context: Context): Promise<number> {
  const { plan } = makePlan(options, await context.core(), context);
  if (options.output !== 'text') {
    await writeStructured(context.stdout, options.output, serviceAccountPlanJson(plan));
  } else context.stdout.write(serviceAccountPlanText(plan, context.stdout));
  return exitCode.done;
}

async function makeKey(options: WithOut, context: Context): Promise<number> {
  const { clock, signal, stdout, cwd } = context;
  const core = await context.core();
  const root = resolve(cwd, options.out);
  const held = await lock(root, { clock });
  try {
    if (held.recovery.kind !== 'clean') {
      writeMessages('warning', [{ error: `${root}: ${held.recovery.detail}` }], context);
    }
    const { plan, source } = makePlan(options, core, context);
    const content = await newServiceKey(plan, source, core, context);
    const { file: path, mode, directories, replaces: expect } = plan;
    const staged = await stage(
      { root, directories, writes: [{ path, content, mode, secret: true, expect }] },
      { clock, signal, lock: held, verify: (read) => void checkedKeys(read(path), plan, core) },
    );
    content.fill(0);
    await commit(staged);
    const onDisk = readSnapshot(root, [path], core).contents.get(path) ?? internalError(`${path} is gone`);
    const report = { plan, product: options.product, keys: checkedKeys(onDisk, plan, core) };
    if (options.output !== 'text') await writeStructured(stdout, options.output, serviceAccountReportJson(report));
    else stdout.write(serviceAccountReportText(report, stdout));
    return exitCode.done;
  } finally {
    await unlock(held);
  }
}

/** Reads both places and plans; prints the warnings. Throws Failure with every problem of the run. */
function makePlan(options: WithOut, core: Core, context: Context): { plan: ServiceAccountPlan; source: Uint8Array } {
  const { cwd, clock } = context;
  const dataDir = resolve(cwd, options.dataDir);
  const root = resolve(cwd, options.out);
  const reading: Reading = readSnapshot(dataDir, [tlsFile.serviceKey], core);
  const there = readSnapshot(root, [stagedServiceKey], core);
  const source = join(dataDir, tlsFile.serviceKey);
  const [from, to] = [source, join(root, stagedServiceKey)].map((path) => statOf(path));
  const planned = planServiceAccountRotate(
    {
      source,
      stage: root,
      keyType: options.keyType,
      ...(options.keep === undefined ? {} : { keep: options.keep }),
    },
    {
      source: reading.snapshot.files.get(tlsFile.serviceKey),
      target: there.snapshot.files.get(stagedServiceKey),
      sameFile: from !== undefined && to !== undefined && from.ino === to.ino && from.dev === to.dev,
      inUse: reading.snapshot.inUse.map((path) => join(dataDir, path)),
      modified: from?.mtimeMs ?? 0,
    },
    Math.floor(clock() / 1000),
  );
  if (!planned.ok) throw serviceAccountRefusal(planned.problems);
  writeMessages('warning', planned.plan.warnings.map(describeServiceAccount), context);
  return {
    plan: planned.plan,
    source: reading.contents.get(tlsFile.serviceKey) ?? internalError(`${source} has no content`),
  };
}

function statOf(path: string) {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** The new key, then the kept blocks as they are, each on lines of its own. */
async function newServiceKey(
  { newKey, kept, source: path }: ServiceAccountPlan,
  source: Uint8Array,
  core: Core,
  { stderr, signal }: Context,
): Promise<Uint8Array> {
  const spinner = progress(stderr);
  try {
    const [key = internalError('no key')] = await core.generateKeys([newKey], {
      signal,
      onProgress: ({ tests }) => spinner.show(`making the key: ${tests} candidates for primes tested`),
    });
    const blocks = core.inspect(source);
    const pieces = [key.toPem()];
    key.wipe();
    for (const { block, line } of kept) {
      const found = blocks[block] ?? internalError(`${path}: no block in line ${line}`);
      pieces.push(withUnixLines(source.subarray(found.start, found.end)));
    }
    return concat(pieces);
  } finally {
    spinner.end();
  }
}

/** The keys of the file that was made. A file that K3s would not start on, or without one of the kept keys, must never
 *  be put in place. */
function checkedKeys(bytes: Uint8Array, { kept }: ServiceAccountPlan, core: Core): ServiceKey[] {
  const blocks = core.inspect(bytes);
  const keys = serviceKeys(blocks);
  const reason = whyServiceKeyFails(blocks);
  const [first, ...others] = keys;
  const same = others.length === kept.length && others.every(({ kid }, index) => kid === kept[index]?.kid);
  const isNew = first?.role === 'signs' && kept.every(({ kid }) => kid !== first.kid);
  if (reason !== undefined || !same || !isNew) {
    throw new Error(`internal error: the staged service.key is not what was planned: ${reason ?? 'other keys'}`);
  }
  return keys;
}
