import { dirname, resolve } from 'node:path';
import { formatToken, randomPassword, tokenFileText } from '@k3s-pki/k3s';
import { newPassword, planTokenRotate, type TokenRotatePlan } from '@k3s-pki/plan';
import { StageError } from '@k3s-pki/stage';
import type { RecordSource } from '../bootstrap-record.ts';
import type { Context } from '../context.ts';
import { exitCode, Failure, internalError } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { tokenMessages } from '../messages/english/token.ts';
import {
  describeTokenRotateProblem,
  describeTokenRotateRemark,
  tokenRotateMessages as words,
} from '../messages/english/token-rotate.ts';
import { writeMessages } from '../render/messages.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { refusedTokenJson, type TokenRotateReport, tokenRotateJson, tokenRotateText } from '../render/token-rotate.ts';
import { openTokenDatastore } from '../rotating/token-datastore.ts';
import { tokenOutput } from '../rotating/token-files.ts';
import { openTokenSupervisor } from '../rotating/token-supervisor.ts';
import { type TokenTarget, UncertainRotation } from '../rotating/token-target.ts';
import { exists } from '../snapshot.ts';
import { readInput } from '../token-source.ts';

/** Checked options of the command. Paths may be relative to the working directory. */
export interface TokenRotateCommandOptions {
  readonly record: RecordSource;
  readonly via: TokenRotatePlan['via'];
  /** `https://HOST:PORT`; else this machine's. */
  readonly server: string | undefined;
  /** A file, or `-`; else a random password. */
  readonly newTokenFile: string | undefined;
  /** A new file for the new token. */
  readonly out: string | undefined;
  readonly force: boolean;
  readonly output: OutputFormat;
  readonly dryRun: boolean;
}

/** Replaces the server token of a cluster. Throws Failure. Source: K3s `pkg/cli/token/token.go`, `Rotate`. */
export async function rotateToken(options: TokenRotateCommandOptions, context: Context): Promise<number> {
  try {
    refuseContradictions(options);
    refuseOutput(options, context);
    const given = await givenToken(options, context);
    const target = await openTarget(options, context);
    try {
      if (target.recovered !== undefined) writeMessages('warning', [words.recovered(target.recovered)], context);
      const report = finished(target, given)
        ? await reportFinished(target, options, context)
        : await rotate(target, given, options, context);
      const { stdout } = context;
      if (options.output !== 'text') await writeStructured(stdout, options.output, tokenRotateJson(report));
      else stdout.write(tokenRotateText(report, stdout));
      return exitCode.done;
    } finally {
      await target.close();
    }
  } catch (error) {
    throw asFailure(error);
  }
}

function refuseContradictions({ record, via, server, newTokenFile, out }: TokenRotateCommandOptions): void {
  const problems = [
    ...(record.tokenFile === '-' && newTokenFile === '-' ? [words.sharedInput] : []),
    ...(out === '-' ? [words.notToOutput] : []),
    ...(via === 'datastore' && server !== undefined ? [words.serverOffline] : []),
  ];
  if (problems.length > 0) throw new Failure(problems, { code: exitCode.usage });
}

/** What is wrong with the place of `--out` shows before anything is asked or changed. */
function refuseOutput({ out }: TokenRotateCommandOptions, { cwd }: Context): void {
  if (out === undefined) return;
  const path = resolve(cwd, out);
  if (!exists(dirname(path))) throw new Failure([tokenMessages.noFolder(dirname(path))]);
  if (exists(path)) throw new Failure([words.outputExists(path)]);
}

/** The text of the new token, and where it came from. Throws Failure without a word of it. */
async function givenToken(
  { newTokenFile }: TokenRotateCommandOptions,
  context: Context,
): Promise<{ readonly text: string; readonly from: string } | undefined> {
  if (newTokenFile === undefined) return undefined;
  const read = await readInput(newTokenFile, 1 << 16, context);
  if ('why' in read) throw new Failure([tokenMessages.unreadableToken(read.from, read.why)]);
  const text = tokenFileText(read.bytes);
  read.bytes.fill(0);
  if (text === undefined) throw new Failure([tokenMessages.unreadableToken(read.from, 'not a text in UTF-8')]);
  return { text, from: read.from };
}

