import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { type BulkIssuer, type BulkProfile, type Core, type KeyType, openBulk } from '@k3s-pki/core';
import {
  defaultDataDir,
  type LeafProfile,
  leafDaysFrom,
  leafDaysVariable,
  leafKeyUsage,
  leafProfile,
  tlsDir,
} from '@k3s-pki/k3s';
import {
  caFiles,
  type IssuePlan,
  isManifestName,
  issueFiles,
  manifestName,
  type NodeRow,
  type NumberedName,
  numberedName,
  planIssue,
  type RowProblem,
  type Shard,
  shardOf,
  wholeInput,
} from '@k3s-pki/plan';
import { NodeFolders, openOutput, StageError } from '@k3s-pki/stage';
import type { Context } from '../context.ts';
import { exitCode, Failure, internalError, type Message } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { type CheckedRows, checkRows, numberedRows } from '../issuing/checked-rows.ts';
import { foldersSink, nodePaths, Resumption, recordedPaths } from '../issuing/folders.ts';
import { jsonLinesSink, Manifest } from '../issuing/lines.ts';
import { issueRows } from '../issuing/pipeline.ts';
import { openRequestIssuer, type Requests, readRequests } from '../issuing/requests.ts';
import { fileRows, type RowSource } from '../issuing/row-source.ts';
import type { ProfileOutput, Sink } from '../issuing/sink.ts';
import { type ByteTarget, tarSink } from '../issuing/tar.ts';
import { fileTarget, streamTarget } from '../issuing/targets.ts';
import { lanesOf } from '../lanes.ts';
import { describeRow } from '../messages/english.ts';
import { findPassphrase } from '../passphrase.ts';
import {
  caRefusal,
  caWarnings,
  grouped,
  type IssueReport,
  issuePlanJson,
  issuePlanText,
  issueReportJson,
  issueReportText,
  number,
} from '../render/issue.ts';
import { writeMessages } from '../render/messages.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { openKey, type Reading, readSnapshot } from '../snapshot.ts';
import { isTerminal, progress } from '../terminal.ts';

/** Options of the command, each checked by itself. Paths may be relative to the working directory; `-` is a stream. */
export interface IssueCommandOptions {
  readonly profile: readonly string[];
  readonly caDir: string | undefined;
  readonly dataDir: string | undefined;
  readonly from: string | undefined;
  readonly csr: string | undefined;
  readonly nodes: number | undefined;
  readonly name: string;
  readonly days: number | undefined;
  readonly keyType: KeyType;
  readonly clusterDomain: string;
  readonly serviceIp: string;
  readonly out: string | undefined;
  readonly tar: string | undefined;
  readonly jsonl: string | undefined;
  readonly manifest: string | undefined;
  readonly workers: number | undefined;
  readonly check: 'sample' | 'all';
  readonly shard: string | undefined;
  readonly shards: number | undefined;
  readonly skipBad: boolean;
  readonly resume: boolean;
  readonly dryRun: boolean;
  readonly passphraseFile: string | undefined;
  readonly output: OutputFormat;
}

/** Options -> plan -> checked rows -> batches -> sink and manifest -> report. Answers the exit code; throws Failure. */
export async function issue(options: IssueCommandOptions, context: Context): Promise<number> {
  let source: RowSource | undefined;
  const signers: Signers = new Map();
  try {
    const request = understand(options, context);
    const { plan, caDir, bundles } = await makePlan(options, request, signers, context);
    writeMessages('warning', caWarnings(plan, caDir), context);
    if (options.from !== undefined) source = await fileRows(options.from, context.cwd, context.stdin);
    const requests =
      options.csr === undefined ? undefined : readRequests(options.csr, context.cwd, await context.core(), plan);
    const rows = await check(options, request, plan, source ?? requests?.source, requests, context);
    if (options.dryRun) {
      if (options.output !== 'text')
        await writeStructured(context.stdout, options.output, issuePlanJson(plan, rows, caDir));
      else context.stdout.write(issuePlanText(plan, rows, context.stdout));
      return exitCode.done;
    }
    const outputs = plan.profiles.map((profile) => ({
      ...profile,
      bundle: bundles.get(profile.profile.ca) ?? internalError('a CA without its bundle'),
      withKey: requests === undefined,
    }));
    const report = await issueAll({ options, request, plan, caDir, outputs, signers, rows, source }, context);
    if (request.sink.path === '-') return exitCode.done;
    if (options.output !== 'text') await writeStructured(context.stdout, options.output, issueReportJson(report));
    else context.stdout.write(issueReportText(report, context.stdout));
    return exitCode.done;
  } catch (error) {
    throw asFailure(error);
  } finally {
    source?.close();
    for (const { key } of signers.values()) key.fill(0);
  }
}

