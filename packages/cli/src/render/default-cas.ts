import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { type FirstStart, maskToken, tlsDir } from '@k3s-pki/k3s';
import type { DefaultCaPlan } from '@k3s-pki/plan';
import type { Artifacts } from '../artifacts.ts';
import { painter } from '../terminal.ts';
import { version } from '../version.ts';
import { firstStartJson, firstStartLines, serviceKeyText, setJson, tree } from './ca-sets.ts';
import { quoted, showIn } from './text.ts';

/** What the report of a finished run is made of. */
export interface DefaultCaReport {
  readonly plan: DefaultCaPlan;
  /** Absolute. */
  readonly root: string;
  readonly artifacts: Artifacts;
  readonly verdict: FirstStart;
  /** A secret; shown masked unless `reveal`. */
  readonly token: string | undefined;
  readonly reveal: boolean;
}

/** The report for people: the CAs, the verdict, the join token, how to start. */
export function defaultText(
  { plan, root, artifacts, verdict, token, reveal }: DefaultCaReport,
  stdout: Writable,
): string {
  const paint = painter(stdout);
  const lines = [
    `${paint('green', '✔')} ${paint('bold', `default CAs for ${plan.product}`)} in ${join(root, tlsDir)}`,
    '',
    ...tree(plan, artifacts.certificates, paint),
    '',
    `service account key: ${serviceKeyText(plan)}`,
    '',
    ...firstStartLines(plan, verdict, root, paint),
    '',
  ];
  if (plan.token === undefined || token === undefined) {
    lines.push(paint('bold', 'CA hash of the join token'), `  K10${verdict.caHash?.hash ?? ''}`, '');
    return lines.join('\n');
  }
  const file = showIn(root)(plan.token.file);
  lines.push(
    paint('bold', `Join token${reveal ? '' : ' (masked: it is in the file, or give --reveal)'}`),
    `  ${file}  (${plan.token.password === 'kept' ? 'with the password that was there' : 'with a new password'})`,
    `  ${reveal ? token : maskToken(token)}`,
    '',
    paint('bold', 'To start the first server'),
    `  ${plan.product} server --data-dir ${quoted(root)} --token-file ${quoted(file)}`,
    '',
  );
  return lines.join('\n');
}

/** The report for programs. Paths are absolute. */
export function defaultJson({ plan, root, artifacts, verdict, token, reveal }: DefaultCaReport) {
  const show = showIn(root);
  return {
    command: plan.verb,
    ok: verdict.accepted,
    version,
    ...setJson(plan, root, artifacts),
    caHash: verdict.caHash?.hash,
    ...(plan.token === undefined || token === undefined
      ? {}
      : {
          token: {
            file: show(plan.token.file),
            password: plan.token.password,
            token: reveal ? token : maskToken(token),
            masked: !reveal,
          },
        }),
    firstStart: firstStartJson(verdict, show),
  };
}
