/** Pure planners, one per verb: options + snapshot of the files + clock -> plan, or everything that stands in its way. */
export * from './generate-custom-ca-certs.ts';
export { type Problem, type ProblemCode, Problems, type ProblemValues } from './problem.ts';
export type { Snapshot, SnapshotFile } from './snapshot.ts';
