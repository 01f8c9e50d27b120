import { setImmediate } from 'node:timers/promises';
import type { KeyType } from '@k3s-pki/core';
import {
  type IssuePlan,
  isInShard,
  type NodeRow,
  type NumberedName,
  nameOf,
  type RawRow,
  RowChecker,
  type RowProblem,
} from '@k3s-pki/plan';
import type { RowSource } from './row-source.ts';

/** Rows that were all checked, of one shard, to be read once. */
export interface CheckedRows {
  /** Nodes of this shard that can be issued. */
  readonly total: number;
  /** Rows of the whole input with a problem. */
  readonly bad: number;
  readonly rows: number;
  /** Whether leaving bad rows out is not enough. */
  readonly fatal: boolean;
  readonly keyTypes: readonly KeyType[];
  /** The good rows in their order, in pieces. */
  pieces(): AsyncIterable<readonly NodeRow[]>;
}

/** Reads and checks every row; what is wrong goes to `report` at once, since there may be a million of them. `look`
 *  sees the good rows of this shard; `complete` may add to a row or refuse it. */
export async function checkRows(
  source: RowSource,
  plan: IssuePlan,
  options: {
    report: (line: number, problem: RowProblem) => void;
    look: (row: NodeRow) => void;
    complete?: ((row: NodeRow) => NodeRow | readonly RowProblem[]) | undefined;
    signal: AbortSignal;
  },
): Promise<CheckedRows> {
  const { report, look, complete, signal } = options;
  const checker = new RowChecker(plan);
  const check = (raw: RawRow, again: boolean) => {
    const checked = checker.check(raw, again);
    return complete !== undefined && 'line' in checked ? complete(checked) : checked;
  };
  // Ordinals of rows that only the first pass can tell: the second one doesn't look for duplicates.
  const duplicates = new Set<number>();
  let ordinal = 0;
  let bad = 0;
  let total = 0;
  let fatal = false;
  for (const piece of source.pieces()) {
    for (const raw of piece) {
      const checked = check(raw, false);
      if ('line' in checked) {
        if (isInShard(ordinal, plan.shard)) {
          total += 1;
          look(checked);
        }
      } else {
        bad += 1;
        fatal ||= raw.fatal === true;
        for (const problem of checked) {
          if (problem.code === 'duplicate-output') duplicates.add(ordinal);
          report(raw.line, problem);
        }
      }
      ordinal += 1;
    }
    await setImmediate();
    signal.throwIfAborted();
  }
  return {
    total,
    bad,
    rows: ordinal,
    fatal,
    keyTypes: [plan.keyType, ...checker.keyTypes],
    async *pieces() {
      let place = 0;
      for (const piece of source.pieces()) {
        const good: NodeRow[] = [];
        for (const raw of piece) {
          if (isInShard(place, plan.shard) && !(duplicates.size > 0 && duplicates.has(place))) {
            const checked = check(raw, true);
            if ('line' in checked) good.push(checked);
          }
          place += 1;
        }
        yield good;
      }
    },
  };
}

/** The rows of `--nodes`. All names have one form, so the first one and the last one, the longest, stand for them, and
 *  those whose numbers stand in the name of a CA. */
export function numberedRows(
  name: NumberedName,
  count: number,
  plan: IssuePlan,
  report: (line: number, problem: RowProblem) => void,
): CheckedRows {
  const { shard } = plan;
  const checker = new RowChecker(plan);
  const inCaNames = plan.profiles.flatMap(({ issuer }) => (issuer.subject.match(/\d+/g) ?? []).map(Number));
  const told = [1, count, ...inCaNames.filter((number) => number > 1 && number < count)];
  const ends = [...new Set(told)].map((number) => ({
    number,
    checked: checker.check({ line: number, cells: { node: nameOf(name, number) } }),
  }));
  const problems = ends.flatMap(({ number, checked }) => ('line' in checked ? [] : [{ number, checked }]));
  for (const { number, checked } of problems.slice(0, 1)) for (const problem of checked) report(number, problem);
  const { days, keyType } = plan;
  const none: readonly string[] = [];
  return {
    total: Math.floor((count - shard.index) / shard.count) + 1,
    bad: problems.length,
    rows: count,
    fatal: problems.length > 0,
    keyTypes: [keyType],
    async *pieces() {
      for (let next = shard.index; next <= count; ) {
        const piece: NodeRow[] = [];
        for (; piece.length < pieceRows && next <= count; next += shard.count) {
          const node = nameOf(name, next);
          piece.push({
            line: next,
            node,
            out: node,
            days,
            keyType,
            commonName: node,
            organizations: none,
            dns: none,
            ip: none,
          });
        }
        yield piece;
      }
    },
  };
}

const pieceRows = 1024;
