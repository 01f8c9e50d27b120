import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { unseal } from '@k3s-pki/datastore';
import { bootstrapKey, normaliseToken, parseBootstrapData } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Cluster, cluster, password } from './bootstrap-cluster.ts';
import { folder, k3sPki, put, startK3sPki, tree } from './program.ts';

/** `bootstrap undo` of `token rotate --offline`: record, token file and password file are one. */
const test = suite('token-rotate-undo');
const config = join(folder(), 'config.yaml');
writeFileSync(config, 'https-listen-port: 1\n');
const env = { K3S_CONFIG_FILE: config };
const killer = `--import=${pathToFileURL(join(import.meta.dirname, 'kill-at.mjs')).href}`;
const rotate = ({ dir }: Cluster, ...more: string[]) =>
  k3sPki(['token', 'rotate', '--offline', '--data-dir', dir, ...more], { env });
const undo = ({ dir }: Cluster, ...more: string[]) =>
  k3sPki(['bootstrap', 'undo', '--data-dir', dir, ...more], { env });
const undoWith = ({ dir }: Cluster, more: Record<string, string>) =>
  k3sPki(['bootstrap', 'undo', '--data-dir', dir], { env: { ...env, NODE_OPTIONS: killer, ...more } });
const tokenOf = ({ dir }: Cluster) => readFileSync(join(dir, 'server/token'), 'utf8');
const passwdOf = ({ dir }: Cluster) => readFileSync(join(dir, 'server/cred/passwd'), 'utf8');
/** All that counts for the next start. */
const stateOf = (it: Cluster) => [tokenOf(it), passwdOf(it), it.records()];

test('undo: record, server/token and cred/passwd go back together, and forth, and back', async () => {
  const it = await cluster();
  const old = stateOf(it);
  assert.is(rotate(it).code, 0);
  const rotated = stateOf(it);
  const before = tree(it.dir);
  const planned = undo(it, '--dry-run');
  assert.is(planned.code, 0, planned.stderr);
  for (const file of ['server/token', 'server/cred/passwd']) {
    assert.match(planned.stdout, new RegExp(`${file} +would be written`));
  }
  assert.equal(tree(it.dir), before);
  const back = undo(it, '--output', 'json');
  assert.is(back.code, 0, back.stderr);
  assert.equal(
    JSON.parse(back.stdout).files.map(({ path }: { path: string }) => path),
    ['server/token', 'server/cred/passwd'].map((path) => join(it.dir, path)),
  );
  assert.equal(stateOf(it), old);
  const forth = undo(it);
  assert.is(forth.code, 0, forth.stderr);
  assert.equal(stateOf(it), rotated);
  assert.is(undo(it).code, 0);
  assert.equal(stateOf(it), old);
  for (const secret of [password, passwordIn(rotated[0] as string)]) {
    for (const { stdout, stderr } of [planned, back, forth]) assert.not.ok((stdout + stderr).includes(secret));
    for (const name of readdirSync(join(it.dir, 'server/bootstrap-backups'))) {
      assert.not.ok(readFileSync(join(it.dir, 'server/bootstrap-backups', name), 'utf8').includes(secret));
    }
  }
});

test('undo: a token file that was not there goes again, a copy of the token comes back', async () => {
  const it = await cluster();
  unlinkSync(join(it.dir, 'server/token'));
  const old = join(it.dir, 'old');
  put(it.dir, { old: `${password}\n`, 'server/node-token': `K10${'ab'.repeat(32)}::server:${password}\n` });
  const copy = readFileSync(join(it.dir, 'server/node-token'), 'utf8');
  const rotated = rotate(it, '--token-file', old);
  assert.is(rotated.code, 0, rotated.stderr);
  assert.is(
    readFileSync(join(it.dir, 'server/node-token'), 'utf8'),
    readFileSync(join(it.dir, 'server/token'), 'utf8'),
  );
  const undone = undo(it);
  assert.is(undone.code, 0, undone.stderr);
  assert.not.ok(existsSync(join(it.dir, 'server/token')));
  assert.is(readFileSync(join(it.dir, 'server/node-token'), 'utf8'), copy);
  assert.equal(Object.keys(it.records()), [bootstrapKey(password)]);
});

