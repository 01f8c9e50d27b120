/** `edge-%05d`: the texts around a number and the digits it is filled to. */
export interface NumberedName {
  readonly before: string;
  readonly digits: number;
  readonly after: string;
}

/** Reads a pattern with exactly one `%d` or `%0Nd` (N from 1 to 9); undefined when it has another form. */
export function numberedName(pattern: string): NumberedName | undefined {
  const [, before = '', digits, after = ''] = /^([^%]*)%(?:0([1-9]))?d([^%]*)$/.exec(pattern) ?? [];
  if (!/%/.test(pattern) || !/^[^%]*%(0[1-9])?d[^%]*$/.test(pattern)) return undefined;
  return { before, digits: Number(digits ?? 1), after };
}

/** The name with that number, which begins at 1. */
export function nameOf({ before, digits, after }: NumberedName, number: number): string {
  return before + String(number).padStart(digits, '0') + after;
}

/** A part of one input: `index` of `count`, from 1. The n-th row (from 0) belongs to part n mod count + 1, so parts
 *  differ by at most one row and no row is in two. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export const wholeInput: Shard = { index: 1, count: 1 };

export function isInShard(row: number, { index, count }: Shard): boolean {
  return count === 1 || row % count === index - 1;
}

/** Reads `3/16`; undefined when it is no such pair or the part is not one of them. */
export function shardOf(text: string): Shard | undefined {
  const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text)?.map(Number) ?? [];
  if (index === undefined || count === undefined || index < 1 || index > count) return undefined;
  return { index, count };
}

/** Name of the manifest in a folder of nodes; each part of an input has its own. */
export function manifestName({ index, count }: Shard): string {
  return count === 1 ? 'manifest.jsonl' : `manifest-${index}-of-${count}.jsonl`;
}

export function isManifestName(name: string): boolean {
  return /^manifest(-\d+-of-\d+)?\.jsonl$/.test(name);
}
