import { CertificateIssue } from './certificate/issue.ts';
import { CertificateProfiles } from './certificate/profiles.ts';
import { CertificateRestore } from './certificate/restore.ts';
import { CertificateRotate } from './certificate/rotate.ts';
import { GenerateCustomCaCerts } from './generate-custom-ca-certs.ts';
import { KeyGenerate } from './key/generate.ts';

/** Every command, in the order of the help. A command's file path is its words. */
export const commands = [
  GenerateCustomCaCerts,
  CertificateIssue,
  CertificateProfiles,
  CertificateRotate,
  CertificateRestore,
  KeyGenerate,
] as const;
