import type { RecordSource } from '../../bootstrap-record.ts';
import type { OutputFormat } from '../../render/structured.ts';

/** Options of every command on bootstrap data. */
export interface BootstrapOptions extends RecordSource {
  readonly output: OutputFormat;
}

/** Of every one that writes. */
export interface BootstrapWriteOptions extends BootstrapOptions {
  readonly dryRun: boolean;
}
