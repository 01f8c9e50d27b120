/** K3s's password file, `server/cred/passwd`: CSV rows `password,name,name,role`. */

/** Why a text is no password file. Never holds a value. */
export class PasswdError extends Error {
  override readonly name = 'PasswdError';
}

/** A row as it is written; the first two columns are the password and the name. */
export type PasswdRow = readonly string[];

/** Where the file lies, relative to a data dir. */
export const passwdFile = 'server/cred/passwd';

/** Reads the rows as Go's `encoding/csv` does, strict quotes and skipped empty lines included. Throws PasswdError. Source:
 *  K3s `pkg/passwd/passwd.go`, `Read`. */
export function parsePasswd(text: string): PasswdRow[] {
  const normal = text.replaceAll('\r\n', '\n').replace(/\r$/, '');
  const line = (place: number) => normal.slice(0, place).split('\n').length;
  const rows: PasswdRow[] = [];
  let row: string[] = [];
  for (let start = 0; start < normal.length || row.length > 0; ) {
    const field = fieldAt(normal, start);
    if (field === undefined) throw new PasswdError(`line ${line(start)}: a quotation mark in a wrong place`);
    const separator = normal[field.end];
    const empty = row.length === 0 && field.end === start && separator !== ',';
    if (!empty) row.push(field.value);
    const begin = start;
    start = field.end + 1;
    if (separator === ',') continue;
    if (row.length === 1) {
      throw new PasswdError(`line ${line(begin)}: must have at least 2 columns (password, name), found 1`);
    }
    if (row.length > 0) rows.push(row);
    row = [];
  }
  return rows;
}

/** The field that begins at `start` and the place of its separator or of the text's end; undefined for a quotation mark
 *  in a wrong place. */
function fieldAt(text: string, start: number): { readonly value: string; readonly end: number } | undefined {
  let end = start;
  let value = '';
  if (text[start] === '"') {
    let close = text.indexOf('"', start + 1);
    while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2);
    if (close < 0) return undefined;
    end = close + 1;
    value = text.slice(start + 1, close).replaceAll('""', '"');
  } else {
    while (end < text.length && !'",\n'.includes(text.charAt(end))) end += 1;
    value = text.slice(start, end);
  }
  return end === text.length || text[end] === ',' || text[end] === '\n' ? { value, end } : undefined;
}

/** Writes rows as Go's `encoding/csv` does. */
export function formatPasswd(rows: readonly PasswdRow[]): string {
  return rows.map((row) => `${row.map(quoted).join(',')}\n`).join('');
}

/** The password of a user; of several rows with the name the last counts, as for K3s. */
export function passwordOf(rows: readonly PasswdRow[], user: string): string | undefined {
  return rows.findLast(([, name]) => name === user)?.[0];
}

/**
 * The rows with another server password. The node password follows where it was the same and no agent token was set
 * (`agentToken`). Source: K3s `pkg/server/handlers/token.go`, `tokenRotate`.
 */
export function withServerPassword(
  rows: readonly PasswdRow[],
  password: string,
  { agentToken }: { readonly agentToken: boolean },
): PasswdRow[] {
  const follows = nodeFollows(rows, agentToken);
  return rows.map((row) => {
    const [, name = '', ...rest] = row;
    return name === 'server' || (follows && name === 'node') ? [password, name, ...rest] : row;
  });
}

/** Whether the node password changes with that of the server. */
export function nodeFollows(rows: readonly PasswdRow[], agentToken: boolean): boolean {
  const shared = passwordOf(rows, 'server');
  return !agentToken && shared !== undefined && passwordOf(rows, 'node') === shared;
}

function quoted(field: string): string {
  return field === '\\.' || /[,"\r\n]|^\p{White_Space}/u.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