test('undo: refused when a file was changed since, when K3s runs, and for a backup without files; nothing is written', async () => {
  const it = await cluster();
  assert.is(rotate(it).code, 0);
  const passwd = passwdOf(it);
  put(it.dir, { 'server/cred/passwd': `${passwd}third,other,other,\n` });
  let before = apart(tree(it.dir));
  const changed = undo(it);
  assert.is(changed.code, 1);
  assert.match(changed.stderr, 'server/cred/passwd: no longer what the change left');
  assert.match(changed.stderr, 'token rotate --offline --new-token-file OLD');
  assert.equal(apart(tree(it.dir)), before);
  // The rows in another order are the same file.
  put(it.dir, { 'server/cred/passwd': `${passwd.trim().split('\n').reverse().join('\n')}\n` });
  before = apart(tree(it.dir));
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = (server.address() as AddressInfo).port;
  put(it.dir, { 'config.yaml': `https-listen-port: ${port}\n` });
  const running = undo(it, '--config', join(it.dir, 'config.yaml'));
  server.close();
  assert.is(running.code, 1);
  assert.match(running.stderr, /something listens|answers|listens/);
  const [name = ''] = readdirSync(join(it.dir, 'server/bootstrap-backups'));
  const backup = JSON.parse(readFileSync(join(it.dir, 'server/bootstrap-backups', name), 'utf8'));
  put(it.dir, { 'without.json': JSON.stringify({ ...backup, files: undefined }) });
  const bare = undo(it, '--backup', join(it.dir, 'without.json'));
  assert.is(bare.code, 1);
  assert.match(bare.stderr, 'holds the record alone');
  assert.equal(
    Object.entries(apart(tree(it.dir))).filter(([path]) => !/^(config.yaml|without.json)$/.test(path)),
    Object.entries(before),
  );
  const done = undo(it);
  assert.is(done.code, 0, done.stderr);
});

for (const [what, turns] of [
  ['an undo', 1],
  ['the undo of an undo', 2],
] as const) {
  test(`kill -9 at each step of ${what}: server/token always opens the record, the same command ends it`, async () => {
    const whole = await rotatedTimes(turns - 1);
    const count = join(folder(), 'count');
    assert.is(undoWith(whole, { KILL_COUNT: count }).code, 0);
    const calls = Number(readFileSync(count, 'utf8'));
    assert.ok(calls > 10);
    const states = new Set<string>();
    // Both kinds meet each step once, between them.
    for (let at = turns; at <= calls; at += 2) {
      const it = await rotatedTimes(turns - 1);
      const from = stateOf(it);
      const killed = undoWith(it, { KILL_AT: String(at) });
      assert.is(killed.code, null, `not killed at ${at}: ${killed.stderr}`);
      const between = Object.keys(it.records());
      const token = passwordIn(tokenOf(it));
      assert.ok(between.includes(bootstrapKey(token)), `step ${at}: no record for server/token`);
      await opens(it, token);
      const isOld = token === passwordIn(from[0] as string);
      states.add(`${between.length}${isOld ? 'from' : 'to'}`);
      // Nothing was left to end: the command has done all of it.
      const isDone = between.length === 1 && !isOld && !existsSync(join(it.dir, '.k3s-pki-stage/journal.commit'));
      const next = undo(it, ...(isDone ? ['--dry-run'] : []));
      assert.is(next.code, 0, `step ${at}: ${next.stderr}`);
      const now = passwordIn(tokenOf(it));
      assert.is.not(now, passwordIn(from[0] as string), `step ${at}: ${next.stderr}`);
      assert.equal(Object.keys(it.records()), [bootstrapKey(now)], `step ${at}`);
      assert.is(passwdOf(it), `${now},server,server,k3s:server\n${now},node,node,k3s:agent\n`, `step ${at}`);
      assert.is(await opens(it, now), passwdOf(it), `step ${at}`);
      if (turns === 1) assert.is(now, password);
    }
    for (const state of ['1from', '2from', '2to']) assert.ok(states.has(state), [...states].join());
  });
}

