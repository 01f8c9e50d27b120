import type { Writable } from 'node:stream';
import { isEnum } from 'typanion';

/** How a report is printed: for people, or as one JSON or YAML document with the same content. */
export const outputFormats = ['text', 'json', 'yaml'] as const;
export type OutputFormat = (typeof outputFormats)[number];
export type StructuredFormat = Exclude<OutputFormat, 'text'>;

export const isOutputFormat = isEnum(outputFormats);

/** The help of `--output`. */
export const outputDescription = 'text, or one JSON or YAML document: text, json, yaml';

/** Prints one document and a newline. */
export async function writeStructured(stream: Writable, format: StructuredFormat, value: unknown): Promise<void> {
  stream.write(await structuredText(format, value));
}

/** One document and a newline. YAML is what JSON would say: no tags, anchors or dates. */
export async function structuredText(format: StructuredFormat, value: unknown): Promise<string> {
  const json = JSON.stringify(value, null, 2);
  if (format === 'json') return `${json}\n`;
  // Loaded when it is asked for: start-up is most of a short command's time.
  const { stringify } = await import('yaml');
  return stringify(JSON.parse(json), { aliasDuplicateObjects: false, lineWidth: 0 });
}

/** The format that the words ask for; for failures that happen before options are known. */
export function structuredFormat(words: readonly string[]): StructuredFormat | undefined {
  const named = words.flatMap((word, index) =>
    word === '--output' ? [words[index + 1]] : word.startsWith('--output=') ? [word.slice('--output='.length)] : [],
  );
  return named.findLast((format) => format === 'json' || format === 'yaml');
}

/** Seconds since 1970 as ISO 8601, UTC. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