/** What the options mean together. */
interface Request {
  readonly profiles: readonly LeafProfile[];
  readonly sink: { readonly kind: 'out' | 'tar' | 'jsonl'; readonly path: string };
  readonly shard: Shard;
  readonly numbered: NumberedName | undefined;
  readonly days: number;
}

function understand(options: IssueCommandOptions, context: Context): Request {
  const { out, tar, jsonl, from, csr, nodes, name, resume } = options;
  const sinks = (['out', 'tar', 'jsonl'] as const).flatMap((kind) => {
    const path = { out, tar, jsonl }[kind];
    return path === undefined ? [] : [{ kind, path }];
  });
  const [sink] = sinks;
  if (sink === undefined || sinks.length > 1) {
    throw usage(
      'give exactly one of --out DIR, --tar FILE and --jsonl FILE',
      'the last two take - for standard output',
    );
  }
  if (sink.path === '' || (sink.kind === 'out' && sink.path === '-')) throw usage('--out needs a folder');
  if (resume && sink.kind !== 'out') throw usage('--resume goes on in a folder: it needs --out');
  if (sink.kind === 'tar' && sink.path === '-' && isTerminal(context.stdout)) {
    throw usage('an archive is not for a terminal', 'name a file with --tar FILE, or pipe it: --tar - | tar x -C DIR');
  }
  if (nodes !== undefined ? from !== undefined || csr !== undefined : from === undefined && csr === undefined) {
    throw usage(
      'give exactly one of --from FILE, --nodes N and --csr FILE',
      "--nodes 3 --name 'edge-%05d' makes edge-00001 to edge-00003; --csr may stand with --from",
    );
  }
  const numbered = nodes === undefined ? undefined : numberedName(name);
  if (nodes !== undefined && numbered === undefined) {
    throw usage(`--name ${JSON.stringify(name)} has no place for the number`, "write it like 'edge-%05d' or 'node-%d'");
  }
  const profiles = profilesOf(options.profile);
  if (csr !== undefined && profiles.length > 1) throw usage('--csr takes one profile, since a request is for one key');
  return {
    profiles,
    sink,
    shard: shardFrom(options, context),
    numbered,
    days: daysFrom(options, context),
  };
}

function profilesOf(lists: readonly string[]): readonly LeafProfile[] {
  const names = [...new Set(lists.flatMap((list) => list.split(',')).map((name) => name.trim()))].filter(Boolean);
  if (names.length === 0) {
    throw usage('no --profile is given', "k3s-pki certificate profiles lists them; client-kubelet is a node's own");
  }
  const unknown = names.filter((name) => leafProfile(name) === undefined);
  if (unknown.length > 0) {
    throw usage(
      `unknown profile ${unknown.map((name) => JSON.stringify(name)).join(', ')}`,
      'k3s-pki certificate profiles lists them',
    );
  }
  return names.flatMap((name) => leafProfile(name) ?? []);
}

