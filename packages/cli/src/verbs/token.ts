import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  bootstrapKey,
  formatToken,
  hashMismatch,
  maskToken,
  PasswdError,
  type PasswordToken,
  type Product,
  parsePasswd,
  randomPassword,
  type Token,
  tlsFile,
} from '@k3s-pki/k3s';
import {
  type HashOrigin,
  hashOrigin,
  isOneColon,
  judgePassword,
  type PasswordVerdict,
  tokenRemarks,
} from '@k3s-pki/plan';
import { openOutput } from '@k3s-pki/stage';
import { openSupervisor, readCaCerts, SupervisorError } from '@k3s-pki/supervisor';
import type { Context } from '../context.ts';
import { exitCode, Failure, type Message } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { describeOrigin, describeRemark, tokenMessages } from '../messages/english/token.ts';
import { writeMessages } from '../render/messages.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { hashSource, tokenCheckJson, tokenCheckText, tokenJson, tokenText } from '../render/token.ts';
import { painter } from '../terminal.ts';
import { type CaBundle, caBundle, findToken, readCaBundle, readInput, type TokenSource } from '../token-source.ts';

/** Options of every token command. Paths may be relative to the working directory. */
export interface TokenOptions extends TokenSource {
  readonly output: OutputFormat;
}

/** `token show`: what a token says. */
export async function showToken(options: TokenOptions & { reveal: boolean }, context: Context): Promise<number> {
  return inWords(async () => {
    const found = await findToken(options, context);
    const remarks = tokenRemarks(found.token);
    const reveal = options.reveal ? recordKey(found.token) : undefined;
    const { stdout } = context;
    if (options.output !== 'text') await writeStructured(stdout, options.output, tokenJson(found, reveal, remarks));
    else stdout.write(tokenText(found, reveal, stdout));
    writeMessages('warning', remarks.map(describeRemark), context);
    return exitCode.done;
  });
}

/** `token hash`: the CA hash of a bundle and a newline. `file` and `ca` say the same. */
export async function printCaHash(
  {
    file,
    ca,
    dataDir,
    output,
  }: { file: string | undefined; ca: string | undefined; dataDir: string; output: OutputFormat },
  context: Context,
): Promise<number> {
  return inWords(async () => {
    if (file !== undefined && ca !== undefined) throw new Failure([tokenMessages.twoBundles], { code: exitCode.usage });
    const bundle = await readCaBundle(file ?? ca ?? join(dataDir, tlsFile.caBundle('server')), context);
    warnOfFileHash(bundle, context);
    const { caHash, from, certificates } = bundle;
    const report = { command: 'token hash', ok: true, file: from, ...caHash, certificates: certificates.length };
    if (output !== 'text') await writeStructured(context.stdout, output, { ...report, of: hashSource(bundle) });
    else context.stdout.write(`${caHash.hash}\n`);
    return exitCode.done;
  });
}

/** Where a new or rewritten token goes. */
export interface TokenTarget {
  /** A new file, or `-`. */
  readonly out: string | undefined;
  readonly reveal: boolean;
  readonly dryRun: boolean;
}

/** `token new`: a token with a new random password, bare without CAs. */
export async function newToken(
  options: TokenTarget & { ca: string | undefined; user: string; output: OutputFormat },
  context: Context,
): Promise<number> {
  return inWords(async () => {
    refuseTwoOutputs(options);
    if (options.out === undefined && !options.reveal && !options.dryRun) {
      throw new Failure([tokenMessages.neverPrinted], { code: exitCode.usage });
    }
    const { ca, user } = options;
    const bundle = ca === undefined ? undefined : await readCaBundle(ca, context);
    if (bundle !== undefined) warnOfFileHash(bundle, context);
    const password = randomPassword(context.random);
    const token: PasswordToken = {
      kind: 'password',
      form: 'secure',
      caHash: bundle?.caHash.hash ?? '',
      user,
      password,
    };
    return handOver('token new', bundle === undefined ? password : formatToken(token), options, context);
  });
}

