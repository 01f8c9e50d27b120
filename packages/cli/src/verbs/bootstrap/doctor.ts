import { reconcile } from '@k3s-pki/k3s';
import { bootstrapFacts, diagnoseBootstrap, type ExaminedRecord } from '@k3s-pki/plan';
import { readBootstrapDisk } from '../../bootstrap-disk.ts';
import { type OpenStore, opened, openStore } from '../../bootstrap-record.ts';
import type { Context } from '../../context.ts';
import { exitCode, Failure } from '../../failure.ts';
import { asFailure } from '../../failures.ts';
import { doctorJson, doctorText } from '../../render/bootstrap.ts';
import { writeStructured } from '../../render/structured.ts';
import type { BootstrapOptions } from './options.ts';

/** Looks at every record and says what is wrong and what to do. Answers 1 when something must be done. */
export async function doctorBootstrap(options: BootstrapOptions, context: Context): Promise<number> {
  try {
    const found = await openStore(options, context);
    try {
      const records: ExaminedRecord[] = [];
      for (const record of found.records) records.push(await examine(record, found, context));
      const findings = diagnoseBootstrap(records, Math.floor(context.clock() / 1000));
      const healthy = findings.every(({ severity }) => severity !== 'error');
      const { stdout } = context;
      const report = { found, records, findings, healthy };
      if (options.output !== 'text') await writeStructured(stdout, options.output, doctorJson(report));
      else stdout.write(doctorText(report, stdout));
      return healthy ? exitCode.done : exitCode.refused;
    } finally {
      await found.close();
    }
  } catch (error) {
    throw asFailure(error);
  }
}

/** Opens a record and compares it with the disk; a reason where it does not open. */
export async function examine(
  record: OpenStore['records'][number],
  { store, root }: OpenStore,
  context: Context,
): Promise<ExaminedRecord> {
  const { key, kind, passphrase } = record;
  if (passphrase === undefined) return { key, kind };
  try {
    const { data } = await opened(store.description, record, passphrase);
    const disk = readBootstrapDisk(root);
    const core = await context.core();
    const facts = bootstrapFacts(data, (bytes) => core.inspect(bytes), reconcile(data, disk));
    disk.wipe();
    return { key, kind, opened: { data, facts } };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { key, kind, reason: error.messages[0]?.error ?? '' };
  }
}
