import type { LeafRow } from './bulk-types.ts';
import { CoreError } from './errors.ts';

const HEAD = 24;
const MOST = 0xffff;

/** Rows for `LeafIssuer.issue`. Layout, the same as in `crates/pki/src/leaf/rows.rs`, little endian: the number of rows,
 *  u32; 24 octets a row (notBefore and notAfter as f64, the numbers of organizations, DNS names and addresses as u16,
 *  two octets 0); then every row's common name, organizations, DNS names and addresses as UTF-8, each followed by an
 *  octet 0. Throws CoreError `malformed` for a row with more than 65,535 names of a kind. */
export function packRows(rows: readonly LeafRow[]): Uint8Array<ArrayBuffer> {
  // One string and one conversion for the batch: a call into native code per name costs more than the row's packing.
  let text = '';
  for (const { commonName, organizations, dns, ip } of rows) {
    text += `${commonName}\0`;
    for (const names of [organizations, dns, ip]) {
      for (const name of names) text += `${name}\0`;
    }
  }
  const start = 4 + HEAD * rows.length;
  // A UTF-16 unit takes at most three octets of UTF-8.
  const memory = new Uint8Array(start + 3 * text.length);
  const { written } = encoder.encodeInto(text, memory.subarray(start));
  const view = new DataView(memory.buffer);
  view.setUint32(0, rows.length, true);
  let at = 4;
  for (const row of rows) {
    view.setFloat64(at, row.notBefore, true);
    view.setFloat64(at + 8, row.notAfter, true);
    view.setUint16(at + 16, count(row.organizations), true);
    view.setUint16(at + 18, count(row.dns), true);
    view.setUint16(at + 20, count(row.ip), true);
    at += HEAD;
  }
  return memory.subarray(0, start + written);
}

function count(names: readonly string[]): number {
  if (names.length > MOST) {
    throw new CoreError('malformed', `a row with more than ${MOST} names of a kind`);
  }
  return names.length;
}

const encoder = new TextEncoder();