/** `token for`: the same credentials with the CA hash of other CAs. */
export async function tokenForCas(
  options: TokenOptions & TokenTarget & { ca: string | undefined; user: string },
  context: Context,
): Promise<number> {
  return inWords(async () => {
    refuseTwoOutputs(options);
    if (options.ca === undefined) throw new Failure([tokenMessages.casNeeded], { code: exitCode.usage });
    refuseSharedInput(options);
    const [{ token }, bundle] = await both(findToken(options, context), readCaBundle(options.ca, context));
    if (isOneColon(token)) throw new Failure([describeRemark('one-colon')]);
    warnOfFileHash(bundle, context);
    const named: Token = token.kind === 'password' && token.user === '' ? { ...token, user: options.user } : token;
    const remarks = tokenRemarks(token).filter((remark) => remark === 'white-space' || remark === 'bootstrap');
    writeMessages('warning', remarks.map(describeRemark), context);
    return handOver('token for', formatToken(named, bundle.caHash.hash), options, context);
  });
}

/** `token check`: whether K3s would take the token for a server of these CAs. */
export async function checkToken(
  options: TokenOptions & { ca: string | undefined; server: string | undefined; timeout: number },
  context: Context,
): Promise<number> {
  return inWords(async () => {
    const { ca, server, dataDir } = options;
    if (ca !== undefined && server !== undefined)
      throw new Failure([tokenMessages.oneBundle], { code: exitCode.usage });
    refuseSharedInput(options);
    const [found, bundle] = await both(
      findToken(options, context),
      server === undefined
        ? readCaBundle(ca ?? join(dataDir, tlsFile.caBundle('server')), context)
        : bundleOfServer(server, options, context),
    );
    const { token } = found;
    const passwords = join(resolve(context.cwd, dataDir), 'server/cred/passwd');
    const local = ca === undefined && server === undefined;
    const password = local ? await passwordVerdict(token, passwords, context) : undefined;
    const origin = originOf(token, bundle);
    const report = { found, bundle, origin, password, remarks: tokenRemarks(token) };
    const problems = [
      ...(origin === undefined ? [] : otherCas(token, bundle, origin)),
      ...(password?.kind === 'wrong' ? [tokenMessages.wrongPassword(passwords, password.users)] : []),
    ];
    if (problems.length > 0) throw new Failure(problems, { report: tokenCheckJson(report) });
    if (server !== undefined && token.caHash !== '') await verifyServer(server, bundle, options, context);
    warnOfFileHash(bundle, context);
    writeMessages('warning', report.remarks.map(describeRemark), context);
    if (options.output !== 'text') await writeStructured(context.stdout, options.output, tokenCheckJson(report));
    else context.stdout.write(tokenCheckText(report, context.stdout));
    return exitCode.done;
  });
}

/** Why the token's CA hash is not that of the bundle; undefined when it is, or when there is none. */
function originOf({ caHash }: Token, bundle: CaBundle): HashOrigin | undefined {
  const right = bundle.caHash.hash;
  return caHash === '' || caHash === right ? undefined : hashOrigin(caHash, right, bundle.file, bundle.certificates);
}

/** K3s's own line first, then who is right. */
function otherCas(token: Token, { caHash, from }: CaBundle, origin: HashOrigin): Message[] {
  return [{ error: hashMismatch(token.caHash, caHash.hash) }, describeOrigin(origin, from)];
}

/** The password against the users of a server's own file; undefined when the machine has none. Throws Failure. */
async function passwordVerdict(token: Token, file: string, context: Context): Promise<PasswordVerdict | undefined> {
  const read = await readInput(file, 1 << 20, context);
  if ('why' in read) {
    if (read.absent === true) return undefined;
    throw new Failure([tokenMessages.unreadableToken(file, read.why)]);
  }
  try {
    return judgePassword(token, parsePasswd(Buffer.from(read.bytes).toString('utf8')));
  } catch (error) {
    if (error instanceof PasswdError) throw new Failure([tokenMessages.damagedPasswords(file, error.message)]);
    throw error;
  } finally {
    read.bytes.fill(0);
  }
}

/** Both inputs, or every problem of both. */
async function both<First, Second>(first: Promise<First>, second: Promise<Second>): Promise<[First, Second]> {
  const results = await Promise.allSettled([first, second]);
  const [one, other] = results;
  if (one.status === 'fulfilled' && other.status === 'fulfilled') return [one.value, other.value];
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [failureOf(result.reason)] : []));
  // An interruption, or a defect, is not one problem among others.
  const graver = failures.find((failure) => !(failure instanceof Failure && failure.code === exitCode.refused));
  if (graver !== undefined) throw graver;
  throw new Failure(
    failures.flatMap((failure) => (failure as Failure).messages),
    { cause: failures[0] },
  );
}

