import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { seal } from '@k3s-pki/datastore';
import { bootstrapKey, replaceBootstrapFiles } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cluster, password, token } from './bootstrap-cluster.ts';
import { putLeaf } from './data-dir.ts';
import { issueLeaves, quiet } from './leaf-data-dir.ts';
import { blocks, fastKeys, folder, k3sPki, put, type Run, tree } from './program.ts';

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

/** A server in order: its token carries the CA hash, the secret files are closed. */
async function healthy(records?: Parameters<typeof cluster>[0]): Promise<string> {
  const { dir } = await cluster(records);
  writeFileSync(join(dir, 'server/token'), `K10${rootHash(dir)}::server:${password}\n`);
  chmodSync(join(dir, 'server/token'), 0o600);
  symlinkSync(join(dir, 'server/token'), join(dir, 'server/node-token'));
  return dir;
}

/** SHA-256 of the root's DER, which a token of custom CAs carries. */
function rootHash(dir: string): string {
  const root = blocks(readFileSync(join(dir, 'server/tls/server-ca.crt'), 'utf8')).at(-1) ?? '';
  return createHash('sha256').update(new X509Certificate(root).raw).digest('hex');
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
  const command = /^k3s-pki ([\w -]+ --data-dir \S+)/.exec(mend)?.[1]?.split(' ') ?? [];
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
