import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Certificate } from '@k3s-pki/core';
import { defaultDataDir, type FirstStart, tlsDir, tlsFile } from '@k3s-pki/k3s';
import type { CustomCaPlan, PlanId, PlannedCertificate, Problem } from '@k3s-pki/plan';
import type { Artifacts } from '../artifacts.ts';
import { Failure, type Message } from '../failure.ts';
import { day, describe, describeFinding, type ShowPath } from '../messages/english.ts';
import { painter } from '../terminal.ts';
import { version } from '../version.ts';
import { problemJson } from './problems.ts';
import { isoTime } from './structured.ts';
import { aligned, octal, quoted, showIn } from './text.ts';

/** What the report of a finished run is made of. */
export interface CustomCaReport {
  readonly plan: CustomCaPlan;
  /** Absolute. */
  readonly root: string;
  readonly artifacts: Artifacts;
  readonly verdict: FirstStart;
}

/** Every problem of a run as one failure: errors first, then the warnings. */
export function refusal(problems: readonly Problem[], root: string): Failure {
  const show = showIn(root);
  const errors = problems.filter(({ severity }) => severity === 'error');
  return new Failure(
    errors.map((problem) => describe(problem, show)),
    {
      report: {
        command: 'generate-custom-ca-certs',
        ok: false,
        dataDir: root,
        problems: problems.map((problem) => problemJson(problem, show)),
      },
    },
  );
}

export function warningsOf({ warnings }: CustomCaPlan, root: string): Message[] {
  return warnings.map((problem) => describe(problem, showIn(root)));
}

