import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrapFields, type Disk } from '@k3s-pki/k3s';
import { Failure } from './failure.ts';

/** The files of a data dir that bootstrap data stands for. */
export interface BootstrapDisk extends Disk {
  /** Permission bits of a file that is there. */
  readonly mode: (path: string) => number | undefined;
  /** Overwrites the contents. */
  wipe(): void;
}

/** Reads them. Throws Failure for a file that is there and can't be read. */
export function readBootstrapDisk(root: string): BootstrapDisk {
  const files = new Map<string, { content: Uint8Array; modified: number; mode: number }>();
  const problems: { error: string; hint: string }[] = [];
  for (const { file } of bootstrapFields) {
    const path = join(root, file);
    try {
      const { mtimeMs, mode } = statSync(path);
      files.set(file, { content: readFileSync(path), modified: Math.floor(mtimeMs / 1000), mode: mode & 0o7777 });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') continue;
      const why = code === 'EACCES' || code === 'EPERM' ? 'no permission to read it' : 'cannot be read';
      problems.push({ error: `${path}: ${why}`, hint: 'run as root' });
    }
  }
  if (problems.length > 0) throw new Failure(problems);
  return {
    file: (path) => files.get(path),
    mode: (path) => files.get(path)?.mode,
    bare: (folder) => {
      try {
        return readdirSync(join(root, folder)).length === 0;
      } catch {
        return true;
      }
    },
    wipe: () => {
      for (const { content } of files.values()) content.fill(0);
    },
  };
}
