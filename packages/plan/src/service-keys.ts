import { distinctServiceKeys, whyServiceKeyFails } from '@k3s-pki/k3s';
import type { FilePart } from './ca-plan.ts';
import { readable } from './inputs.ts';
import type { Problems } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * The service account keys of the files at `paths`, once each, in order; they follow the new key. Absent files are
 * passed over. K3s's scripts append whole files, so that their `service.key` grows by copies at every run.
 */
export function keepServiceKeys(paths: readonly string[], snapshot: Snapshot, problems: Problems): FilePart[] {
  const kept = new Map<string, FilePart>();
  const whole = new Set<string>();
  for (const path of paths) {
    const file = readable(snapshot, path, problems);
    // An earlier run may have copied the file.
    if (file === undefined || whole.has(file.sha256)) continue;
    whole.add(file.sha256);
    if ((file.mode & 0o077) !== 0) problems.warn('loose-mode', path, { mode: file.mode });
    if (!file.blocks.some(({ kind }) => kind === 'broken')) {
      const reason = whyServiceKeyFails(file.blocks);
      if (reason !== undefined) problems.error('service-key', path, { reason });
    }
    const { keys, repeats, unread } = distinctServiceKeys(file.blocks);
    if (repeats > 0) problems.warn('service-key-dropped', path, { count: repeats });
    // What the API server passes over is a key all the same, encrypted or of another type: it is not ours to lose.
    const others = unread.filter(({ block }) => !['other', 'broken'].includes(file.blocks[block]?.kind ?? 'other'));
    for (const { block, kid } of [...keys, ...others]) {
      const identity = kid ?? `${path}#${block}`;
      if (!kept.has(identity)) kept.set(identity, { kind: 'found-block', file: path, block });
    }
  }
  return [...kept.values()];
}
