import { createHash } from 'node:crypto';
import type { CertificateRow, CheckRow } from '@k3s-pki/plan';
import { moment } from '../../messages/english.ts';
import { type CheckFrame, sourceText } from './report.ts';

/** More places of one certificate than a description can usefully name. */
const namedPlaces = 20;

/** A calendar with an event at the end of each certificate, and an alarm when it begins to count as WARNING. The same
 *  certificate in several files is one event, whose UID stays the same from run to run. Source: RFC 5545. */
export function checkCalendar({ at, warnDays, version }: CheckFrame, rows: readonly CheckRow[]): string {
  const places = new Map<string, { row: CertificateRow; sources: string[] }>();
  for (const row of rows) {
    if (row.kind !== 'certificate') continue;
    const known = places.get(row.sha256);
    if (known === undefined) places.set(row.sha256, { row, sources: [sourceText(row)] });
    else if (!known.sources.includes(sourceText(row))) known.sources.push(sourceText(row));
  }
  const events = [...places.values()].flatMap(({ row, sources }) => [
    'BEGIN:VEVENT',
    // Its own digest, so that no calendar takes the certificate's fingerprint of another program for this event.
    `UID:${createHash('sha256').update(`certificate check ${row.sha256}`).digest('hex')}@k3s-pki`,
    `DTSTAMP:${utc(at)}`,
    `DTSTART:${utc(row.notAfter)}`,
    `SUMMARY:${text(`${row.subject} expires`)}`,
    `DESCRIPTION:${text(description(row, sources))}`,
    'TRANSP:TRANSPARENT',
    'BEGIN:VALARM',
    'ACTION:DISPLAY',
    `DESCRIPTION:${text(`${row.subject} expires in ${warnDays} days`)}`,
    `TRIGGER:-P${warnDays}D`,
    'END:VALARM',
    'END:VEVENT',
  ]);
  const lines = [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    `PRODID:-//k3s-pki//certificate check ${version}//EN`,
    'CALSCALE:GREGORIAN',
    'METHOD:PUBLISH',
    ...events,
    'END:VCALENDAR',
  ];
  return lines.map((line) => `${folded(line)}\r\n`).join('');
}

function description({ issuer, serial, sha256, notAfter }: CertificateRow, sources: readonly string[]): string {
  const more = sources.length - namedPlaces;
  return [
    ...sources.slice(0, namedPlaces),
    ...(more > 0 ? [`and ${more} more`] : []),
    `issuer ${issuer}`,
    `serial ${serial}`,
    `SHA-256 ${sha256}`,
    `expires ${moment(notAfter)}`,
  ].join('\n');
}

/** `20361121T093000Z`. Source: RFC 5545, section 3.3.5. */
function utc(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

/** Source: RFC 5545, section 3.3.11. */
function text(value: string): string {
  return value.replace(/[\\;,]/g, '\\$&').replaceAll('\n', '\\n');
}

/** Lines of at most 75 octets, the further ones after a blank; no character is cut. Source: RFC 5545, section 3.1. */
function folded(line: string): string {
  const pieces: string[] = [];
  let piece = '';
  let octets = 0;
  for (const character of line) {
    const size = Buffer.byteLength(character);
    if (octets + size > 75) {
      pieces.push(piece);
      piece = ' ';
      octets = 1;
    }
    piece += character;
    octets += size;
  }
  return [...pieces, piece].join('\r\n');
}