/** The part of the input: `--shard I/N`, or the index that Kubernetes gives a pod of an Indexed Job, which counts from 0. */
function shardFrom({ shard, shards }: IssueCommandOptions, { env }: Context): Shard {
  if (shard !== undefined) {
    if (shards !== undefined) throw usage('--shard says the number of parts already: leave --shards out');
    return shardOf(shard) ?? fail(usage(`--shard ${shard} is not a part`, 'write 3/16 for the third of sixteen'));
  }
  const { JOB_COMPLETION_INDEX: index, JOB_COMPLETIONS: completions } = env;
  const count = shards ?? (completions === undefined || completions === '' ? undefined : Number(completions));
  if (index === undefined || index === '') {
    if (shards !== undefined)
      throw usage('--shards needs JOB_COMPLETION_INDEX', 'outside of an Indexed Job use --shard 3/16');
    return wholeInput;
  }
  if (count === undefined) {
    throw usage(
      'JOB_COMPLETION_INDEX is set, but the number of parts is not known',
      'set JOB_COMPLETIONS or --shards to the completions of the Job, or unset JOB_COMPLETION_INDEX to issue all rows',
    );
  }
  return (
    shardOf(`${Number(index) + 1}/${count}`) ??
    fail(usage(`JOB_COMPLETION_INDEX ${index} is not an index below ${count}`, 'it counts from 0'))
  );
}

function daysFrom({ days }: IssueCommandOptions, context: Context): number {
  if (days !== undefined) return days;
  const found = leafDaysFrom(context.env[leafDaysVariable]);
  if (found.ignored !== undefined) {
    const error = `${leafDaysVariable} is no number and is ignored, as K3s does; leaves get ${found.days} days`;
    writeMessages('warning', [{ error }], context);
  }
  if (found.days < 1 || found.days > 36_500) {
    throw usage(`${leafDaysVariable} is ${found.days}`, 'a lifetime is 1 to 36500 days');
  }
  return found.days;
}

/** The private key of each CA in plain PEM, and its certificate. */
type Signers = Map<string, { readonly key: Uint8Array; readonly ca: BulkProfile['ca'] }>;

async function makePlan(
  options: IssueCommandOptions,
  { profiles, days, shard, sink }: Request,
  signers: Signers,
  context: Context,
): Promise<{ plan: IssuePlan; caDir: string; bundles: ReadonlyMap<string, Uint8Array> }> {
  const core = await context.core();
  const { caDir: tls, dataDir = defaultDataDir('k3s'), keyType, clusterDomain, serviceIp } = options;
  const caDir = resolve(context.cwd, tls ?? join(dataDir, tlsDir));
  let reading = readSnapshot(caDir, issueFiles(profiles), core);
  const cas = new Set(profiles.map(({ ca }) => ca));
  const bundles = new Map<string, Uint8Array>();
  for (const ca of cas) {
    const { bundle, key: keyFile } = caFiles(ca);
    const certificates = certificatesOf(reading, bundle);
    bundles.set(ca, Buffer.from(certificates.map((certificate) => core.toPem(certificate)).join('')));
    reading = await openSigner(reading, ca, keyFile, certificates[0], signers, options, caDir, context, core);
  }
  const longestOut = sink.kind === 'tar' ? 155 : 1000;
  const planned = planIssue(
    { profiles, days, keyType, clusterDomain, serviceIp, shard, longestOut },
    reading.snapshot,
    Math.floor(context.clock() / 1000),
  );
  if (!planned.ok) throw caRefusal(planned.problems, caDir);
  return { plan: planned.plan, caDir, bundles };
}

async function openSigner(
  reading: Reading,
  ca: string,
  keyFile: string,
  certificate: BulkProfile['ca'] | undefined,
  signers: Signers,
  { passphraseFile }: IssueCommandOptions,
  caDir: string,
  context: Context,
  core: Core,
): Promise<Reading> {
  const file = reading.snapshot.files.get(keyFile);
  const encrypted =
    file?.kind === 'file' &&
    file.blocks.some((block) => block.kind === 'encrypted-private-key' && block.scheme === 'pkcs8');
  const passphrase = encrypted ? await findPassphrase(passphraseFile, join(caDir, keyFile), context) : undefined;
  const opened = openKey(reading, keyFile, core, passphrase);
  passphrase?.fill(0);
  if (opened.key !== undefined) {
    if (certificate !== undefined) signers.set(ca, { key: opened.key.toPem(), ca: certificate });
    opened.key.wipe();
  }
  return opened.reading;
}

