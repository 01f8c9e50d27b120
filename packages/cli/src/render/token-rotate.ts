import type { Writable } from 'node:stream';
import { mask } from '@k3s-pki/k3s';
import type { TokenRotatePlan, TokenRotateProblem } from '@k3s-pki/plan';
import type { Message } from '../failure.ts';
import { describeTokenRotateRemark, tokenRollout } from '../messages/english/token-rotate.ts';
import type { RecoveredRotation, TokenRotated, TokenTarget } from '../rotating/token-target.ts';
import { columns, painter } from '../terminal.ts';
import { version } from '../version.ts';
import { numbered } from './text.ts';

/** What a run is told of; `rotated` once it was done. */
export interface TokenRotateReport {
  readonly plan: TokenRotatePlan;
  readonly target: Pick<TokenTarget, 'where' | 'tokenPlace'>;
  /** The file of `--out`, absolute. */
  readonly out: string | undefined;
  readonly rotated?: TokenRotated;
  readonly recovered?: RecoveredRotation['kind'];
}

/** The plan, or the report, for people. The first line of a report is K3s's own. */
export function tokenRotateText(report: TokenRotateReport, stdout: Writable): string {
  const { plan, target, out, rotated } = report;
  const paint = painter(stdout);
  const [good, careful] = [paint('green', '✔'), paint('yellow', '!')];
  const { product, via, caHash } = plan;
  const head =
    rotated === undefined
      ? [
          `${paint('bold', 'Plan')}: a ${plan.newToken === 'random' ? 'random ' : ''}new server token for ${target.where}; nothing is ${via === 'supervisor' ? 'sent' : 'written'}`,
          '',
          `  K10${caHash}::server:${mask}`,
          ...plan.files.map((path) => `  0600  ${path}`),
          ...(out === undefined ? [] : [`  0600  ${out}`]),
        ]
      : [
          `Token rotated, restart ${product} nodes with new token`,
          '',
          `${good} K10${caHash}::server:${mask}`,
          `  in ${[target.tokenPlace, ...(out === undefined ? [] : [`${out} (0600)`])].join(' and ')}`,
          ...readBackLines(rotated, good, careful),
          ...(via === 'supervisor'
            ? [`${careful} until its restart a server takes the old token and refuses the new one`]
            : []),
        ];
  const steps = tokenRollout(plan, target.tokenPlace).flatMap(({ what, command }, index) => [
    ...numbered(index + 1, what, Math.min(columns(stdout), 100)),
    ...(command === undefined ? [] : [`       ${command}`]),
  ]);
  return [...head, `${agentLine(plan)}`, '', paint('bold', 'Rollout'), ...steps, ''].join('\n');
}

function agentLine({ nodePassword }: TokenRotatePlan): string {
  return {
    changes: '  agents join with the same password, so theirs changes too',
    kept: '  the agent token is another one and stays',
    unknown: '  the agent token changes too, unless one of its own was set',
  }[nodePassword];
}

function readBackLines({ readBack, backup }: TokenRotated, good: string, careful: string): string[] {
  return [
    readBack.ok
      ? `${good} read back from ${readBack.from}: the record opens with the new token`
      : `${careful} not read back: ${readBack.why}`,
    ...(backup === undefined ? [] : [`  the record from before, sealed with the old token: ${backup}`]),
  ];
}

/** Plan or report for programs. */
export function tokenRotateJson({ plan, target, out, rotated, recovered }: TokenRotateReport) {
  const { verb, product, via, newToken, nodePassword, caHash, files, record, remarks } = plan;
  return {
    command: verb,
    ok: true,
    version,
    ...(rotated === undefined ? { dryRun: true } : {}),
    product,
    via,
    where: target.where,
    newToken,
    masked: `K10${caHash}::server:${mask}`,
    caHash,
    token: target.tokenPlace,
    ...(out === undefined ? {} : { out }),
    nodePassword,
    files,
    record,
    ...(recovered === undefined ? {} : { recovered }),
    ...(rotated === undefined ? {} : { readBack: rotated.readBack, backup: rotated.backup }),
    remarks: remarks.map((code) => ({ code, message: describeTokenRotateRemark(code, plan).error })),
    rollout: tokenRollout(plan, target.tokenPlace),
  };
}

export function refusedTokenJson(
  problems: readonly TokenRotateProblem[],
  messages: readonly Message[],
  { where }: Pick<TokenTarget, 'where'>,
) {
  return {
    command: 'token rotate',
    ok: false,
    version,
    where,
    problems: messages.map(({ error: message, hint }, index) => ({ code: problems[index]?.code, message, hint })),
  };
}
