import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrapFields } from '@k3s-pki/k3s';
import { serverPassword } from '@k3s-pki/testkit/servers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder, k3sPki, tree } from '../cli/program.ts';
import { backendKinds, savedRecord, saveRecord } from './backends.ts';
import { goJudge, present } from './judge.ts';
import { type KineClient, kineJudge } from './kine/judge.ts';
import { makeCluster, passwords, type SupervisorServer, startSupervisor } from './supervisor-server.ts';

/** `token rotate` against a supervisor by K3s's rules, and offline on a record that Go sealed and kine keeps. */
const judges = present('interop/token-rotate', kineJudge());
const judge = present('interop/token-rotate', goJudge());
const put = 'PUT /v1-k3s/token';

if (judges && judge) {
  const { serve, client: openClient } = judges;
  const test = suite('token-rotate');
  // The machine's own must not count, and nothing listens on this port.
  const config = join(folder(), 'config.yaml');
  writeFileSync(config, 'https-listen-port: 1\n');
  const env = { K3S_CONFIG_FILE: config };

  /** A stopped server's data dir with SQLite, whose record kine took from Go. */
  const made = makeCluster();
  const origin = async (): Promise<void> => {
    const server = join(made, 'server');
    mkdirSync(join(server, 'db'), { mode: 0o700 });
    await withKine(made, (client) => saveRecord(client, made, passwords.server));
  };
  /** kine on a data dir's database, as long as `work` takes: K3s is stopped otherwise. */
  const withKine = async <T>(dataDir: string, work: (client: KineClient) => Promise<T>): Promise<T> => {
    const server = join(dataDir, 'server');
    const listener = `unix://${join(server, 'kine.sock')}`;
    const kine = await serve({ listener, endpoint: '', cwd: server });
    const client = openClient(listener);
    try {
      return await work(client);
    } finally {
      client.stop();
      await kine.stop();
      rmSync(join(server, 'kine.sock'), { force: true });
    }
  };
  const cluster = (): string => {
    const dataDir = folder();
    cpSync(made, dataDir, { recursive: true, preserveTimestamps: true });
    return dataDir;
  };
  const tokenIn = (dataDir: string) => readFileSync(join(dataDir, 'server/token'), 'utf8').trim();

  test.before(origin);

  test('offline: kine has one record, Go opens it with the new password, and its password file is that of the disk', async () => {
    const dataDir = cluster();
    const { code, stdout, stderr } = k3sPki(['token', 'rotate', '--offline', '--data-dir', dataDir], { env });
    assert.is(code, 0, stderr);
    const password = tokenIn(dataDir).split('::server:')[1] ?? '';
    assert.not.ok((stdout + stderr).includes(password));
    const document = await withKine(dataDir, async (client) => {
      const [record, ...others] = await client.list('/bootstrap');
      assert.equal(others, []);
      assert.is(record?.key, await client.storageKey(password));
      return JSON.parse((await client.unseal(password, record?.value ?? new Uint8Array())).toString());
    });
    for (const { name, file } of bootstrapFields) {
      if (!existsSync(join(dataDir, file))) continue;
      assert.is(document[name].Content, readFileSync(join(dataDir, file)).toString('base64'), name);
    }
    assert.match(readFileSync(join(dataDir, 'server/cred/passwd'), 'utf8'), `${password},server,server,k3s:server`);
  });

  for (const kind of backendKinds('interop/token-rotate', judges)) {
    test(`${kind.name}: offline, over the wire and undone; Go opens the one record each time`, async () => {
      const dataDir = folder();
      cpSync(made, dataDir, { recursive: true, preserveTimestamps: true });
      rmSync(join(dataDir, 'server/db'), { recursive: true, force: true });
      await kind.with(dataDir, async (backend) => {
        const { client, config, store } = backend;
        await saveRecord(client, dataDir, passwords.server);
        const passwd = () => readFileSync(join(dataDir, 'server/cred/passwd'), 'utf8');
        const old = [tokenIn(dataDir), passwd()];
        const printed: string[] = [];
        const run = (...words: string[]) => {
          const done = k3sPki([...words, '--data-dir', dataDir, '--config', config]);
          assert.is(done.code, 0, `${words.join(' ')}: ${done.stderr}`);
          printed.push(done.stdout, done.stderr);
          return done.stdout;
        };
        /** Go opens the one record with the token on the disk, and finds the password file of the disk in it. */
        const fits = async () => {
          const password = tokenIn(dataDir).split('::server:')[1] ?? '';
          const record = await savedRecord(client, password);
          for (const { name: field, file } of bootstrapFields) {
            if (!existsSync(join(dataDir, file))) continue;
            assert.is(record[field]?.Content, readFileSync(join(dataDir, file)).toString('base64'), field);
          }
          assert.ok(passwd().includes(`${password},server,server,k3s:server`));
          return password;
        };
        const before = tree(dataDir);
        const records = await client.list('/bootstrap');
        run('token', 'rotate', '--offline', '--dry-run');
        assert.equal(ofDisk(tree(dataDir)), ofDisk(before));
        assert.equal(await client.list('/bootstrap'), records);

        run('token', 'rotate', '--offline');
        const first = await fits();
        assert.is.not(first, passwords.server);
        assert.is(statSync(join(dataDir, 'server/token')).mode & 0o777, 0o600);
        run('bootstrap', 'undo');
        assert.is(await fits(), passwords.server);
        assert.equal([tokenIn(dataDir), passwd()], old);
        run('bootstrap', 'undo');
        assert.is(await fits(), first);

        const server = await startSupervisor(judge, dataDir, { store });
        const report = run('token', 'rotate', '--server', server.url);
        assert.match(report, /read back from .*: the record opens with the new token/);
        await server.stop();
        assert.is(puts(server), 1);
        const second = await fits();
        assert.is.not(second, first);

        // A server that died when it had written the files and before it had the record.
        const dead = await startSupervisor(judge, dataDir, { store, trouble: 'unsaved:/v1-k3s/token' });
        const lost = run('token', 'rotate', '--server', dead.url);
        await dead.stop();
        assert.match(lost, /not read back: .* has no record under the new token/);
        const third = tokenIn(dataDir).split('::server:')[1] ?? '';
        const doctor = k3sPki(['doctor', '--data-dir', dataDir, '--config', config]);
        assert.is(doctor.code, 1);
        assert.match(doctor.stdout, 'encrypted with different token');
        const oldToken = join(folder(), 'old-token');
        writeFileSync(oldToken, `${second}\n`, { mode: 0o600 });
        run('bootstrap', 'reseal', '--token-file', oldToken, '--new-token-file', join(dataDir, 'server/token'));
        assert.is(await fits(), third);
        for (const secret of [first, second, third, passwords.server, serverPassword]) {
          assert.not.ok((printed.join('') + doctor.stdout + doctor.stderr).includes(secret));
        }
      });
    });
  }

  test('offline: what is done there is what the supervisor then takes', async () => {
    const dataDir = cluster();
    const out = join(folder(), 'new-token');
    const rotated = k3sPki(['token', 'rotate', '--offline', '--data-dir', dataDir, '--out', out], { env });
    assert.is(rotated.code, 0, rotated.stderr);
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    const again = rotate(server, dataDir, ['--token-file', out, '--dry-run']);
    assert.is(again.code, 0, again.stderr);
    const old = join(folder(), 'old');
    cpSync(join(made, 'server/token'), old);
    const refused = rotate(server, dataDir, ['--token-file', old, '--dry-run']);
    assert.match(refused.stderr, 'not authorized');
    await server.stop();
  });

  for (const etcd of [true, false]) {
    test(`over the wire, embedded etcd ${etcd}: one request, the file of --out has what the server has`, async () => {
      const dataDir = cluster();
      const out = join(folder(), 'new-token');
      const server = await startSupervisor(judge, dataDir, { etcd });
      const { code, stdout, stderr } = rotate(server, dataDir, ['--out', out]);
      assert.is(code, 0, stderr);
      assert.is(stdout.split('\n')[0], 'Token rotated, restart k3s nodes with new token');
      assert.match(stdout, 'a server takes the old token and refuses the new one');
      assert.match(stdout, 'the agent token is another one and stays');
      // This supervisor's datastore is another one than the data dir's.
      assert.match(stdout, /not read back: sqlite at .* has no record under the new token/);
      await server.stop();
      assert.is(puts(server), 1);
      assert.is(readFileSync(out, 'utf8').trim(), tokenIn(dataDir));
      assert.is(statSync(out).mode & 0o777, 0o600);
      assert.not.ok((stdout + stderr).includes(tokenIn(dataDir).split('::server:')[1] ?? ''));
    });
  }

  test('a given token, from standard input', async () => {
    const dataDir = cluster();
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    const input = '0123456789abcdef0123456789abcdef';
    const run = k3sPki([...words(server, dataDir), '--new-token-file', '-', '--output', 'json'], { env, input });
    assert.is(run.code, 0, run.stderr);
    const report = JSON.parse(run.stdout);
    assert.equal([report.newToken, report.via, report.nodePassword], ['given', 'supervisor', 'kept']);
    assert.not.ok(run.stdout.includes(input));
    assert.ok(tokenIn(dataDir).endsWith(`::server:${input}`));
    await server.stop();
  });

  test('between rotate-ca and the restart nothing is sent, whoever shows the disk', async () => {
    for (const etcd of [true, false]) {
      const dataDir = cluster();
      // As rotate-ca leaves it: the record has other CAs than the disk.
      for (const name of ['client-ca.crt', 'client-ca.key']) {
        const file = join(dataDir, 'server/tls', name);
        writeFileSync(file, `${readFileSync(file, 'utf8')}\n`);
      }
      const before = tree(dataDir);
      const server = await startSupervisor(judge, dataDir, { etcd });
      for (const more of [[], ['--force']]) {
        const { code, stderr } = rotate(server, dataDir, more);
        assert.is(code, 1);
        assert.match(stderr, '(ClientCA, ClientCAKey): a rotation of CAs waits for the restart');
      }
      await server.stop();
      assert.is(puts(server), 0);
      assert.equal(tree(dataDir), before);
    }
  });

  test('a server whose datastore cannot be opened here: refused, --force goes on', async () => {
    const dataDir = cluster();
    rmSync(join(dataDir, 'server/db'), { recursive: true });
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    const { code, stderr } = rotate(server, dataDir);
    assert.is(code, 1);
    assert.match(stderr, 'nobody can tell whether a rotation of CAs waits');
    const forced = rotate(server, dataDir, ['--force']);
    assert.is(forced.code, 0, forced.stderr);
    assert.match(forced.stderr, 'not looked for a rotation that waits');
    await server.stop();
    assert.is(puts(server), 1);
  });

  test('two records, over which K3s would fail with the password file written: refused, --force or not', async () => {
    const dataDir = cluster();
    await withKine(dataDir, async (client) => {
      const value = await client.seal('another', new TextEncoder().encode('{}'));
      await client.create(await client.storageKey('another'), value);
    });
    const before = tree(dataDir);
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    for (const more of [[], ['--force']]) {
      const { code, stderr } = rotate(server, dataDir, more);
      assert.is(code, 1);
      assert.match(stderr, 'found multiple bootstrap keys in storage');
    }
    await server.stop();
    assert.is(puts(server), 0);
    const offline = k3sPki(['token', 'rotate', '--offline', '--data-dir', dataDir], { env });
    assert.is(offline.code, 1);
    assert.match(offline.stderr, 'found multiple bootstrap keys in storage');
    assert.equal(tree(dataDir), before);
  });

  test('from another machine: the server is the authority, with a warning; never without a CA hash', async () => {
    const dataDir = cluster();
    const bare = folder();
    const token = join(bare, 'token');
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    writeFileSync(token, `${passwords.server}\n`, { mode: 0o600 });
    const away = (...more: string[]) => rotate(server, bare, ['--token-file', token, ...more]);
    assert.match(away().stderr, 'the token has no CA hash');
    writeFileSync(token, `${tokenIn(dataDir).replace(passwords.server, passwords.node)}\n`);
    const wrong = away('--out', join(bare, 'new'));
    assert.match(wrong.stderr, 'not authorized');
    assert.not.ok(existsSync(join(bare, 'new')));
    cpSync(join(dataDir, 'server/token'), token);
    const { code, stdout, stderr } = away();
    assert.is(code, 0, stderr);
    assert.match(stderr, 'the server alone knows whether a rotation of CAs waits');
    assert.match(stdout, `server/token on ${new URL(server.url).host}`);
    await server.stop();
    assert.is(puts(server), 1);
    assert.is.not(tokenIn(dataDir), readFileSync(token, 'utf8').trim());
  });

  for (const kind of ['cut-headers', 'cut-body', 'cut-applied', 'cut-answer', '500']) {
    test(`a server that fails while it is asked (${kind}): the doubt is said, and the new token is kept`, async () => {
      const dataDir = cluster();
      const out = join(folder(), 'new-token');
      const server = await startSupervisor(judge, dataDir, { etcd: true, trouble: `${kind}:/v1-k3s/token` });
      const { code, stdout, stderr } = rotate(server, dataDir, ['--out', out]);
      await server.stop();
      assert.is(code, 1);
      assert.is(stdout, '');
      assert.match(stderr, 'the token may have been replaced or not');
      assert.match(stderr, 'holds the new token, in case it counts');
      assert.is(puts(server), 1);
      const kept = readFileSync(out, 'utf8').trim();
      if (kind === 'cut-applied') assert.is(kept, tokenIn(dataDir));
      for (const token of [kept, tokenIn(made)]) assert.not.ok(stderr.includes(token.split('::server:')[1] ?? ''));
    });
  }

  test('a running server and --offline: its port is seen, and nothing is written', async () => {
    const dataDir = cluster();
    const server = await startSupervisor(judge, dataDir, { etcd: true });
    const file = join(folder(), 'config.yaml');
    writeFileSync(file, `https-listen-port: ${new URL(server.url).port}\n`);
    const before = tree(dataDir);
    const { code, stderr } = k3sPki(['token', 'rotate', '--offline', '--data-dir', dataDir], {
      env: { K3S_CONFIG_FILE: file },
    });
    assert.is(code, 1);
    assert.match(stderr, 'a running server is asked without --offline');
    assert.equal(tree(dataDir), before);
    await server.stop();
  });

  test.run();

  function words(server: SupervisorServer, dataDir: string): string[] {
    return ['token', 'rotate', '--server', server.url, '--data-dir', dataDir];
  }

  function rotate(server: SupervisorServer, dataDir: string, more: readonly string[] = []) {
    return k3sPki([...words(server, dataDir), ...more], { env });
  }
}

/** Without the datastore that lies there, and the socket of kine. */
function ofDisk(files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter(([path]) => !/^server\/(db|kine\.sock)/.test(path)));
}

function puts(server: SupervisorServer): number {
  return server.requests.filter((line) => line === put).length;
}
