import { stripVTControlCharacters } from 'node:util';
import { type LogMessage, logMessages } from './log-messages.ts';
import { type RotationField, rotationFields } from './rotate-ca.ts';

// A door of its own: only one command needs these tables, and a start pays for what it loads.
export * from './log-messages.ts';

/** A message that was found in a line. */
export interface Explained {
  readonly message: (typeof logMessages)[number];
  /** What `rotate-ca` says it of, in the order of the line. */
  readonly fields: readonly RotationField[];
}

/** Longer lines are cut: no message begins so late. Octets. */
export const longestLine = 1 << 14;

/**
 * Every message in a line of a log, in the order of the line: as it is printed, after a time stamp and level, quoted by
 * logrus or klog, in a JSON object, or a part of it. What only wraps another message, or can mean many things, counts only
 * where nothing more exact is found.
 */
export function explainLine(line: string): Explained[] {
  const candidates = candidatesIn(plain(line.slice(0, longestLine)));
  const found = logMessages.flatMap((message): (Explained & { at: number; scope: LogMessage['scope'] })[] => {
    const places = candidates.flatMap((candidate) => placesOf(message, candidate));
    const [first] = places;
    const { scope } = message as LogMessage;
    if (first === undefined) return [];
    return [{ message, scope, at: first.at, fields: [...new Set(places.flatMap(({ field }) => field ?? []))] }];
  });
  const exact = mostExact(found).sort((a, b) => a.at - b.at);
  return exact.length > 0 ? exact.map(({ message, fields }) => ({ message, fields })) : partly(line);
}

function mostExact<Found extends { readonly scope: LogMessage['scope'] }>(found: readonly Found[]): Found[] {
  for (const scope of [undefined, 'general', 'wraps'] as const) {
    const some = found.filter((each) => each.scope === scope);
    if (some.length > 0) return some;
  }
  return [];
}

/** The entries whose words are most like those of a line, nearest first; a slip of the keys does not count for much. */
export function nearestMessages(line: string, most = 3): (typeof logMessages)[number][] {
  const asked = trigrams(plain(line.slice(0, longestLine)));
  return logMessages
    .map((message) => ({ message, score: Math.max(...message.texts.map((text) => likeness(asked, trigrams(text)))) }))
    .filter(({ score }) => score > 0.25)
    .sort((a, b) => b.score - a.score)
    .slice(0, most)
    .map(({ message }) => message);
}

