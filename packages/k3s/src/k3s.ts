/** K3s's facts as data, and what K3s itself would say of a set of files, as pure functions. */
export { type CaHash, caHash, countsAsRoot, partition } from './ca-hash.ts';
export {
  certificatesOf,
  type FileSet,
  type Finding,
  type FindingCode,
  type FirstStart,
  judgeFirstStart,
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
export {
  type BundleReading,
  judgePair,
  type PairFailure,
  type PemFile,
  readBundle,
  readPublicKeys,
} from './pem-readers.ts';
export { defaultDataDir, type Product, products } from './product.ts';
export {
  type FieldVerdict,
  judgeRotation,
  type Rotation,
  type RotationFailure,
  type RotationFailureCode,
  type RotationFailureValues,
  type RotationField,
  type RotationFinding,
  type RotationFindingCode,
  type RotationFindingValues,
  type RotationSet,
  rotationFields,
  rotationLog,
  type TrustChange,
} from './rotate-ca.ts';
export {
  type CaShape,
  type NodeRole,
  signedBy,
  type Topology,
  type TopologyKind,
  type TopologyNode,
  topologyOf,
} from './topology.ts';
