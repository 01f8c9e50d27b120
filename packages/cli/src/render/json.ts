import type { Writable } from 'node:stream';

/** One JSON object, indented for people, and a newline. */
export function writeJson(stream: Writable, value: unknown): void {
  stream.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Whether the words ask for JSON; for failures that happen before options are known. */
export function isJson(words: readonly string[]): boolean {
  return words.some((word, index) => word === '--output=json' || (word === '--output' && words[index + 1] === 'json'));
}

/** Seconds since 1970 as ISO 8601, UTC. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
