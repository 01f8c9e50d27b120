import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, DatastoreError, firstLine, readFailure } from './error.ts';
import type { Entry } from './types.ts';

/** What a change found and made, so that it can be undone. Values are sealed: the file is worth what the datastore is. */
export interface Backup {
  /** Seconds since 1970. */
  readonly at: number;
  /** The words of the command that made the change. */
  readonly command: string;
  /** The datastore, as its description. */
  readonly where: string;
  readonly records: ReadonlyArray<{
    readonly key: string;
    /** The value before; absent when there was no such key. */
    readonly before?: Uint8Array;
    /** SHA-256 of the value after, hex; absent when the key was removed. */
    readonly after?: string;
  }>;
  /** Files that changed together with the records, as they were: sealed with the token that counts after the change. */
  readonly files?: Uint8Array;
}

/** Where backups lie, relative to a data dir. K3s looks at nothing there. */
export const backupFolder = 'server/bootstrap-backups';

export function valueDigest(value: Uint8Array): string {
  return createHash('sha256').update(value).digest('hex');
}

/** The record of a key as a change finds and leaves it. */
export function changeOf(
  key: string,
  before: Entry | undefined,
  after: Uint8Array | undefined,
): Backup['records'][number] {
  return {
    key,
    ...(before === undefined ? {} : { before: before.value }),
    ...(after === undefined ? {} : { after: valueDigest(after) }),
  };
}

/** Writes a backup: a new file of mode 0600 in a folder of mode 0700, on the disk when this returns. Answers its path.
 *  Throws DatastoreError; then there is no such file. */
export function writeBackup(dataDir: string, backup: Backup): string {
  const folder = join(dataDir, backupFolder);
  const text = JSON.stringify({
    version: 1,
    ...backup,
    records: backup.records.map(({ before, ...rest }) => ({
      ...rest,
      ...(before === undefined ? {} : { before: Buffer.from(before).toString('base64') }),
    })),
    ...(backup.files === undefined ? {} : { files: Buffer.from(backup.files).toString('base64') }),
  });
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (let number = 0; ; number++) {
      const path = join(folder, `${backup.at}${number === 0 ? '' : `-${number}`}.json`);
      let file: number;
      try {
        file = openSync(path, 'wx', 0o600);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
        throw error;
      }
      try {
        writeAll(file, Buffer.from(`${text}\n`));
        fsyncSync(file);
      } catch (error) {
        unlinkSync(path);
        throw error;
      } finally {
        closeSync(file);
      }
      syncFolder(folder);
      syncFolder(join(folder, '..'));
      return path;
    }
  } catch (error) {
    throw new DatastoreError(
      'failed',
      folder,
      `the backup cannot be written (${firstLine(error)}), so nothing was changed`,
      'run as root, and see that there is space (df -h)',
      error,
    );
  }
}

/** Takes a backup away whose change did not happen. */
export function dropBackup(path: string): void {
  unlinkSync(path);
}

/** The paths of a data dir's backups, newest first. */
export function listBackups(dataDir: string): string[] {
  const folder = join(dataDir, backupFolder);
  try {
    return readdirSync(folder)
      .flatMap((name) => {
        const [, at, number = '0'] = /^(\d+)(?:-(\d+))?\.json$/.exec(name) ?? [];
        return at === undefined ? [] : [{ name, at: Number(at), number: Number(number) }];
      })
      .sort((a, b) => b.at - a.at || b.number - a.number)
      .map(({ name }) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new DatastoreError('failed', folder, `cannot be read (${firstLine(error)})`, 'run as root', error);
  }
}

/** Reads a backup. Throws DatastoreError `failed` for anything else. */
export function readBackup(path: string): Backup {
  try {
    const parsed = JSON.parse(readFileSync(path, 'utf8'));
    const { version, at, command, where, records, files } = parsed;
    const sound =
      version === 1 &&
      Number.isInteger(at) &&
      [command, where].every((each) => typeof each === 'string') &&
      isTextOrAbsent(files) &&
      Array.isArray(records) &&
      records.every(({ key, before, after }) => typeof key === 'string' && [before, after].every(isTextOrAbsent));
    if (!sound) throw new TypeError('another shape');
    return {
      at,
      command,
      where,
      records: records.map(({ key, before, after }) => ({
        key,
        ...(before === undefined ? {} : { before: Uint8Array.from(Buffer.from(before, 'base64')) }),
        ...(after === undefined ? {} : { after }),
      })),
      ...(files === undefined ? {} : { files: Uint8Array.from(Buffer.from(files, 'base64')) }),
    };
  } catch (error) {
    // The system's own words only: a parser's message quotes the text.
    const what = codeOf(error) === '' ? 'not a backup of bootstrap data' : readFailure(error);
    throw new DatastoreError('failed', path, what, 'name a file of the folder bootstrap-backups', error);
  }
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(file, bytes, offset);
}

/** Makes a new name in a folder outlive a power cut; not every system can do it. */
function syncFolder(folder: string): void {
  try {
    const file = openSync(folder, 'r');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (process.platform !== 'win32') throw error;
  }
}
