import { resolve } from 'node:path';
import { openOutput } from '@k3s-pki/stage';
import type { Context } from '../../context.ts';
import { exportJson, exportText } from '../../render/bootstrap.ts';
import { writeStructured } from '../../render/structured.ts';
import { type AgeLock, ageEncrypt } from './age.ts';
import type { BootstrapWriteOptions } from './options.ts';
import { readStore } from './run.ts';

export interface ExportOptions extends BootstrapWriteOptions, AgeLock {
  readonly to: string;
}

/** Writes the opened bootstrap data into a new encrypted file. */
export async function exportBootstrap(options: ExportOptions, context: Context): Promise<number> {
  return readStore(options, context, async (record) => {
    const path = resolve(context.cwd, options.to);
    const encrypted = await ageEncrypt(record.document, options, context);
    if (!options.dryRun) {
      const output = openOutput(path, { mode: 0o600, keep: 'whole' });
      output.write(encrypted);
      output.finish();
    }
    const report = { record, path, size: encrypted.length, recipients: options.recipients, dryRun: options.dryRun };
    const { stdout } = context;
    if (options.output !== 'text') await writeStructured(stdout, options.output, exportJson(report));
    else stdout.write(exportText(report, stdout));
  });
}
