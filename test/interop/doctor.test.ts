import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { quiet } from '../cli/leaf-data-dir.ts';
import { folder, k3sPki } from '../cli/program.ts';
import { goJudge, present } from './judge.ts';
import { makeCluster, passwords, startSupervisor } from './supervisor-server.ts';

const judge = present('interop/doctor', goJudge());
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

  test('a server that is gone is one finding', async () => {
    const server = await startSupervisor(judge, dataDir);
    await server.stop();
    const report = look(dataDir, server.url);
    assert.equal(ofServer(report), ['server-not-seen']);
  });
}

test.run();
