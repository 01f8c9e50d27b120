/** Pure planners, one per verb: options + snapshot of the files + clock -> plan, or everything that stands in its way. */

export * from './bootstrap.ts';
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
export * from './ca-set.ts';
export type { CaSetProblemValues } from './ca-set-problem.ts';
export * from './check.ts';
export * from './doctor.ts';
export * from './doctor-findings.ts';
export type { CertificateInputs } from './doctor-leaves.ts';
export type { KubeconfigPart, KubeconfigSight, SecretInputs, TokenFileSight } from './doctor-secrets.ts';
export { Fingerprints } from './fingerprints.ts';
export * from './generate-custom-ca-certs.ts';
export * from './generate-default-ca-certs.ts';
export * from './issue.ts';
export * from './node-request.ts';
export * from './node-rows.ts';
export * from './numbered-nodes.ts';
export { type Problem, type ProblemCode, Problems, type ProblemValues } from './problem.ts';
export * from './renew.ts';
export * from './renew-problems.ts';
export * from './restore.ts';
export { type Backup, backupsOf } from './restore-backups.ts';
export type { LeafFate } from './restore-fit.ts';
export {
  type LeafPlanned,
  type PlannedMarker,
  type PlannedRemoval,
  planRotate,
  type RotateOptions,
  type RotatePlan,
} from './rotate.ts';
export type { PlannedBackup, PlannedCopy, PlannedDirectory } from './rotate-backup.ts';
export * from './rotate-ca.ts';
export * from './rotate-ca-status.ts';
export * from './rotate-default-ca-certs.ts';
export type { LeafProblem, LeafProblemCode, LeafProblemValues } from './rotate-problems.ts';
export {
  type Holder,
  isSecret,
  type LeafFile,
  type LeafTree,
  type LeafTreeEntry,
  type LeafTreeScope,
  leafTreeScope,
  roleOf,
} from './rotate-snapshot.ts';
export * from './service-account.ts';
export type { Snapshot, SnapshotFile } from './snapshot.ts';
export * from './token.ts';
export * from './token-rotate.ts';
export * from './verify.ts';
