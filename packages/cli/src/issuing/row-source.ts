import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { type RawRow, type RowCells, type RowColumn, type RowProblem, rowColumns } from '@k3s-pki/plan';
import { openSpool } from '@k3s-pki/stage';
import Papa from 'papaparse';
import { Failure } from '../failure.ts';

/** Rows that can be read more than once: the first time to check them all, the second time to issue. */
export interface RowSource {
  /** For messages: a file's name, or what stands for it. */
  readonly name: string;
  /** For messages: where a row is. */
  place(line: number): string;
  /** The rows in their order, in pieces of some thousand, from the first one at each call. Throws Failure. */
  pieces(): Iterable<readonly RawRow[]>;
  /** Whether the input is as it was when it was opened. */
  unchanged(): boolean;
  close(): void;
}

/** Rows of a CSV file with a header or of JSON Lines, told apart by the first character. `-` is standard input; like a
 *  pipe it is copied to a nameless temporary file first, since rows are read twice. Throws Failure. */
export async function fileRows(file: string, cwd: string, stdin: Readable): Promise<RowSource> {
  const path = resolve(cwd, file);
  const name = file === '-' ? 'standard input' : file;
  try {
    if (file === '-') return source(await spool(stdin), name);
    const fd = openSync(path, constants.O_RDONLY);
    const entry = fstatSync(fd);
    if (entry.isFile()) return source(fd, name);
    closeSync(fd);
    if (entry.isDirectory()) throw new Failure([{ error: `${file}: a directory`, hint: '--from takes a file or -' }]);
    return source(await spool(createReadStream(path)), name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Failure([{ error: `${file}: there is no such file` }], { cause: error });
    if (code === 'EACCES') throw new Failure([{ error: `${file}: no permission to read it` }], { cause: error });
    throw error;
  }
}

async function spool(stream: Readable): Promise<number> {
  const { fd, write } = openSpool();
  for await (const chunk of stream) write(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  return fd;
}

function source(fd: number, name: string): RowSource {
  const before = fstatSync(fd);
  return {
    name,
    place: (line) => `${name}: line ${line}`,
    *pieces() {
      const head = Buffer.alloc(64);
      const text = head.toString('utf8', 0, readSync(fd, head, 0, head.length, 0)).replace(/^\ufeff/, '');
      yield* text.trimStart().startsWith('{') ? jsonRows(texts(fd)) : csvRows(texts(fd));
    },
    unchanged() {
      const now = fstatSync(fd);
      return now.size === before.size && now.mtimeMs === before.mtimeMs;
    },
    close: () => closeSync(fd),
  };
}

/** The text from its beginning, in chunks, line ends as LF, without a byte order mark. */
function* texts(fd: number): Generator<string> {
  const decoder = new StringDecoder('utf8');
  const bytes = Buffer.allocUnsafe(chunkBytes);
  let position = 0;
  let held = '';
  for (;;) {
    const read = readSync(fd, bytes, 0, bytes.length, position);
    let text = held + (read === 0 ? decoder.end() : decoder.write(bytes.subarray(0, read)));
    if (position === 0) text = text.replace(/^\ufeff/, '');
    position += read;
    held = '';
    if (read > 0 && text.endsWith('\r')) {
      held = '\r';
      text = text.slice(0, -1);
    }
    if (text.includes('\r')) text = text.replaceAll('\r\n', '\n');
    if (text !== '') yield text;
    if (read === 0) return;
  }
}

/**
 * Records of RFC 4180. Papa Parse's `Parser` takes 0.7 us a record of three fields where csv-parse takes 4 (100,000
 * records, Node 26): with two passes over the rows that is the difference between a third and all of a worker's time.
 */
function* csvRows(chunks: Iterable<string>): Generator<readonly RawRow[]> {
  const parser = new Papa.Parser({ delimiter: ',', newline: '\n' });
  let columns: Columns | undefined;
  let line = 1;
  let rest = '';
  const take = ({ data, errors }: Parsed): RawRow[] => {
    const malformed = new Map<number, ParseError['code'][]>();
    for (const { row, code } of errors) malformed.set(row, [...(malformed.get(row) ?? []), code]);
    const rows: RawRow[] = [];
    for (const [index, record] of data.entries()) {
      const at = line;
      line += 1;
      // Only a quoted field can hold a line end.
      for (const field of record) if (field.includes('\n')) line += field.split('\n').length - 1;
      const codes = malformed.get(index);
      if (record.length === 1 && record[0] === '') continue;
      if (codes !== undefined) {
        const reason = codes.includes('InvalidQuotes')
          ? 'a quote inside a quoted field must be doubled'
          : 'a quoted field has no closing quote';
        // Without a closing quote the rest of the input is in this field: what it holds can't be told.
        const lost = codes.includes('MissingQuotes') && (record.at(-1) ?? '').trimEnd().includes('\n');
        rows.push(defective(at, { code: 'bad-row', values: { reason } }, lost || columns === undefined));
      } else if (columns === undefined) {
        columns = columnsOf(record);
        for (const column of columns.unknown) {
          rows.push(defective(at, { code: 'unknown-column', values: { column } }, true));
        }
      } else if (record.length !== columns.count) {
        const reason = `${record.length} ${record.length === 1 ? 'field' : 'fields'}, but the header has ${columns.count}`;
        rows.push(defective(at, { code: 'bad-row', values: { reason } }));
      } else rows.push({ line: at, cells: cellsOf(record, columns) });
    }
    return rows;
  };
  for (const chunk of chunks) {
    rest += chunk;
    const parsed = parser.parse(rest, 0, true) as Parsed;
    rest = rest.slice(parsed.meta.cursor);
    if (parsed.data.length > 0) yield take(parsed);
    if (rest.length > longestRecord) {
      const reason = 'a record longer than 1 MiB, or a quoted field without a closing quote';
      yield [defective(line, { code: 'bad-row', values: { reason } }, true)];
      return;
    }
  }
  if (rest !== '') yield take(parser.parse(rest, 0, false) as Parsed);
}

interface Parsed {
  readonly data: readonly string[][];
  readonly errors: readonly ParseError[];
  readonly meta: { readonly cursor: number };
}

interface ParseError {
  readonly row: number;
  readonly code: 'MissingQuotes' | 'InvalidQuotes';
}

/** Places of the columns in a record, -1 where there is none. */
interface Columns extends Record<RowColumn, number> {
  readonly count: number;
  readonly unknown: readonly string[];
}

function columnsOf(header: readonly string[]): Columns {
  const names = header.map((name) => name.trim());
  const known = (name: string): name is RowColumn => (rowColumns as readonly string[]).includes(name);
  const places = Object.fromEntries(rowColumns.map((column) => [column, names.indexOf(column)]));
  const unknown = names.filter((name, index) => !known(name) || names.indexOf(name) !== index);
  return { ...(places as Record<RowColumn, number>), count: names.length, unknown };
}

/** One shape for every row, so that the code that reads them stays fast. */
function cellsOf(record: readonly string[], places: Columns): RowCells {
  return {
    node: record[places.node],
    cn: record[places.cn],
    organizations: record[places.organizations],
    dns: record[places.dns],
    ip: record[places.ip],
    days: record[places.days],
    key: record[places.key],
    out: record[places.out],
  };
}

function* jsonRows(chunks: Iterable<string>): Generator<readonly RawRow[]> {
  let line = 0;
  let rest = '';
  const take = (text: string): RawRow[] => {
    const rows: RawRow[] = [];
    for (const each of text.split('\n')) {
      line += 1;
      if (each.trim() !== '') rows.push(jsonRow(each, line));
    }
    return rows;
  };
  for (const chunk of chunks) {
    const end = chunk.lastIndexOf('\n');
    if (end < 0) rest += chunk;
    else {
      yield take(rest + chunk.slice(0, end));
      rest = chunk.slice(end + 1);
    }
    if (rest.length > longestRecord) {
      yield [defective(line + 1, { code: 'bad-row', values: { reason: 'a line longer than 1 MiB' } }, true)];
      return;
    }
  }
  if (rest !== '') yield take(rest);
}

function jsonRow(text: string, line: number): RawRow {
  const bad = (reason: string) => defective(line, { code: 'bad-row', values: { reason } });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return bad('not a JSON object on one line');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad('not a JSON object on one line');
  const cells: { -readonly [Column in RowColumn]?: string | readonly string[] } = {};
  for (const [column, member] of Object.entries(value)) {
    if (!(rowColumns as readonly string[]).includes(column)) {
      return defective(line, { code: 'unknown-column', values: { column } });
    }
    if (member === null) continue;
    const isList = Array.isArray(member) && member.every((each) => typeof each === 'string');
    if (typeof member === 'string') cells[column as RowColumn] = member;
    else if (typeof member === 'number' && column === 'days') cells.days = String(member);
    else if (isList && ['organizations', 'dns', 'ip'].includes(column)) cells[column as RowColumn] = member;
    else return bad(`${column} has the wrong type`);
  }
  return { line, cells };
}

function defective(line: number, defect: RowProblem, fatal = false): RawRow {
  return { line, cells: {}, defect, fatal };
}

const chunkBytes = 1 << 15;
const longestRecord = 1 << 20;
