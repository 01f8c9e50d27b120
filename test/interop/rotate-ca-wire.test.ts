import { cpSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rotationFields } from '@k3s-pki/k3s';
import { serverPassword } from '@k3s-pki/testkit/servers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder, k3sPki, tree } from '../cli/program.ts';
import { backendKinds, savedRecord, saveRecord } from './backends.ts';
import { goJudge, present } from './judge.ts';
import { kineJudge } from './kine/judge.ts';
import { makeCluster, passwords, type SupervisorServer, stageNew, startSupervisor } from './supervisor-server.ts';

/** `certificate rotate-ca` over the wire, against a supervisor by K3s's rules. */
const judge = present('interop/rotate-ca', goJudge());
const judges = present('interop/rotate-ca, datastores', kineJudge());
const test = suite('rotate-ca');
const put = 'PUT /v1-k3s/cert/cacerts';

interface Report {
  readonly ok: boolean;
  readonly forced: boolean;
  readonly rotation: {
    readonly verdict: string;
    readonly log?: string;
    readonly fields: readonly { readonly field: string; readonly ok: boolean; readonly log?: string }[];
    readonly consequences: readonly { readonly code: string }[];
  };
  readonly rollout: readonly { readonly step: string; readonly commands: readonly string[] }[];
  readonly readBack: { readonly ok: boolean; readonly why?: string };
}

