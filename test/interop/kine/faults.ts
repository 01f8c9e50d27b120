import type { Datastore, Swapped } from '@k3s-pki/datastore';
import type { TestServer } from '@k3s-pki/testkit/servers';
import type { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bounded, failsWith, rejects } from './contract.ts';
import type { OpenTestStore } from './harness.ts';
import type { KineClient } from './judge.ts';
import { openLink } from './link.ts';

/** What a suite of a datastore on the network provides. */
export interface FaultyServer {
  readonly server: TestServer;
  /** Opens the datastore at a port. */
  readonly open: (port: number, options?: Pick<OpenTestStore, 'timeout' | 'signal'>) => Promise<Datastore>;
  readonly judge: () => KineClient;
}

const bytes = (value: string) => new TextEncoder().encode(value);

/** What holds for every datastore on the network when it, or the way to it, fails. */
export function faultContract(test: ReturnType<typeof suite>, { server, open, judge }: FaultyServer): void {
  const revisionOf = async (key: string) => (await judge().get(key)).revision;

  test(
    'a slow link: a record takes its time, and a limit that is too short ends it with nothing half-written',
    bounded(async () => {
      const key = '/bootstrap/slow';
      const link = await openLink(server.port, 1 << 20);
      const record = Buffer.alloc(1 << 20, 'k3s-pki ');
      const patient = await open(link.port);
      assert.is((await patient.swap(key, 'absent', record)).kind, 'swapped');
      const revision = await revisionOf(key);
      const hasty = await open(link.port, { timeout: 500 });
      await failsWith('timeout', /no answer/, () => hasty.read(key));
      await failsWith('outcome-unknown', /no answer within 0.5 s.*; a second look/, () =>
        hasty.swap(key, revision, Buffer.alloc(1 << 20, 'another ')),
      );
      const read = await patient.read(key);
      assert.is(read?.revision, revision);
      assert.ok(Buffer.from(read?.value ?? []).equals(record));
      await judge().delete(key, revision);
      await Promise.all([patient.close(), hasty.close()]);
      link.close();
    }),
  );

  test(
    'a connection that is cut after the request: a second look finds what was written',
    bounded(async () => {
      const [key, there] = ['/bootstrap/answers', '/bootstrap/there'];
      await judge().create(there, bytes('there'));
      const watch = await judge().watch(key);
      const link = await openLink(server.port);
      const store = await open(link.port);
      /** A write whose answer is lost. A driver that prepares its statements has done so with one that changes nothing. */
      const unheard = async (write: (at: string, revision: string) => Promise<Swapped>): Promise<Swapped> => {
        assert.is((await write(there, '1')).kind, 'conflict');
        const [now] = await judge().list(key);
        link.lose('answers');
        const writing = write(key, now?.revision ?? '');
        await Promise.race([watch.next(), writing]);
        link.cut();
        return writing;
      };
      const created = await unheard((at) => store.swap(at, 'absent', bytes('one')));
      assert.equal(created, { kind: 'swapped', revision: await revisionOf(key) });
      const updated = await unheard((at, revision) => store.swap(at, revision, bytes('two')));
      assert.equal(updated, { kind: 'swapped', revision: await revisionOf(key) });
      assert.is((await unheard((at, revision) => store.remove(at, revision))).kind, 'swapped');
      assert.equal(await judge().list(key), []);
      await judge().delete(there, await revisionOf(there));
      await store.close();
      link.close();
    }),
  );

  test(
    'a connection that is cut before the request arrived: nothing is written, and the error says what was seen',
    bounded(async () => {
      const key = '/bootstrap/requests';
      await judge().create(key, bytes('one'));
      const revision = await revisionOf(key);
      const link = await openLink(server.port);
      const store = await open(link.port);
      for (const write of [
        () => store.swap(key, revision, bytes('two')),
        () => store.remove(key, revision),
        () => store.swap(`${key}/new`, 'absent', bytes('two')),
      ]) {
        await store.read(key);
        link.lose('requests');
        const lost = link.lost();
        const writing = failsWith('outcome-unknown', /a second look found it as it was/, write);
        await Promise.race([lost, writing]);
        link.cut();
        await writing;
      }
      const all = await judge().list(key);
      assert.equal(
        all.map((entry) => [entry.key, entry.value.toString(), entry.revision]),
        [[key, 'one', revision]],
      );
      await judge().delete(key, revision);
      await store.close();
      link.close();
    }),
  );

  test(
    'a server that does not answer: reading ends in time, writing says that nobody knows',
    bounded(async () => {
      const key = '/bootstrap/paused';
      const store = await open(server.port, { timeout: 700 });
      await store.list('/bootstrap');
      server.pause();
      try {
        await failsWith('outcome-unknown', /no answer within 0.7 s.*; a second look failed/, () =>
          store.swap(key, 'absent', bytes('one')),
        );
        await failsWith('timeout', /no answer/, () => store.read(key));
        const abort = new AbortController();
        const other = await open(server.port, { timeout: 60_000, signal: abort.signal });
        const reading = other.read(key);
        abort.abort(new Error('stop'));
        await rejects(reading, /stop/);
        await other.close();
      } finally {
        server.resume();
      }
      // The server may have had the request already.
      const patient = await open(server.port);
      const entry = await patient.read(key);
      if (entry !== undefined) await judge().delete(key, entry.revision);
      await Promise.all([store.close(), patient.close()]);
    }),
  );

  test(
    'a server that dies and comes back',
    bounded(async () => {
      const key = '/bootstrap/death';
      const store = await open(server.port);
      assert.is((await store.swap(key, 'absent', bytes('one'))).kind, 'swapped');
      const entry = await store.read(key);
      await server.kill();
      await failsWith('unreachable', /refused|ended|reset/, () => store.read(key));
      await failsWith('unreachable', /refused/, () => store.swap(key, entry?.revision ?? '', bytes('two')));
      await server.restart();
      assert.equal(await store.read(key), entry);
      assert.is((await store.remove(key, entry?.revision ?? '')).kind, 'swapped');
      await store.close();
    }),
  );
}
