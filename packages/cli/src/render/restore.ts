import type { Writable } from 'node:stream';
import type { Product } from '@k3s-pki/k3s';
import type { BackupSummary, RestorePlan } from '@k3s-pki/plan';
import { count, restoreCommand, unitOf } from '../messages/english/rotate.ts';
import { moment } from '../messages/english.ts';
import { painter } from '../terminal.ts';
import { leafChangeJson } from './leaf-problems.ts';
import { isoTime } from './structured.ts';
import { aligned, octal, showIn } from './text.ts';

/** The plan, or the report of a finished run, for programs. Paths are absolute. */
export function restoreJson(plan: RestorePlan, root: string, dryRun: boolean) {
  const { from, backup, writes, removes, unchanged, leaves } = plan;
  const show = showIn(root);
  return {
    ...leafChangeJson(plan, root, dryRun),
    from: show(from.path),
    backup: backup === undefined ? null : show(backup.path),
    restored: writes.map(({ from: saved, to, mode, replaces }) => ({
      file: show(to),
      from: show(saved),
      mode: octal(mode),
      replaced: replaces !== 'absent',
    })),
    removed: removes.map(({ path }) => show(path)),
    unchanged: unchanged.map(show),
    leaves: leaves.map(({ file, subject, notAfter, fate }) => ({
      file: show(file),
      subject,
      notAfter: isoTime(notAfter),
      nextStart: fate,
    })),
  };
}

/** The plan for people. */
export function restorePlanText(plan: RestorePlan, root: string, stdout: Writable): string {
  const paint = painter(stdout);
  const { product, from, backup, writes, removes } = plan;
  return [
    `${paint('bold', 'Plan')}: restore the certificates of ${product} in ${root} from ${from.path}; nothing is written`,
    '',
    summary(plan),
    ...(backup === undefined ? [] : [`what stands now goes to ${backup.path} first`]),
    '',
    ...section('Put back', aligned(writes.map(({ from: saved, to, mode }) => [octal(mode), to, saved]))),
    ...section(
      'Removed',
      removes.map(({ path }) => `  ${path}`),
    ),
  ].join('\n');

  function section(title: string, lines: readonly string[]): string[] {
    return lines.length === 0 ? [] : [paint('bold', title), ...lines, ''];
  }
}

/** The report for people. */
export function restoreText(plan: RestorePlan, root: string, stdout: Writable): string {
  const paint = painter(stdout);
  const { product, role, from, backup } = plan;
  const show = showIn(root);
  const done = `${paint('green', '✔')} ${paint('bold', `certificates of ${product}`)} restored from ${show(from.path)}`;
  if (plan.writes.length + plan.removes.length === 0) return `${done}\n  ${summary(plan)}\n`;
  return [
    done,
    `  ${summary(plan)}`,
    ...(backup === undefined ? [] : [`  what stood there before is in ${show(backup.path)}`]),
    '',
    paint('bold', 'To use them'),
    `  systemctl start ${unitOf(product, role)}`,
    '',
  ].join('\n');
}

/** The list of backups for programs. */
export function backupsJson(summaries: readonly BackupSummary[], root: string, product: Product) {
  return {
    command: 'certificate restore',
    ok: true,
    product,
    dataDir: root,
    backups: summaries.map(({ backup, leaves, kept, agentLeaves, cas }) => ({
      name: backup.name,
      path: showIn(root)(backup.path),
      time: isoTime(backup.time),
      of: backup.of,
      agentFiles: backup.agentFiles,
      leaves,
      kept,
      agentLeaves,
      ...(cas === undefined ? {} : { cas }),
    })),
  };
}

/** The list for people. */
export function backupsText(
  summaries: readonly BackupSummary[],
  root: string,
  product: Product,
  stdout: Writable,
): string {
  const [newest] = summaries;
  if (newest === undefined) return `no backups in ${showIn(root)('server')} or ${showIn(root)('agent')}\n`;
  const paint = painter(stdout);
  const rows = summaries.map(({ backup, leaves, kept, agentLeaves, cas }) => [
    backup.name,
    moment(backup.time),
    backup.of,
    backup.of === 'server' ? `${kept} of ${leaves}` : '',
    agentLeaves === 0 ? '' : String(agentLeaves),
    cas ?? '',
  ]);
  const [head = '', ...lines] = aligned([['backup', 'made', 'of', 'kept', "agent's", 'CAs'], ...rows]);
  return [
    `backups in ${root}, newest first`,
    '',
    paint('dim', head),
    ...lines,
    '',
    "kept: server's leaves that K3s uses after a restore; it makes the others anew",
    "agent's: an agent asks for new ones at every start, whatever it has",
    '',
    paint('bold', 'To put one back'),
    `  ${restoreCommand(newest.backup.name, product, root)}`,
    '',
  ].join('\n');
}

function summary({ writes, removes, unchanged }: RestorePlan): string {
  if (writes.length + removes.length === 0) return 'every file of the backup stands in place already';
  const parts = [`${count(writes.length, 'file')} put back`];
  if (unchanged.length > 0) parts.push(`${unchanged.length} unchanged`);
  if (removes.length > 0) parts.push(`${removes.length} removed`);
  return parts.join(', ');
}
