import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Core } from '@k3s-pki/core';
import { leafMode } from '@k3s-pki/k3s';
import { Fingerprints, type NodeRow } from '@k3s-pki/plan';
import type { NodeFile, NodeFolders } from '@k3s-pki/stage';
import { Failure, internalError } from '../failure.ts';
import { isoTime } from '../render/structured.ts';
import type { Manifest } from './lines.ts';
import type { ProfileOutput, Sink } from './sink.ts';

/** The files of every node, below its folder. */
export function nodePaths(profiles: readonly Pick<ProfileOutput, 'profile' | 'withKey'>[]): string[] {
  return profiles.flatMap(({ profile, withKey }) => [
    `${profile.path}.crt`,
    ...(withKey ? [`${profile.path}.key`] : []),
  ]);
}

/** One folder a node, each complete or absent. */
export function foldersSink(profiles: readonly ProfileOutput[], folders: NodeFolders): Sink {
  return {
    node(row, leaves, places) {
      const files: NodeFile[] = [];
      for (const [index, { profile, bundle, withKey }] of profiles.entries()) {
        const issued = leaves[index] ?? internalError('a batch without leaves');
        const place = places[index] ?? internalError('a node without a place');
        const certificate = [issued.certificate(place), bundle];
        files.push({ path: `${profile.path}.crt`, parts: certificate, mode: leafMode.certificate });
        if (withKey) files.push({ path: `${profile.path}.key`, parts: [issued.key(place)], mode: leafMode.key });
      }
      folders.place(row.out, files);
    },
    drain: async () => {},
    finish: () => folders.close(),
    abandon: () => folders.close(),
  };
}

/** What an interrupted run left: which nodes need nothing more. */
export class Resumption {
  readonly #folders: NodeFolders;
  readonly #profiles: readonly ProfileOutput[];
  readonly #paths: readonly string[];
  readonly #recorded: Fingerprints;
  readonly #core: Core;
  /** Nodes that were complete. */
  complete = 0;

  constructor(folders: NodeFolders, profiles: readonly ProfileOutput[], recorded: Fingerprints, core: Core) {
    this.#folders = folders;
    this.#profiles = profiles;
    this.#paths = nodePaths(profiles);
    this.#recorded = recorded;
    this.#core = core;
  }

  /** Whether the node is still to be issued. A complete one whose line is missing, since the run was killed between
   *  the two, gets it from its certificates; one that a power failure cut off is removed. Throws Failure. */
  wants(row: NodeRow, manifest: Manifest): boolean {
    const state = this.#folders.state(row.out, this.#paths);
    if (state === 'absent') return true;
    if (state === 'cut-off') {
      this.#folders.remove(row.out);
      return true;
    }
    if (state === 'foreign') throw foreign(join(this.#folders.root, row.out));
    for (const { profile } of this.#profiles) {
      const path = `${row.out}/${profile.path}.crt`;
      if (!this.#recorded.has(path)) this.#record(row, profile.name, path, manifest);
    }
    this.complete += 1;
    return false;
  }

  #record({ node }: NodeRow, profile: string, path: string, manifest: Manifest): void {
    const file = join(this.#folders.root, path);
    const block = this.#core.inspect(readFileSync(file)).find(({ kind }) => kind === 'certificate');
    if (block?.kind !== 'certificate') throw foreign(file);
    const { serial, sha256, subject, notAfter } = block.certificate;
    manifest.line({ node, profile, path, serial, sha256, subject, notAfter: isoTime(notAfter) });
  }
}

/** The paths that the manifests in a folder record; lines that are cut off count for nothing. */
export function recordedPaths(manifests: readonly string[]): Fingerprints {
  const recorded = new Fingerprints();
  for (const manifest of manifests) {
    for (const lines of wholeLines(manifest)) {
      for (const [, path = ''] of lines.matchAll(/^\{"node":"[^"]*","profile":"[^"]*","path":"([^"]*)".*\}$/gm)) {
        recorded.add(path);
      }
    }
  }
  return recorded;
}

/** The text up to the last line end, a mebibyte at a time: a manifest of a million lines is 300 MB. Paths are ASCII. */
function* wholeLines(path: string): Generator<string> {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    const bytes = Buffer.allocUnsafe(1 << 20);
    let rest = '';
    for (let position = 0; ; ) {
      const read = readSync(fd, bytes, 0, bytes.length, position);
      if (read === 0) return;
      position += read;
      const text = rest + bytes.toString('latin1', 0, read);
      const end = text.lastIndexOf('\n') + 1;
      yield text.slice(0, end);
      rest = text.slice(end);
    }
  } finally {
    closeSync(fd);
  }
}

function foreign(path: string): Failure {
  return new Failure([
    {
      error: `${path}: it exists, and does not hold exactly what this run makes for a node`,
      hint: 'use another --out folder, or move it away',
    },
  ]);
}
