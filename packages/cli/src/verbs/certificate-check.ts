import { relative, resolve } from 'node:path';
import { Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { dynamicCert, listenerService, type Product, serviceFiles, servicesOf } from '@k3s-pki/k3s';
import { type CheckRow, type FailOn, failsOn } from '@k3s-pki/plan';
import { dataDirFiles, isDataDir } from '../checking/data-dir.ts';
import type { Endpoint } from '../checking/endpoints.ts';
import { RowReader } from '../checking/rows.ts';
import { type Candidate, walk } from '../checking/walk.ts';
import type { Context } from '../context.ts';
import { exitCode, Failure, type Message } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { streamTarget } from '../issuing/targets.ts';
import { checkCalendar } from '../render/check/calendar.ts';
import { checkMetrics } from '../render/check/prometheus.ts';
import { CheckCounter, type CheckFrame } from '../render/check/report.ts';
import { CheckJson, checkReport } from '../render/check/structured.ts';
import { rowsText, summaryText, tableText } from '../render/check/text.ts';
import { leafRefusal } from '../render/leaf-problems.ts';
import { structuredText } from '../render/structured.ts';
import { version } from '../version.ts';
import { replaceFile } from '../whole-file.ts';

export const checkFormats = ['text', 'table', 'json', 'yaml', 'prometheus', 'ics'] as const;
export type CheckFormat = (typeof checkFormats)[number];

/** Exit code of `--fail-on`, distinct from a failure of the program itself. */
export const failOnCode = 3;

/** Checked options of the command. Paths may be relative to the working directory. */
export interface CertificateCheckOptions {
  readonly paths: readonly string[];
  readonly connect: readonly Endpoint[];
  readonly serverName: string | undefined;
  readonly timeoutSeconds: number;
  readonly product: Product;
  /** Looked into when it is given, or when nothing else is. */
  readonly dataDir: { readonly path: string; readonly given: boolean };
  /** Of a data dir only the files of these; none means all. */
  readonly services: readonly string[];
  readonly warnDays: number;
  readonly renewDays: number;
  readonly failOn: FailOn | undefined;
  readonly wide: boolean;
  readonly output: CheckFormat;
  /** A file instead of standard output. */
  readonly to: string | undefined;
}

/** Lists certificates and what becomes of them. Answers 0, 1 when something could not be read, or 3 as `--fail-on` asks;
 *  throws Failure. Nothing is written but the report. */
export async function certificateCheck(options: CertificateCheckOptions, context: Context): Promise<number> {
  try {
    return await check(options, context);
  } catch (error) {
    throw asFailure(error);
  }
}

async function check(options: CertificateCheckOptions, context: Context): Promise<number> {
  const { output, product, warnDays, renewDays, to, failOn } = options;
  const at = Math.floor(context.clock() / 1000);
  const candidates = candidatesOf(options, context.cwd);
  const reader = new RowReader({ core: await context.core(), product, at, warnDays, renewDays });
  const frame: CheckFrame = { command: 'certificate check', version, product, at, warnDays, renewDays };
  const counter = new CheckCounter();
  const kept: CheckRow[] = [];
  const printer = new Printer(options, context);
  const json = new CheckJson(frame);
  // A file is no terminal: no colours, 80 columns.
  const view = { ...options, stdout: to === undefined ? context.stdout : new Writable() };
  let failing = false;
  for await (const rows of groups(reader, candidates, options, context)) {
    context.signal.throwIfAborted();
    counter.count(rows);
    failing ||= failOn !== undefined && rows.some((row) => failsOn(row, failOn));
    if (output === 'text') await printer.print(rowsText(rows, view));
    else if (output === 'json') await printer.print(json.rows(rows));
    else kept.push(...rows);
  }
  const { summary } = counter;
  if (summary.files === 0) throw nothingFound(options, context.cwd);
  const code = failing ? failOnCode : summary.problems > 0 ? exitCode.refused : exitCode.done;
  if (output === 'text') await printer.print(summaryText(summary, view.stdout));
  else if (output === 'table') await printer.print(tableText(kept, view));
  else if (output === 'prometheus') await printer.print(checkMetrics(frame, kept, summary));
  else if (output === 'ics') await printer.print(checkCalendar(frame, kept));
  else if (output === 'json') await printer.print(json.end(summary, code === exitCode.done));
  else await printer.print(await structuredText(output, checkReport(frame, kept, summary, code === exitCode.done)));
  await printer.end(to === undefined ? undefined : resolve(context.cwd, to));
  return code;
}

/** The path that stands for standard input. */
const standardInput = '-';

/** Rows of one place after the other: standard input, files in the order of the options, endpoints. */
async function* groups(
  reader: RowReader,
  candidates: Iterable<Candidate>,
  { paths, connect, serverName, timeoutSeconds }: CertificateCheckOptions,
  { signal, stdin }: Context,
): AsyncGenerator<readonly CheckRow[]> {
  if (paths.includes(standardInput)) yield await reader.content(standardInput, await buffer(stdin));
  for await (const rows of reader.files(candidates)) if (rows.length > 0) yield rows;
  yield* reader.endpoints(connect, { serverName, seconds: timeoutSeconds, signal });
}

/** The files to look into. Throws Failure for a data dir that is none, and for unknown services. */
function candidatesOf(options: CertificateCheckOptions, cwd: string): Iterable<Candidate> {
  const { paths, connect, dataDir, product } = options;
  const lists: Iterable<Candidate>[] = [];
  const isOfService = serviceFilter(options);
  if (dataDir.given || (paths.length === 0 && connect.length === 0)) {
    const root = resolve(cwd, dataDir.path);
    if (isDataDir(root) === false) {
      throw refusal({
        error: `${root}: not a data dir of ${product}: neither server/tls nor agent is in it`,
        hint: 'name the data dir with --data-dir (and --product rke2 for RKE2), or files and folders to look into',
      });
    }
    lists.push(filtered(dataDirFiles(root, product), (path) => isOfService(root, path)));
  }
  for (const path of paths.filter((each) => each !== standardInput)) {
    const full = resolve(cwd, path);
    lists.push(
      isDataDir(full) === true ? filtered(dataDirFiles(full, product), (file) => isOfService(full, file)) : walk(full),
    );
  }
  return chained(lists);
}

/** Whether a file of a data dir belongs to the chosen services. */
function serviceFilter({ services, product }: CertificateCheckOptions): (root: string, path: string) => boolean {
  const all = servicesOf(product);
  const known = all.map(({ name }) => name);
  const unknown = services.filter((service) => !known.includes(service));
  if (unknown.length > 0) {
    const problems = unknown.map((service) => ({
      severity: 'error' as const,
      code: 'unknown-service' as const,
      file: '',
      values: { service, known },
    }));
    throw leafRefusal('certificate check', problems, '', product);
  }
  if (services.length === 0) return () => true;
  const chosen = all.filter(({ name }) => services.includes(name));
  const files = new Set(chosen.flatMap(serviceFiles));
  if (chosen.some(({ name }) => name === listenerService(product))) files.add(dynamicCert);
  return (root, path) => files.has(relative(root, path));
}

function* filtered(candidates: Iterable<Candidate>, keep: (path: string) => boolean): Generator<Candidate> {
  for (const candidate of candidates) if (keep(candidate.path)) yield candidate;
}

function* chained(lists: readonly Iterable<Candidate>[]): Generator<Candidate> {
  for (const list of lists) yield* list;
}

function nothingFound({ paths, dataDir }: CertificateCheckOptions, cwd: string): Failure {
  const places = (paths.length > 0 ? paths : [dataDir.path]).map((path) => resolve(cwd, path));
  return refusal({
    error: `${places.join(', ')}: no certificate was found`,
    hint: 'in a folder, files named .crt, .pem, .cer, .kubeconfig, .conf or .yaml are looked into; name others one by one',
  });
}

function refusal(message: Message): Failure {
  return new Failure([message], { report: { command: 'certificate check', ok: false, problems: [message] } });
}

/** Gathers text for standard output in larger pieces and waits for a slow reader; or the whole of it for a file. */
class Printer {
  readonly #options: CertificateCheckOptions;
  readonly #context: Context;
  #pieces: string[] = [];
  #length = 0;

  constructor(options: CertificateCheckOptions, context: Context) {
    this.#options = options;
    this.#context = context;
  }

  async print(text: string): Promise<void> {
    this.#pieces.push(text);
    this.#length += text.length;
    if (this.#options.to === undefined && this.#length >= 1 << 16) await this.#flush();
  }

  async end(file: string | undefined): Promise<void> {
    if (file === undefined) await this.#flush();
    else await replaceFile(file, this.#pieces.join(''), this.#context);
  }

  async #flush(): Promise<void> {
    const text = this.#pieces.join('');
    this.#pieces = [];
    this.#length = 0;
    await streamTarget(this.#context.stdout).write(Buffer.from(text));
  }
}