function certificatesOf({ snapshot }: Reading, path: string): BulkProfile['ca'][] {
  const file = snapshot.files.get(path);
  if (file?.kind !== 'file') return [];
  return file.blocks.flatMap((block) => (block.kind === 'certificate' ? [block.certificate] : []));
}

/** Checks every row before the first leaf. Throws Failure when one is bad, unless bad ones are to be left out. */
async function check(
  { nodes, skipBad, from }: IssueCommandOptions,
  { numbered, sink, profiles }: Request,
  plan: IssuePlan,
  source: RowSource | undefined,
  requests: Requests | undefined,
  context: Context,
): Promise<CheckedRows> {
  const kind = skipBad ? 'warning' : 'error';
  const report = (line: number, problem: RowProblem) => {
    const place = source === undefined ? `--name, node ${line}` : source.place(line);
    writeMessages(kind, [{ error: `${place}: ${describeRow(problem)}` }], context);
  };
  let unusedNames = false;
  const takesNames = profiles.some((profile) => profile.takesNames);
  const look = ({ dns, ip }: NodeRow) => {
    if (!takesNames && dns.length + ip.length > 0) unusedNames = true;
  };
  const spinner = progress(context.stderr);
  if (from !== undefined) spinner.show('checking the rows');
  let rows: CheckedRows;
  try {
    rows =
      source === undefined
        ? numberedRows(numbered ?? internalError('no names'), nodes ?? 0, plan, report)
        : await checkRows(source, plan, { report, look, complete: requests?.grant, signal: context.signal });
  } finally {
    spinner.end();
  }
  if (rows.fatal || (rows.bad > 0 && !skipBad)) {
    const hint = rows.fatal ? 'correct the input' : 'correct them, or leave them out with --skip-bad';
    throw new Failure([{ error: `${number(rows.bad, 'bad row')}, nothing was issued`, hint }]);
  }
  if (rows.total === 0 && rows.rows === 0) throw new Failure([{ error: `${source?.name ?? '--nodes'}: no rows` }]);
  const unused = requests?.unused() ?? [];
  if (unused.length > 0) {
    const error = `${number(unused.length, 'request')} for nodes that no row names: ${unused.slice(0, 5).join(', ')}${unused.length > 5 ? ', ...' : ''}`;
    writeMessages('warning', [{ error }], context);
  }
  if (unusedNames) {
    const error = 'dns and ip of the rows are not used: no profile of this run has names of its own';
    writeMessages('warning', [{ error }], context);
  }
  if (sink.kind === 'jsonl' && sink.path === '-' && isTerminal(context.stdout)) {
    writeMessages('warning', [{ error: 'private keys are printed on this terminal' }], context);
  }
  return rows;
}

interface Job {
  readonly options: IssueCommandOptions;
  readonly request: Request;
  readonly plan: IssuePlan;
  readonly caDir: string;
  readonly outputs: readonly ProfileOutput[];
  readonly signers: Signers;
  readonly rows: CheckedRows;
  readonly source: RowSource | undefined;
}

async function issueAll(job: Job, context: Context): Promise<IssueReport> {
  const { request, plan, caDir, rows } = job;
  const core = await context.core();
  // Before the output is opened: an engine that does not start leaves nothing behind.
  const issuer = await openIssuer(job, core, context);
  try {
    const open = await openSink(job, core, context);
    const issued = await issueInto(open, issuer, job, context);
    return {
      plan,
      caDir,
      sink: { kind: request.sink.kind, path: resolve(context.cwd, request.sink.path) },
      manifest: open.manifestPath,
      issued,
      found: open.resumption?.complete ?? 0,
      skipped: rows.bad,
    };
  } finally {
    await issuer.close();
  }
}

function openIssuer({ options, outputs, signers, rows }: Job, core: Core, context: Context): Promise<BulkIssuer> {
  const profiles = outputs.flatMap(({ profile }) =>
    rows.keyTypes.map((keyType): BulkProfile => {
      const { ca, key: caKey } = signers.get(profile.ca) ?? internalError('a CA without its key');
      return { ca, caKey, keyUsage: leafKeyUsage, extendedKeyUsage: profile.extendedKeyUsage, keyType };
    }),
  );
  if (options.csr !== undefined) return Promise.resolve(openRequestIssuer(core, context.random, profiles));
  const { workers = availableParallelism(), check } = options;
  const expected = rows.total * outputs.length;
  return openBulk(profiles, { workers, check, expected, lanes: lanesOf(context.env) });
}

