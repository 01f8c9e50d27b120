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
  const field = /(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/y;
  const rows: PasswdRow[] = [];
  let row: string[] = [];
  let line = 1;
  while (field.lastIndex < normal.length || row.length > 0) {
    const match = field.exec(normal);
    if (match === null) throw new PasswdError(`line ${line}: a quotation mark in a wrong place`);
    const [whole, quoted, plain = '', end] = match;
    const empty = row.length === 0 && (whole === '\n' || whole === '');
    if (!empty) row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (row.length === 1 && end !== ',') {
      throw new PasswdError(`line ${line}: must have at least 2 columns (password, name), found 1`);
    }
    line += whole.split('\n').length - 1;
    if (end === ',') continue;
    if (row.length > 0) rows.push(row);
    row = [];
  }
  return rows;
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
