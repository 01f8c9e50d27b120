import { CertificateIssue } from './certificate/issue.ts';
import { CertificateProfiles } from './certificate/profiles.ts';
import { GenerateCustomCaCerts } from './generate-custom-ca-certs.ts';
import { KeyGenerate } from './key/generate.ts';
import { Verify } from './verify.ts';

/** Every command, in the order of the help. A command's file path is its words. */
export const commands = [GenerateCustomCaCerts, Verify, CertificateIssue, CertificateProfiles, KeyGenerate] as const;
