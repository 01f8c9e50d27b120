import { consequencesOf, type Rotation } from '@k3s-pki/k3s';
import type { Message } from '../failure.ts';
import {
  describeConsequence,
  describeRotationFailure,
  describeRotationFinding,
  type ShowInSet,
} from '../messages/english/rotation.ts';
import { describeFinding } from '../messages/english.ts';
import type { painter } from '../terminal.ts';

/** What a rotation comes to. `refused`: not without --force. `unfit`: not at all, since K3s would not come up, or nothing
 *  would happen. */
export type RotationVerdict = 'non-disruptive' | 'disruptive' | 'refused' | 'unfit';

export function rotationVerdict(rotation: Rotation): RotationVerdict {
  if (rotation.unfit) return 'unfit';
  if (!rotation.accepted) return 'refused';
  return consequencesOf(rotation).length === 0 ? 'non-disruptive' : 'disruptive';
}

/** Every check of `rotate-ca` with its verdict, K3s's own line beside our words, what breaks, and the sum of it. */
export function rotationText(rotation: Rotation, show: ShowInSet, paint: ReturnType<typeof painter>): string[] {
  const lines = rotation.fields.flatMap(({ field, file, from, changed, failure }) => {
    const state = from === 'current' ? 'not staged, stays' : changed ? 'new' : 'the same';
    const mark = failure === undefined ? paint('green', '✔') : paint('red', '✘');
    const line = `${mark} ${field.padEnd(18)}  ${state.padEnd(17)}  ${show[from](file)}`;
    if (failure === undefined) return [line];
    return [
      line,
      ...messageLines(describeRotationFailure(failure, file, show), paint),
      `    K3s logs: ${field}: ${failure.log}`,
    ];
  });
  const findings = rotation.findings.flatMap((finding) => {
    const mark = finding.effect === 'fatal' ? paint('red', '✘') : paint('yellow', '!');
    return markedLines(mark, describeRotationFinding(finding, show), paint);
  });
  const start = rotation.nextStart.findings.map((finding) => {
    const mark = finding.effect === 'odd' ? paint('yellow', '!') : paint('red', '✘');
    return `${mark} at the next start: ${describeFinding(finding, show.proposed)}`;
  });
  const consequences = consequencesOf(rotation).flatMap((consequence) =>
    markedLines(paint('yellow', '!'), describeConsequence(consequence), paint),
  );
  return [
    paint('bold', 'Checks of rotate-ca'),
    ...lines,
    ...section('What K3s would accept all the same', [...findings, ...start], paint),
    ...section('What stops working', consequences, paint),
    '',
    verdictLine(rotation, paint),
  ];
}

function verdictLine(rotation: Rotation, paint: ReturnType<typeof painter>): string {
  const [good, careful, bad] = [paint('green', '✔'), paint('yellow', '!'), paint('red', '✘')];
  switch (rotationVerdict(rotation)) {
    case 'non-disruptive':
      return `${good} non-disruptive: K3s accepts it, and old and new certificates trust each other`;
    case 'disruptive':
      return `${careful} K3s accepts it, but it is disruptive: see what stops working`;
    case 'refused':
      return `${bad} needs --force: K3s refuses it otherwise, and with it what is listed stops working`;
    case 'unfit':
      return `${bad} must not be loaded, --force or not`;
  }
}

/** The same for programs. Paths as `show` gives them. */
export function rotationJson(rotation: Rotation, show: ShowInSet) {
  return {
    verdict: rotationVerdict(rotation),
    accepted: rotation.accepted,
    ...(rotation.log === undefined ? {} : { log: rotation.log }),
    fields: rotation.fields.map(({ field, file, from, changed, failure }) => ({
      field,
      file: show[from](file),
      from,
      changed,
      ok: failure === undefined,
      ...(failure === undefined
        ? {}
        : { code: failure.code, log: failure.log, ...messageJson(describeRotationFailure(failure, file, show)) }),
    })),
    findings: rotation.findings.map((finding) => ({
      code: finding.code,
      effect: finding.effect,
      ...messageJson(describeRotationFinding(finding, show)),
    })),
    nextStart: {
      accepted: rotation.nextStart.accepted,
      findings: rotation.nextStart.findings.map(({ file, effect, code, reason }) => ({
        file: show.proposed(file),
        effect,
        code,
        reason,
      })),
    },
    consequences: consequencesOf(rotation).map((consequence) => ({
      code: consequence.code,
      ...messageJson(describeConsequence(consequence)),
    })),
    caHash: {
      before: rotation.caHash.before?.hash,
      after: rotation.caHash.after?.hash,
      kept: rotation.caHash.kept,
    },
    trust: rotation.trust,
    serviceKeysLost: rotation.serviceKeysLost,
  };
}

function messageJson({ error, hint }: Message) {
  return { message: error, ...(hint === undefined ? {} : { hint }) };
}

function messageLines({ error, hint }: Message, paint: ReturnType<typeof painter>): string[] {
  return [`    ${error}`, ...(hint === undefined ? [] : [`    ${paint('cyan', 'hint:')} ${hint}`])];
}

function markedLines(mark: string, { error, hint }: Message, paint: ReturnType<typeof painter>): string[] {
  return [`${mark} ${error}`, ...(hint === undefined ? [] : [`    ${paint('cyan', 'hint:')} ${hint}`])];
}

function section(title: string, lines: readonly string[], paint: ReturnType<typeof painter>): string[] {
  return lines.length === 0 ? [] : ['', paint('bold', title), ...lines];
}
