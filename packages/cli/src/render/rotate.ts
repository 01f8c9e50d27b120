import type { Writable } from 'node:stream';
import { listenerService } from '@k3s-pki/k3s';
import type { RotatePlan } from '@k3s-pki/plan';
import { count, k3sLine, restoreCommand, unitOf } from '../messages/english/rotate.ts';
import { painter } from '../terminal.ts';
import { leafChangeJson } from './leaf-problems.ts';
import { aligned, octal, showIn } from './text.ts';

/** The plan, or the report of a finished run, for programs. Paths are absolute. */
export function rotateJson(plan: RotatePlan, root: string, dryRun: boolean) {
  const { detected, services, backup, marker } = plan;
  const show = showIn(root);
  return {
    ...leafChangeJson(plan, root, dryRun),
    detected,
    services: services.map(({ name, files }) => ({ name, removed: files.map(show) })),
    backup: backup === undefined ? null : show(backup.path),
    backedUp: backup?.copies.map(({ from, to, mode }) => ({ from: show(from), to: show(to), mode: octal(mode) })) ?? [],
    marker: marker === undefined ? null : show(marker.path),
  };
}

/** The plan for people: every file that would be copied and removed. */
export function rotatePlanText(plan: RotatePlan, root: string, stdout: Writable): string {
  const paint = painter(stdout);
  const { product, backup, removes, marker } = plan;
  const head = `${paint('bold', 'Plan')}: rotate the certificates of ${product} in ${root}; nothing is written`;
  if (backup === undefined) return `${head}\n\n${services(plan).join('\n')}\n`;
  return [
    head,
    '',
    ...services(plan),
    '',
    paint('bold', `Backup in ${showIn(root)(backup.path)}`),
    ...aligned(backup.copies.map(({ from, to, mode }) => [octal(mode), to, from])),
    '',
    paint('bold', 'Removed'),
    ...removes.map(({ path }) => `  ${path}`),
    ...(marker === undefined ? [] : ['', paint('bold', 'Written'), `  ${octal(marker.mode)}  ${marker.path}`]),
    '',
  ].join('\n');
}

/** The report for people, with K3s's own lines. */
export function rotateText(plan: RotatePlan, root: string, stdout: Writable): string {
  const paint = painter(stdout);
  const { product, role, backup } = plan;
  if (backup === undefined) return `${services(plan).join('\n')}\n`;
  return [
    ...services(plan),
    '',
    `${paint('green', '✔')} ${k3sLine.done(showIn(root)(backup.path), product)}`,
    '',
    paint('bold', 'To rotate, start it again; the files are made anew then'),
    `  systemctl start ${unitOf(product, role)}`,
    '',
    paint('bold', 'To go back'),
    `  ${restoreCommand(backup.path.slice(backup.path.indexOf('/') + 1), product, root)}`,
    '',
  ].join('\n');
}

function services({ product, role, detected, services: chosen, marker }: RotatePlan): string[] {
  const rows = chosen.map(({ name, files }) => {
    if (name === listenerService(product)) return [k3sLine.listener, marker === undefined ? 'already ordered' : ''];
    return [k3sLine.service(name), files.length === 0 ? 'no files' : count(files.length, 'file')];
  });
  return [...(detected ? [k3sLine.detected(role)] : []), ...aligned(rows)];
}
