import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { seal } from '@k3s-pki/datastore';
import { bootstrapKey, replaceBootstrapFiles } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { password, token } from './bootstrap-cluster.ts';
import { putLeaf } from './data-dir.ts';
import { healthy, rootHash } from './healthy-server.ts';
import { issueLeaves, quiet } from './leaf-data-dir.ts';
import { fastKeys, folder, k3sPki, put, type Run, tree } from './program.ts';

const test = suite('doctor');

interface Report {
  readonly ok: boolean;
  readonly caHash: string;
  readonly release: string | null;
  readonly renewalDays: number;
  readonly datastore: { readonly seen: boolean };
  readonly nextStart: {
    readonly outcome: string;
    readonly certain: boolean;
    readonly lines: string[];
    readonly rewritten: string[];
  };
  readonly findings: ReadonlyArray<{
    readonly section: string;
    readonly severity: string;
    readonly code: string;
    readonly file?: string;
    readonly message: string;
    readonly k3s?: string;
    readonly mend?: string;
  }>;
}

/** No K3s of this machine: where the program looks for it, and its configuration. */
const env = { ...quiet, PATH: folder() };

/** Runs it; it must leave everything as it was, times included. */
function look(dir: string, args: readonly string[] = [], added: Record<string, string> = {}): Report & { run: Run } {
  const before = tree(dir);
  const times = Object.keys(before).map((path) => modified(join(dir, path)));
  const run = k3sPki(['doctor', '--data-dir', dir, '--output', 'json', ...args], { env: { ...env, ...added } });
  assert.equal(tree(dir), before, 'something was written');
  assert.equal(
    Object.keys(before).map((path) => modified(join(dir, path))),
    times,
  );
  assert.is(run.stderr, '');
  const report = JSON.parse(run.stdout) as Report;
  assert.is(run.code, report.ok ? 0 : 1);
  assert.not.match(run.stdout, new RegExp(password), 'the token is a secret');
  return { ...report, run };
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function text(dir: string, args: readonly string[] = []): string {
  return k3sPki(['doctor', '--data-dir', dir, ...args], { env }).stdout;
}

function codes({ findings }: Report, section?: string): string[] {
  return findings.filter((each) => section === undefined || each.section === section).map(({ code }) => code);
}

test('a server in order: it starts and changes nothing', async () => {
  const dir = await healthy();
  const report = look(dir);
  assert.equal(codes(report), ['version-unknown']);
  assert.equal(report.nextStart, { outcome: 'starts', certain: true, lines: [], rewritten: [] });
  assert.ok(report.datastore.seen);
  assert.match(text(dir), /✔ Next start: K3s starts and changes none of its CAs/);
});

test('files newer than the datastore: fatal, with K3s line for line, and the mend mends it', async () => {
  const dir = await healthy();
  const [crt, key] = ['client-ca.crt', 'client-ca.key'].map((name) => join(dir, 'server/tls', name)) as [
    string,
    string,
  ];
  for (const path of [crt, key]) appendFileSync(path, '\n');
  const report = look(dir);
  // Source: K3s pkg/cluster/bootstrap.go.
  const line = `${crt}, ${key} newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore.`;
  assert.is(report.run.code, 1);
  assert.is(report.nextStart.outcome, 'fatal');
  assert.equal(report.nextStart.lines, [line]);
  assert.match(k3sPki(['explain', line]).stdout, 'datastore');
  const mend = report.findings.find(({ code }) => code === 'disk-newer')?.mend ?? '';
  const command = /: k3s-pki ([\w -]+ --data-dir \S+)$/.exec(mend)?.[1]?.split(' ') ?? [];
  assert.is(k3sPki(command, { env }).code, 0);
  assert.is(look(dir).nextStart.outcome, 'starts');
});

test('a rotation that waits: the datastore wins, and no token rotate before the restart', async () => {
  const next = folder();
  assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', next, ...fastKeys]).code, 0);
  const names = ['server-ca.crt', 'server-ca.key'];
  const fields = new Map([
    ['ServerCA', readFileSync(join(next, 'server/tls/server-ca.crt'))],
    ['ServerCAKey', readFileSync(join(next, 'server/tls/server-ca.key'))],
  ]);
  const waiting = await healthy(async (document) => ({
    [bootstrapKey(password)]: await seal(
      replaceBootstrapFiles(document, fields, new Date().toISOString()),
      password,
      randomBytes,
    ),
  }));
  const report = look(waiting);
  assert.is(report.nextStart.outcome, 'rewrites');
  assert.equal(
    report.nextStart.rewritten.sort(),
    names.map((name) => join(waiting, 'server/tls', name)),
  );
  const finding = report.findings.find(({ code }) => code === 'rotation-waits');
  assert.is(finding?.severity, 'warning');
  assert.match(finding?.mend ?? '', 'no "token rotate" before that');
  // The token is for the CAs of the disk, which are not those of the next start.
  assert.ok(codes(report, 'token').includes('token-hash'));
  assert.is(report.caHash, rootHash(next));
});

test('a fresh disk: everything comes from the datastore', async () => {
  const dir = await healthy();
  rmSync(join(dir, 'server/tls'), { recursive: true });
  const report = look(dir);
  assert.equal(codes(report, 'datastore'), ['fresh-disk']);
  assert.is(report.nextStart.outcome, 'rewrites');
  assert.ok(report.nextStart.rewritten.includes(join(dir, 'server/tls/service.key')));
  assert.is(codes(report, 'authorities').length, 0);
});

test('a new server on a used datastore: with the token everything comes from there', async () => {
  const { dir, fresh } = { dir: await healthy(), fresh: folder() };
  put(fresh, { 'server/note.txt': 'x' });
  const endpoint = ['--datastore-endpoint', `sqlite://${join(dir, 'server/db/state.db')}`];
  const report = look(fresh, [...endpoint, '--token-file', join(dir, 'server/token')]);
  assert.equal(codes(report, 'datastore'), ['fresh-disk']);
  assert.is(report.nextStart.outcome, 'rewrites');
  assert.is(report.caHash, rootHash(dir));
  const without = look(fresh, endpoint);
  assert.equal(codes(without, 'datastore'), ['datastore-not-seen']);
  assert.match(without.findings.find(({ section }) => section === 'datastore')?.mend ?? '', '--token-file');
});

test('a record of another token, no record, several, a lock, a damaged one', async () => {
  const sealed = (document: Uint8Array, with_: string) => seal(document, with_, randomBytes);
  const other = look(await healthy(async (document) => ({ [bootstrapKey('other')]: await sealed(document, 'other') })));
  assert.equal(other.nextStart.lines, ['bootstrap data already found and encrypted with different token']);
  assert.is(other.run.code, 1);

  const none = look(await healthy(async () => ({})));
  assert.equal(codes(none, 'datastore'), ['no-record']);
  assert.is(none.run.code, 0);

  const several = look(
    await healthy(async (document) => ({
      [bootstrapKey(password)]: await sealed(document, password),
      [bootstrapKey('other')]: await sealed(document, 'other'),
    })),
  );
  assert.equal(codes(several, 'datastore'), ['several', 'foreign']);
  assert.is(several.nextStart.outcome, 'starts');

  const locked = look(await healthy(async () => ({ [bootstrapKey(password)]: new Uint8Array() })));
  assert.equal(codes(locked, 'datastore'), ['locked']);

  const damaged = look(
    await healthy(async (document) => ({ [bootstrapKey(password)]: await sealed(document, 'not this one') })),
  );
  assert.equal(codes(damaged, 'datastore'), ['record-damaged']);
  assert.equal(damaged.nextStart.lines, ['cipher: message authentication failed']);
});

test('a datastore that cannot be reached is one finding, and the rest goes on', async () => {
  const dir = await healthy();
  chmodSync(join(dir, 'server/token'), 0o644);
  rmSync(join(dir, 'server/db/state.db'));
  const report = look(dir);
  assert.equal(codes(report, 'datastore'), ['datastore-not-seen']);
  assert.equal(codes(report, 'modes'), ['readable-secret']);
  assert.is(report.nextStart.certain, false);
  assert.is(report.run.code, 0);
  rmSync(join(dir, 'server/tls/client-ca.key'));
  const half = look(dir);
  assert.equal(codes(half, 'authorities'), ['perhaps-replaced']);
});

test('a stale token in the configuration is fatal', async () => {
  const dir = await healthy();
  const config = join(folder(), 'config.yaml');
  writeFileSync(config, 'token: 0123456789abcdef\nhttps-listen-port: 9\n');
  const report = look(dir, [], { K3S_CONFIG_FILE: config });
  assert.equal(codes(report, 'datastore'), ['stale-token']);
  assert.equal(report.nextStart.lines, ['bootstrap data already found and encrypted with different token']);
  assert.not.match(report.run.stdout, '0123456789abcdef');
  // This shell's is not the service's.
  assert.is(look(dir, [], { K3S_TOKEN: '0123456789abcdef' }).nextStart.outcome, 'starts');
});

for (const [file, content, code] of [
  ['server/token', `${token}\n`, 'token-hash'],
  ['server/token', 'K10abc::server:x\n', 'token-unreadable'],
  ['server/agent-token', 'another-password\n', 'token-password'],
  ['server/node-token', 'a-copy\n', 'node-token-copy'],
] as const) {
  test(`${file}: ${code}`, async () => {
    const dir = await healthy();
    rmSync(join(dir, file), { force: true });
    writeFileSync(join(dir, file), content, { mode: 0o600 });
    const report = look(dir, file === 'server/token' ? ['--token-file', secretFile()] : []);
    assert.equal(codes(report, 'token'), [code]);
    assert.is(report.findings.find((each) => each.code === code)?.file, join(dir, file));
  });
}

function secretFile(): string {
  const file = join(folder(), 'token');
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return file;
}

test('leaves: renewed, not noticed, expired', async () => {
  const dir = await healthy();
  issueLeaves(dir);
  // The root's own intermediate is not among them, so nothing is wrong with the leaves of these CAs.
  assert.equal(codes(look(dir), 'certificates'), []);
  copyFileSync(join(dir, 'server/tls/client-admin.key'), join(dir, 'server/tls/client-scheduler.key'));
  const mismatch = look(dir);
  assert.equal(codes(mismatch, 'certificates'), ['leaf-overlooked']);
  assert.match(mismatch.findings[0]?.mend ?? '', 'certificate rotate --service scheduler');
  assert.is(mismatch.run.code, 1);
  assert.is(mismatch.nextStart.outcome, 'starts');
  const now = Math.floor(Date.now() / 1000);
  const spec = { subject: [['CN', 'system:kube-scheduler']] as const, notBefore: now - 7200, notAfter: now - 3600 };
  await putLeaf(dir, 'server/tls/client-scheduler', 'client', spec);
  const expired = look(dir);
  assert.equal(codes(expired, 'certificates'), ['leaf-expired', 'leaves-renewed']);
  assert.is(expired.run.code, 0);
});

test('the supervisor certificate of other CAs', async () => {
  const dir = await healthy();
  const other = folder();
  assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', other, ...fastKeys]).code, 0);
  const secret = (from: string) =>
    JSON.stringify({ data: { 'tls.crt': readFileSync(join(from, 'leaf.crt')).toString('base64') } });
  const serving = { subject: [['CN', 'k3s']] as const, extendedKeyUsage: ['serverAuth'] };
  const path = join(dir, 'server/tls/dynamic-cert.json');
  await putLeaf(other, 'leaf', 'server', serving);
  writeFileSync(path, secret(other), { mode: 0o600 });
  const report = look(dir);
  assert.equal(codes(report, 'certificates'), ['supervisor-refused']);
  assert.is(report.run.code, 1);
  writeFileSync(join(dir, 'server/tls/dynamic-cert-regenerate'), '');
  assert.equal(codes(look(dir), 'certificates'), ['supervisor-marked']);
  rmSync(join(dir, 'server/tls/dynamic-cert-regenerate'));
  await putLeaf(dir, 'leaf', 'server', serving);
  writeFileSync(path, secret(dir), { mode: 0o600 });
  assert.equal(codes(look(dir), 'certificates'), []);
});

test('a data dir before its first start: empty, with half a pair, with a wrong key', () => {
  const dir = folder();
  put(dir, { 'server/note.txt': 'x' });
  const empty = look(dir);
  assert.is(empty.nextStart.outcome, 'first');
  assert.equal(codes(empty, 'datastore'), ['no-datastore-yet']);
  assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', dir, ...fastKeys]).code, 0);
  assert.is(look(dir).nextStart.outcome, 'starts');
  const key = join(dir, 'server/tls/client-ca.key');
  copyFileSync(join(dir, 'server/tls/server-ca.key'), key);
  const wrong = look(dir);
  assert.is(wrong.nextStart.outcome, 'fatal');
  // Source: Go crypto/x509, CreateCertificate.
  assert.equal(wrong.nextStart.lines, ["x509: provided PrivateKey doesn't match parent's PublicKey"]);
  rmSync(key);
  const half = look(dir);
  assert.is(half.nextStart.outcome, 'replaces');
  assert.equal(codes(half, 'authorities'), ['half-pair']);
});

test('passwd: a row without a user is fatal, and the one of the datastore counts', async () => {
  const dir = await healthy();
  const passwd = join(dir, 'server/cred/passwd');
  writeFileSync(passwd, 'broken\n');
  const lines = look(dir).nextStart.lines;
  // Source: K3s pkg/passwd/passwd.go.
  const line = `password file '${passwd}' must have at least 2 columns (password, name), found 1`;
  assert.ok(lines.includes(line), lines.join('\n'));
  utimesSync(passwd, new Date('2020-01-01'), new Date('2020-01-01'));
  const older = look(dir);
  assert.equal(codes(older, 'datastore'), ['disk-older']);
  assert.equal(codes(older, 'token'), []);
  assert.equal(older.nextStart.rewritten, [passwd]);
});

test('the clock: files of the future', async () => {
  const dir = await healthy();
  const later = new Date(Date.now() + 86_400_000);
  utimesSync(join(dir, 'server/token'), later, later);
  const report = look(dir);
  assert.equal(codes(report, 'clock'), ['clock-behind']);
  assert.is(report.findings.find(({ section }) => section === 'clock')?.file, join(dir, 'server/token'));
});

test('the release of the program that is installed decides over the renewal window', async () => {
  const dir = await healthy();
  const bin = folder();
  writeFileSync(join(bin, 'k3s'), '#!/bin/sh\necho "k3s version v1.30.4+k3s1 (98262b5d)"\n', { mode: 0o755 });
  const report = look(dir, [], { PATH: `${bin}:/bin:/usr/bin` });
  assert.is(report.release, 'v1.30.4+k3s1');
  assert.is(report.renewalDays, 90);
  assert.equal(codes(report), []);
});

test('kubeconfigs: of this cluster, of another one, open to others', async () => {
  const dir = await healthy();
  const other = folder();
  assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', other, ...fastKeys]).code, 0);
  for (const each of [dir, other]) await putLeaf(each, 'admin', 'client', { subject: [['CN', 'system:admin']] });
  const kubeconfig = (ca: string, client: string, mode = 0o600) => {
    const file = join(folder(), 'config');
    const data = (path: string) => readFileSync(path).toString('base64');
    writeFileSync(
      file,
      `apiVersion: v1
kind: Config
clusters:
- name: default
  cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: ${data(join(ca, 'server/tls/server-ca.crt'))}}
users:
- name: default
  user: {client-certificate-data: ${data(join(client, 'admin.crt'))}, client-key-data: ${data(join(client, 'admin.key'))}}
`,
      { mode },
    );
    return ['--kubeconfig', file];
  };
  assert.equal(codes(look(dir, kubeconfig(dir, dir)), 'kubeconfigs'), []);
  assert.equal(codes(look(dir, kubeconfig(other, dir)), 'kubeconfigs'), ['kubeconfig-ca']);
  const stale = look(dir, kubeconfig(dir, other, 0o644));
  assert.equal(codes(stale, 'kubeconfigs'), ['kubeconfig-client']);
  assert.equal(codes(stale, 'modes'), ['readable-secret']);
  assert.is(stale.run.code, 0);
  const key = readFileSync(join(other, 'admin.key')).toString('base64').slice(20, 80);
  assert.not.match(stale.run.stdout, key);
  const files = join(folder(), 'config');
  const byPath = (ca: string) =>
    writeFileSync(
      files,
      `apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {certificate-authority: ${ca}}}]
users: [{name: default, user: {client-certificate: ${join(other, 'admin.crt')}, client-key: ${join(other, 'admin.key')}}}]
`,
    );
  byPath(join(other, 'server/tls/server-ca.crt'));
  const named = ['--kubeconfig', files];
  assert.equal(codes(look(dir, named), 'kubeconfigs'), ['kubeconfig-ca', 'kubeconfig-client']);
  assert.equal(codes(look(other, named), 'kubeconfigs'), []);
  byPath(join(other, 'nowhere.crt'));
  assert.equal(codes(look(other, named), 'kubeconfigs'), ['kubeconfig-reference']);
  assert.equal(codes(look(dir, ['--kubeconfig', 'nowhere.yaml']), 'kubeconfigs'), ['kubeconfig-unreadable']);
});

test('yaml says what json says', async () => {
  const dir = await healthy();
  const yaml = k3sPki(['doctor', '--data-dir', dir, '--output', 'yaml'], { env });
  assert.is(yaml.code, 0);
  assert.match(yaml.stdout, /^nextStart:\n {2}outcome: starts\n/m);
});

test('no data dir, and an agent: one line, nothing to look at', () => {
  const dir = folder();
  const none = k3sPki(['doctor', '--data-dir', join(dir, 'nowhere')], { env });
  assert.is(none.code, 1);
  assert.match(none.stderr, 'no such folder');
  put(dir, { 'agent/client-ca.crt': 'x' });
  const agent = k3sPki(['doctor', '--data-dir', dir], { env });
  assert.is(agent.code, 1);
  assert.match(agent.stderr, 'the data dir of an agent');
  assert.match(k3sPki(['doctor', '--frobnicate'], { env }).stderr, 'frobnicate');
});

test.run();
