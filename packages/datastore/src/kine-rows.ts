import type { Entry } from './types.ts';

/** How one database says what kine says. `parameter` is 1-based. */
export interface SqlDialect {
  readonly parameter: (index: number) => string;
  /** Casts a parameter whose type the server can't guess. */
  readonly typed: (parameter: string, type: 'bigint' | 'bytes' | 'text') => string;
}

/**
 * The statements on kine's table. kine appends: a row per change, the newest row of a name counts, `deleted` ends it.
 * `id` is the revision. A row of a new name has `created` = 1, one of a name that was deleted too, with the deleting
 * row as `prev_revision`; `create_revision` is 0 there and the first row's id later. `old_value` is the value of the row
 * before. Two writers that start from the same row collide in the unique index on (name, prev_revision).
 *
 * The condition is inside the INSERT, for two reasons. A row that was compacted away no longer collides, so the index
 * alone would let a stale writer through. And an INSERT that selects nothing takes no id: a running kine's poll loop
 * waits for each missing id and then fills it.
 * Source: kine `pkg/drivers/generic`, `InsertSQL`; `pkg/logstructured`, `Create`, `Update`, `Delete`;
 * `pkg/logstructured/sqllog`, `poll`.
 */
export function kineStatements({ parameter: p, typed }: SqlDialect) {
  const newest = (name: string) => `SELECT MAX(id) FROM kine WHERE name = ${name}`;
  const first = 'COALESCE(NULLIF(last.create_revision, 0), last.id)';
  const insert = 'INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)';
  return {
    /** Parameters: prefix, end of the prefix. */
    list: `SELECT kv.id, kv.name, kv.value FROM kine AS kv WHERE kv.id IN (SELECT MAX(id) FROM kine WHERE name >= ${p(1)} AND name < ${p(2)} GROUP BY name) AND kv.deleted = 0 ORDER BY kv.name`,
    /** Parameters: name. */
    read: `SELECT kv.id, kv.name, kv.value FROM kine AS kv WHERE kv.id = (${newest(p(1))}) AND kv.deleted = 0`,
    /** Parameters: name, value, name, name. A name without rows, or whose newest row deletes it. */
    create: `${insert} SELECT ${typed(p(1), 'text')}, 1, 0, 0, COALESCE(last.id, 0), 0, ${typed(p(2), 'bytes')}, last.value FROM (SELECT 1 AS one) AS single LEFT JOIN kine AS last ON last.id = (${newest(p(3))}) WHERE last.id IS NULL OR last.deleted <> 0`,
    /** Parameters: value, id, name. */
    update: `${insert} SELECT last.name, 0, 0, ${first}, last.id, 0, ${typed(p(1), 'bytes')}, last.value FROM kine AS last WHERE last.id = ${typed(p(2), 'bigint')} AND last.deleted = 0 AND last.id = (${newest(p(3))})`,
    /** Parameters: id, name. */
    remove: `${insert} SELECT last.name, 0, 1, ${first}, last.id, 0, NULL, last.value FROM kine AS last WHERE last.id = ${typed(p(1), 'bigint')} AND last.deleted = 0 AND last.id = (${newest(p(2))})`,
  };
}

/** The first string after all that begin with `prefix`, which ends with an ASCII character. */
export function prefixEnd(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix.slice(0, -1) + String.fromCharCode(last + 1);
}

/** A row of `list` or `read`. A NULL value is an empty one. */
export function entryOf(row: { id: unknown; name: unknown; value: unknown }): Entry {
  const value = row.value instanceof Uint8Array ? row.value : new Uint8Array();
  return { key: String(row.name), value, revision: String(row.id) };
}
