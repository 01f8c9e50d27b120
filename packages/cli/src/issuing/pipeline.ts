import type { BulkIssuer, IssuedLeaves, KeyType } from '@k3s-pki/core';
import { type IssuePlan, leafRow, type NodeRow } from '@k3s-pki/plan';
import { internalError } from '../failure.ts';
import type { Manifest } from './lines.ts';
import type { RequestedRow } from './requests.ts';
import type { Sink } from './sink.ts';

/** The order of the profiles of `openBulk`: every profile of the run with every type of key. */
export function bulkIndex(profile: number, keyType: KeyType, keyTypes: readonly KeyType[]): number {
  return profile * keyTypes.length + keyTypes.indexOf(keyType);
}

export interface Pipeline {
  readonly plan: IssuePlan;
  readonly keyTypes: readonly KeyType[];
  readonly issuer: BulkIssuer;
  readonly sink: Sink;
  readonly manifest: Manifest;
  readonly signal: AbortSignal;
  /** Called after each batch with the number of nodes done. */
  readonly onProgress: (done: number) => void;
}

/**
 * Issues rows as a stream: batches of nodes go to the workers, at most `depth` of them under way, and come back in
 * order, so that the output's order is the rows'. A node's leaves of all profiles are in one batch. Answers the number
 * of nodes issued; after an abort it is less than the rows were.
 */
export async function issueRows(rows: AsyncIterable<readonly NodeRow[]>, pipeline: Pipeline): Promise<number> {
  const { plan, issuer, signal, onProgress } = pipeline;
  const underWay: Batch[] = [];
  const depth = Math.max(2, Math.ceil(issuer.depth / plan.profiles.length));
  let gathered: NodeRow[] = [];
  let done = 0;
  const settle = async (): Promise<void> => {
    const batch = underWay.shift() ?? internalError('no batch is under way');
    await put(batch, pipeline);
    done += batch.rows.length;
    onProgress(done);
  };
  try {
    for await (const piece of rows) {
      for (const row of piece) {
        gathered.push(row);
        if (gathered.length < issuer.batchSize) continue;
        underWay.push(send(gathered, pipeline));
        gathered = [];
        if (underWay.length >= depth) await settle();
        if (signal.aborted) break;
      }
      if (signal.aborted) break;
    }
    if (gathered.length > 0 && !signal.aborted) underWay.push(send(gathered, pipeline));
    while (underWay.length > 0 && !signal.aborted) await settle();
    return done;
  } finally {
    for (const { calls } of underWay)
      for (const call of calls)
        void call.then(
          (leaves) => leaves.release(),
          () => {},
        );
  }
}

interface Batch {
  readonly rows: readonly NodeRow[];
  readonly calls: readonly Promise<IssuedLeaves>[];
  /** Per node and profile: which call has the leaf, and where. */
  readonly callOf: Uint32Array;
  readonly placeOf: Uint32Array;
}

function send(rows: readonly NodeRow[], { plan, keyTypes, issuer }: Pipeline): Batch {
  const { profiles } = plan;
  const callOf = new Uint32Array(rows.length * profiles.length);
  const placeOf = new Uint32Array(rows.length * profiles.length);
  const lists: { index: number; rows: RequestedRow[] }[] = [];
  for (const [p, profile] of profiles.entries()) {
    const listOf = new Map<KeyType, number>();
    let at = p;
    for (const row of rows) {
      let list = listOf.get(row.keyType);
      if (list === undefined) {
        list = lists.push({ index: bulkIndex(p, row.keyType, keyTypes), rows: [] }) - 1;
        listOf.set(row.keyType, list);
      }
      callOf[at] = list;
      const leaf = leafRow(row, profile, plan);
      const { request } = row;
      placeOf[at] = (lists[list]?.rows.push(request === undefined ? leaf : { ...leaf, request }) ?? 0) - 1;
      at += profiles.length;
    }
  }
  const calls = lists.map(({ index, rows: leaves }) => issuer.issue(index, leaves));
  // Awaited in `put`; a failure before that must not end the process.
  for (const call of calls) call.catch(() => {});
  return { rows, calls, callOf, placeOf };
}

async function put({ rows, calls, callOf, placeOf }: Batch, { plan, sink, manifest }: Pipeline): Promise<void> {
  const results = await Promise.all(calls);
  try {
    const count = plan.profiles.length;
    const leaves: IssuedLeaves[] = [];
    const places: number[] = [];
    for (let node = 0; node < rows.length; node += 1) {
      const row = rows[node] ?? internalError('a batch with a hole');
      for (let p = 0; p < count; p += 1) {
        leaves[p] = results[callOf[node * count + p] ?? 0] ?? internalError('a call without leaves');
        places[p] = placeOf[node * count + p] ?? 0;
      }
      sink.node(row, leaves, places);
      manifest.node(row, leaves, places);
    }
  } finally {
    for (const each of results) each.release();
  }
  await sink.drain();
  await manifest.drain();
}
