import { join } from 'node:path';
import type { ShowPath } from '../messages/english.ts';

/** Full paths, so that a line of a log can be pasted. */
export function showIn(root: string): ShowPath {
  return (path) => join(root, path);
}

/** Rows in columns, two spaces apart and two in front. */
export function aligned(rows: ReadonlyArray<readonly string[]>): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
}

/** Permission bits in four digits. */
export function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** A path as a POSIX shell takes it. */
export function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

/** Words in lines of at most `width` columns, each after `indent`; a longer word stays whole. */
export function wrap(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, indent + line];
}

/** An item of a numbered list: its number, and its lines under each other. */
export function numbered(number: number, text: string, width: number): string[] {
  const [first = '', ...rest] = wrap(text, width, '     ');
  return [`  ${number}. ${first.trimStart()}`, ...rest];
}
