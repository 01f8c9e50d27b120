import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Core, CoreError, type PrivateKey } from '@k3s-pki/core';
import { signsOfUse } from '@k3s-pki/k3s';
import type { Snapshot, SnapshotFile } from '@k3s-pki/plan';

/** Larger than any PEM file of keys and certificates that K3s could use. */
const largest = 1 << 20;

/** A snapshot and the bytes behind it, which may hold secrets and so stay out of the snapshot. */
export interface Reading {
  readonly snapshot: Snapshot;
  readonly contents: ReadonlyMap<string, Uint8Array>;
}

/** Reads the files of a data dir that a plan asks for. Absent ones are left out; the rest is never thrown over. */
export function readSnapshot(root: string, paths: readonly string[], core: Core): Reading {
  const files = new Map<string, SnapshotFile>();
  const contents = new Map<string, Uint8Array>();
  for (const path of paths) {
    const read = readFile(join(root, path));
    if (read === 'absent') continue;
    if ('why' in read) {
      files.set(path, { kind: 'unreadable', why: read.why });
      continue;
    }
    contents.set(path, read.bytes);
    files.set(path, {
      kind: 'file',
      mode: read.mode,
      sha256: createHash('sha256').update(read.bytes).digest('hex'),
      size: read.bytes.length,
      der: read.bytes[0] === 0x30,
      blocks: core.inspect(read.bytes),
    });
  }
  const inUse = signsOfUse.filter((path) => exists(join(root, path)));
  return { snapshot: { files, inUse }, contents };
}

/** Opens the first private key of a file. With an encrypted one and a passphrase, the snapshot learns its facts. */
export function openKey(
  reading: Reading,
  path: string,
  core: Core,
  passphrase: Uint8Array | undefined,
): { reading: Reading; key?: PrivateKey } {
  const file = reading.snapshot.files.get(path);
  const bytes = reading.contents.get(path);
  if (file?.kind !== 'file' || bytes === undefined) return { reading };
  const block = file.blocks.find(({ kind }) => kind === 'private-key' || kind === 'encrypted-private-key');
  if (block === undefined) return { reading };
  try {
    const key = core.openKey(bytes.subarray(block.start, block.end), passphrase);
    return { reading: learn(reading, path, { ...file, opened: key.type }), key };
  } catch (error) {
    const known =
      error instanceof CoreError && (error.code === 'wrong-passphrase' || error.code === 'passphrase-needed');
    if (known) return { reading: learn(reading, path, { ...file, opened: error.code as 'wrong-passphrase' }) };
    const reason = error instanceof CoreError ? error.message : 'the key cannot be read';
    const { label, line, start, end } = block;
    const broken = file.blocks.map((other) =>
      other === block ? ({ kind: 'broken', reason, label, line, start, end } as const) : other,
    );
    return { reading: learn(reading, path, { ...file, blocks: broken }) };
  }
}

function learn({ snapshot, contents }: Reading, path: string, file: SnapshotFile): Reading {
  return { snapshot: { ...snapshot, files: new Map(snapshot.files).set(path, file) }, contents };
}

type Read =
  | 'absent'
  | { readonly why: 'permission' | 'not-a-file' | 'too-large' | 'io' }
  | { readonly bytes: Uint8Array; readonly mode: number };

/** A regular file of at most 1 MiB, or why it is none. Never throws. */
export function readFile(path: string): Read {
  let file: number | undefined;
  try {
    // Not blocking: a fifo in a file's place must not hang the program.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(file);
    if (!stat.isFile()) return { why: 'not-a-file' };
    if (stat.size > largest) return { why: 'too-large' };
    const bytes = new Uint8Array(stat.size);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(file, bytes, length, bytes.length - length, length);
    }
    return { bytes: bytes.subarray(0, length), mode: stat.mode & 0o7777 };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'absent';
    if (code === 'EACCES' || code === 'EPERM') return { why: 'permission' };
    if (code === 'EISDIR' || code === 'ENXIO') return { why: 'not-a-file' };
    return { why: 'io' };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Whether something is there, looked at through links. */
export function exists(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'ENOENT' && code !== 'ENOTDIR';
  }
}
