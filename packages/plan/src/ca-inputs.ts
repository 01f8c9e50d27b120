import type { Certificate, KeyFacts } from '@k3s-pki/core';
import { type CaName, caNames, tlsDir, tlsFile } from '@k3s-pki/k3s';
import type { FilePart, FoundCertificate } from './ca-plan.ts';
import { certificatesIn, checkSigner, keyIn, readable } from './inputs.ts';
import type { Problems } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

/** CAs of one's own for the shared topology. */
export const authorityNames = ['root-ca.pem', 'root-ca.key', 'intermediate-ca.pem', 'intermediate-ca.key'] as const;
export type AuthorityName = (typeof authorityNames)[number];

/** An input where it was found. */
export interface Input {
  readonly path: string;
  /** Set when the file has to be copied into `server/tls`. */
  readonly copyTo?: string;
}

/** Names below `server/tls` of the root that one CA has for itself in the isolated topology. */
export function isolatedRootNames(ca: CaName): { readonly certificate: string; readonly key: string } {
  const below = (path: string) => path.slice(tlsDir.length + 1);
  return { certificate: below(tlsFile.ownRootCertificate(ca)), key: below(tlsFile.ownRootKey(ca)) };
}

export const isolatedNames: readonly string[] = caNames.flatMap((ca) => Object.values(isolatedRootNames(ca)));

/** Where an input may lie, the place that it is used in first: `server/tls`, for the shared topology the data dir
 *  itself, and `server/tls` of the data dir `from`, which is relative to this one. */
export function inputPlaces(name: string, from: string | undefined): string[] {
  const outer = isolatedNames.includes(name) ? [] : [name];
  return [`${tlsDir}/${name}`, ...outer, ...(from === undefined ? [] : [`${from}/${tlsDir}/${name}`])];
}

/** The first of an input's places that holds it. */
export function locate(snapshot: Snapshot, name: string, from: string | undefined): Input | undefined {
  const [placed = name, ...others] = inputPlaces(name, from);
  if (snapshot.files.has(placed)) return { path: placed };
  const path = others.find((place) => snapshot.files.has(place));
  return path === undefined ? undefined : { path, copyTo: placed };
}

/** As `locate`; different files in two places are a problem. */
export function locateOne(
  snapshot: Snapshot,
  name: string,
  from: string | undefined,
  problems: Problems,
): Input | undefined {
  const input = locate(snapshot, name, from);
  const used = input && snapshot.files.get(input.path);
  for (const other of inputPlaces(name, from)) {
    const file = snapshot.files.get(other);
    if (used?.kind === 'file' && file?.kind === 'file' && file.sha256 !== used.sha256) {
      problems.error('two-inputs', other, { other: input?.path ?? '' });
    }
  }
  return input;
}

export function readCertificates(snapshot: Snapshot, input: Input, problems: Problems): Certificate[] {
  const file = readable(snapshot, input.path, problems);
  return file ? certificatesIn(file, input.path, problems) : [];
}

/** What can be said of a file's certificates while their chain is unknown. */
export function checkAlone(
  snapshot: Snapshot,
  input: Input | undefined,
  below: number,
  now: number,
  problems: Problems,
): void {
  if (input === undefined) return;
  for (const certificate of readCertificates(snapshot, input, problems)) {
    checkSigner(certificate, input.path, below, now, problems);
  }
}

export function readKey(
  snapshot: Snapshot,
  input: Input | undefined,
  needed: boolean,
  problems: Problems,
): KeyFacts | undefined {
  const file = input && readable(snapshot, input.path, problems);
  return file && input && keyIn(file, input.path, needed, problems);
}

/** Inputs that have to be copied into `server/tls`, as files to be written. */
export function copiesOf(inputs: readonly Input[]): { path: string; parts: FilePart[] }[] {
  return inputs.flatMap(({ path, copyTo }) =>
    copyTo === undefined ? [] : [{ path: copyTo, parts: [{ kind: 'found-file', file: path } satisfies FilePart] }],
  );
}

export function usesOf(input: Input | undefined): { file: string }[] {
  return input === undefined ? [] : [{ file: input.path }];
}

/** Another name in the folder of `path`. */
export function sibling(path: string, name: string): string {
  return path.includes('/') ? `${path.slice(0, path.lastIndexOf('/'))}/${name}` : name;
}

export function foundCertificate(file: string, { sha256, subject }: Certificate): FoundCertificate {
  return { file, sha256, subject };
}

export function foundPart(file: string, certificate: Certificate): FilePart {
  return { kind: 'found-certificate', ...foundCertificate(file, certificate) };
}
