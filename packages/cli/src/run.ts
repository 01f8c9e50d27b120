import { Cli, type Command, UsageError } from 'clipanion';
import { type CommandClass, type CommandEntry, commandOf, commands, wordsOf } from './commands/commands.ts';
import type { Context } from './context.ts';
import { exitCode, Failure, type Message } from './failure.ts';
import { writeMessages } from './render/messages.ts';
import { structuredFormat, writeStructured } from './render/structured.ts';
import { version } from './version.ts';

/**
 * One run: argv to exit code. clipanion parses and validates; its own `run` would print errors on stdout and answer 1
 * to every kind, so the loop around `process` and `validateAndExecute` is ours.
 */
export async function run(argv: readonly string[], context: Context): Promise<number> {
  const { programName, stdout } = context;
  const words = wordsOf(programName, argv);
  const options = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  try {
    if (options.some((word) => word === '--version' || word === '-v')) {
      stdout.write(`k3s-pki ${version}\n`);
      return exitCode.done;
    }
    const wantsHelp = options.some((word) => word === '--help' || word === '-h') || words[0] === 'help';
    const named = words.filter((word) => !word.startsWith('-') && word !== 'help');
    if (wantsHelp || words.length === 0) {
      const entry = commandOf(named);
      const below = groupOf(named);
      if (entry === undefined && named.length > 0 && below.length === 0) throw await unknownCommand(named);
      const { commandHelp, overview } = await import('./help.ts');
      stdout.write(entry ? commandHelp(await entry.load(), context) : await overview(context, below));
      return exitCode.done;
    }
    const entry = commandOf(words);
    if (entry === undefined) throw await unknownCommand(words);
    const command = await parse(await entry.load(), words, context);
    return await command.validateAndExecute();
  } catch (error) {
    return await report(error, words, context);
  }
}

/** The commands that go on where the words end, such as those of `certificate`. */
function groupOf(words: readonly string[]): CommandEntry[] {
  return commands.filter(
    ({ path }) => path.length > words.length && words.every((word, index) => path[index] === word),
  );
}

async function parse(command: CommandClass, words: string[], context: Context): Promise<Command<Context>> {
  const cli = Cli.from<Context>([command], { binaryName: 'k3s-pki', binaryVersion: version });
  try {
    // Without the streams: naming standard input opens it, which takes 3 ms and few commands read.
    const { env, colorDepth } = context;
    const parsed = cli.process(words, { env, colorDepth } as Context);
    parsed.context = context;
    return parsed;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw usage(await syntaxMessage(error as Error, command, words, cli));
  }
}

/** One line for clipanion's syntax errors, which are paragraphs. */
async function syntaxMessage(
  { message }: Error,
  command: CommandClass,
  words: readonly string[],
  cli: Cli<Context>,
): Promise<Message> {
  const path = command.paths?.[0]?.join(' ') ?? '';
  const see = `see k3s-pki ${path} --help`;
  const option = /Unsupported option name \("([^"]+)"\)/.exec(message)?.[1];
  if (option !== undefined) {
    const known = cli
      .definitions()
      .flatMap(({ options }) => options.flatMap(({ definition }) => definition.split(/[ ,]/)))
      .filter((word) => word.startsWith('--'));
    const similar = await nearest(option, [...known, '--help', '--version']);
    return { error: `unknown option ${option}`, hint: similar ? `did you mean ${similar}?` : see };
  }
  if (/Not enough arguments to option/.test(message)) {
    return { error: `option ${/option ([-\w]+)/.exec(message)?.[1] ?? ''} needs a value`, hint: see };
  }
  if (/Not enough positional arguments/.test(message)) {
    const names = cli.definitions().flatMap(({ usage }) => [...usage.matchAll(/<(.+?)>/g)].map(([, name]) => name));
    return { error: `${path} needs ${names.join(', ')}`, hint: see };
  }
  const extra = /Extraneous positional argument \("([^"]+)"\)/.exec(message)?.[1];
  if (extra !== undefined) {
    return mayBeSecret(path.split(' '), extra)
      ? { error: 'unexpected argument', hint: tokenHint }
      : { error: `unexpected argument ${JSON.stringify(extra)}`, hint: see };
  }
  const missing = cli
    .definitions()
    .flatMap(({ options }) => options)
    .filter(({ required }) => required)
    .flatMap(({ definition }) => /--[\w-]+/.exec(definition)?.[0] ?? [])
    .filter((name) => !words.some((word) => word === name || word.startsWith(`${name}=`)));
  if (/^Command not found/.test(message) && missing.length > 0) {
    return { error: `${path} needs ${missing.join(', ')}`, hint: see };
  }
  // clipanion's words for a surplus argument behind an optional one.
  if (/^Command not found/.test(message)) return { error: 'too many arguments', hint: see };
  return { error: message.split('\n', 1)[0] ?? message, hint: see };
}

