/** Pure planners, one per verb: options + snapshot of the files + clock -> plan, or everything that stands in its way. */
export { Fingerprints } from './fingerprints.ts';
export * from './generate-custom-ca-certs.ts';
export * from './issue.ts';
export * from './node-request.ts';
export * from './node-rows.ts';
export * from './numbered-nodes.ts';
export { type Problem, type ProblemCode, Problems, type ProblemValues } from './problem.ts';
export * from './service-account.ts';
export type { Snapshot, SnapshotFile } from './snapshot.ts';
export * from './token.ts';