function openTarget(options: TokenRotateCommandOptions, context: Context): Promise<TokenTarget> {
  const { record, via, server } = options;
  return via === 'datastore'
    ? openTokenDatastore(record, options, context)
    : openTokenSupervisor({ record, server }, context);
}

type Given = Awaited<ReturnType<typeof givenToken>>;

/** Whether an interrupted run, finished just now, has done what was asked for. */
function finished({ recovered }: TokenTarget, given: Given): boolean {
  if (recovered?.kind !== 'finished') return false;
  return given === undefined || given.text === recovered.password || given.text.endsWith(`:${recovered.password}`);
}

async function reportFinished(
  target: TokenTarget,
  options: TokenRotateCommandOptions,
  context: Context,
): Promise<TokenRotateReport> {
  const { recovered, where, snapshot } = target;
  if (recovered?.kind !== 'finished') return internalError('nothing was finished');
  // What a rotation to another password would be: the same files, record and rollout.
  const plan = makePlan(target, { text: undefined, from: '' }, options, context);
  const out = newOutput(options, { caHash: snapshot.caHash, password: recovered.password }, context);
  out?.file.keep();
  const rotated = { readBack: { ok: true, from: where }, backup: recovered.backup } as const;
  return { plan, target, out: out?.path, rotated, recovered: 'finished' };
}

async function rotate(
  target: TokenTarget,
  given: Given,
  options: TokenRotateCommandOptions,
  context: Context,
): Promise<TokenRotateReport> {
  const plan = makePlan(target, given ?? { text: undefined, from: '' }, options, context);
  writeMessages(
    'warning',
    plan.remarks.map((remark) => describeTokenRotateRemark(remark, plan)),
    context,
  );
  const recovered = target.recovered === undefined ? {} : { recovered: target.recovered.kind };
  const path = options.out === undefined ? undefined : resolve(context.cwd, options.out);
  if (options.dryRun) return { plan, target, out: path, ...recovered };
  const password = given === undefined ? randomPassword(context.random) : newPassword(given.text);
  const out = newOutput(options, { caHash: plan.caHash, password }, context);
  try {
    const rotated = await target.rotate(password);
    const kept = keepOutput(out, target, context);
    return { plan, target, out: kept, rotated, ...recovered };
  } catch (error) {
    if (error instanceof UncertainRotation && out !== undefined) {
      out.file.keep();
      throw new Failure([...error.messages, words.keptOutput(out.path)], { cause: error });
    }
    out?.file.drop();
    throw error;
  }
}

function makePlan(
  target: TokenTarget,
  { text, from }: { readonly text: string | undefined; readonly from: string },
  { record, via, force }: TokenRotateCommandOptions,
  { cwd }: Context,
): TokenRotatePlan {
  const { product } = record;
  const planned = planTokenRotate({ product, via, force, newToken: text }, target.snapshot);
  if (planned.ok) return planned.plan;
  const dataDir = resolve(cwd, record.dataDir);
  const messages = planned.problems.map((problem) => describeTokenRotateProblem(problem, from, dataDir));
  throw new Failure(messages, { report: refusedTokenJson(planned.problems, messages, target) });
}

interface NewOutput {
  readonly path: string;
  readonly file: ReturnType<typeof tokenOutput>;
}

function newOutput(
  { out }: TokenRotateCommandOptions,
  { caHash, password }: { readonly caHash: string; readonly password: string },
  { cwd }: Context,
): NewOutput | undefined {
  if (out === undefined) return undefined;
  const path = resolve(cwd, out);
  const token = formatToken({ kind: 'password', form: 'secure', caHash, user: 'server', password });
  return { path, file: tokenOutput(path, token) };
}

/** The rotation is done, whatever becomes of the file. */
function keepOutput(out: NewOutput | undefined, { tokenPlace }: TokenTarget, context: Context): string | undefined {
  try {
    out?.file.keep();
    return out?.path;
  } catch (error) {
    if (!(error instanceof StageError)) throw error;
    writeMessages('warning', [words.outputFailed(error.message, tokenPlace)], context);
    return undefined;
  }
}
