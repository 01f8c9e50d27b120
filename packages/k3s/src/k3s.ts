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
export {
  type CaName,
  caNames,
  defaultCaPrefix,
  firstStartMode,
  hyphenated,
  inRotation,
  mode,
  rotationDir,
  rotationFile,
  signsOfUse,
  tlsDir,
  tlsFile,
  tokenFile,
} from './layout.ts';
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
  type BootstrapToken,
  caHashLength,
  formatToken,
  hashMismatch,
  isHash,
  mask,
  maskToken,
  normaliseFault,
  normaliseToken,
  type ParsedToken,
  type PasswordToken,
  parseToken,
  passwordOctets,
  publicHash,
  publicUser,
  randomPassword,
  type Token,
  type TokenFault,
  type TokenForm,
  tokenCredentials,
  tokenFaults,
  tokenFileText,
} from './token.ts';
export * from './ca-hash.ts';
export * from './first-start.ts';
export * from './layout.ts';
export * from './leaf-table.ts';
export * from './pem-readers.ts';
export * from './product.ts';
export * from './renewal.ts';
export * from './renewal-window.ts';
export * from './renewed-leaves.ts';
export * from './rotate-ca.ts';
export * from './services.ts';
export * from './subject.ts';
export * from './token.ts';
