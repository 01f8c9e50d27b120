import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { seal, unseal } from '@k3s-pki/datastore';
import { bootstrapFields, bootstrapKey, parseBootstrapData } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Cluster, cluster, password, stored, token } from './bootstrap-cluster.ts';
import { k3sPki, put, startK3sPki, tree } from './program.ts';

const test = suite('bootstrap');
const run = (words: string, { dir }: Cluster, ...more: string[]) =>
  k3sPki(['bootstrap', ...words.split(' '), '--data-dir', dir, ...more], { env: { K3S_CONFIG_FILE: '' } });

/** Nothing that a private key or a password begins with. */
function noSecrets(text: string, document: Uint8Array): void {
  const { files } = parseBootstrapData(document);
  for (const { name, secret } of bootstrapFields) {
    const content = Buffer.from(files.get(name)?.content ?? []).toString();
    if (!secret || content.length < 16) continue;
    const body = content.split('\n').find((line) => line.length >= 32 && !line.startsWith('-----')) ?? content;
    assert.not.ok(text.includes(body), name);
  }
  assert.not.ok(text.includes(password));
}

test('show: every field, subjects and expiry, the state of the disk, never a key; nothing is written', async () => {
  const it = await cluster();
  const before = tree(it.dir);
  const text = run('show', it);
  assert.is(text.code, 0, text.stderr);
  assert.match(text.stdout, /sqlite at .*state\.db/);
  assert.match(text.stdout, new RegExp(`${bootstrapKey(password)}, revision 2`));
  assert.match(text.stdout, /ServerCA +same +CN=k3s-server-ca@\d+, until \d{4}-\d\d-\d\d, [0-9a-f]{16}, 2 more/);
  assert.match(text.stdout, /ServerCAKey +same +key: P-256/);
  assert.match(text.stdout, /Future +no file +4 bytes/);
  assert.match(text.stdout, /changes nothing on the disk/);
  noSecrets(text.stdout, it.document);
  const json = run('show', it, '--output', 'json');
  noSecrets(json.stdout, it.document);
  const report = JSON.parse(json.stdout);
  assert.equal(
    [report.ok, report.start, report.fields.length, report.key],
    [true, 'unchanged', 16, bootstrapKey(password)],
  );
  assert.equal(tree(it.dir), before);
});

test('show: a newer file on the disk is what the next start stops over', async () => {
  const it = await cluster();
  const file = join(it.dir, 'server/tls/client-ca.crt');
  writeFileSync(file, 'changed');
  const shown = run('show', it);
  assert.match(shown.stdout, /ClientCA +NEWER/);
  assert.match(shown.stdout.replace(/\s+/g, ' '), /newer than datastore and could cause a cluster outage/);
  const doctor = run('doctor', it);
  assert.is(doctor.code, 1);
  assert.match(doctor.stdout, /error: .*client-ca\.crt/);
  utimesSync(file, stored, stored);
  assert.match(run('show', it).stdout, /ClientCA +older/);
});

test('a wrong token, several records, a lock, an empty datastore: K3s says it first, then the hint', async () => {
  const sealed = (pass: string) => async (document: Uint8Array) => ({
    [bootstrapKey(pass)]: await seal(document, pass, randomBytes),
  });
  const cases: [Cluster, RegExp, RegExp][] = [
    [await cluster(sealed('other')), /bootstrap data already found and encrypted with different token/, /--token-file/],
    [
      await cluster(async (document) => ({
        ...(await sealed('other')(document)),
        ...(await sealed(password)(document)),
      })),
      /found multiple bootstrap keys in storage/,
      /doctor/,
    ],
    [
      await cluster(async () => ({ [bootstrapKey(password)]: new Uint8Array() })),
      /is empty: a server holds it as a lock/,
      /doctor/,
    ],
    [await cluster(async () => ({})), /no bootstrap data found/, /--datastore-endpoint/],
    [
      await cluster(async (document) => ({ [bootstrapKey(password)]: await seal(document, 'other', randomBytes) })),
      /does not open with this token/,
      /undo/,
    ],
    [await cluster(async () => ({ [bootstrapKey(password)]: Buffer.from('rubbish') })), /not a sealed record/, /undo/],
  ];
  for (const [it, error, hint] of cases) {
    const before = tree(it.dir);
    for (const words of ['show', 'reseal']) {
      const result = run(words, it);
      assert.is(result.code, 1, words);
      assert.match(result.stderr, error);
      assert.match(result.stderr, hint);
      assert.is(result.stdout, '');
    }
    const doctor = run('doctor', it, '--output', 'json');
    assert.is(doctor.code, 1);
    const { ok, findings } = JSON.parse(doctor.stdout);
    assert.is(ok, false);
    assert.ok(
      findings.every((finding: { message: string; hint: string }) => finding.message !== '' && finding.hint !== ''),
    );
    assert.equal(tree(it.dir), before);
  }
});

