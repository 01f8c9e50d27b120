import type { CommandClass as AnyCommand, Usage } from 'clipanion';
import type { Context } from '../context.ts';

/** A command that help can describe. */
export type CommandClass = AnyCommand<Context> & { usage?: Usage };

/** A command by its words. Its class is loaded when it is asked for, so that a start does not grow with their number. */
export interface CommandEntry {
  readonly path: readonly string[];
  /** Whether it works with certificates or keys: the core is loaded beside it then. */
  readonly core: boolean;
  readonly load: () => Promise<CommandClass>;
}

/** Every command, in the order of the help. A command's file path is its words; `paths` of its class begins with them. */
export const commands: readonly CommandEntry[] = [
  entry('generate-custom-ca-certs', async () => (await import('./generate-custom-ca-certs.ts')).GenerateCustomCaCerts),
  entry(
    'generate-default-ca-certs',
    async () => (await import('./generate-default-ca-certs.ts')).GenerateDefaultCaCerts,
  ),
  entry('rotate-default-ca-certs', async () => (await import('./rotate-default-ca-certs.ts')).RotateDefaultCaCerts),
  entry('verify', async () => (await import('./verify.ts')).Verify),
  entry('doctor', async () => (await import('./doctor.ts')).Doctor),
  entry('topology', async () => (await import('./topology.ts')).Topology),
  entry('certificate check', async () => (await import('./certificate/check.ts')).CertificateCheck),
  entry('certificate issue', async () => (await import('./certificate/issue.ts')).CertificateIssue),
  entry('certificate profiles', async () => (await import('./certificate/profiles.ts')).CertificateProfiles, {
    core: false,
  }),
  entry('certificate renew', async () => (await import('./certificate/renew.ts')).CertificateRenew),
  entry('certificate rotate', async () => (await import('./certificate/rotate.ts')).CertificateRotate),
  entry('certificate restore', async () => (await import('./certificate/restore.ts')).CertificateRestore),
  entry('certificate rotate-ca', async () => (await import('./certificate/rotate-ca.ts')).CertificateRotateCa),
  entry(
    'certificate rotate-ca status',
    async () => (await import('./certificate/rotate-ca/status.ts')).CertificateRotateCaStatus,
  ),
  entry('key generate', async () => (await import('./key/generate.ts')).KeyGenerate),
  entry('service-account rotate', async () => (await import('./service-account/rotate.ts')).ServiceAccountRotate),
  entry('service-account list', async () => (await import('./service-account/list.ts')).ServiceAccountList),
  entry('bootstrap show', async () => (await import('./bootstrap/show.ts')).BootstrapShow),
  entry('bootstrap doctor', async () => (await import('./bootstrap/doctor.ts')).BootstrapDoctor),
  entry('bootstrap restore', async () => (await import('./bootstrap/restore.ts')).BootstrapRestore),
  entry('bootstrap reseal', async () => (await import('./bootstrap/reseal.ts')).BootstrapReseal),
  entry('bootstrap prune', async () => (await import('./bootstrap/prune.ts')).BootstrapPrune),
  entry('bootstrap export', async () => (await import('./bootstrap/export.ts')).BootstrapExport),
  entry('bootstrap import', async () => (await import('./bootstrap/import.ts')).BootstrapImport),
  entry('bootstrap undo', async () => (await import('./bootstrap/undo.ts')).BootstrapUndo),
  entry('token show', async () => (await import('./token/show.ts')).TokenShow, { core: false }),
  entry('token check', async () => (await import('./token/check.ts')).TokenCheck),
  entry('token hash', async () => (await import('./token/hash.ts')).TokenHash),
  entry('token new', async () => (await import('./token/new.ts')).TokenNew),
  entry('token for', async () => (await import('./token/for.ts')).TokenFor),
  entry('token rotate', async () => (await import('./token/rotate.ts')).TokenRotate),
  entry('bench', async () => (await import('./bench.ts')).Bench),
  entry('explain', async () => (await import('./explain.ts')).Explain, { core: false }),
];

/** The words of a command line. K3s's scripts are programs of one command each; ours bear the same names. */
export function wordsOf(programName: string, argv: readonly string[]): string[] {
  return programName === 'k3s-pki' ? [...argv] : [programName, ...argv];
}

/** The command whose path the words begin with; the longest wins. */
export function commandOf(words: readonly string[]): CommandEntry | undefined {
  return commands
    .filter(({ path }) => path.every((word, index) => words[index] === word))
    .sort((a, b) => b.path.length - a.path.length)[0];
}

function entry(words: string, load: CommandEntry['load'], { core = true } = {}): CommandEntry {
  return { path: words.split(' '), core, load };
}