/** The plan as JSON: the plan itself, with the data dir that its paths are relative to. */
export function planJson(plan: CustomCaPlan, root: string) {
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
export function planText(plan: CustomCaPlan, root: string, stdout: Writable): string {
  const paint = painter(stdout);
  const keyFiles = plan.uses.filter(({ subject }) => subject === undefined).map(({ file }) => file);
  return [
    `${paint('bold', 'Plan')}: custom CAs for ${plan.product} in ${root}; nothing is written`,
    '',
    ...tree(plan, new Map(), paint),
    ...(keyFiles.length === 0 ? [] : ['', `signed with ${keyFiles.join(', ')}`]),
    '',
    `service account key: ${serviceKeyText(plan)}`,
    '',
    paint('bold', 'Files'),
    ...plan.files.map(
      ({ path, mode, replaces }) => `  ${octal(mode)}  ${path}${replaces === 'absent' ? '' : '  (replaced)'}`,
    ),
    '',
  ].join('\n');
}

/** The report for people: the tree, the join token's CA hash, the verdict, and what to do next. */
export function reportText({ plan, root, artifacts, verdict }: CustomCaReport, stdout: Writable): string {
  const paint = painter(stdout);
  const lines = [
    `${paint('green', '✔')} ${paint('bold', `custom CAs for ${plan.product}`)} in ${join(root, tlsDir)}`,
    '',
    ...tree(plan, artifacts.certificates, paint),
    '',
    `service account key: ${serviceKeyText(plan)}`,
    '',
  ];
  if (verdict.caHash !== undefined) {
    lines.push(paint('bold', 'CA hash of the join token'), `  K10${verdict.caHash.hash}`, '');
  }
  const odd = verdict.findings.map((finding) => describeFinding(finding, showIn(root)));
  lines.push(
    verdict.accepted
      ? `${paint('green', '✔')} ${plan.product} accepts this set at its first start (judged again from the disk)`
      : `${paint('red', '✘')} ${plan.product} does not start on this set`,
    ...odd.map((line) => `  ${line}`),
    '',
    paint('bold', 'Keep a secure copy of these files, and remove them from cluster members'),
    ...secureFiles(plan, root).map((path) => `  ${path}`),
    '',
  );
  const command = rotateCaCommand(plan, root);
  if (command !== undefined) {
    lines.push(paint('bold', 'To load them into a running cluster'), `  ${command}`, '');
  }
  return lines.join('\n');
}

/** The report for programs. Paths are absolute. */
export function reportJson({ plan, root, artifacts, verdict }: CustomCaReport) {
  const show = showIn(root);
  return {
    command: plan.verb,
    ok: verdict.accepted,
    version,
    product: plan.product,
    dataDir: root,
    certificates: plan.certificates.flatMap(({ id }) => {
      const certificate = artifacts.certificates.get(id);
      return certificate === undefined ? [] : [certificateJson(id, certificate, show)];
    }),
    uses: plan.uses.map(({ file, subject }) => ({ file: show(file), ...(subject === undefined ? {} : { subject }) })),
    serviceAccountKeys: 1 + olderKeyCount(plan),
    files: plan.files.map(({ path, mode, replaces }) => ({
      path: show(path),
      mode: octal(mode),
      replaced: replaces !== 'absent',
    })),
    caHash: verdict.caHash?.hash,
    tokenPrefix: verdict.caHash === undefined ? undefined : `K10${verdict.caHash.hash}::`,
    firstStart: {
      accepted: verdict.accepted,
      findings: verdict.findings.map((finding) => ({
        file: show(finding.file),
        effect: finding.effect,
        code: finding.code,
        reason: finding.reason,
      })),
    },
    secureCopy: secureFiles(plan, root),
    rotateCa: rotateCaCommand(plan, root),
    warnings: plan.warnings.map((problem) => problemJson(problem, show)),
  };
}

function certificateJson(id: PlanId, certificate: Certificate, show: ShowPath) {
  const file =
    id === 'root' || id === 'intermediate' || id === 'service' ? `${tlsDir}/${id}-ca.pem` : tlsFile.caCertificate(id);
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

/** Subject, key, expiry and, once made, the first eight hex digits of the SHA-256 fingerprint; one certificate a line. */
function tree(plan: CustomCaPlan, made: ReadonlyMap<PlanId, Certificate>, paint: ReturnType<typeof painter>): string[] {
  const row = ({ id, commonName, notAfter }: PlannedCertificate, lead: string) => [
    `${lead}CN=${commonName}`,
    keyText(plan.keys.find((key) => key.id === id)?.type ?? ''),
    day(notAfter),
    made.get(id)?.sha256.slice(0, 8) ?? '',
  ];
  const given = plan.uses.flatMap(({ subject }) => (subject === undefined ? [] : [[subject, 'given']]));
  const chain = plan.certificates.filter(({ id }) => id === 'root' || id === 'intermediate');
  const cas = plan.certificates.filter(({ id }) => id !== 'root' && id !== 'intermediate');
  const lead = (depth: number, branch: string) => (depth === 0 ? '' : '   '.repeat(depth - 1) + branch);
  const rows = [
    ...given.map(([subject = '', ...rest], depth) => [lead(depth, '└─ ') + subject, ...rest]),
    ...chain.map((certificate, index) => row(certificate, lead(given.length + index, '└─ '))),
    ...cas.map((certificate, index) =>
      row(certificate, lead(given.length + chain.length, index === cas.length - 1 ? '└─ ' : '├─ ')),
    ),
  ];
  const [head = '', ...lines] = aligned([['subject', 'key', 'expires', made.size > 0 ? 'SHA-256' : ''], ...rows]);
  return [paint('dim', head), ...lines];
}

/** `rsa:4096` as people say it. */
function keyText(type: string): string {
  const [algorithm = '', size = ''] = type.split(':');
  return { rsa: `RSA ${size}`, ec: size.toUpperCase().replace('P', 'P-'), ed25519: 'Ed25519' }[algorithm] ?? type;
}

function olderKeyCount({ files }: CustomCaPlan): number {
  const parts = files.find(({ path }) => path === tlsFile.serviceKey)?.parts ?? [];
  return parts.filter(({ kind }) => kind === 'found-block').length;
}

function serviceKeyText(plan: CustomCaPlan): string {
  const type = keyText(plan.keys.find(({ id }) => id === 'service')?.type ?? '');
  const count = olderKeyCount(plan);
  return count === 0
    ? `${type}, no older key`
    : `${type}, ${count} older ${count === 1 ? 'key' : 'keys'} kept after it`;
}

/** Root and intermediate: what can sign more CAs. */
function secureFiles(plan: CustomCaPlan, root: string): string[] {
  const written = plan.files.map(({ path }) => path);
  const used = plan.uses.map(({ file }) => file);
  const authority = (path: string) => /(^|\/)(root|intermediate)-ca\.(pem|crt|key)$/.test(path);
  return [...new Set([...written, ...used])].filter(authority).sort().map(showIn(root));
}

/** How to load a set that lies elsewhere than in the default data dir; undefined in that one. */
function rotateCaCommand({ product }: CustomCaPlan, root: string): string | undefined {
  if (root === defaultDataDir(product)) return undefined;
  return `${product} certificate rotate-ca --path=${quoted(join(root, 'server'))}`;
}
