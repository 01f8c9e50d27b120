import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { defaultDataDir, type FirstStart, type Rotation, tlsDir } from '@k3s-pki/k3s';
import type { CustomCaPlan } from '@k3s-pki/plan';
import type { Artifacts } from '../artifacts.ts';
import { topologyWords } from '../messages/english/ca-sets.ts';
import { painter } from '../terminal.ts';
import { version } from '../version.ts';
import { firstStartJson, firstStartLines, serviceKeyText, setJson, tree } from './ca-sets.ts';
import { quoted, showIn } from './text.ts';

/** What the report of a finished run is made of. */
export interface CustomCaReport {
  readonly plan: CustomCaPlan;
  /** Absolute. */
  readonly root: string;
  /** The data dir of `--from`, absolute. */
  readonly from: string | undefined;
  readonly artifacts: Artifacts;
  readonly verdict: FirstStart;
  /** What `rotate-ca` says of it there. */
  readonly loading: Rotation | undefined;
}

/** The report for people: the tree, the join token's CA hash, the verdict, and what to do next. */
export function reportText(report: CustomCaReport, stdout: Writable): string {
  const { plan, root, from, artifacts, verdict, loading } = report;
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
  const { protects, exposes } = topologyWords[plan.topology];
  lines.push(
    ...firstStartLines(plan, verdict, root, paint),
    ...(loading === undefined
      ? []
      : [`${paint('green', '✔')} rotate-ca accepts it without --force in the place of the CAs of ${from}`]),
    ...(loading?.caHash.kept ? ['  join tokens stay as they are'] : []),
    '',
    `${paint('bold', 'Topology')}: ${plan.topology}`,
    `  + ${protects}`,
    `  - ${exposes}`,
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
export function reportJson({ plan, root, from, artifacts, verdict, loading }: CustomCaReport) {
  const show = showIn(root);
  return {
    command: plan.verb,
    ok: verdict.accepted,
    version,
    topology: { name: plan.topology, ...topologyWords[plan.topology] },
    ...(from === undefined ? {} : { from }),
    ...setJson(plan, root, artifacts),
    caHash: verdict.caHash?.hash,
    tokenPrefix: verdict.caHash === undefined ? undefined : `K10${verdict.caHash.hash}::`,
    firstStart: firstStartJson(verdict, show),
    ...(loading === undefined ? {} : { rotation: { accepted: loading.accepted, tokensKept: loading.caHash.kept } }),
    secureCopy: secureFiles(plan, root),
    rotateCa: rotateCaCommand(plan, root),
  };
}

/** Roots and intermediate: what can sign more CAs. */
function secureFiles(plan: CustomCaPlan, root: string): string[] {
  const written = plan.files.map(({ path }) => path);
  const used = plan.uses.map(({ file }) => file);
  const authority = (path: string) => /(^|[/-])(root|intermediate)-ca\.(pem|crt|key)$/.test(path);
  return [...new Set([...written, ...used])].filter(authority).map(showIn(root)).sort();
}

/** How to load a set that lies elsewhere than in the default data dir; undefined in that one. */
function rotateCaCommand({ product }: CustomCaPlan, root: string): string | undefined {
  if (root === defaultDataDir(product)) return undefined;
  return `${product} certificate rotate-ca --path=${quoted(join(root, 'server'))}`;
}
