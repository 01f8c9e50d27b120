import { Cli, type Command, UsageError } from 'clipanion';
import { distance } from 'fastest-levenshtein';
import { commands } from './commands/commands.ts';
import type { Context } from './context.ts';
import { exitCode, Failure, type Message } from './failure.ts';
import { commandHelp, overview, positionals } from './help.ts';

import { writeMessages } from './render/messages.ts';
import { structuredFormat, writeStructured } from './render/structured.ts';
import { version } from './version.ts';

/**
 * One run: argv to exit code. clipanion parses and validates; its own `run` would print errors on stdout and answer 1
 * to every kind, so the loop around `process` and `validateAndExecute` is ours.
 */
export async function run(argv: readonly string[], context: Context): Promise<number> {
  const { programName, stdout } = context;
  // K3s's scripts are programs of one command each; ours bear the same names.
  const words = programName === 'k3s-pki' ? [...argv] : [programName, ...argv];
  const cli = Cli.from<Context>([...commands], { binaryName: 'k3s-pki', binaryVersion: version });
  const options = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  try {
    if (options.some((word) => word === '--version' || word === '-v')) {
      stdout.write(`k3s-pki ${version}\n`);
      return exitCode.done;
    }
    const wantsHelp = options.some((word) => word === '--help' || word === '-h') || words[0] === 'help';
    const named = words.filter((word) => !word.startsWith('-') && word !== 'help');
    if (wantsHelp || words.length === 0) {
      const command = commandOf(named);
      const below = groupOf(named);
      if (command === undefined && named.length > 0 && below.length === 0) throw unknownCommand(named);
      stdout.write(command ? commandHelp(cli, command, context) : overview(cli, context, below));
      return exitCode.done;
    }
    if (commandOf(words) === undefined) throw unknownCommand(words);
    const command = parse(cli, words, context);
    return await command.validateAndExecute();
  } catch (error) {
    return await report(error, words, context);
  }
}

type CommandClass = (typeof commands)[number];

/** The command whose path the words begin with; the longest wins. */
function commandOf(words: readonly string[]): CommandClass | undefined {
  const starts = (path: readonly string[]) => path.every((word, index) => words[index] === word);
  return commands
    .filter((command) => command.paths.some(starts))
    .sort((a, b) => (b.paths[0]?.length ?? 0) - (a.paths[0]?.length ?? 0))[0];
}

/** The command paths that go on where the words end, such as those of `certificate`. */
function groupOf(words: readonly string[]): string[][] {
  return commands
    .flatMap((command) => command.paths)
    .filter((path) => path.length > words.length && words.every((word, index) => path[index] === word));
}

function parse(cli: Cli<Context>, words: string[], context: Context): Command<Context> {
  try {
    return cli.process(words, context);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw usage(syntaxMessage(error as Error, words, cli));
  }
}

/** One line for clipanion's syntax errors, which are paragraphs. */
function syntaxMessage({ message }: Error, words: readonly string[], cli: Cli<Context>): Message {
  const command = commandOf(words);
  const path = command?.paths[0]?.join(' ') ?? '';
  const see = `see k3s-pki ${path} --help`;
  const option = /Unsupported option name \("([^"]+)"\)/.exec(message)?.[1];
  if (option !== undefined) {
    const known = cli
      .definitions()
      .filter((definition) => definition.path === `k3s-pki ${path}`)
      .flatMap(({ options }) => options.flatMap(({ definition }) => definition.split(/[ ,]/)))
      .filter((word) => word.startsWith('--'));
    const similar = nearest(option, [...known, '--help', '--version']);
    return { error: `unknown option ${option}`, hint: similar ? `did you mean ${similar}?` : see };
  }
  if (/Not enough arguments to option/.test(message)) {
    return { error: `option ${/option ([-\w]+)/.exec(message)?.[1] ?? ''} needs a value`, hint: see };
  }
  if (/Not enough positional arguments/.test(message)) {
    const usage = cli.definitions().find((definition) => definition.path === `k3s-pki ${path}`)?.usage ?? '';
    return { error: `${path} needs ${positionals(usage).join(', ')}`, hint: see };
  }
  const extra = /Extraneous positional argument \("([^"]+)"\)/.exec(message)?.[1];
  if (extra !== undefined) return { error: `unexpected argument ${JSON.stringify(extra)}`, hint: see };
  return { error: message.split('\n', 1)[0] ?? message, hint: see };
}

function unknownCommand(words: readonly string[]): Failure {
  const given = words.filter((word) => !word.startsWith('-')).join(' ');
  if (given === '') {
    const option = words[0] ?? '';
    return usage({ error: `unknown option ${option}`, hint: 'k3s-pki --help lists the commands' });
  }
  const below = groupOf(given.split(' ')).map((path) => path.at(-1));
  if (below.length > 0) {
    return usage({
      error: `${given} needs one more word: ${below.join(', ')}`,
      hint: `k3s-pki ${given} ${below[0]} --help`,
    });
  }
  const paths = commands.flatMap((command) => command.paths.map((path) => path.join(' ')));
  const similar = nearest(given, paths) ?? nearest(words[0] ?? '', paths);
  return usage({
    error: `unknown command ${JSON.stringify(given)}`,
    hint: similar ? `did you mean k3s-pki ${similar}?` : 'k3s-pki --help lists the commands',
  });
}

function usage(message: Message): Failure {
  return new Failure([message], { code: exitCode.usage });
}

/** The candidate with the fewest typing mistakes, if they are few for its length. */
function nearest(word: string, candidates: readonly string[]): string | undefined {
  return candidates
    .map((candidate) => ({ candidate, mistakes: distance(word, candidate) }))
    .filter(({ candidate, mistakes }) => mistakes <= Math.max(2, candidate.length / 3))
    .sort((a, b) => a.mistakes - b.mistakes)[0]?.candidate;
}

/** Prints a failure on stderr (and, for `--output json|yaml`, its report on stdout) and answers the exit code. */
async function report(error: unknown, words: readonly string[], context: Context): Promise<number> {
  const failure = asFailure(error, context);
  writeMessages('error', failure.messages, context);
  const format = structuredFormat(words);
  if (failure.report !== undefined && format) await writeStructured(context.stdout, format, failure.report);
  return failure.code;
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
