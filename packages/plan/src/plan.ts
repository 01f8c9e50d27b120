/** Pure planners, one per verb: options + snapshot of the files + clock -> plan, or everything that stands in its way. */

export * from './ca-set.ts';
export * from './check.ts';
export { Fingerprints } from './fingerprints.ts';
export * from './generate-custom-ca-certs.ts';
export * from './issue.ts';
export * from './node-request.ts';
export * from './node-rows.ts';
export * from './numbered-nodes.ts';
export { type Problem, type ProblemCode, Problems, type ProblemValues } from './problem.ts';
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
export * from './verify.ts';
