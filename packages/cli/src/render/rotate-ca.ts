import type { Writable } from 'node:stream';
import { mask } from '@k3s-pki/k3s';
import type { PlannedRotation, RotateCaPlan } from '@k3s-pki/plan';
import type { Message } from '../failure.ts';
import { describeStep } from '../messages/english/rollout.ts';
import {
  describeConsequence,
  describeRotationFailure,
  describeRotationFinding,
  type ShowInSet,
} from '../messages/english/rotation.ts';
import { describeFinding } from '../messages/english.ts';
import type { Loaded, RotationTarget } from '../rotating/target.ts';
import { painter } from '../terminal.ts';
import { version } from '../version.ts';
import { rotationJson, rotationText } from './rotation.ts';
import { isoTime } from './structured.ts';

/** What a run is told of; `loaded` once it was done. */
export interface RotateCaReport {
  readonly plan: RotateCaPlan;
  readonly show: ShowInSet;
  readonly where: string;
  readonly currentFrom: string;
  readonly loaded?: Loaded;
}

type Refused = Extract<PlannedRotation, { readonly ok: false }>;

/** Everything that stands in the way, K3s's own line first. */
export function refusalMessages({ why, rotation }: Refused, show: ShowInSet): Message[] {
  const log = rotation.log === undefined ? [] : [{ error: rotation.log }];
  const failures = rotation.fields.flatMap(({ file, failure }) =>
    failure === undefined ? [] : [describeRotationFailure(failure, file, show)],
  );
  const fatal = rotation.findings
    .filter(({ effect }) => effect === 'fatal')
    .map((finding) => describeRotationFinding(finding, show));
  const start = rotation.nextStart.findings
    .filter(({ effect }) => effect !== 'odd')
    .map((finding) => ({ error: `at the next start: ${describeFinding(finding, show.proposed)}` }));
  const last: Message =
    why === 'refused'
      ? {
          error: 'K3s refuses this set, so nothing was sent',
          hint: '--force loads it all the same; --force --dry-run says what stops working then',
        }
      : { error: 'K3s would take this set and not come up on it, so --force does not load it either' };
  return [...log, ...failures, ...fatal, ...start, last];
}

export function refusedJson({ why, rotation }: Refused, show: ShowInSet, { where, currentFrom }: RotationTarget) {
  return {
    command: 'certificate rotate-ca',
    ok: false,
    version,
    why,
    where,
    currentFrom,
    rotation: rotationJson(rotation, show),
  };
}

/** The plan for people. */
export function rotateCaPlanText({ plan, show, where, currentFrom }: RotateCaReport, stdout: Writable): string {
  const paint = painter(stdout);
  return [
    `${paint('bold', 'Plan')}: new CAs for ${where}${plan.force ? ', forced' : ''}; nothing is sent`,
    `compared with the set in use, from ${currentFrom}`,
    '',
    ...rotationText(plan.rotation, show, paint),
    '',
    ...rolloutLines(plan, paint),
    '',
  ].join('\n');
}

/** The report for people. The first line is K3s's own. */
export function rotateCaText({ plan, loaded, where }: RotateCaReport, stdout: Writable): string {
  const paint = painter(stdout);
  const [good, careful] = [paint('green', '✔'), paint('yellow', '!')];
  const consequences = plan.consequences.map((consequence) => `${careful} ${describeConsequence(consequence).error}`);
  return [
    'certificates saved to datastore',
    '',
    `${good} ${plan.fields.length} files for ${where}${plan.force ? ', forced' : ''}; they count from the restart on`,
    ...readBackLines(loaded, good, careful),
    ...(consequences.length === 0 ? [`${good} old and new certificates trust each other`] : consequences),
    '',
    ...rolloutLines(plan, paint),
    '',
  ].join('\n');
}

function readBackLines(loaded: Loaded | undefined, good: string, careful: string): string[] {
  if (loaded === undefined) return [];
  const { readBack, backup } = loaded;
  return [
    readBack.ok
      ? `${good} read back from ${readBack.from}: the record holds the new set`
      : `${careful} not read back: ${readBack.why}`,
    ...(backup === undefined ? [] : [`  the record from before: ${backup} (k3s-pki bootstrap undo puts it back)`]),
  ];
}

function rolloutLines({ rollout, product, rotation }: RotateCaPlan, paint: ReturnType<typeof painter>): string[] {
  const steps = rollout.flatMap((step, index) => {
    const { what, commands, why } = describeStep(step, product);
    return [
      `${index + 1}. ${what}`,
      ...commands.map((command) => `     ${command}`),
      ...(why === undefined ? [] : [`   ${paint('dim', why)}`]),
    ];
  });
  const hash = rotation.caHash.after?.hash;
  const token =
    rotation.caHash.kept || hash === undefined
      ? ['Join tokens stay as they are: the root is the same']
      : ['Join tokens from now on', `  servers: K10${hash}::server:${mask}`, `  agents:  K10${hash}::node:${mask}`];
  return [...token, '', paint('bold', 'Rollout'), ...steps];
}

/** Plan or report for programs. */
export function rotateCaJson({ plan, show, where, currentFrom, loaded }: RotateCaReport) {
  const { verb, product, via, force, timestamp, fields, rollout, rotation } = plan;
  return {
    command: verb,
    ok: true,
    version,
    ...(loaded === undefined ? { dryRun: true } : {}),
    product,
    via,
    where,
    currentFrom,
    forced: force,
    timestamp: isoTime(timestamp),
    fields: fields.map(({ field, file }) => ({ field, file: show.proposed(file) })),
    rotation: rotationJson(rotation, show),
    ...(loaded === undefined ? {} : { readBack: loaded.readBack, backup: loaded.backup }),
    rollout: rollout.map((step) => ({ ...step, ...describeStep(step, product) })),
  };
}
