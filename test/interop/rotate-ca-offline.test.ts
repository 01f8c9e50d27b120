import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrapFields, rotationFields } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder, k3sPki, tree } from '../cli/program.ts';
import { goJudge, present } from './judge.ts';
import { type KineClient, kineJudge } from './kine/judge.ts';
import { makeCluster, passwords, stageNew } from './supervisor-server.ts';

/** `certificate rotate-ca --offline` on SQLite as K3s has it: kine's rows, a record that Go sealed, and kine to read it again. */
const judges = present('interop/rotate-ca-offline', kineJudge());
const needsGo = present('interop/rotate-ca-offline', goJudge());

if (judges && needsGo) {
  const { serve, client: openClient } = judges;
  const test = suite('rotate-ca-offline');
  const dataDir = makeCluster();
  const renewed = stageNew(dataDir);
  const foreign = makeCluster();
  const server = join(dataDir, 'server');
  // The machine's own must not count.
  const config = join(folder(), 'config.yaml');
  writeFileSync(config, '');
  const socket = `unix://${join(server, 'kine.sock')}`;
  /** kine on the data dir's database, as long as `work` takes: the cluster is stopped otherwise. */
  const withKine = async <T>(work: (client: KineClient) => Promise<T>): Promise<T> => {
    const kine = await serve({ listener: socket, endpoint: '', cwd: server });
    const client = openClient(socket);
    try {
      return await work(client);
    } finally {
      client.stop();
      await kine.stop();
    }
  };
  const recordOf = (client: KineClient) => client.storageKey(passwords.server).then((key) => client.get(key));
  /** The opened record, by Go. */
  const documentNow = () =>
    withKine(async (client) => {
      const { value } = await recordOf(client);
      const document = await client.unseal(passwords.server, value);
      return JSON.parse(document.toString()) as Record<string, { Timestamp: string; Content: string }>;
    });

  test.before(async () => {
    mkdirSync(join(server, 'db'), { mode: 0o700 });
    const stamp = '2024-02-03T04:05:06.789Z';
    const entries = bootstrapFields.flatMap(({ name, file }) => {
      const content = contentOf(join(dataDir, file));
      return content === undefined
        ? []
        : [[name, { Timestamp: stamp, Content: content, Later: 12345678901234567890n }]];
    });
    // A number that a double has no room for, in a member that nobody knows yet.
    const document = JSON.stringify(Object.fromEntries(entries), (_, value) =>
      typeof value === 'bigint' ? 'BIG' : value,
    ).replaceAll('"BIG"', '12345678901234567890');
    await withKine(async (client) => {
      const key = await client.storageKey(passwords.server);
      await client.create(key, await client.seal(passwords.server, new TextEncoder().encode(document)));
    });
  });

  test('a dry run leaves record and disk alone', () => {
    const before = tree(dataDir);
    const { code, stdout, stderr } = rotate(renewed, ['--dry-run']);
    assert.is(code, 0, stderr);
    assert.match(stdout, 'non-disruptive');
    assert.equal(ofDatabase(tree(dataDir)), ofDatabase(before));
  });

  test('what K3s would refuse is refused with its line, and the record stays', async () => {
    const { code, stderr } = rotate(foreign);
    assert.is(code, 1);
    assert.match(stderr, 'ServerCA: new CA cert cannot be verified using old CA chain');
    const now = await documentNow();
    assert.is(now.ServerCA?.Content, contentOf(join(server, 'tls/server-ca.crt')));
    assert.is(now.ServerCA?.Timestamp, '2024-02-03T04:05:06.789Z');
  });

  test('the record holds the new set, sealed so that Go opens it; the rest of it and the disk are as before', async () => {
    const before = tree(dataDir);
    const started = Date.now();
    const { code, stdout, stderr } = rotate(renewed);
    assert.is(code, 0, stderr);
    assert.is(stdout.split('\n')[0], 'certificates saved to datastore');
    assert.match(stdout, 'read back from');
    assert.not.ok((stdout + stderr).includes(passwords.server));
    const now = await documentNow();
    for (const { field, file } of rotationFields) {
      assert.is(now[field]?.Content, contentOf(join(renewed, file)), field);
      assert.ok(Date.parse(now[field]?.Timestamp ?? '') >= started - 1000, field);
    }
    assert.is(now.PasswdFile?.Timestamp, '2024-02-03T04:05:06.789Z');
    const raw = await withKine(async (client) =>
      (await client.unseal(passwords.server, (await recordOf(client)).value)).toString(),
    );
    // One for each field that had it.
    assert.is(raw.match(/"Later":12345678901234567890/g)?.length, Object.keys(now).length);
    // Only the datastore and our backup of its record changed.
    const after = tree(dataDir);
    for (const path of Object.keys(ofDatabase(before))) assert.is(after[path], before[path], path);
  });

  test('the backup is sealed, for its owner alone', async () => {
    const backups = join(server, 'bootstrap-backups');
    const names = readdirSync(backups);
    assert.is(names.length, 1);
    const backup = join(backups, names[0] ?? '');
    assert.is(statSync(backup).mode & 0o777, 0o600);
    assert.not.match(readFileSync(backup, 'utf8'), 'BEGIN');
  });

  test('a token that does not open the record: the words of K3s, nothing written', async () => {
    const file = join(folder(), 'token');
    writeFileSync(file, 'another-password\n', { mode: 0o600 });
    const { code, stdout, stderr } = rotate(renewed, ['--token-file', file]);
    assert.is(code, 1);
    assert.match(stderr, 'bootstrap data already found and encrypted with different token');
    assert.not.ok((stdout + stderr).includes('another-password'));
  });

  test('two administrators at once: one record, one winner or two whole turns, never a mixture', async () => {
    const other = stageNew(renewed);
    const third = stageNew(renewed);
    const results = await Promise.all([other, third].map((staged) => rotateLater(staged)));
    assert.ok(results.some(({ code }) => code === 0));
    for (const { code, stderr } of results) {
      // Who reads the record after the other one has written it lacks the other one's new service account key.
      const reasons = /changed meanwhile|database is locked|busy|old ServiceAccount signing key not in new/;
      if (code !== 0) assert.match(stderr, reasons);
    }
    const now = await documentNow();
    const whole = [other, third].filter((staged) =>
      rotationFields.every(({ field, file }) => now[field]?.Content === contentOf(join(staged, file))),
    );
    assert.is(whole.length, 1);
  });

  test.run();

  function args(staged: string, more: readonly string[]): string[] {
    const path = join(staged, 'server');
    return ['certificate', 'rotate-ca', '--offline', '--path', path, '--data-dir', dataDir, ...more];
  }

  function rotate(staged: string, more: readonly string[] = []) {
    return k3sPki(args(staged, more), { env: { K3S_CONFIG_FILE: config } });
  }

  async function rotateLater(staged: string): Promise<{ code: number | null; stderr: string }> {
    const { startK3sPki } = await import('../cli/program.ts');
    const child = startK3sPki(args(staged, []), { env: { K3S_CONFIG_FILE: config } });
    let stderr = '';
    child.stderr?.on('data', (text) => (stderr += text));
    child.stdout?.resume();
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, stderr })));
  }
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file).toString('base64');
  } catch {
    return undefined;
  }
}

/** Without the datastore itself and the socket of kine. */
function ofDatabase(files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter(([path]) => !/^server\/(db|kine\.sock)/.test(path)));
}
