import { cpSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverPassword } from '@k3s-pki/testkit/servers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { quiet } from '../cli/leaf-data-dir.ts';
import { folder, k3sPki, tree } from '../cli/program.ts';
import { backendKinds, saveRecord } from './backends.ts';
import { goJudge, present } from './judge.ts';
import { kineJudge } from './kine/judge.ts';
import { makeCluster, passwords, stageNew, startSupervisor } from './supervisor-server.ts';

const judge = present('interop/doctor', goJudge());
const judges = present('interop/doctor, datastores', kineJudge());
const test = suite('interop/doctor');

interface Report {
  readonly findings: ReadonlyArray<{ readonly section: string; readonly code: string; readonly k3s?: string }>;
}

function look(dir: string, server: string): Report & { readonly code: number | null } {
  const args = ['doctor', '--data-dir', dir, '--server', server, '--output', 'json'];
  const { code, stdout, stderr } = k3sPki(args, { env: { ...quiet, PATH: folder() } });
  assert.is(stderr, '');
  for (const secret of Object.values(passwords)) assert.not.match(stdout, secret);
  return { code, ...(JSON.parse(stdout) as Report) };
}

function ofServer({ findings }: Report): string[] {
  return findings.filter(({ section }) => section === 'server' || section === 'clock').map(({ code }) => code);
}

if (judge !== undefined) {
  const dataDir = makeCluster();

  test('a server of the same cluster: nothing to say, and it is only read', async () => {
    const server = await startSupervisor(judge, dataDir);
    const report = look(dataDir, server.url);
    await server.stop();
    assert.equal(ofServer(report), []);
    assert.ok(server.requests.length > 0);
    for (const request of server.requests) assert.match(request, /^GET \/(cacerts|ping)$/);
  });

  test('a server with other CAs, in the words of K3s', async () => {
    const other = makeCluster();
    const server = await startSupervisor(judge, other);
    const report = look(dataDir, server.url);
    await server.stop();
    assert.equal(ofServer(report), ['server-other-cas']);
    const hash = (dir: string) => k3sPki(['token', 'hash', '--data-dir', dir]).stdout.trim();
    assert.is(
      report.findings.find(({ code }) => code === 'server-other-cas')?.k3s,
      `token CA hash does not match the Cluster CA certificate hash: ${hash(dataDir)} != ${hash(other)}`,
    );
  });

  test('a server whose certificate is not of its CAs, as after a forced rotation', async () => {
    const moved = folder();
    cpSync(dataDir, moved, { recursive: true });
    const server = await startSupervisor(judge, moved);
    cpSync(join(makeCluster(), 'server/tls'), join(moved, 'server/tls'), { recursive: true });
    const report = look(moved, server.url);
    await server.stop();
    assert.equal(ofServer(report), ['server-untrusted']);
    assert.is(report.code, 1);
  });

  for (const kind of judges ? backendKinds('interop/doctor', judges) : []) {
    test(`${kind.name}, beside a supervisor that runs: what is inconsistent is found, and nothing is written anywhere`, async () => {
      const local = folder();
      cpSync(dataDir, local, { recursive: true, preserveTimestamps: true });
      await kind.with(local, async (backend) => {
        const { client, config, store, clear } = backend;
        const server = await startSupervisor(judge, local, { store });
        const examine = async (
          code: number,
          outcome: string,
          codes: readonly string[],
          more: readonly string[] = [],
        ) => {
          const before = [ofDisk(tree(local)), await client.list('/bootstrap')];
          const args = ['doctor', '--data-dir', local, '--config', config, '--output', 'json', ...more];
          const { code: found, stdout, stderr } = k3sPki(args, { env: { PATH: folder() } });
          assert.is(stderr, '');
          const report = JSON.parse(stdout) as Report & { readonly nextStart: { readonly outcome: string } };
          const of = report.findings.filter(({ section }) => section === 'datastore' || section === 'server');
          assert.equal([of.map((finding) => finding.code), report.nextStart.outcome, found], [codes, outcome, code]);
          for (const secret of [...Object.values(passwords), serverPassword]) assert.not.ok(stdout.includes(secret));
          assert.equal([ofDisk(tree(local)), await client.list('/bootstrap')], before);
          return of;
        };
        const key = await client.storageKey(passwords.server);
        const sealed = (text: string, token: string = passwords.server) => client.seal(token, Buffer.from(text));

        await examine(0, 'starts', ['no-record']);
        await saveRecord(client, local, passwords.server);
        await examine(0, 'starts', [], ['--server', server.url]);

        const rotated = k3sPki([
          ...['certificate', 'rotate-ca', '--server', server.url, '--path', join(stageNew(local), 'server')],
          ...['--data-dir', local, '--config', config],
        ]);
        assert.is(rotated.code, 0, rotated.stderr);
        await examine(0, 'rewrites', ['rotation-waits'], ['--server', server.url]);

        const newer = join(local, 'server/tls/client-ca.crt');
        writeFileSync(newer, `${readFileSync(newer, 'utf8')}\n`);
        const later = new Date(Date.now() + 10_000);
        utimesSync(newer, later, later);
        const [fatal] = await examine(1, 'fatal', ['disk-newer']);
        assert.match(fatal?.k3s ?? '', `${newer} newer than datastore and could cause a cluster outage`);
        cpSync(join(dataDir, 'server/tls/client-ca.crt'), newer, { preserveTimestamps: true });

        await clear();
        await saveRecord(client, local, passwords.server);
        await client.create(await client.storageKey('another'), await sealed('{}', 'another'));
        await examine(0, 'starts', ['several', 'foreign']);
        await clear();
        await client.create(await client.storageKey('another'), await sealed('{}', 'another'));
        const [foreign] = await examine(1, 'fatal', ['record-of-other-token']);
        assert.match(foreign?.k3s ?? '', 'bootstrap data already found and encrypted with different token');
        await clear();
        await client.create(key, Buffer.from('not a sealed record'));
        await examine(1, 'fatal', ['record-damaged']);
        await clear();
        await client.create(key, await sealed('{"ServerCA":'));
        await examine(1, 'fatal', ['record-damaged']);
        await clear();
        await client.create(key, Buffer.of());
        await examine(0, 'starts', ['locked']);
        await server.stop();
        for (const request of server.requests)
          assert.match(request, /^(GET \/(cacerts|ping|v1-k3s\/server-bootstrap)|PUT \/v1-k3s\/cert\/cacerts)$/);
        assert.is(server.requests.filter((request) => request.startsWith('PUT')).length, 1);
        await backend.stop();
        if (kind.name === 'SQLite') return;
        const gone = k3sPki(['doctor', '--data-dir', local, '--config', config, '--timeout', '5', '--output', 'json']);
        assert.is(gone.code, 0, gone.stdout);
        const { findings, nextStart } = JSON.parse(gone.stdout);
        assert.ok(findings.some(({ code }: { code: string }) => code === 'datastore-not-seen'));
        assert.is(nextStart.certain, false);
        assert.not.ok(gone.stdout.includes(serverPassword));
      });
    });
  }

  test('a server that is gone is one finding', async () => {
    const server = await startSupervisor(judge, dataDir);
    await server.stop();
    const report = look(dataDir, server.url);
    assert.equal(ofServer(report), ['server-not-seen']);
  });
}

test.run();

/** Without the datastore that lies there, and the socket of kine. */
function ofDisk(files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter(([path]) => !/^server\/(db|kine\.sock)/.test(path)));
}