/** Answers the number of nodes issued. */
async function issueInto(
  { sink, manifest, resumption }: OpenSink,
  issuer: BulkIssuer,
  { request, plan, rows, source }: Job,
  context: Context,
): Promise<number> {
  const { sink: target } = request;
  const meter = new Meter(rows.total, context);
  let issued = 0;
  let ended = false;
  try {
    issued = await issueRows(wanted(rows, resumption, manifest), {
      plan,
      keyTypes: rows.keyTypes,
      issuer,
      sink,
      manifest,
      signal: context.signal,
      onProgress: (done) => {
        issued = done;
        meter.show(done + (resumption?.complete ?? 0), done);
      },
    });
    if (context.signal.aborted) throw interrupted(target, issued, rows.total);
    if (source?.unchanged() === false) {
      throw new Failure([{ error: `${source.name}: it was changed during the run`, hint: 'run again when it rests' }]);
    }
    ended = true;
    await sink.finish();
    await manifest.finish();
    return issued;
  } catch (error) {
    throw target.kind === 'out' ? resumable(error) : error;
  } finally {
    meter.end();
    if (!ended) await giveUp(sink, manifest, target);
  }
}

/** What is on its way when a run ends early: the manifest of complete nodes is kept, half an archive is not. */
async function giveUp(sink: Sink, manifest: Manifest, { kind, path }: Request['sink']): Promise<void> {
  try {
    await sink.abandon();
    if (kind === 'out' || path === '-') await manifest.finish();
    else await manifest.abandon();
  } catch (error) {
    // The first failure is the one to tell; a manifest that misses a line is mended by --resume.
    if (!(error instanceof StageError)) throw error;
    await manifest.abandon();
  }
}

async function* wanted(
  rows: CheckedRows,
  resumption: Resumption | undefined,
  manifest: Manifest,
): AsyncIterable<readonly NodeRow[]> {
  for await (const piece of rows.pieces()) {
    yield resumption === undefined ? piece : piece.filter((row) => resumption.wants(row, manifest));
  }
}

interface OpenSink {
  readonly sink: Sink;
  readonly manifest: Manifest;
  readonly manifestPath: string;
  readonly resumption?: Resumption;
}

async function openSink(
  { options, request, plan, outputs, rows }: Job,
  core: Core,
  context: Context,
): Promise<OpenSink> {
  const { cwd, clock, stdout } = context;
  const { kind, path } = request.sink;
  const absolute = resolve(cwd, path);
  const standard = path === '-';
  const stamp = new Date(clock()).toISOString().replace(/[-:]|\.\d+/g, '');
  const byDefault =
    kind === 'out'
      ? join(absolute, manifestName(plan.shard))
      : standard
        ? resolve(cwd, `manifest-${stamp}.jsonl`)
        : `${absolute}.manifest.jsonl`;
  const manifestPath = options.manifest === undefined ? byDefault : resolve(cwd, options.manifest);
  if (kind !== 'out') {
    const keep = standard ? 'always' : 'whole';
    const manifest = new Manifest(outputs, fileTarget(openOutput(manifestPath, { mode: 0o644, keep })));
    try {
      const target: ByteTarget = standard
        ? streamTarget(stdout)
        : fileTarget(openOutput(absolute, { mode: 0o600, keep: 'whole' }));
      const sink =
        kind === 'tar' ? tarSink(outputs, Math.floor(clock() / 1000), target) : jsonLinesSink(outputs, target);
      return { sink, manifest, manifestPath };
    } catch (error) {
      await manifest.abandon();
      throw error;
    }
  }
  const { resume } = options;
  if (!resume) await refuseIssued(absolute, manifestPath, rows);
  const paths = nodePaths(outputs);
  const suffix = plan.shard.count === 1 ? '' : `-${plan.shard.index}-of-${plan.shard.count}`;
  const folders = await NodeFolders.open(absolute, { name: `k3s-pki-issue${suffix}`, paths, clock });
  try {
    const recorded = resume ? recordedPaths(manifestsOf(absolute, manifestPath)) : undefined;
    const file = openOutput(manifestPath, { mode: 0o644, keep: 'always', append: resume });
    const manifest = new Manifest(outputs, fileTarget(file));
    const sink = foldersSink(outputs, folders);
    if (recorded === undefined) return { sink, manifest, manifestPath };
    return { sink, manifest, manifestPath, resumption: new Resumption(folders, outputs, recorded, core) };
  } catch (error) {
    await folders.close();
    throw error;
  }
}

