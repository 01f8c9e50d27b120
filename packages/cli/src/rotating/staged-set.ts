import { basename, dirname, join } from 'node:path';
import type { Core } from '@k3s-pki/core';
import { type FileSet, type RotationField, rotationFields, tlsDir } from '@k3s-pki/k3s';
import { Failure } from '../failure.ts';
import type { ShowPath } from '../messages/english.ts';
import { exists, readSnapshot } from '../snapshot.ts';

/** The new set, in the folder that K3s's `--path` names. */
export interface StagedSet {
  /** Paths are relative to a data dir: `server/tls/...` stands for `PATH/tls/...`. */
  readonly files: FileSet;
  readonly contents: ReadonlyMap<RotationField, Uint8Array>;
  readonly show: ShowPath;
}

/** Reads the files below PATH/tls. Throws Failure: unlike K3s, a folder without any of them is refused. */
export function readStagedSet(path: string, core: Core): StagedSet {
  const show: ShowPath = (file) => join(path, below(file));
  const reading = readSnapshot(
    path,
    rotationFields.map(({ file }) => below(file)),
    core,
  );
  const unreadable = [...reading.snapshot.files].filter(([, { kind }]) => kind === 'unreadable');
  if (unreadable.length > 0) {
    throw new Failure(
      unreadable.map(([file]) => ({
        error: `${join(path, file)}: cannot be read as a file of keys or certificates`,
        hint: 'run as its owner, usually root, and stage the PEM file itself',
      })),
    );
  }
  if (reading.contents.size === 0) throw nothingStaged(path);
  const contents = new Map<RotationField, Uint8Array>();
  for (const { field, file } of rotationFields) {
    const bytes = reading.contents.get(below(file));
    if (bytes !== undefined && bytes.length > 0) contents.set(field, bytes);
  }
  const files: FileSet = (file) => {
    const bytes = reading.contents.get(below(file));
    const facts = reading.snapshot.files.get(below(file));
    return bytes === undefined || facts?.kind !== 'file' ? undefined : { bytes, blocks: facts.blocks };
  };
  return { files, contents, show };
}

/** K3s's client reads what is below `tls` of the folder that it is given. Source: K3s `pkg/cli/cert/cert.go`. */
function below(file: string): string {
  return `tls/${file.slice(tlsDir.length + 1)}`;
}

function nothingStaged(path: string): Failure {
  const meant = exists(join(path, tlsDir))
    ? join(path, 'server')
    : basename(path) === 'tls'
      ? dirname(path)
      : undefined;
  return new Failure([
    {
      error: `${join(path, 'tls')}: holds none of the files that rotate-ca reads; K3s would answer "certificates saved to datastore" and rotate nothing`,
      hint: meant === undefined ? '--path names the folder above tls' : `did you mean --path ${meant}?`,
    },
  ]);
}
