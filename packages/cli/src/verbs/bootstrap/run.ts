import {
  changeRecords,
  type OpenRecord,
  type OpenStore,
  openRecord,
  openStore,
  type RecordChange,
} from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { exitCode } from '../../failure.ts';
import { asFailure } from '../../failures.ts';
import { printChange } from '../../render/bootstrap.ts';
import type { BootstrapOptions, BootstrapWriteOptions } from './options.ts';

/** What a command is about to do to the records. `next` is what the user does then. */
export interface PlannedChanges {
  readonly changes: readonly RecordChange[];
  readonly next: readonly string[];
}

/** Opens the datastore, plans, changes the records unless it is a dry run, and reports. Answers the exit code. */
export async function changeStore(
  command: string,
  options: BootstrapWriteOptions,
  context: Context,
  plan: (found: OpenStore) => Promise<PlannedChanges>,
): Promise<number> {
  try {
    const found = await openStore(options, context);
    try {
      const { changes, next } = await plan(found);
      const write = changes.length > 0 && !options.dryRun;
      const backup = write ? await changeRecords(found, command, changes, context) : undefined;
      const done = changes.map(({ key, after }) => ({
        key,
        action: after === undefined ? ('removed' as const) : ('written' as const),
      }));
      const report = { command, found, dryRun: options.dryRun, changes: done, next };
      await printChange({ ...report, ...(backup === undefined ? {} : { backup }) }, options.output, context);
      return exitCode.done;
    } finally {
      await found.close();
    }
  } catch (error) {
    throw asFailure(error);
  }
}

/** Opens the record for a command that leaves it as it is, and overwrites what was opened in the end. */
export async function readStore(
  options: BootstrapOptions,
  context: Context,
  work: (record: OpenRecord) => Promise<void>,
): Promise<number> {
  try {
    const record = await openRecord(options, context);
    try {
      await work(record);
      return exitCode.done;
    } finally {
      record.document.fill(0);
      await record.close();
    }
  } catch (error) {
    throw asFailure(error);
  }
}
