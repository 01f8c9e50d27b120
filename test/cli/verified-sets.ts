import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CertificateSpec, createCore } from '@k3s-pki/core';
import * as assert from 'uvu/assert';
import { type CaPath, caSets, type Pair } from './ca-sets.ts';
import { folder, k3sPki } from './program.ts';

export const core = await createCore();
export const now = Math.floor(Date.now() / 1000);
export const sets = caSets(core, now);
/** Signs the CAs of `custom`. */
export const shared = await sets.authority();
export const serviceKey = await sets.serviceKey();
/** A sound set: a folder with `tls` in it. */
export const custom = await sets.written((path) => sets.below(shared, path), serviceKey);

/** What `verify --output json` prints, as far as tests look at it. */
export type Problem = { severity: string; code: string; file: string; message: string; k3s?: string; hint?: string };
export type Report = {
  ok: boolean;
  tls: string;
  topology: { kind: string };
  caHash?: string;
  sections: Array<{ name: string; ok: boolean; keys?: number; chain?: string[]; problems: Problem[] }>;
  rotation?: {
    verdict: string;
    accepted: boolean;
    log?: string;
    fields: Array<{ field: string; from: string; ok: boolean; code?: string; log?: string; message?: string }>;
    findings: Array<{ code: string; effect: string; message: string }>;
    consequences: Array<{ code: string; message: string }>;
  };
};
export const judged = (...args: string[]): Report & { code: number | null; problems: Problem[] } => {
  const { code, stdout, stderr } = k3sPki(['verify', ...args, '--output', 'json']);
  assert.ok(stdout !== '', stderr);
  const report = JSON.parse(stdout) as Report;
  return { ...report, code, problems: report.sections.flatMap(({ problems }) => problems) };
};
/** A copy of the custom set after `change` got its tls folder. */
export const changed = (change: (tls: string) => void): string => {
  const copy = folder();
  cpSync(custom, copy, { recursive: true, preserveTimestamps: true });
  change(join(copy, 'tls'));
  return copy;
};
export const read = (tls: string, file: string) => readFileSync(join(tls, file), 'utf8');
export const replaced = (path: CaPath, pair: Partial<Pair>) => (tls: string) => {
  if (pair.crt !== undefined) writeFileSync(join(tls, `${path}.crt`), pair.crt);
  if (pair.key !== undefined) writeFileSync(join(tls, `${path}.key`), pair.key);
};
export const withCa = async (path: CaPath, changes: Partial<CertificateSpec>) =>
  replaced(path, await sets.below(shared, path, changes));

/** A key that is of nothing in the set. */
export const other = await sets.serviceKey();
/** A CA for more than one purpose. */
export const twin = await sets.make('k3s-twin', shared.intermediate, sets.years(5));
