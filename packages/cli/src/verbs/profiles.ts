import { type LeafProfile, leafKeyUsage, leafProfiles, nodePlace } from '@k3s-pki/k3s';
import type { Context } from '../context.ts';
import { exitCode } from '../failure.ts';
import { type OutputFormat, writeStructured } from '../render/structured.ts';
import { painter } from '../terminal.ts';

/** Prints the leaf table. */
export async function listProfiles(output: OutputFormat, { stdout }: Context): Promise<number> {
  if (output !== 'text') {
    await writeStructured(stdout, output, {
      command: 'certificate profiles',
      keyUsage: leafKeyUsage,
      profiles: leafProfiles,
    });
    return exitCode.done;
  }
  const head = ['PROFILE', 'CA', 'USAGE', 'SUBJECT', 'FILE'];
  const rows = leafProfiles.map((profile) => [
    profile.name,
    profile.ca,
    profile.extendedKeyUsage.map((usage) => usage.replace('Auth', '')).join('+'),
    subject(profile),
    `${profile.path}.crt`,
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  stdout.write([painter(stdout)('dim', line(head)), ...rows.map(line), ''].join('\n'));
  return exitCode.done;
}

function subject({ commonName, organizations }: LeafProfile): string {
  if (commonName === undefined) return 'of the row';
  return [...organizations.map((name) => `O=${name}`), `CN=${commonName.replace(nodePlace, 'NODE')}`].join(',');
}