/** The level of a line, where it has one that asks for attention. */
export function levelOf(line: string): 'warning' | 'error' | 'fatal' | undefined {
  const text = plain(line.slice(0, longestLine));
  if (/\blevel=(fatal|panic)\b|"level":"(fatal|panic|dpanic)"|\bFATA\[|^F\d{4} /i.test(text)) return 'fatal';
  if (/\blevel=error\b|"level":"error"|\bERRO\[|(^|: )E\d{4} /i.test(text)) return 'error';
  if (/\blevel=warn(ing)?\b|"level":"warn(ing)?"|\bWARN\[|(^|: )W\d{4} /i.test(text)) return 'warning';
  return undefined;
}

/** Without colours and other control characters, blanks as one. */
function plain(line: string): string {
  return stripVTControlCharacters(line)
    .replaceAll(/\p{Cc}+/gu, ' ')
    .replaceAll(/ +/g, ' ')
    .trim();
}

interface Candidate {
  readonly text: string;
  readonly lower: string;
}

/** The line, what stands in quotes in it with the escapes undone, and the texts of a JSON object in it. */
function candidatesIn(line: string): Candidate[] {
  const quoted = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, inner = '']) =>
    inner.replaceAll(/\\(.)/g, (_, escaped: string) => ({ n: ' ', t: ' ', r: ' ' })[escaped] ?? escaped),
  );
  const [start, end] = [line.indexOf('{'), line.lastIndexOf('}')];
  const json = start >= 0 && end > start ? textsOf(parsed(line.slice(start, end + 1))) : [];
  return [...new Set([line, ...quoted, ...json])].map((text) => ({ text, lower: text.toLowerCase() }));
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [plain(value)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

interface Place {
  readonly at: number;
  readonly field?: RotationField;
}

function placesOf({ texts }: LogMessage, { text: candidate, lower }: Candidate): Place[] {
  return texts.flatMap((text) => {
    const { pattern, literal, short } = patternOf(text);
    // Nearly every line ends here: a log has a hundred thousand lines, and this list a hundred patterns.
    if (short ? lower !== literal : !lower.includes(literal)) return [];
    if (short) return [{ at: 0 }];
    return [...candidate.matchAll(pattern)].map(({ index }) => {
      const field = fieldBefore(candidate.slice(0, index));
      return field === undefined ? { at: index } : { at: index, field };
    });
  });
}

/** The field that a failure of `rotate-ca` is said of stands directly before it. */
function fieldBefore(text: string): RotationField | undefined {
  const name = /(\w+): $/.exec(text)?.[1];
  return rotationFields.find(({ field }) => field === name)?.field;
}

interface Pattern {
  readonly pattern: RegExp;
  /** Its longest piece without a value, in lower case; all of it when it is `short`. */
  readonly literal: string;
  readonly short: boolean;
}

const patterns = new Map<string, Pattern>();

/** A text as a pattern. A value at its beginning or end may be missing, and so may the full stop. */
function patternOf(text: string): Pattern {
  const known = patterns.get(text);
  if (known !== undefined) return known;
  const core = text
    .replace(/^\{\w+\}:? ?/, '')
    .replace(/:? ?\{\w+\}$/, '')
    .replace(/\.+$/, '');
  const pieces = core.split(/(\{\w+\})/);
  const source = pieces.map((piece) => {
    if (/^\{(id|days|count)\}$/.test(piece)) return '\\d+';
    return isValue(piece) ? '.{1,4000}?' : piece.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  const [longest = ''] = pieces.filter((piece) => !isValue(piece)).sort((a, b) => b.length - a.length);
  const made = {
    pattern: new RegExp(source.join(''), 'gi'),
    literal: longest.toLowerCase(),
    // A word or two can stand in any sentence: they count only as a whole message.
    short: pieces.length === 1 && text === core && core.length < 16 && !/\d/.test(core),
  };
  patterns.set(text, made);
  return made;
}

function isValue(piece: string): boolean {
  return /^\{\w+\}$/.test(piece);
}

/** The entries that a line is a part of; none when it could be a part of many. */
function partly(line: string): Explained[] {
  if (line.length > longestText) return [];
  const part = withoutValues(plain(line)).replace(/^[\s:.,]+|[\s:.,]+$/g, '');
  if (part.length < 12 || part.split(' ').length < 3) return [];
  const found = bareTexts.filter(({ texts }) => texts.some((text) => text.includes(part)));
  return found.length <= 3 ? found.map(({ message }) => ({ message, fields: [] })) : [];
}

/** Lower case, with one sign for each value that differs from case to case. */
function withoutValues(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/\{\w+\}|\b[0-9a-f]{12,}\b|https?:\/\/\S+|\/[\w./-]{3,}/g, '*')
    .replaceAll(/\b\d+\b/g, '*');
}

/** Three letters in a row, within words. */
function trigrams(text: string): Set<string> {
  const words =
    text
      .replaceAll(/\{\w+\}/g, ' ')
      .toLowerCase()
      .match(/[a-z]{3,}/g) ?? [];
  return new Set(words.flatMap((word) => Array.from({ length: word.length - 2 }, (_, at) => word.slice(at, at + 3))));
}

function likeness(one: Set<string>, other: Set<string>): number {
  return one.intersection(other).size / Math.sqrt(Math.max(1, one.size * other.size));
}

const bareTexts = logMessages.map((message) => ({ message, texts: message.texts.map(withoutValues) }));
/** A part that is pasted has its values, which are longer than their signs. */
const longestText = 2 * Math.max(...logMessages.flatMap(({ texts }) => texts.map((text) => text.length)));