test('doctor: a sound cluster is in order', async () => {
  const it = await cluster();
  const doctor = run('doctor', it);
  assert.is(doctor.code, 0, doctor.stdout);
  assert.match(doctor.stdout, /in order/);
});

test('restore: a lost server/tls comes back byte for byte, with closed modes', async () => {
  const it = await cluster();
  const before = tree(it.dir);
  rmSync(join(it.dir, 'server/tls'), { recursive: true });
  writeFileSync(join(it.dir, 'server/cred/passwd'), 'other\n', { mode: 0o640 });
  const lost = tree(it.dir);
  const plan = run('restore --dry-run', it);
  assert.is(plan.code, 0, plan.stderr);
  assert.match(plan.stdout, /would be made/);
  assert.equal(tree(it.dir), lost);
  const restored = run('restore', it);
  assert.is(restored.code, 0, restored.stderr);
  const after = tree(it.dir);
  for (const { file } of bootstrapFields) assert.is(after[file], before[file], file);
  assert.is(after['server/tls'], '0700 /');
  assert.is(after['server/tls/etcd'], '0755 /');
  const [copies = ''] = readdirSync(join(it.dir, 'server/bootstrap-backups'));
  assert.is(readFileSync(join(it.dir, 'server/bootstrap-backups', copies, 'server/cred/passwd'), 'utf8'), 'other\n');
  assert.is(run('show', it, '--output', 'json').stdout.includes('"start": "unchanged"'), true);
  assert.match(run('restore', it).stdout, /nothing to do/);
});

test('reseal: the record opens with the new token alone, all else is kept, undo goes back, undo again forth', async () => {
  const it = await cluster();
  const fresh = 'cafecafecafecafe';
  put(it.dir, { 'new-token': `${fresh}\n` });
  const next = join(it.dir, 'new-token');
  const old = it.records();
  const plan = run('reseal --dry-run', it, '--new-token-file', next);
  assert.is(plan.code, 0, plan.stderr);
  assert.equal(it.records(), old);
  const resealed = run('reseal', it, '--new-token-file', next, '--output', 'json');
  assert.is(resealed.code, 0, resealed.stderr);
  noSecrets(resealed.stdout, it.document);
  assert.not.match(resealed.stdout, fresh);
  const now = it.records();
  assert.equal(Object.keys(now), [bootstrapKey(fresh)]);
  const { files } = parseBootstrapData(await unseal(now[bootstrapKey(fresh)] ?? Buffer.of(), fresh));
  for (const [name, { content, timestamp }] of parseBootstrapData(it.document).files) {
    if (name === 'PasswdFile') continue;
    assert.equal(
      [Buffer.from(files.get(name)?.content ?? []), files.get(name)?.timestamp],
      [Buffer.from(content), timestamp],
    );
  }
  const passwd = Buffer.from(files.get('PasswdFile')?.content ?? []).toString();
  assert.is(passwd, `${fresh},server,server,k3s:server\n${fresh},node,node,k3s:agent\n`);

  const { backup } = JSON.parse(resealed.stdout);
  assert.is(statSync(backup).mode & 0o7777, 0o600);
  assert.is(statSync(dirname(backup)).mode & 0o7777, 0o700);
  assert.is(run('undo', it).code, 0);
  assert.equal(it.records(), old);
  const redone = run('undo', it);
  assert.is(redone.code, 0, redone.stderr);
  assert.equal(it.records(), now);
});