function refuseSharedInput({ tokenFile, ca }: { tokenFile: string | undefined; ca: string | undefined }): void {
  if (tokenFile === '-' && ca === '-') throw new Failure([tokenMessages.sharedInput], { code: exitCode.usage });
}

interface ServerOptions {
  readonly product: Product;
  /** Seconds. */
  readonly timeout: number;
}

async function bundleOfServer(server: string, options: ServerOptions, context: Context): Promise<CaBundle> {
  const bytes = await readCaCerts(server, supervisorOptions(options, context));
  return caBundle(bytes, server, await context.core(), context);
}

/** The server's certificate must be one of its CAs', which the token has pinned by now. */
async function verifyServer(
  server: string,
  { caHash }: CaBundle,
  options: ServerOptions,
  context: Context,
): Promise<void> {
  const core = await context.core();
  const hashOf = (bytes: Uint8Array) => caBundle(bytes, server, core, context).caHash.hash;
  await openSupervisor(server, { caHash: caHash.hash, hashOf }, supervisorOptions(options, context));
}

function supervisorOptions({ product, timeout }: ServerOptions, { signal }: Context) {
  return { product, patience: timeout * 1000, signal };
}

/** Prints the token, masked unless it was asked for, or writes it to a new private file. */
async function handOver(
  command: string,
  token: string,
  { out, reveal, dryRun, output }: TokenTarget & { output: OutputFormat },
  context: Context,
): Promise<number> {
  const { stdout, cwd } = context;
  const printed = !dryRun && (reveal || out === '-');
  const file = out === undefined || out === '-' ? undefined : resolve(cwd, out);
  if (file !== undefined && !existsSync(dirname(file))) throw new Failure([tokenMessages.noFolder(dirname(file))]);
  if (file !== undefined && !dryRun) writeTokenFile(file, token);
  const masked = maskToken(token);
  if (output !== 'text') {
    const report = { command, ok: true, masked, ...(printed ? { token } : {}), out: file, mode: file && '0600' };
    await writeStructured(stdout, output, dryRun ? { ...report, dryRun } : report);
  } else if (printed) stdout.write(`${token}\n`);
  else if (file === undefined) stdout.write(`${masked}\n`);
  else if (dryRun) stdout.write(`${masked}\n0600  ${file}; nothing is written\n`);
  else stdout.write(`${painter(stdout)('green', '✔')} ${masked} in ${file} (0600)\n`);
  if (!printed && file === undefined && !dryRun) writeMessages('warning', [tokenMessages.masked], context);
  return exitCode.done;
}

function writeTokenFile(path: string, token: string): void {
  const bytes = Buffer.from(`${token}\n`);
  const file = openOutput(path, { mode: 0o600, keep: 'whole' });
  try {
    file.write(bytes);
    file.finish();
  } catch (error) {
    file.abandon();
    throw error;
  } finally {
    bytes.fill(0);
  }
}

function refuseTwoOutputs({ out, reveal }: TokenTarget): void {
  if (out !== undefined && out !== '-' && reveal)
    throw new Failure([tokenMessages.twoOutputs], { code: exitCode.usage });
}

/** The key of the bootstrap data that this token opens; a bootstrap token opens none. */
function recordKey(token: Token): string {
  return token.kind === 'bootstrap' ? '' : bootstrapKey(token.password);
}

function warnOfFileHash({ caHash, certificates, from }: CaBundle, context: Context): void {
  if (caHash.from === 'file' && certificates.length > 1) {
    writeMessages('warning', [tokenMessages.hashOfFile(from)], context);
  }
}

/** Gives what a server or a package throws the words of the token commands. */
async function inWords(work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    throw failureOf(error);
  }
}

function failureOf(error: unknown): unknown {
  if (!(error instanceof SupervisorError)) return asFailure(error);
  if (error.code === 'aborted') return asFailure(error.cause);
  return new Failure([tokenMessages.connection(error)], { cause: error });
}