test('a rotation that was killed half-way, then undo: the old token counts, whichever half it was', async () => {
  const count = join(folder(), 'count');
  const words = (it: Cluster) => ['token', 'rotate', '--offline', '--data-dir', it.dir];
  const counted = k3sPki(words(await cluster()), { env: { ...env, NODE_OPTIONS: killer, KILL_COUNT: count } });
  assert.is(counted.code, 0);
  const seen = new Set<string>();
  for (let at = 1; at <= Number(readFileSync(count, 'utf8')); at += 1) {
    const it = await cluster();
    const old = stateOf(it);
    k3sPki(words(it), { env: { ...env, NODE_OPTIONS: killer, KILL_AT: String(at) } });
    if (Object.keys(it.records()).length !== 2) continue;
    seen.add(passwordIn(tokenOf(it)) === password ? 'undone' : 'finished');
    const { code, stderr } = undo(it);
    assert.is(code, 0, `step ${at}: ${stderr}`);
    assert.match(stderr, 'an interrupted token rotate is');
    assert.equal(stateOf(it), old, `step ${at}: ${stderr}`);
  }
  assert.equal([...seen].sort(), ['finished', 'undone']);
});

test('an undo that was killed, then token rotate: a new token, one record', async () => {
  const it = await cluster();
  assert.is(rotate(it).code, 0);
  const count = join(folder(), 'count');
  const counted = await cluster();
  assert.is(rotate(counted).code, 0);
  assert.is(undoWith(counted, { KILL_COUNT: count }).code, 0);
  let half = false;
  for (let at = 1; at <= Number(readFileSync(count, 'utf8')) && !half; at += 1) {
    undoWith(it, { KILL_AT: String(at) });
    half = Object.keys(it.records()).length === 2;
  }
  assert.ok(half);
  const before = tokenOf(it);
  const { code, stderr } = rotate(it);
  assert.is(code, 0, stderr);
  assert.match(stderr, 'an interrupted bootstrap undo is');
  const now = passwordIn(tokenOf(it));
  assert.is.not(tokenOf(it), before);
  assert.is.not(now, password);
  assert.equal(Object.keys(it.records()), [bootstrapKey(now)]);
});

test('two at once: the files and the one record belong together', async () => {
  const it = await cluster();
  assert.is(rotate(it).code, 0);
  const ends = await Promise.all(
    [1, 2].map(async () => {
      const child = startK3sPki(['bootstrap', 'undo', '--data-dir', it.dir], { env });
      child.stdout?.resume();
      child.stderr?.resume();
      const [code] = await once(child, 'close');
      return code;
    }),
  );
  assert.ok(ends.includes(0));
  const now = passwordIn(tokenOf(it));
  assert.equal(Object.keys(it.records()), [bootstrapKey(now)]);
  assert.is(await opens(it, now), passwdOf(it));
});

test.run();

/** A rotated cluster on which the rotation was undone so many times. */
async function rotatedTimes(undone: number): Promise<Cluster> {
  const it = await cluster();
  assert.is(rotate(it).code, 0);
  for (let turn = 0; turn < undone; turn++) assert.is(undo(it).code, 0);
  return it;
}

/** Without the database, whose rows have a history. */
function apart(files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).filter(([path]) => !path.startsWith('server/db')));
}

function passwordIn(token: string): string {
  return normaliseToken(token.trim()) ?? '';
}

/** The password file in the record that a token opens. */
async function opens({ records }: Cluster, token: string): Promise<string> {
  const document = await unseal(records()[bootstrapKey(token)] ?? new Uint8Array(), token);
  return Buffer.from(parseBootstrapData(document).files.get('PasswdFile')?.content ?? []).toString();
}
