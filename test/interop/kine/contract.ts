import { randomBytes } from 'node:crypto';
import { type Datastore, DatastoreError, type DatastoreErrorCode } from '@k3s-pki/datastore';
import { serverPassword } from '@k3s-pki/testkit/servers';
import type { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { KineClient } from './judge.ts';

/** What a suite provides. */
export interface Contract {
  /** Makes a datastore with a connection of its own. */
  readonly open: () => Promise<Datastore>;
  readonly judge: () => KineClient;
  /** Bytes of a record that it takes, and what it says to one of 40 MiB when that is more. */
  readonly record: { readonly size: number; readonly refusal?: RegExp };
  /** Calls `work` with the datastore as one that may only read has it; absent where this machine can't make one. */
  readonly readOnly?: (work: (store: Datastore) => Promise<void>) => Promise<void>;
  /** What is said then. */
  readonly refusesWrites: readonly [DatastoreErrorCode, RegExp];
}

const text = (value: string) => new TextEncoder().encode(value);
const plain = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();
const everyByte = Uint8Array.from({ length: 1024 }, (_, index) => index & 0xff);

/** What holds for every datastore, with kine's own client (on etcd, or on a kine that runs) as the judge. */
export function datastoreContract(test: ReturnType<typeof suite>, contract: Contract): void {
  const { open, judge, record } = contract;
  const using = (work: (store: Datastore) => Promise<void>) =>
    bounded(async () => {
      const store = await open();
      try {
        await work(store);
      } finally {
        await store.close();
      }
    });

  test(
    'records that K3s wrote are read: created, updated, deleted, created again',
    using(async (store) => {
      const key = '/bootstrap/000000000001';
      assert.is(await store.read(key), undefined);
      await judge().create(key, text('one'));
      const first = await store.read(key);
      assert.is(plain(first?.value), 'one');
      assert.is(first?.revision, (await judge().get(key)).revision);
      await judge().update(key, first?.revision ?? '', everyByte);
      const second = await store.read(key);
      assert.equal(Buffer.from(second?.value ?? []), Buffer.from(everyByte));
      assert.equal(
        (await store.list('/bootstrap')).map((entry) => entry.key),
        [key],
      );
      await judge().delete(key, second?.revision ?? '');
      assert.is(await store.read(key), undefined);
      assert.equal(await store.list('/bootstrap'), []);
      await judge().create(key, new Uint8Array());
      assert.is((await store.read(key))?.value.length, 0);
      await judge().delete(key, (await judge().get(key)).revision);
    }),
  );

  test(
    'records that we write are read by K3s, and its watch sees each of them',
    using(async (store) => {
      const key = '/bootstrap/000000000002';
      const watch = await judge().watch('/bootstrap/000000000002');
      const created = await store.swap(key, 'absent', text('one'));
      assert.is(created.kind, 'swapped');
      const first = await judge().get(key);
      assert.equal([plain(first.value), first.revision], ['one', created.kind === 'swapped' && created.revision]);
      const updated = await store.swap(key, first.revision, everyByte);
      assert.is(updated.kind, 'swapped');
      const second = await judge().get(key);
      assert.equal(second.value, Buffer.from(everyByte));
      await judge().update(key, second.revision, text('three'));
      const third = await judge().get(key);
      assert.is((await store.remove(key, third.revision)).kind, 'swapped');
      assert.equal(await judge().list('/bootstrap/000000000002'), []);
      assert.is((await store.swap(key, 'absent', text('again'))).kind, 'swapped');
      const again = await judge().get(key);
      assert.is(plain(again.value), 'again');
      await judge().update(key, again.revision, text('last'));
      await judge().delete(key, (await judge().get(key)).revision);

      const seen = [];
      for (let event = 0; event < 7; event++) seen.push(await watch.next());
      assert.equal(
        seen.map(({ deleted, value, previous }) => [
          deleted,
          // kine on NATS tells the old value as the new one of a key that is gone.
          deleted ? '' : value.length > 9 ? 'all' : plain(value),
          previous.length > 9 ? 'all' : plain(previous),
        ]),
        [
          [false, 'one', ''],
          [false, 'all', 'one'],
          [false, 'three', 'all'],
          [true, '', 'three'],
          [false, 'again', ''],
          [false, 'last', 'again'],
          [true, '', 'last'],
        ],
      );
      const revisions = seen.map(({ revision }) => BigInt(revision));
      assert.ok(revisions.every((revision, index) => index === 0 || revision > (revisions[index - 1] ?? 0n)));
    }),
  );

  test(
    'a stale writer changes nothing',
    using(async (store) => {
      const key = '/bootstrap/000000000003';
      await judge().create(key, text('one'));
      const { revision } = await judge().get(key);
      assert.equal(await store.swap(key, 'absent', text('x')), { kind: 'conflict' });
      await judge().update(key, revision, text('two'));
      assert.equal(await store.swap(key, revision, text('x')), { kind: 'conflict' });
      assert.equal(await store.remove(key, revision), { kind: 'conflict' });
      const now = await judge().get(key);
      assert.is(plain(now.value), 'two');
      assert.is((await store.remove(key, now.revision)).kind, 'swapped');
      assert.equal(await store.remove(key, now.revision), { kind: 'conflict' });
      assert.equal(await store.swap(key, now.revision, text('x')), { kind: 'conflict' });
      assert.equal(await judge().list(key), []);
    }),
  );

  test(
    'keys beside the prefix are not listed, and the order is that of the keys',
    using(async (store) => {
      const keys = ['/bootstraq', '/bootstrap/b', '/bootstrap', '/bootstrap/a', '/bootstra', '/registry/x'];
      for (const key of keys) await judge().create(key, text(key));
      assert.equal(
        (await store.list('/bootstrap')).map(({ key, value }) => [key, plain(value)]),
        ['/bootstrap', '/bootstrap/a', '/bootstrap/b'].map((key) => [key, key]),
      );
      for (const key of keys) await judge().delete(key, (await judge().get(key)).revision);
    }),
  );

  test(
    'a large record goes both ways; one that is too large is refused, and the old one stays',
    using(async (store) => {
      const key = '/bootstrap/large';
      const value = randomBytes(record.size);
      assert.is((await store.swap(key, 'absent', value)).kind, 'swapped');
      const read = await judge().get(key);
      assert.ok(read.value.equals(value));
      assert.ok(Buffer.from((await store.read(key))?.value ?? []).equals(value));
      const { refusal } = record;
      if (refusal)
        await failsWith('too-large', refusal, () => store.swap(key, read.revision, new Uint8Array(40 << 20)));
      assert.is((await store.read(key))?.revision, read.revision);
      assert.is((await store.remove(key, read.revision)).kind, 'swapped');
    }),
  );

  const { readOnly, refusesWrites } = contract;
  if (readOnly) {
    test(
      'where only reading is allowed: records are read, writing is refused with the reason',
      bounded(async () => {
        const key = '/bootstrap/fixed';
        await judge().create(key, text('one'));
        const { revision } = await judge().get(key);
        await readOnly(async (store) => {
          assert.is(plain((await store.read(key))?.value), 'one');
          for (const write of [
            () => store.swap(key, revision, text('two')),
            () => store.swap(`${key}/new`, 'absent', text('two')),
            () => store.remove(key, revision),
          ]) {
            await failsWith(...refusesWrites, write);
          }
          await store.close();
        });
        assert.equal(
          (await judge().list(key)).map((entry) => [entry.key, plain(entry.value), entry.revision]),
          [[key, 'one', revision]],
        );
        await judge().delete(key, revision);
      }),
    );
  }

  test(
    '200 concurrent compare-and-swaps lose nothing, while K3s writes too',
    bounded(async () => {
      const key = '/bootstrap/counter';
      const watch = await judge().watch(key);
      await judge().create(key, text('0'));
      const stores = await Promise.all(Array.from({ length: 4 }, open));
      const increment = async (index: number) => {
        const store = stores[index % stores.length] as Datastore;
        for (;;) {
          const entry = await store.read(key);
          const next = text(String(Number(plain(entry?.value)) + 1));
          if ((await store.swap(key, entry?.revision ?? '', next)).kind === 'swapped') return;
        }
      };
      const kineIncrement = async () => {
        for (;;) {
          const { value, revision } = await judge().get(key);
          try {
            await judge().update(key, revision, text(String(Number(plain(value)) + 1)));
            return;
          } catch (error) {
            assert.match((error as Error).message, /doesnt match/);
          }
        }
      };
      await Promise.all([
        ...Array.from({ length: 200 }, (_, index) => increment(index)),
        ...Array.from({ length: 20 }, kineIncrement),
      ]);
      assert.is(plain((await judge().get(key)).value), '220');
      for (let count = 0; count <= 220; count++) assert.is(plain((await watch.next()).value), String(count));
      await judge().delete(key, (await judge().get(key)).revision);
      await Promise.all(stores.map((store) => store.close()));
    }),
  );
}

/** A test that would wait for ever fails after a minute and a half. */
export function bounded(work: () => Promise<void>): () => Promise<void> {
  return async () => {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error('not finished after 90 s')), 90_000);
    try {
      await Promise.race([work(), promise]);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** Asserts that a step is refused with this code, in words that hold no password. */
export async function failsWith(code: DatastoreErrorCode, words: RegExp, step: () => Promise<unknown>): Promise<void> {
  try {
    await step();
  } catch (error) {
    if (!(error instanceof DatastoreError)) throw error;
    assert.is(error.code, code, `${error.code}: ${error.message}`);
    assert.ok(words.test(error.message), error.message);
    assert.ok(error.mend.length > 0);
    const shown = `${error.message} ${error.mend}`;
    assert.not.ok(shown.includes(serverPassword) || shown.includes(encodeURIComponent(serverPassword)), shown);
    return;
  }
  assert.unreachable(`no ${code}`);
}

/** Asserts that a promise is rejected with an error of these words. */
export async function rejects(promise: Promise<unknown>, words: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.match(String(error), words);
}
