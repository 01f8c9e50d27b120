import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { type IssuePlan, type Problem, wholeInput } from '@k3s-pki/plan';
import { Failure, type Message } from '../failure.ts';
import { day, describe } from '../messages/english.ts';
import { painter } from '../terminal.ts';
import { version } from '../version.ts';
import { problemJson } from './problems.ts';
import { isoTime } from './structured.ts';

/** What a run did. */
export interface IssueReport {
  readonly plan: IssuePlan;
  /** The `tls` folder. */
  readonly caDir: string;
  readonly sink: { readonly kind: 'out' | 'tar' | 'jsonl'; readonly path: string };
  readonly manifest: string;
  /** Nodes issued in this run. */
  readonly issued: number;
  /** Nodes that an interrupted run had completed. */
  readonly found: number;
  readonly skipped: number;
}

/** Problems of the CAs as one failure. */
export function caRefusal(problems: readonly Problem[], caDir: string): Failure {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const show = (path: string) => join(caDir, path);
  return new Failure(
    errors.map((problem) => describe(problem, show)),
    {
      report: {
        command: 'certificate issue',
        ok: false,
        caDir,
        problems: problems.map((problem) => problemJson(problem, show)),
      },
    },
  );
}

export function caWarnings({ warnings }: IssuePlan, caDir: string): Message[] {
  return warnings.map((problem) => describe(problem, (path) => join(caDir, path)));
}

export function issueReportText(report: IssueReport, stdout: Writable): string {
  const { plan, sink, manifest, issued, found, skipped } = report;
  const paint = painter(stdout);
  const profiles = plan.profiles.map(({ profile }) => profile.name).join(', ');
  return [
    `${paint('green', '✔')} ${paint('bold', `${number(issued, 'node')} issued`)} (${profiles}) to ${sink.path}`,
    ...(found === 0 ? [] : [`  ${number(found, 'node')} complete from an earlier run`]),
    ...(skipped === 0 ? [] : [`  ${number(skipped, 'bad row')} left out`]),
    `  manifest: ${manifest}`,
    '',
  ].join('\n');
}

export function issueReportJson({ plan, caDir, sink, manifest, issued, found, skipped }: IssueReport) {
  return {
    command: plan.verb,
    ok: true,
    version,
    caDir,
    profiles: plan.profiles.map(({ profile }) => profile.name),
    [sink.kind]: sink.path,
    manifest,
    nodes: issued,
    certificates: issued * plan.profiles.length,
    found,
    skipped,
    ...shardJson(plan),
  };
}

/** The plan for people: profiles, who signs them, until when. */
export function issuePlanText(plan: IssuePlan, rows: { total: number; bad: number }, stdout: Writable): string {
  const paint = painter(stdout);
  const lines = plan.profiles.map(
    ({ profile, issuer, notAfter }) => `  ${profile.name}, signed by ${issuer.subject}, until ${day(notAfter)}`,
  );
  return [
    `${paint('bold', 'Plan')}: ${number(rows.total, 'node')}${shardText(plan)}, ${number(plan.profiles.length, 'certificate')} each; nothing is written`,
    ...lines,
    ...(rows.bad === 0 ? [] : [`  ${number(rows.bad, 'bad row')} left out`]),
    '',
  ].join('\n');
}

export function issuePlanJson(plan: IssuePlan, rows: { total: number; bad: number }, caDir: string) {
  return {
    command: plan.verb,
    ok: true,
    dryRun: true,
    caDir,
    nodes: rows.total,
    skipped: rows.bad,
    ...shardJson(plan),
    profiles: plan.profiles.map(({ profile, issuer, notBefore, notAfter }) => ({
      name: profile.name,
      issuer: { ...issuer, file: join(caDir, issuer.file) },
      notBefore: isoTime(notBefore),
      notAfter: isoTime(notAfter),
    })),
  };
}

/** `1 node`, `12,000 nodes`. */
export function number(count: number, one: string): string {
  return `${grouped(count)} ${one}${count === 1 ? '' : 's'}`;
}

/** `12,000`. Loading Intl for it would cost 50 ms. */
export function grouped(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',');
}

function shardJson({ shard }: IssuePlan) {
  return shard === wholeInput ? {} : { shard: `${shard.index}/${shard.count}` };
}

function shardText({ shard }: IssuePlan): string {
  return shard.count === 1 ? '' : ` of part ${shard.index}/${shard.count}`;
}