async function unknownCommand(words: readonly string[]): Promise<Failure> {
  const given = words.filter((word) => !word.startsWith('-')).join(' ');
  if (given === '') {
    const option = words[0] ?? '';
    return usage({ error: `unknown option ${option}`, hint: 'k3s-pki --help lists the commands' });
  }
  const depth = given.split(' ').length;
  const below = [...new Set(groupOf(given.split(' ')).map(({ path }) => path[depth]))];
  if (below.length > 0) {
    return usage({
      error: `${given} needs one more word: ${below.join(', ')}`,
      hint: `k3s-pki ${given} ${below[0]} --help`,
    });
  }
  const paths = commands.map(({ path }) => path.join(' '));
  const slip = await nearest(given, paths);
  const similar = slip ?? (await nearest(words[0] ?? '', paths));
  const secret = slip === undefined && given.split(' ').some((word, at) => mayBeSecret(at === 0 ? [] : words, word));
  const otherwise = secret ? tokenHint : 'k3s-pki --help lists the commands';
  return usage({
    error: secret ? 'unknown command' : `unknown command ${JSON.stringify(given)}`,
    hint: similar ? `did you mean k3s-pki ${similar}?` : otherwise,
  });
}

/** Whether a word on the command line may be a join token that was given there by mistake: it must not get into a log. */
function mayBeSecret(path: readonly string[], word: string): boolean {
  return path[0] === 'token' || word.startsWith('K10');
}

const tokenHint =
  'a token comes from --token-file FILE, --token-file - (standard input) or K3S_TOKEN: on the command line every user can read it; k3s-pki token --help lists the commands';

function usage(message: Message): Failure {
  return new Failure([message], { code: exitCode.usage });
}

/** Loaded when a word is wrong: a start pays for nothing else. */
async function nearest(word: string, candidates: readonly string[]): Promise<string | undefined> {
  return (await import('./nearest.ts')).nearest(word, candidates);
}

/** Prints a failure on stderr (and, for `--output json|yaml`, its report on stdout) and answers the exit code. */
async function report(error: unknown, words: readonly string[], context: Context): Promise<number> {
  const failure = asFailure(error, context);
  writeMessages('error', failure.messages, context);
  const format = structuredFormat(words);
  if (format !== undefined && failure.code !== exitCode.usage) {
    await writeStructured(context.stdout, format, failure.report ?? reportOf(failure, words));
  }
  return failure.code;
}

/** What programs get of a failure that has no report of its own: its messages. */
function reportOf({ messages }: Failure, words: readonly string[]): Record<string, unknown> {
  const problems = messages.map(({ error: message, hint }) => ({ severity: 'error', message, hint }));
  return { command: commandOf(words)?.path.join(' '), ok: false, problems };
}

function asFailure(error: unknown, { env, stderr }: Context): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof UsageError) {
    // "Invalid value for --days:\n\n- expected ...": one line, clipanion's words.
    const [first = '', ...rest] = error.message.split('\n').map((line) => line.replace(/^- /, '').trim());
    const lead = first.replace(/^Invalid (value|option)/, (_, what) => `invalid ${what}`);
    const reasons = rest.filter((line) => line !== '').map((line) => line.replace(/^Expected/, 'expected'));
    return usage({ error: [lead, ...reasons].join(' ').replace(/(--\S+)(?=expected)/, '$1: ') });
  }
  if (env.K3S_PKI_DEBUG === '1' && error instanceof Error) stderr.write(`${error.stack}\n`);
  const what = error instanceof Error ? error.message : String(error);
  return new Failure([
    { error: what, hint: 'this is a defect of k3s-pki: run again with K3S_PKI_DEBUG=1 and report it' },
  ]);
}