if (judge !== undefined) {
  const dataDir = makeCluster();
  const renewed = stageNew(dataDir);
  const foreign = makeCluster();

  test('new CAs under the same root are loaded, and nothing else is asked of anybody', async () => {
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    const before = tree(dataDir);
    const { code, stdout, stderr } = rotate(server, renewed);
    assert.is(code, 0, stderr);
    // What scripts look for.
    assert.is(stdout.split('\n')[0], 'certificates saved to datastore');
    assert.match(stdout, 'old and new certificates trust each other');
    assert.match(stdout, 'systemctl restart k3s');
    assert.not.match(stdout, 'new-tokens');
    holds(server, renewed);
    assert.equal(tree(dataDir), before);
    secretsStay(stdout + stderr);
    await server.stop();
  });

  test('the set in use comes from the disk where the server does not give it, and never from another cluster', async () => {
    const server = await startSupervisor(judge, dataDir);
    assert.is(rotate(server, renewed).code, 0);
    const token = join(dataDir, 'server/token');
    const elsewhere = rotate(server, renewed, ['--data-dir', foreign, '--token-file', token]);
    assert.is(elsewhere.code, 1);
    assert.match(elsewhere.stderr, 'is of another cluster');
    await server.stop();
    assert.is(puts(server), 1);
  });

  test('a dry run asks and sends nothing', async () => {
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    const { code, stdout } = rotate(server, renewed, ['--dry-run']);
    assert.is(code, 0);
    assert.match(stdout, 'non-disruptive');
    await server.stop();
    assert.is(puts(server), 0);
  });

  test('files older than those in use get the time of the rotation, or the next start would be fatal', async () => {
    const old = folder();
    cpSync(renewed, old, { recursive: true });
    for (const { file } of rotationFields) utimesSync(join(old, file), 1_500_000_000, 1_500_000_000);
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    const started = Date.now();
    assert.is(rotate(server, old).code, 0);
    const stamps = Object.entries(server.record() ?? {}).filter(([field]) => isRotated(field));
    assert.is(stamps.length, rotationFields.length);
    for (const [field, { Timestamp }] of stamps) assert.ok(Date.parse(Timestamp) >= started - 1000, field);
    await server.stop();
  });

  test('a wrong path, which K3s takes for success', async () => {
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    for (const [path, hint] of [
      [join(renewed, 'nowhere'), '--path names the folder above tls'],
      [renewed, `did you mean --path ${join(renewed, 'server')}?`],
      [join(renewed, 'server/tls'), `did you mean --path ${join(renewed, 'server')}?`],
    ] as const) {
      const { code, stdout, stderr } = k3sPki(command(server, path));
      assert.is(code, 1, path);
      assert.is(stdout, '');
      assert.match(stderr, 'holds none of the files that rotate-ca reads');
      assert.ok(stderr.includes(hint), stderr);
    }
    const wrong = k3sPki([...command(server, renewed), '--output', 'json']);
    assert.equal(Object.keys(JSON.parse(wrong.stdout)), ['command', 'ok', 'problems']);
    const same = rotate(server, dataDir);
    assert.is(same.code, 1);
    assert.match(same.stderr, 'nothing to rotate');
    await server.stop();
    assert.is(puts(server), 0);
  });

  test('another root is refused in the words of K3s, and forced it is said what breaks', async () => {
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    const refused = rotate(server, foreign, ['--output', 'json']);
    assert.is(refused.code, 1);
    const { ok, rotation } = JSON.parse(refused.stdout) as Report;
    assert.is(ok, false);
    assert.is(rotation.verdict, 'refused');
    assert.match(
      refused.stderr,
      'failed to validate new CA certificates and keys: ETCDServerCA: new CA cert cannot be verified using old CA chain',
    );
    assert.match(refused.stderr, 'old ServiceAccount signing key not in new ServiceAccount key list');
    // The server says the same, field by field, when it is asked all the same.
    const forced = rotate(server, foreign, ['--force', '--output', 'json']);
    assert.is(forced.code, 0, forced.stderr);
    await server.stop();
    assert.is(puts(server), 1);
    const report = JSON.parse(forced.stdout) as Report;
    assert.is(report.forced, true);
    const logged = server.log.find((line) => line.startsWith('Save of CA certificates and keys forced'));
    for (const { field, ok, log } of report.rotation.fields) {
      assert.is(logged?.includes(`${field}: `), !ok, field);
      if (log !== undefined) assert.ok(logged?.includes(`${field}: ${log}`), `${log} in ${logged}`);
    }
    const codes = report.rotation.consequences.map(({ code }) => code);
    for (const code of ['tokens-refused', 'server-distrusted', 'supervisor-certificate', 'service-tokens-refused']) {
      assert.ok(codes.includes(code), code);
    }
    const steps = report.rollout.map(({ step }) => step);
    assert.equal(steps, [
      'new-tokens',
      'supervisor-certificate',
      'restart-servers',
      'restart-agents',
      'restart-pods',
      'kubeconfigs',
    ]);
    holds(server, foreign);
  });

  test('what K3s would take and not come up on is refused, --force or not', async () => {
    const broken = folder();
    cpSync(renewed, broken, { recursive: true });
    cpSync(join(broken, 'server/tls/server-ca.key'), join(broken, 'server/tls/client-ca.key'));
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    for (const force of [[], ['--force']]) {
      const { code, stderr } = rotate(server, broken, force);
      assert.is(code, 1);
      assert.match(
        stderr,
        'ClientCAKey: new CA cert and key cannot be loaded as X590KeyPair: tls: private key does not match public key',
      );
      assert.match(stderr, '--force does not load it either');
    }
    await server.stop();
    assert.is(puts(server), 0);
  });

  test('only the fields that are staged change', async () => {
    const one = folder();
    for (const name of ['client-ca.crt', 'client-ca.key']) {
      cpSync(join(renewed, 'server/tls', name), join(one, 'server/tls', name));
    }
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    assert.is(rotate(server, one).code, 0);
    for (const { field, file } of rotationFields) {
      const from = field.startsWith('ClientCA') ? one : dataDir;
      assert.is(server.record()?.[field]?.Content, base64(join(from, file)), field);
    }
    await server.stop();
  });

  test('tokens: without a hash, of an agent, of another cluster, wrong', async () => {
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    const bare = folder();
    const file = join(bare, 'token');
    const away = (token: string): { code: number | null; stderr: string; stdout: string } => {
      writeFileSync(file, `${token}\n`, { mode: 0o600 });
      return rotate(server, renewed, ['--data-dir', bare, '--token-file', file]);
    };
    const hash = /^K10([0-9a-f]{64})/.exec(readFileSync(join(dataDir, 'server/token'), 'utf8'))?.[1] ?? '';
    assert.match(away(passwords.server).stderr, 'the token has no CA hash');
    assert.match(away('abcdef.0123456789abcdef').stderr, 'a bootstrap token joins agents only');
    assert.match(
      away(`K10${'0'.repeat(64)}::server:${passwords.server}`).stderr,
      'token CA hash does not match the Cluster CA certificate hash',
    );
    for (const password of [passwords.node, 'ffffffffffffffffffffffffffffffff']) {
      const { code, stderr, stdout } = away(`K10${hash}::server:${password}`);
      assert.is(code, 1);
      assert.match(stderr, 'not authorized');
      assert.not.ok((stderr + stdout).includes(password));
    }
    assert.is(away(`K10${hash}::server:${passwords.server}`).code, 0);
    // On the server's own machine its bundle stands for the hash.
    rmSync(file);
    const local = k3sPki(command(server, join(renewed, 'server')), { env: { K3S_TOKEN: passwords.server } });
    assert.is(local.code, 0, local.stderr);
    await server.stop();
    // The two that had the right token.
    assert.is(puts(server), 2);
  });

  for (const kind of ['cut-headers', 'cut-body', 'cut-applied', 'cut-answer', '500']) {
    test(`a server that fails while it is asked (${kind}): the message leaves the doubt, and nothing is tried twice`, async () => {
      const server = await startSupervisor(judge, dataDir, { etcd: true, trouble: `${kind}:/v1-k3s/cert/cacerts` });
      const { code, stdout, stderr } = rotate(server, renewed);
      assert.is(code, 1);
      assert.is(stdout, '');
      assert.match(stderr, 'the new CAs may be in the datastore or not');
      assert.match(stderr, 'bootstrap show');
      secretsStay(stderr);
      await server.stop();
      assert.is(puts(server), 1);
    });
  }

  for (const kind of judges ? backendKinds('interop/rotate-ca-wire', judges) : []) {
    test(`${kind.name}: the record is read back; a server that loses it, or dies after our request, is told from one that saved it`, async () => {
      const local = folder();
      cpSync(dataDir, local, { recursive: true, preserveTimestamps: true });
      await kind.with(local, async (backend) => {
        const { client, store, config } = backend;
        await saveRecord(client, local, passwords.server);
        const run = async (trouble: string | undefined, more: readonly string[] = []) => {
          const server = await startSupervisor(judge, local, { store, ...(trouble ? { trouble } : {}) });
          const done = rotate(server, renewed, ['--data-dir', local, '--config', config, ...more]);
          await server.stop();
          assert.is(puts(server), 1);
          secretsStay(done.stdout + done.stderr);
          assert.not.ok((done.stdout + done.stderr).includes(serverPassword));
          return done;
        };
        const isNew = async () => {
          const record = await savedRecord(client, passwords.server);
          const fields = rotationFields.filter(
            ({ field, file }) => record[field]?.Content === base64(join(renewed, file)),
          );
          return fields.length === rotationFields.length;
        };
        const path = '/v1-k3s/cert/cacerts';

        const lost = await run(`unsaved:${path}`, ['--output', 'json']);
        assert.is(lost.code, 1);
        assert.match(
          lost.stderr,
          /says that it has saved the new CAs, but the record in .* holds something else for ETCDServerCA/,
        );
        assert.match(lost.stderr, 'restart nothing yet');
        const report = JSON.parse(lost.stdout);
        assert.equal([report.ok, report.readBack.ok, report.readBack.differs], [false, false, true]);
        assert.not.ok(await isNew());

        const dead = await run(`cut-body:${path}`);
        assert.is(dead.code, 1);
        assert.match(dead.stderr, /may be in the datastore or not: the record in .* holds something else/);
        assert.not.ok(await isNew());

        const applied = await run(`cut-applied:${path}`);
        assert.is(applied.code, 1);
        assert.match(applied.stderr, /all the same it was saved: the record in .* holds the new set/);
        assert.ok(await isNew());

        await backend.clear();
        await saveRecord(client, local, passwords.server);
        const good = await run(undefined);
        assert.is(good.code, 0, good.stderr);
        assert.match(good.stdout, /read back from .*: the record holds the new set/);
        assert.ok(await isNew());
      });
    });
  }

  test('nobody listens', () => {
    const { code, stderr } = k3sPki([
      ...['certificate', 'rotate-ca', '--path', join(renewed, 'server'), '--data-dir', dataDir],
      ...['--server', 'https://127.0.0.1:1'],
    ]);
    assert.is(code, 1);
    assert.match(stderr, '127.0.0.1:1: nothing listens there');
  });

  function rotate(server: SupervisorServer, staged: string, more: readonly string[] = []) {
    return k3sPki([...command(server, join(staged, 'server')), ...more]);
  }

  /** The options that come later win. */
  function command(server: SupervisorServer, path: string): string[] {
    return ['certificate', 'rotate-ca', '--path', path, '--server', server.url, '--data-dir', dataDir];
  }

  function secretsStay(printed: string): void {
    assert.not.ok(printed.includes(passwords.server));
    assert.not.match(printed, 'PRIVATE KEY');
  }
}

test.run();

function puts(server: SupervisorServer): number {
  return server.requests.filter((line) => line === put).length;
}

function holds(server: SupervisorServer, staged: string): void {
  for (const { field, file } of rotationFields) {
    assert.is(server.record()?.[field]?.Content, base64(join(staged, file)), field);
  }
}

function isRotated(field: string): boolean {
  return rotationFields.some((known) => known.field === field);
}

function base64(file: string): string {
  return readFileSync(file).toString('base64');
}
