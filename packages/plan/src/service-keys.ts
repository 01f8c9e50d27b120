import { whyServiceKeyFails } from '@k3s-pki/k3s';
import type { FilePart } from './ca-plan.ts';
import { readable } from './inputs.ts';
import type { Problems } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * The service account keys of the files at `paths`, once each, in order; they follow the new key. Absent files are
 * passed over. K3s's scripts append whole files, so that their `service.key` grows by copies at every run.
 */
export function keepServiceKeys(paths: readonly string[], snapshot: Snapshot, problems: Problems): FilePart[] {
  const kept = new Map<string, { part: FilePart; private: boolean }>();
  const whole = new Set<string>();
  for (const path of paths) {
    const file = readable(snapshot, path, problems);
    // The same file at a second place, as an earlier run copied it, repeats no key worth a warning.
    if (file === undefined || whole.has(file.sha256)) continue;
    whole.add(file.sha256);
    if ((file.mode & 0o077) !== 0) problems.warn('loose-mode', path, { mode: file.mode });
    if (!file.blocks.some((block) => block.kind === 'broken')) {
      const reason = whyServiceKeyFails(file.blocks);
      if (reason !== undefined) problems.error('service-key', path, { reason });
    }
    const before = new Set(kept.keys());
    let duplicates = 0;
    for (const [block, found] of file.blocks.entries()) {
      if (found.kind === 'other' || found.kind === 'broken') continue;
      const key =
        found.kind === 'certificate'
          ? found.certificate.key
          : found.kind === 'encrypted-private-key'
            ? undefined
            : found.key;
      // An encrypted key cannot be compared without its passphrase, so it is kept.
      const identity = key?.spkiSha256 ?? `${path}#${block}`;
      const part: FilePart = { kind: 'found-block', file: path, block };
      const known = kept.get(identity);
      if (known !== undefined && !before.has(identity)) duplicates += 1;
      if (known === undefined || (!known.private && found.kind === 'private-key')) {
        kept.set(identity, { part, private: found.kind === 'private-key' });
      }
    }
    if (duplicates > 0) problems.warn('service-key-dropped', path, { count: duplicates });
  }
  return [...kept.values()].map(({ part }) => part);
}
