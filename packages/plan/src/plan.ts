/** Pure planners, one per verb: options + snapshot of the files + clock -> plan, or everything that stands in its way. */
export type {
  CaPlan,
  FilePart,
  FoundCertificate,
  PlanId,
  Planned,
  PlannedCertificate,
  PlannedFile,
  PlannedIssuer,
} from './ca-plan.ts';
export type { CaSetProblemValues } from './ca-set-problem.ts';
export { Fingerprints } from './fingerprints.ts';
export * from './generate-custom-ca-certs.ts';
export * from './generate-default-ca-certs.ts';
export * from './issue.ts';
export * from './node-request.ts';
export * from './node-rows.ts';
export * from './numbered-nodes.ts';
export { type Problem, type ProblemCode, Problems, type ProblemValues } from './problem.ts';
export * from './rotate-default-ca-certs.ts';
export type { Snapshot, SnapshotFile } from './snapshot.ts';
