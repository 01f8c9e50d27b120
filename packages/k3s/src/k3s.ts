/** K3s's facts as data, and K3s's own checks. Imports nothing of ours. */
export * from './ca-hash.ts';
export * from './first-start.ts';
export * from './layout.ts';
export * from './leaf-table.ts';
export * from './product.ts';
export * from './services.ts';
export * from './token.ts';
/** K3s's facts as data, and what K3s itself would say of a set of files, as pure functions. */
export { type CaHash, caHash, countsAsRoot, partition } from './ca-hash.ts';
export {
  certificatesOf,
  type FileSet,
  type Finding,
  type FindingCode,
  type FirstStart,
  judgeFirstStart,
  type PemFile,
  whyServiceKeyFails,
} from './first-start.ts';
export { type CaName, caNames, hyphenated, mode, signsOfUse, tlsDir, tlsFile } from './layout.ts';
export {
  domainPlace,
  type LeafProfile,
  leafBackdate,
  leafDays,
  leafDaysFrom,
  leafDaysVariable,
  leafKeyUsage,
  leafMode,
  leafNotBefore,
  leafProfile,
  leafProfiles,
  nodePlace,
  servicePlace,
} from './leaf-table.ts';
export { defaultDataDir, type Product, products } from './product.ts';
export {
  type ExpectedLeaf,
  type FatalReason,
  type FoundFile,
  judgeLeaf,
  type LeafFiles,
  type LeafOutlook,
  type Overlooked,
  type RenewalReason,
  readCertificates,
  readKey,
} from './renewal.ts';
export { renewalDays, renewalDaysOf } from './renewal-window.ts';
export { certainOf, type DataDirLeaf, dataDirLeaves } from './renewed-leaves.ts';
export { type SubjectParts, subjectParts } from './subject.ts';
