import { createHash } from 'node:crypto';
import { reconcile } from '@k3s-pki/k3s';
import { bootstrapFacts, planRestoreBootstrap, type RestoreBootstrapPlan } from '@k3s-pki/plan';
import { commit, lock, stage, unlock } from '@k3s-pki/stage';
import { readBootstrapDisk } from '../../bootstrap-disk.ts';
import type { OpenRecord } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { Failure, internalError } from '../../failure.ts';
import { findHolders } from '../../holders.ts';
import { bootstrapMessages as words } from '../../messages/english/bootstrap.ts';
import { describeHolder } from '../../messages/english/rotate.ts';
import { restoreJson, restoreText } from '../../render/bootstrap.ts';
import { writeMessages } from '../../render/messages.ts';
import { writeStructured } from '../../render/structured.ts';
import type { BootstrapWriteOptions } from './options.ts';
import { readStore } from './run.ts';

export interface RestoreBootstrapOptions extends BootstrapWriteOptions {
  readonly force: boolean;
}

/** Writes the files on the disk from the datastore, all of them or none; files that differ are copied first. */
export async function restoreBootstrap(options: RestoreBootstrapOptions, context: Context): Promise<number> {
  return readStore(options, context, async (record) => {
    if (!options.force && !options.dryRun) await refuseRunning(record.root, options, context);
    if (options.dryRun) await print((await makePlan(record, context)).plan, record, options, context);
    else await write(record, options, context);
  });
}

async function makePlan(record: OpenRecord, context: Context) {
  const disk = readBootstrapDisk(record.root);
  const core = await context.core();
  const facts = bootstrapFacts(record.data, (bytes) => core.inspect(bytes), reconcile(record.data, disk));
  return { disk, plan: planRestoreBootstrap(facts, disk.mode, Math.floor(context.clock() / 1000)) };
}

async function write(record: OpenRecord, options: RestoreBootstrapOptions, context: Context): Promise<void> {
  const { clock, signal } = context;
  const { root, data } = record;
  const held = await lock(root, { clock });
  try {
    if (held.recovery.kind !== 'clean') {
      writeMessages('warning', [{ error: `${root}: ${held.recovery.detail}` }], context);
    }
    const { plan, disk } = await makePlan(record, context);
    const writes = plan.writes.flatMap(({ field, file, mode, copy }) => {
      const content = data.files.get(field)?.content ?? internalError(field);
      const there = disk.file(file)?.content;
      const expect = there === undefined ? 'absent' : createHash('sha256').update(there).digest('hex');
      // The mode of a file that is there stays, as K3s leaves it: it may be looser than a secret's should be.
      const secret = (mode & 0o077) === 0;
      return [
        { path: file, content, mode, secret, expect },
        ...(copy !== undefined && there !== undefined
          ? [{ path: copy, content: there, mode: 0o600, secret: true, expect: 'absent' }]
          : []),
      ];
    });
    if (writes.length > 0) {
      const changes = { root, directories: plan.directories, writes };
      await commit(await stage(changes, { clock, signal, lock: held, verify() {} }));
    }
    disk.wipe();
    await print(plan, record, options, context);
  } finally {
    await unlock(held);
  }
}

async function refuseRunning(
  root: string,
  { product, configFile }: RestoreBootstrapOptions,
  context: Context,
): Promise<void> {
  const holders = await findHolders(root, product, context, configFile);
  if (holders.length > 0) throw new Failure([words.running(root, holders.map(describeHolder))]);
}

async function print(
  plan: RestoreBootstrapPlan,
  record: OpenRecord,
  { output, dryRun }: RestoreBootstrapOptions,
  { stdout }: Context,
): Promise<void> {
  if (output !== 'text') await writeStructured(stdout, output, restoreJson(plan, record, dryRun));
  else stdout.write(restoreText(plan, record, dryRun, stdout));
}