test('reseal: a run that was killed between its two steps is finished by the next', async () => {
  const fresh = 'cafecafecafecafe';
  const it = await cluster(async (document) => ({
    [bootstrapKey(password)]: await seal(document, password, randomBytes),
    [bootstrapKey(fresh)]: await seal(document, fresh, randomBytes),
  }));
  put(it.dir, { 'new-token': fresh });
  const run1 = run('reseal', it, '--new-token-file', join(it.dir, 'new-token'));
  assert.is(run1.code, 0, run1.stderr);
  assert.equal(Object.keys(it.records()), [bootstrapKey(fresh)]);
  const again = run('reseal', it, '--new-token-file', join(it.dir, 'new-token'));
  assert.is(again.code, 0, again.stderr);
  assert.match(again.stdout, /nothing to do/);
});

test('reseal migrates what older releases of K3s left', async () => {
  for (const pass of ['', token]) {
    const it = await cluster(async (document) => ({ [bootstrapKey(pass)]: await seal(document, pass, randomBytes) }));
    assert.is(run('show', it).code, 0);
    assert.match(run('doctor', it).stdout, /K3s migrates it/);
    const migrated = run('reseal', it);
    assert.is(migrated.code, 0, migrated.stderr);
    assert.equal(Object.keys(it.records()), [bootstrapKey(password)]);
    const [record = Buffer.of()] = Object.values(it.records());
    assert.equal(Buffer.from(await unseal(record, password)), Buffer.from(it.document));
  }
});

test('prune: keeps the record of the token, removes the others and a left-over lock, refuses without its own', async () => {
  const it = await cluster(async (document) => ({
    [bootstrapKey(password)]: await seal(document, password, randomBytes),
    [bootstrapKey('other')]: await seal(document, 'other', randomBytes),
  }));
  const before = it.records();
  assert.match(run('doctor', it).stdout.replace(/\s+/g, ' '), /bootstrap prune/);
  assert.is(run('prune --dry-run', it).code, 0);
  assert.equal(it.records(), before);
  assert.is(run('prune', it).code, 0);
  assert.equal(Object.keys(it.records()), [bootstrapKey(password)]);
  assert.is(run('undo', it).code, 0);
  assert.equal(it.records(), before);
  const lock = await cluster(async () => ({ [bootstrapKey(password)]: new Uint8Array() }));
  assert.is(run('prune', lock).code, 0);
  assert.equal(lock.records(), {});
  const foreign = await cluster(async (document) => ({ [bootstrapKey('x')]: await seal(document, 'x', randomBytes) }));
  const refused = run('prune', foreign);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /encrypted with different token/);
  assert.equal(Object.keys(foreign.records()), [bootstrapKey('x')]);
});

test('undo: refused when there is nothing, when the record was changed since, and for another datastore', async () => {
  const it = await cluster();
  assert.match(run('undo', it).stderr, /there is no backup/);
  put(it.dir, { 'new-token': 'cafecafecafecafe' });
  assert.is(run('reseal', it, '--new-token-file', join(it.dir, 'new-token')).code, 0);
  const database = new DatabaseSync(join(it.dir, 'server/db/state.db'));
  const [row] = database.prepare('SELECT max(id) AS id FROM kine WHERE name = ?').all(bootstrapKey('cafecafecafecafe'));
  database
    .prepare(
      "INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value) VALUES (?, 0, 0, ?, ?, 0, 'x')",
    )
    .run(bootstrapKey('cafecafecafecafe'), row?.id ?? 0, row?.id ?? 0);
  database.close();
  const before = it.records();
  const refused = run('undo', it);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /is no longer what the change left/);
  assert.equal(it.records(), before);
  const [name = ''] = readdirSync(join(it.dir, 'server/bootstrap-backups'));
  const other = await cluster();
  assert.match(
    run('undo', other, '--backup', join(it.dir, 'server/bootstrap-backups', name)).stderr,
    /a backup of sqlite at/,
  );
});