/** A run without --resume starts on a folder that holds none of its nodes. */
async function refuseIssued(folder: string, manifestPath: string, rows: CheckedRows): Promise<void> {
  if (existsSync(manifestPath)) {
    throw new Failure([
      { error: `${manifestPath}: an earlier run issued here`, hint: 'go on with --resume, or choose another folder' },
    ]);
  }
  if (!existsSync(folder) || readdirSync(folder).length === 0) return;
  let count = 0;
  let first = '';
  for await (const piece of rows.pieces()) {
    for (const { out } of piece) {
      if (!existsSync(join(folder, out))) continue;
      if (count === 0) first = out;
      count += 1;
    }
  }
  if (count === 0) return;
  throw new Failure([
    {
      error: `${folder}: ${number(count, 'node')} of this run ${count === 1 ? 'is' : 'are'} there already (${first}${count > 1 ? ', ...' : ''})`,
      hint: 'go on with --resume, or choose another folder',
    },
  ]);
}

/** Every manifest that an earlier run with other parts may have left in the folder, and the one of this run. */
function manifestsOf(folder: string, manifestPath: string): readonly string[] {
  const beside = existsSync(folder) ? readdirSync(folder).filter(isManifestName) : [];
  return [...new Set([...beside.map((name) => join(folder, name)), manifestPath])].filter((path) => existsSync(path));
}

function interrupted({ kind, path }: Request['sink'], issued: number, total: number): Failure {
  const message: Message =
    kind === 'out'
      ? {
          error: `interrupted: ${grouped(issued)} of ${number(total, 'node')} were issued in this run, each complete`,
          hint: 'the same command with --resume goes on',
        }
      : { error: path === '-' ? 'interrupted, the output is cut off' : 'interrupted, nothing was written' };
  return new Failure([message], { code: exitCode.interrupted });
}

/** A failed write into a folder: what is there is complete, so a later run can go on. */
function resumable(error: unknown): unknown {
  if (!(error instanceof StageError)) return error;
  const hint = `${error.mend}; the nodes that are there are complete, --resume goes on`;
  return new Failure([{ error: error.message, hint }], { cause: error });
}

/** Progress on a terminal: how many, how fast, how long still. */
class Meter {
  readonly #total: number;
  readonly #clock: () => number;
  readonly #started: number;
  readonly #spinner: ReturnType<typeof progress>;
  readonly #visible: boolean;
  #shown = 0;

  constructor(total: number, { stderr, clock }: Context) {
    this.#total = total;
    this.#clock = clock;
    this.#started = clock();
    this.#spinner = progress(stderr);
    this.#visible = isTerminal(stderr);
  }

  /** `done` of all nodes, of which `issued` in this run. */
  show(done: number, issued: number): void {
    if (!this.#visible) return;
    const now = this.#clock();
    if (now - this.#shown < 100) return;
    this.#shown = now;
    const rate = (issued * 1000) / Math.max(1, now - this.#started);
    const left = Math.ceil((this.#total - done) / Math.max(rate, 0.001));
    this.#spinner.show(
      `issuing: ${grouped(done)} of ${number(this.#total, 'node')}, ${grouped(rate)} a second, ${left} s left`,
    );
  }

  end(): void {
    this.#spinner.end();
  }
}

function usage(error: string, hint?: string): Failure {
  return new Failure([{ error, ...(hint === undefined ? {} : { hint }) }], { code: exitCode.usage });
}

function fail(failure: Failure): never {
  throw failure;
}
