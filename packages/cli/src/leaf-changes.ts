import { statSync } from 'node:fs';
import type { PlannedBackup, PlannedCopy } from '@k3s-pki/plan';
import { type Changes, commit, type FileWrite, lock, stage, unlock } from '@k3s-pki/stage';
import type { Context } from './context.ts';
import { internalError } from './failure.ts';
import { writeMessages } from './render/messages.ts';

/** What a plan does to a data dir, and how it is told afterwards. `contents` are overwritten in the end. */
export interface LeafRun extends Omit<Changes, 'root'> {
  readonly contents: ReadonlyMap<string, Uint8Array>;
  readonly report: () => Promise<void>;
}

/** Takes the lock, plans, stages and commits everything at once, reports. Throws StageError and what the planner throws. */
export async function applyLeafChanges(
  root: string,
  context: Context,
  plan: () => LeafRun | Promise<LeafRun>,
): Promise<void> {
  const { clock, signal } = context;
  // The lock of a root that is not there would lie in a folder above it; the plan is a refusal then.
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) return (await plan()).report();
  const held = await lock(root, { clock });
  let run: LeafRun | undefined;
  try {
    if (held.recovery.kind !== 'clean') {
      writeMessages('warning', [{ error: `${root}: ${held.recovery.detail}` }], context);
    }
    run = await plan();
    const { directories, writes, removes = [] } = run;
    if (writes.length + removes.length > 0) {
      // Nothing is left to verify: every byte is a copy, and the package compares what it wrote with what it was given.
      await commit(await stage({ root, directories, writes, removes }, { clock, signal, lock: held, verify() {} }));
    }
    await run.report();
  } finally {
    for (const bytes of run?.contents.values() ?? []) bytes.fill(0);
    await unlock(held);
  }
}

/** The writes of a backup; none where nothing changes. */
export function backupWrites(
  backup: PlannedBackup | undefined,
  contents: ReadonlyMap<string, Uint8Array>,
): FileWrite[] {
  return (backup?.copies ?? []).map((copy) => copyWrite(copy, 'absent', contents));
}

/** Writes the bytes of one file over another. `expect` is the SHA-256 of what stands there, or `absent`. */
export function copyWrite(
  { from, to, mode, owner, secret }: PlannedCopy,
  expect: string,
  contents: ReadonlyMap<string, Uint8Array>,
): FileWrite {
  return { path: to, content: contents.get(from) ?? internalError(from), mode, owner, secret, expect };
}
