import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { type FirstStart, maskToken, type Rotation, rotationDir } from '@k3s-pki/k3s';
import type { RotateDefaultCaPlan } from '@k3s-pki/plan';
import type { Artifacts } from '../artifacts.ts';
import { rotationSteps } from '../messages/english/ca-sets.ts';
import { describeFinding } from '../messages/english.ts';
import { columns, painter } from '../terminal.ts';
import { version } from '../version.ts';
import { firstStartJson, serviceKeyText, setJson, tree } from './ca-sets.ts';
import { quoted, showIn } from './text.ts';

/** What the report of a finished run is made of. */
export interface RotatedCaReport {
  readonly plan: RotateDefaultCaPlan;
  /** Absolute. */
  readonly root: string;
  readonly artifacts: Artifacts;
  readonly verdict: { readonly start: FirstStart; readonly loading: Rotation };
  /** Secrets; shown masked unless `reveal`. */
  readonly tokens: readonly { readonly user: 'server' | 'agent'; readonly file: string; readonly token: string }[];
  readonly reveal: boolean;
}

/** The report for people: what was made, the verdict, the tokens, and what to do in which order. */
export function rotatedText(report: RotatedCaReport, stdout: Writable): string {
  const { plan, root, artifacts, verdict, tokens, reveal } = report;
  const paint = painter(stdout);
  const { accepted, caHash } = verdict.loading;
  const { title, load, restart, remove, ...steps } = rotationSteps;
  const list = [
    [load, rotateCa(plan, root)],
    [steps.tokens(plan.product)],
    [restart(plan.product)],
    [remove, `rm -r ${quoted(join(root, rotationDir))}`],
  ];
  return [
    `${paint('green', '✔')} ${paint('bold', `cross-signed CAs for ${plan.product}`)} in ${join(root, rotationDir)}`,
    '',
    ...tree(plan, artifacts.certificates, paint, 'in use'),
    '',
    `service account key: ${serviceKeyText(plan)}`,
    '',
    `${paint(accepted ? 'green' : 'red', accepted ? '✔' : '✘')} rotate-ca ${accepted ? 'accepts' : 'refuses'} this set without --force (judged again from the disk)`,
    ...verdict.start.findings.map((finding) => `  ${describeFinding(finding, showIn(root))}`),
    '',
    ...(tokens.length === 0
      ? [paint('bold', 'CA hash of the new join tokens'), `  K10${caHash.after?.hash ?? ''}`]
      : [
          paint('bold', `New join tokens${reveal ? '' : ' (masked: they are in the files, or give --reveal)'}`),
          ...tokens.flatMap(({ user, file, token }) => [
            `  ${user.padEnd(6)}  ${join(root, file)}`,
            `          ${reveal ? token : maskToken(token)}`,
          ]),
        ]),
    '',
    paint('bold', title),
    ...list.flatMap(([words = '', command], index) => [
      ...folded(`${index + 1}. ${words}`, Math.min(columns(stdout), 100)),
      ...(command === undefined ? [] : [`     ${command}`]),
    ]),
    '',
  ].join('\n');
}

/** The report for programs. Paths are absolute. */
export function rotatedJson({ plan, root, artifacts, verdict, tokens, reveal }: RotatedCaReport) {
  const show = showIn(root);
  const { accepted, caHash, trust } = verdict.loading;
  return {
    command: plan.verb,
    ok: accepted && verdict.start.accepted,
    version,
    ...setJson(plan, root, artifacts),
    removed: plan.removes.map(({ path }) => show(path)),
    caHash: caHash.after?.hash,
    caHashBefore: caHash.before?.hash,
    tokens: tokens.map(({ user, file, token }) => ({
      user,
      file: show(file),
      token: reveal ? token : maskToken(token),
      masked: !reveal,
    })),
    rotation: { accepted, trust },
    firstStart: firstStartJson(verdict.start, show),
    rotateCa: rotateCa(plan, root),
  };
}

function rotateCa({ product }: RotateDefaultCaPlan, root: string): string {
  return `${product} certificate rotate-ca --path=${quoted(join(root, rotationDir))}`;
}

/** A step of a list, folded under its words. */
function folded(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(lines.length === 0 ? `  ${word}` : `     ${word}`);
  }
  return lines;
}
