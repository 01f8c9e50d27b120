import { type RotationField, replaceBootstrapFiles } from '@k3s-pki/k3s';
import { type OpenRecord, openRecord, type RecordSource, replaceRecord } from '../bootstrap-record.ts';
import type { Context } from '../context.ts';
import { Failure } from '../failure.ts';
import { isoTime } from '../render/structured.ts';
import { bootstrapSet } from './bootstrap-set.ts';
import type { ReadBack, RotationTarget } from './target.ts';

/**
 * The record itself: for a stopped or expired cluster, or one whose API can't be reached. The set in use is the record's, which
 * is what servers start from. Throws Failure.
 */
export async function openDatastoreTarget(source: RecordSource, context: Context): Promise<RotationTarget> {
  const record = await openRecord(source, context);
  return {
    where: record.where,
    current: bootstrapSet(record.data, await context.core()),
    currentFrom: record.where,
    showCurrent: (file) => `${record.where}: ${file}`,
    load: async (contents, plan) => {
      const document = replaceBootstrapFiles(record.document, contents, isoTime(plan.timestamp));
      try {
        const { backup } = await replaceRecord(record, document, plan.verb, context);
        return { readBack: { ok: true, from: record.where }, backup };
      } finally {
        document.fill(0);
      }
    },
    close: () => record.close(),
  };
}

/** Looks, after K3s said yes, whether the record holds the new set. Never throws: the change is done. */
export function readBackFrom(
  source: RecordSource,
  context: Context,
): (contents: ReadonlyMap<RotationField, Uint8Array>) => Promise<ReadBack> {
  return async (contents) => {
    let record: OpenRecord;
    try {
      record = await openRecord(source, context);
    } catch (error) {
      const why = error instanceof Failure ? (error.messages[0]?.error ?? '') : (error as Error).message;
      return { ok: false, why };
    }
    try {
      const wrong = [...contents].filter(([field, content]) => {
        const found = record.data.files.get(field)?.content;
        return found === undefined || Buffer.compare(found, content) !== 0;
      });
      if (wrong.length === 0) return { ok: true, from: record.where };
      const names = wrong.map(([field]) => field).join(', ');
      return { ok: false, why: `the record in ${record.where} holds something else for ${names}`, differs: true };
    } finally {
      await record.close();
    }
  };
}
