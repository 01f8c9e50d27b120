import type { Writable } from 'node:stream';
import type { Certificate } from '@k3s-pki/core';
import { type FirstStart, inRotation, tlsFile } from '@k3s-pki/k3s';
import type { CaPlan, PlanId, PlannedCertificate, Problem } from '@k3s-pki/plan';
import type { Artifacts } from '../artifacts.ts';
import { Failure, type Message } from '../failure.ts';
import { day, describe, describeFinding, type ShowPath } from '../messages/english.ts';
import { painter } from '../terminal.ts';
import { keyTypeName } from './certificates.ts';
import { problemJson } from './problems.ts';
import { isoTime } from './structured.ts';
import { aligned, octal, showIn } from './text.ts';

type Paint = ReturnType<typeof painter>;

/** Every problem of a run as one failure: errors first, then the warnings. */
export function refusal(command: string, problems: readonly Problem[], root: string): Failure {
  const show = showIn(root);
  const errors = problems.filter(({ severity }) => severity === 'error');
  return new Failure(
    errors.map((problem) => describe(problem, show)),
    {
      report: {
        command,
        ok: false,
        dataDir: root,
        problems: problems.map((problem) => problemJson(problem, show)),
      },
    },
  );
}

export function warningsOf({ warnings }: CaPlan, root: string): Message[] {
  return warnings.map((problem) => describe(problem, showIn(root)));
}

/** The plan as JSON: the plan itself, with the data dir that its paths are relative to. */
export function planJson(plan: CaPlan, root: string) {
  const { warnings, ...rest } = plan;
  return {
    command: plan.verb,
    ok: true,
    dryRun: true,
    dataDir: root,
    ...rest,
    warnings: warnings.map((problem) => problemJson(problem, showIn(root))),
  };
}

/** The plan for people: what would be made of what, and every file that would be written. */
export function planText(title: string, plan: CaPlan, root: string, stdout: Writable): string {
  const paint = painter(stdout);
  const keyFiles = plan.uses.filter(({ subject }) => subject === undefined).map(({ file }) => showIn(root)(file));
  return [
    `${paint('bold', 'Plan')}: ${title} in ${root}; nothing is written`,
    '',
    ...tree(plan, new Map(), paint),
    ...(keyFiles.length === 0
      ? []
      : ['', ...keyFiles.map((file, index) => `${index === 0 ? 'signed with' : '        and'} ${file}`)]),
    '',
    `service account key: ${serviceKeyText(plan)}`,
    '',
    paint('bold', 'Files'),
    ...plan.files.map(
      ({ path, mode, replaces }) =>
        `  ${octal(mode)}  ${path.startsWith('../') ? showIn(root)(path) : path}${replaces === 'absent' ? '' : '  (replaced)'}`,
    ),
    ...(plan.removes ?? []).map(({ path }) => `  gone  ${path}`),
    '',
  ].join('\n');
}

/** What the reports for programs have in common. Paths are absolute. */
export function setJson(plan: CaPlan, root: string, { certificates }: Artifacts) {
  const show = showIn(root);
  return {
    product: plan.product,
    dataDir: root,
    certificates: plan.certificates.flatMap(({ id }) => {
      const certificate = certificates.get(id);
      return certificate === undefined ? [] : [certificateJson(id, certificate, plan, show)];
    }),
    uses: plan.uses.map(({ file, subject }) => ({ file: show(file), ...(subject === undefined ? {} : { subject }) })),
    serviceAccountKeys: 1 + olderKeyCount(plan),
    files: plan.files.map(({ path, mode, replaces }) => ({
      path: show(path),
      mode: octal(mode),
      replaced: replaces !== 'absent',
    })),
    warnings: plan.warnings.map((problem) => problemJson(problem, show)),
  };
}

export function firstStartJson({ accepted, findings }: FirstStart, show: ShowPath) {
  return {
    accepted,
    findings: findings.map(({ file, effect, code, reason }) => ({ file: show(file), effect, code, reason })),
  };
}

/** The verdict of a first start, and what would be odd at it. */
export function firstStartLines({ product }: CaPlan, verdict: FirstStart, root: string, paint: Paint): string[] {
  return [
    verdict.accepted
      ? `${paint('green', '✔')} ${product} accepts this set at its first start (judged again from the disk)`
      : `${paint('red', '✘')} ${product} does not start on this set`,
    ...verdict.findings.map((finding) => `  ${describeFinding(finding, showIn(root))}`),
  ];
}

