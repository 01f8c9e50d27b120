import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { unseal } from '@k3s-pki/datastore';
import { bootstrapKey, normaliseToken, parseBootstrapData } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Cluster, cluster, password } from './bootstrap-cluster.ts';
import { folder, k3sPki, startK3sPki, tree } from './program.ts';

/** kill -9 at each step of `token rotate --offline` that changes the disk. */
const test = suite('token-rotate-robustness');
const config = join(folder(), 'config.yaml');
writeFileSync(config, 'https-listen-port: 1\n');
const killer = `--import=${pathToFileURL(join(import.meta.dirname, 'kill-at.mjs')).href}`;
const rotate = ({ dir }: Cluster, more: readonly string[], env: Record<string, string> = {}) =>
  k3sPki(['token', 'rotate', '--offline', '--data-dir', dir, ...more], { env: { K3S_CONFIG_FILE: config, ...env } });
const given = join(folder(), 'given');
const chosen = 'fedcba9876543210fedcba9876543210';
writeFileSync(given, `${chosen}\n`, { mode: 0o600 });

const old = join(folder(), 'old');
writeFileSync(old, `${password}\n`, { mode: 0o600 });

const count = join(folder(), 'count');
const whole = await cluster();
assert.is(rotate(whole, [], { NODE_OPTIONS: killer, KILL_COUNT: count }).code, 0);
const calls = Number(readFileSync(count, 'utf8'));

for (const [what, more] of [
  ['a random token, which dies with the run', []],
  ['a given one, with the old one named', ['--new-token-file', given, '--token-file', old]],
] as const) {
  test(`${what}: server/token always opens the record, and the next run ends it`, async () => {
    assert.ok(calls > 10);
    const states = new Set<string>();
    // Both kinds meet each step once.
    const first = more.length === 0 ? 1 : 2;
    for (let at = first; at <= calls; at += 2) {
      const it = await cluster();
      const killed = rotate(it, more, { NODE_OPTIONS: killer, KILL_AT: String(at) });
      assert.is(killed.code, null, `not killed at ${at}: ${killed.stderr}`);
      const between = Object.keys(it.records());
      const token = passwordIn(it);
      assert.ok(between.includes(bootstrapKey(token)), `step ${at}: no record for server/token`);
      assert.ok(await opens(it, token), `step ${at}: the record does not open`);
      states.add(`${between.length}${token === password ? 'old' : 'new'}`);
      const next = rotate(it, more);
      // Nothing was left to do: the old token opens nothing any more.
      const done = next.code === 1 && more.length > 0 && /encrypted with different token/.test(next.stderr);
      assert.ok(next.code === 0 || done, `step ${at}: ${next.stderr}`);
      const now = passwordIn(it);
      assert.is.not(now, password, `step ${at}`);
      if (more.length > 0) assert.is(now, chosen);
      assert.equal(Object.keys(it.records()), [bootstrapKey(now)], `step ${at}`);
      const passwd = readFileSync(join(it.dir, 'server/cred/passwd'), 'utf8');
      assert.is(passwd, `${now},server,server,k3s:server\n${now},node,node,k3s:agent\n`, `step ${at}`);
      assert.is(await opens(it, now), passwd, `step ${at}`);
      assert.ok(!existsSync(join(it.dir, '.k3s-pki-stage')), `step ${at}: the private folder is left`);
    }
    // The kills met the time before, both halves, and the time between files and the old record's end.
    for (const state of ['1old', '2old', '2new']) assert.ok(states.has(state), [...states].join());
  });
}

for (const file of ['server/token', 'server/cred/passwd']) {
  test(`a disk that fails at ${file}: files and record are those from before`, async () => {
    const it = await cluster();
    const before = apart(tree(it.dir));
    const records = it.records();
    const out = join(it.dir, 'new-token');
    const { code, stderr } = rotate(it, ['--out', out], { NODE_OPTIONS: killer, FAIL_RENAME: file });
    assert.is(code, 1, stderr);
    assert.match(stderr, /error: .*server\//);
    assert.equal(it.records(), records);
    assert.equal(apart(tree(it.dir)), before);
    assert.is(rotate(it, []).code, 0);
  });
}

test('a link in the place of server/token is refused before the record changes', async () => {
  const it = await cluster();
  const elsewhere = join(it.dir, 'elsewhere');
  renameSync(join(it.dir, 'server/token'), elsewhere);
  symlinkSync(elsewhere, join(it.dir, 'server/token'));
  const before = tree(it.dir);
  const { code, stderr } = rotate(it, []);
  assert.is(code, 1);
  assert.match(stderr, /server\/token/);
  assert.equal(tree(it.dir), before);
});

test('two at once: one after the other or one refused, and one record that server/token opens', async () => {
  const it = await cluster();
  const words = ['token', 'rotate', '--offline', '--data-dir', it.dir];
  const ends = await Promise.all(
    [1, 2, 3].map(async () => {
      const child = startK3sPki(words, { env: { K3S_CONFIG_FILE: config } });
      let stderr = '';
      child.stderr?.on('data', (text) => {
        stderr += text;
      });
      child.stdout?.resume();
      const [code] = await once(child, 'close');
      return { code, stderr };
    }),
  );
  assert.ok(ends.some(({ code }) => code === 0));
  for (const { code, stderr } of ends) {
    if (code !== 0) assert.match(stderr, /another run|different token|changed meanwhile|multiple bootstrap keys/);
  }
  const now = passwordIn(it);
  assert.equal(Object.keys(it.records()), [bootstrapKey(now)]);
  const passwd = readFileSync(join(it.dir, 'server/cred/passwd'), 'utf8');
  assert.is(await opens(it, now), passwd);
  assert.match(passwd, `${now},server,server`);
});

test.run();

/** Without the database, whose rows have a history, and the folder of backups, which stays. */
function apart(files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).filter(([path]) => !path.startsWith('server/db') && path !== 'server/bootstrap-backups'),
  );
}

function passwordIn({ dir }: Cluster): string {
  return normaliseToken(readFileSync(join(dir, 'server/token'), 'utf8').trim()) ?? '';
}

/** The password file in the record that a token opens. */
async function opens({ records }: Cluster, token: string): Promise<string> {
  const document = await unseal(records()[bootstrapKey(token)] ?? new Uint8Array(), token);
  return Buffer.from(parseBootstrapData(document).files.get('PasswdFile')?.content ?? []).toString();
}
