/** K3s's facts as data, and what K3s itself would say of a set of files, as pure functions. */
export {
  type BootstrapData,
  BootstrapDataError,
  type BootstrapField,
  type BootstrapFile,
  type BootstrapRecordKind,
  bootstrapFields,
  bootstrapKey,
  bootstrapPrefix,
  type ClassifiedRecord,
  classifyRecord,
  type Disk,
  type DiskFile,
  type FieldState,
  formatBootstrapData,
  parseBootstrapData,
  type Reconciliation,
  reconcile,
  replaceBootstrapFiles,
} from './bootstrap-data.ts';
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