/** Subject, key, expiry and, once made, the first eight hex digits of the SHA-256 fingerprint; one certificate a line. */
export function tree(plan: CaPlan, made: ReadonlyMap<PlanId, Certificate>, paint: Paint, known = 'given'): string[] {
  const [head = '', ...lines] = aligned([
    ['subject', 'key', 'expires', made.size > 0 ? 'SHA-256' : ''],
    ...forest(plan, known).flatMap((node) => rowsOf(node, plan, made, 0, '')),
  ]);
  return [paint('dim', head), ...lines];
}

interface Node {
  readonly given?: { readonly subject: string; readonly known: string };
  readonly planned?: PlannedCertificate;
  readonly below: Node[];
}

/** The planned certificates below their issuers; found ones stand above what they sign. */
function forest({ certificates, uses }: CaPlan, known: string): Node[] {
  const tops: Node[] = [];
  const byId = new Map<PlanId, Node>();
  const byFound = new Map<string, Node>();
  for (const planned of certificates) {
    const node: Node = { planned, below: [] };
    byId.set(planned.id, node);
    const { issuer } = planned;
    if (issuer.kind === 'self') tops.push(node);
    else if (issuer.kind === 'new') byId.get(issuer.id)?.below.push(node);
    else {
      const { sha256, subject } = issuer.certificate;
      const found = byFound.get(sha256) ?? { given: { subject, known }, below: [] };
      if (!byFound.has(sha256)) tops.push(found);
      byFound.set(sha256, found);
      found.below.push(node);
    }
  }
  // A given root above a given intermediate signs nothing new.
  const signers = new Set([...byFound.values()].map(({ given }) => given?.subject));
  return uses.reduceRight<Node[]>(
    (below, { subject }) =>
      subject === undefined || signers.has(subject) ? below : [{ given: { subject, known }, below }],
    tops,
  );
}

function rowsOf(node: Node, plan: CaPlan, made: Artifacts['certificates'], depth: number, branch: string): string[][] {
  const lead = depth === 0 ? '' : '   '.repeat(depth - 1) + branch;
  const { given, planned, below } = node;
  const row =
    planned === undefined
      ? [`${lead}${given?.subject}`, given?.known ?? '']
      : [
          `${lead}CN=${planned.commonName}`,
          planned.key === undefined
            ? keyTypeName(plan.keys.find(({ id }) => id === planned.id)?.type ?? '')
            : 'cross-signed',
          day(planned.notAfter),
          made.get(planned.id)?.sha256.slice(0, 8) ?? '',
        ];
  return [
    row,
    ...below.flatMap((child, index) =>
      rowsOf(child, plan, made, depth + 1, index === below.length - 1 ? '└─ ' : '├─ '),
    ),
  ];
}

export function serviceKeyText(plan: CaPlan): string {
  const type = keyTypeName(plan.keys.find(({ id }) => id === 'service')?.type ?? '');
  const count = olderKeyCount(plan);
  return count === 0
    ? `${type}, no older key`
    : `${type}, ${count} older ${count === 1 ? 'key' : 'keys'} kept after it`;
}

function olderKeyCount({ files }: CaPlan): number {
  const parts = files.find(({ path }) => [tlsFile.serviceKey, inRotation(tlsFile.serviceKey)].includes(path))?.parts;
  return (parts ?? []).filter(({ kind }) => kind === 'found-block').length;
}

function certificateJson(id: PlanId, certificate: Certificate, { files }: CaPlan, show: ShowPath) {
  // Where it stands alone, else where it stands first.
  const holders = files.filter(({ parts: [first] }) => first?.kind === 'new-certificate' && first.id === id);
  const file = holders.sort((a, b) => a.parts.length - b.parts.length)[0]?.path ?? '';
  return {
    id,
    file: show(file),
    subject: certificate.subject,
    issuer: certificate.issuer,
    key: { algorithm: certificate.key.algorithm, bits: certificate.key.bits },
    serial: certificate.serial,
    notBefore: isoTime(certificate.notBefore),
    notAfter: isoTime(certificate.notAfter),
    sha256: certificate.sha256,
  };
}