test('export and import: into another cluster, sealed with its token; what cannot be meant is refused', async () => {
  const it = await cluster();
  put(it.dir, { passphrase: 'correct horse\n', wrong: 'battery', 'other-token': 'c0ffeec0ffeec0ffee' });
  const file = join(it.dir, 'cas.age');
  const passphrase = ['--passphrase-file', join(it.dir, 'passphrase')];
  assert.match(run('export', it, '--to', file).stderr, /neither a recipient nor a passphrase/);
  assert.match(run('export', it, '--to', file, '--recipient', 'age1x').stderr, /not a recipient of age/);
  const exported = run('export', it, '--to', file, ...passphrase);
  assert.is(exported.code, 0, exported.stderr);
  assert.match(exported.stdout, /0600 .*16 fields\n {2}can be opened by whoever knows the passphrase/);
  noSecrets(exported.stdout, it.document);
  assert.is(statSync(file).mode & 0o7777, 0o600);
  assert.match(run('export', it, '--to', file, ...passphrase).stderr, /exists|taken|already/);

  const other = await cluster(async () => ({}));
  const token = ['--token-file', join(it.dir, 'other-token')];
  const before = tree(other.dir);
  assert.match(
    run('import', other, ...token, '--from', file, '--passphrase-file', join(it.dir, 'wrong')).stderr,
    /does not open/,
  );
  assert.match(run('import', other, ...token, '--from', file, '--identity', file).stderr, /no identity of age/);
  assert.match(run('import', other, ...token, '--from', join(it.dir, 'none'), ...passphrase).stderr, /no such file/);
  assert.equal(tree(other.dir), before);
  const imported = run('import', other, ...token, '--from', file, ...passphrase);
  assert.is(imported.code, 0, imported.stderr);
  const record = other.records()[bootstrapKey('c0ffeec0ffeec0ffee')] ?? Buffer.of();
  const { files } = parseBootstrapData(await unseal(record, 'c0ffeec0ffeec0ffee'));
  for (const [name, { content }] of parseBootstrapData(it.document).files) {
    if (name !== 'PasswdFile') assert.equal(Buffer.from(files.get(name)?.content ?? []), Buffer.from(content), name);
  }
  assert.match(Buffer.from(files.get('PasswdFile')?.content ?? []).toString(), /^c0ffeec0ffeec0ffee,server/);
  assert.is(run('undo', other, ...token).code, 0);
  assert.equal(other.records(), {});
});

test('a server that takes the connection and says nothing: Ctrl-C ends it, and so does the time limit', async () => {
  const it = await cluster();
  const silent = createServer();
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  for (const endpoint of [
    `postgres://u@127.0.0.1:${port}/x`,
    `mysql://u@tcp(127.0.0.1:${port})/x`,
    `https://127.0.0.1:${port}`,
  ]) {
    const words = ['bootstrap', 'show', '--data-dir', it.dir, '--datastore-endpoint', endpoint, '--timeout', '60'];
    const child = startK3sPki(words);
    const [socket] = (await once(silent, 'connection')) as [Socket];
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    assert.is(code, 130, endpoint);
    socket.destroy();
  }
  const { port: other } = silent.address() as AddressInfo;
  const child = startK3sPki([
    'bootstrap',
    'show',
    '--data-dir',
    it.dir,
    '--datastore-endpoint',
    `https://127.0.0.1:${other}`,
    '--timeout',
    '1',
  ]);
  let said = '';
  child.stderr?.on('data', (chunk) => (said += chunk));
  const [code] = await once(child, 'close');
  assert.is(code, 1);
  assert.match(said, /no answer in time/);
  silent.close();
});

test('wrong words: each with one clear line', async () => {
  const it = await cluster();
  const inArguments = run('show', it, '--datastore-endpoint', 'postgres://u:hunter2@127.0.0.1/x');
  assert.is(inArguments.code, 1);
  assert.match(inArguments.stderr, /holds a password/);
  assert.not.match(inArguments.stderr, 'hunter2');
  assert.match(
    run('show', it, '--datastore-endpoint', 'nats://h').stderr,
    /can only be reached through the kine of a K3s that runs/,
  );
  assert.match(run('show', it, '--datastore-endpoint', 'https://127.0.0.1:1').stderr, /refused/i);
  assert.is(run('show', it, '--timeout', '0').code, 2);
  assert.match(run('show', it, '--config', join(it.dir, 'none.yaml')).stderr, /there is no such file/);
  assert.match(run('show', it, '--token-file', join(it.dir, 'none')).stderr, /there is no such file/);
  put(it.dir, { bootstrap: 'abcdef.0123456789abcdef' });
  assert.match(run('show', it, '--token-file', join(it.dir, 'bootstrap')).stderr, /failed to normalize server token/);
  const nowhere = k3sPki([
    'bootstrap',
    'show',
    '--data-dir',
    join(it.dir, 'nowhere'),
    '--token-file',
    join(it.dir, 'server/token'),
  ]);
  assert.match(nowhere.stderr, /state\.db: there is no such file/);
  const digest = createHash('sha256').update(token).digest('hex');
  assert.not.match(nowhere.stderr, digest);
});

test.run();
