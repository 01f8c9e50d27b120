import type { Writable } from 'node:stream';
import { type RotationField, rotationFields } from '@k3s-pki/k3s';
import { type LogMessage, logMessages, messageAreas } from '@k3s-pki/k3s/explain';
import { areaTitles, explanations } from '../messages/english/explain.ts';
import { columns, painter } from '../terminal.ts';
import { wrap } from './text.ts';

export type KnownMessage = (typeof logMessages)[number];

/** A message and where it was found. */
export interface FoundMessage {
  readonly message: KnownMessage;
  /** 1-based line of its first appearance. */
  readonly first: number;
  /** In how many lines it stands. */
  readonly count: number;
  readonly fields: readonly RotationField[];
}

/** Entries for people, one after the other; `lines` is how many were read. */
export function explanationText(found: readonly FoundMessage[], lines: number, stdout: Writable): string {
  const paint = painter(stdout);
  const width = Math.min(columns(stdout), 100);
  return found
    .map(({ message, first, count, fields }) => {
      const { cause, mend } = explanations[message.id];
      const seen = count === 1 ? `in line ${first}` : `in ${count} lines, first in line ${first}`;
      return [
        ...wrap(message.texts[0], width, '').map((line) => paint('bold', line)),
        ...(lines > 1 ? [`  seen   ${seen}`] : []),
        ...fields.map((field, index) => `  ${index === 0 ? 'about' : '     '}  ${field} (${fileOf(field)})`),
        ...labelled('cause', cause, width),
        ...labelled('mend', mend, width),
        '',
      ].join('\n');
    })
    .join('\n');
}

/** Entries for programs. */
export function explanationJson(found: readonly FoundMessage[], lines: number, nearest: readonly KnownMessage[]) {
  return {
    command: 'explain',
    ok: found.length > 0,
    lines,
    entries: found.map(({ message, first, count, fields }) => ({
      ...entryJson(message),
      first,
      count,
      fields: fields.map((field) => ({ field, file: fileOf(field) })),
    })),
    ...(nearest.length === 0 ? {} : { nearest: nearest.map(entryJson) }),
  };
}

/** Every entry, for people. */
export function messageListText(stdout: Writable): string {
  const paint = painter(stdout);
  const width = Math.min(columns(stdout), 100);
  return messageAreas
    .flatMap((area) => [
      paint('bold', areaTitles[area]),
      ...logMessages.filter((each) => each.area === area).flatMap(({ texts }) => hanging(texts[0], width)),
      '',
    ])
    .join('\n');
}

export function messageListJson() {
  return { command: 'explain', ok: true, entries: logMessages.map(entryJson) };
}

/** The page `docs/messages.md`: a table for each area. */
export function messagesPage(): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
  return [
    '# What K3s says, and what to do',
    '',
    'Lines that K3s, and the programs in it, print about certificates and tokens; `{...}` stands for what differs. To look one up:',
    '',
    '    k3s-pki explain "new CA cert cannot be verified using old CA chain"',
    '    journalctl -u k3s | k3s-pki explain',
    '',
    'A whole line with time stamp and level, a line of a JSON log, a part of a line and a whole log will do. A line that is not known ends with exit code 1 and the nearest entries. `k3s-pki explain --list` prints them all.',
    ...messageAreas.flatMap((area) => [
      '',
      `## ${areaTitles[area]}`,
      '',
      '| message | cause | what to do |',
      '| --- | --- | --- |',
      ...logMessages
        .filter((each) => each.area === area)
        .map(({ id, texts }) => {
          const { cause, mend } = explanations[id];
          const words = texts.map((text) => (area === 'symptom' ? text : `\`${text.replaceAll('|', '\\|')}\``));
          return `| ${words.join('<br>')} | ${cell(cause)} | ${cell(mend)} |`;
        }),
    ]),
    '',
  ].join('\n');
}

function entryJson(message: LogMessage & KnownMessage) {
  const { id, area, texts, source } = message;
  return { id, area, message: texts[0], source, ...explanations[id] };
}

function labelled(label: string, text: string, width: number): string[] {
  const [first = '', ...rest] = wrap(text, width, '         ');
  return [`  ${label.padEnd(5)}  ${first.trimStart()}`, ...rest];
}

function hanging(text: string, width: number): string[] {
  const [first = '', ...rest] = wrap(text, width, '    ');
  return [`  ${first.trimStart()}`, ...rest];
}

function fileOf(field: RotationField): string {
  return rotationFields.find((each) => each.field === field)?.file ?? '';
}
