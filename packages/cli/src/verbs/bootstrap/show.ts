import { reconcile } from '@k3s-pki/k3s';
import { bootstrapFacts } from '@k3s-pki/plan';
import { readBootstrapDisk } from '../../bootstrap-disk.ts';
import type { Context } from '../../context.ts';
import { showJson, showText } from '../../render/bootstrap.ts';
import { writeStructured } from '../../render/structured.ts';
import type { BootstrapOptions } from './options.ts';
import { readStore } from './run.ts';

/** Prints what the record holds, and what the next start makes of it and the disk; never a key. */
export async function showBootstrap(options: BootstrapOptions, context: Context): Promise<number> {
  return readStore(options, context, async (record) => {
    const disk = readBootstrapDisk(record.root);
    const judged = reconcile(record.data, disk);
    disk.wipe();
    const core = await context.core();
    const facts = bootstrapFacts(record.data, (bytes) => core.inspect(bytes), judged);
    const { stdout } = context;
    if (options.output !== 'text') await writeStructured(stdout, options.output, showJson(record, facts, judged));
    else stdout.write(showText(record, facts, judged, stdout));
  });
}
