import { addAbortSignal } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { RotationField } from '@k3s-pki/k3s';
import { explainLine, levelOf, longestLine, nearestMessages } from '@k3s-pki/k3s/explain';
import type { Context } from '../context.ts';
import { exitCode, Failure } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { describeUnknown, nothingToExplain } from '../messages/english/explain.ts';
import {
  explanationJson,
  explanationText,
  type FoundMessage,
  type KnownMessage,
  messageListJson,
  messageListText,
} from '../render/explain.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';

export interface ExplainOptions {
  /** One or more lines; standard input without it, or for `-`. */
  readonly line: string | undefined;
  readonly list: boolean;
  readonly output: OutputFormat;
}

/** Explains lines of a log. Exit code 1 when none is known. The lines themselves are not printed: they may hold a token. */
export async function explain(options: ExplainOptions, context: Context): Promise<number> {
  const { stdin, stdout, signal } = context;
  const { line, list, output } = options;
  if (list) {
    if (output === 'text') stdout.write(messageListText(stdout));
    else await writeStructured(stdout, output, messageListJson());
    return exitCode.done;
  }
  const fromStream = line === undefined || line === '-';
  if (line === undefined && (stdin as Partial<NodeJS.ReadStream>).isTTY === true) {
    throw new Failure([nothingToExplain], { code: exitCode.usage });
  }
  try {
    const reading = new Reading();
    if (!fromStream) for (const each of line.split('\n')) reading.take(each);
    else for await (const each of linesOf(addAbortSignal(signal, stdin))) reading.take(each);
    return await report(reading, output, context);
  } catch (error) {
    throw asFailure(error);
  }
}

/** What a log of any length comes to. */
class Reading {
  readonly #found = new Map<string, { -readonly [Key in keyof FoundMessage]: FoundMessage[Key] }>();
  #nearest: readonly KnownMessage[] = [];
  #asked = false;
  lines = 0;
  #number = 0;

  take(line: string): void {
    this.#number += 1;
    if (line.trim() === '') return;
    this.lines += 1;
    const explained = explainLine(line);
    for (const { message, fields } of explained) {
      const known = this.#found.get(message.id);
      if (known === undefined) this.#found.set(message.id, { message, first: this.#number, count: 1, fields });
      else {
        known.count += 1;
        known.fields = [...new Set<RotationField>([...known.fields, ...fields])];
      }
    }
    // The first line, or the first that complains, is the one to find neighbours of.
    if (explained.length === 0 && (this.lines === 1 || (!this.#asked && levelOf(line) !== undefined))) {
      this.#nearest = nearestMessages(line);
      this.#asked = levelOf(line) !== undefined;
    }
  }

  get found(): readonly FoundMessage[] {
    return [...this.#found.values()].sort((a, b) => a.first - b.first);
  }

  get nearest(): readonly KnownMessage[] {
    return this.#found.size === 0 ? this.#nearest : [];
  }
}

async function report(reading: Reading, output: OutputFormat, { stdout }: Context): Promise<number> {
  const { found, nearest, lines } = reading;
  const json = explanationJson(found, lines, nearest);
  if (found.length === 0) {
    if (lines === 0) throw new Failure([nothingToExplain], { code: exitCode.usage });
    throw new Failure(
      [
        describeUnknown(
          lines,
          nearest.map(({ texts }) => texts[0]),
        ),
      ],
      { report: json },
    );
  }
  if (output === 'text') stdout.write(explanationText(found, lines, stdout));
  else await writeStructured(stdout, output, json);
  return exitCode.done;
}

/** The lines of a stream; what is longer than any message begins is cut, so a log without line ends takes no memory. */
async function* linesOf(stream: AsyncIterable<Buffer | string>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const pieces = (rest + decoder.write(Buffer.from(chunk))).split('\n');
    rest = (pieces.pop() ?? '').slice(0, longestLine);
    yield* pieces;
  }
  yield rest + decoder.end();
}
