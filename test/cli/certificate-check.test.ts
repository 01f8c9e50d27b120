import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createPlainServer } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { reachableByAll } from '@k3s-pki/testkit';
import ICAL from 'ical.js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { putLeaf, serverDataDir } from './data-dir.ts';
import { blocks, environment, folder, k3sPki, program, put, startK3sPki, tree } from './program.ts';

interface Row {
  path: string;
  part?: string;
  position: number;
  status: string;
  subject: string;
  issuer: string;
  usages: string[];
  dns: string[];
  ip: string[];
  notAfter: string;
  residualSeconds: number;
  serial: string;
  sha256: string;
  code?: string;
  reason?: string;
  nextStart?: {
    action: string;
    key?: string;
    reasons?: string[];
    overlooked?: string[];
    reason?: string;
    text: string;
  };
}

const { Component, Event } = ICAL;
const check = (...args: readonly string[]) => k3sPki(['certificate', 'check', ...args]);
/** Rows of `--output json`, and the exit code. */
const rowsOf = (...args: readonly string[]) => {
  const { code, stdout, stderr } = check('--output', 'json', ...args);
  const { certificates, summary, ok } = JSON.parse(stdout) as { certificates: Row[]; summary: unknown; ok: boolean };
  return { code, rows: certificates, summary, ok, stderr };
};
const now = Math.floor(Date.now() / 1000);
const day = 86_400;
const test = suite('certificate-check');

test('a data dir: every certificate of every file, in a stable order, as node:crypto reads them', () => {
  const dir = serverDataDir();
  const before = tree(dir);
  const { code, rows, ok } = rowsOf('--data-dir', dir);
  assert.is(code, 0);
  assert.is(ok, true);
  assert.equal(tree(dir), before, 'nothing is written');
  const files = Object.keys(before).filter((path) => /^(server\/tls\/.*|agent\/[^/]*)\.(crt|pem)$/.test(path));
  const expected = files.flatMap((path) =>
    blocks(readFileSync(join(dir, path), 'utf8')).map((pem, position) => ({ path: join(dir, path), position, pem })),
  );
  const key = ({ path, position }: { path: string; position: number }) => `${path}#${position}`;
  assert.equal(rows.map(key).sort(), expected.map(key).sort());
  assert.equal(rowsOf('--data-dir', dir).rows.map(key), rows.map(key), 'stable order');
  for (const { path, position, pem } of expected) {
    const row = rows.find((each) => each.path === path && each.position === position);
    const judge = new X509Certificate(pem);
    assert.ok(row);
    assert.is(row.sha256, judge.fingerprint256.replaceAll(':', '').toLowerCase());
    assert.is(BigInt(`0x${row.serial}`), BigInt(`0x${judge.serialNumber}`));
    assert.is(Date.parse(row.notAfter), judge.validToDate.getTime());
    assert.equal(row.subject.split(','), judge.subject.split('\n'));
    assert.equal(row.issuer.split(','), judge.issuer.split('\n'));
    const names = judge.subjectAltName?.split(', ') ?? [];
    assert.equal(
      row.dns,
      names.filter((name) => name.startsWith('DNS:')).map((name) => name.slice(4)),
    );
    assert.is(row.ip.length, names.filter((name) => name.startsWith('IP Address:')).length);
    assert.is(row.status, 'OK');
    assert.ok(Math.abs(row.residualSeconds - (judge.validToDate.getTime() / 1000 - now)) < 120);
  }
  const leaf = rows.find(({ path, position }) => path.endsWith('/serving-kube-apiserver.crt') && position === 0);
  assert.equal(leaf?.usages, ['ServerAuth']);
  assert.is(leaf?.nextStart?.text, 'kept');
  const actions = (name: string) => rows.find(({ path }) => path.endsWith(name))?.nextStart?.action;
  assert.is(actions('server/tls/client-ca.crt'), 'never');
  assert.is(actions('agent/client-kubelet.crt'), 'fetch');
  assert.is(actions('server/tls/root-ca.pem'), undefined);
});

test('status and next start: the window of K3s, an older release, --warn', async () => {
  const dir = serverDataDir();
  const of = (name: string, left: number, from = -3600) =>
    putLeaf(dir, `server/tls/${name}`, 'client', {
      subject: [['CN', { 'client-scheduler': 'system:kube-scheduler' }[name] ?? 'system:kube-controller-manager']],
      notBefore: now + from,
      notAfter: now + left,
    });
  await of('client-scheduler', 100 * day);
  await of('client-controller', -3 * day - 60, -9 * day);
  const find = (rows: Row[], name: string) => rows.find(({ path }) => path.endsWith(`/${name}.crt`)) as Row;
  const current = rowsOf('--data-dir', dir);
  const scheduler = find(current.rows, 'client-scheduler');
  assert.is(scheduler.status, 'WARNING');
  assert.equal(
    [scheduler.nextStart?.action, scheduler.nextStart?.key, scheduler.nextStart?.reasons],
    ['renew', 'new', ['within-window']],
  );
  const controller = find(current.rows, 'client-controller');
  assert.is(controller.status, 'EXPIRED');
  assert.equal(controller.nextStart?.reasons, ['expired']);
  for (const [version, status, action] of [
    ['v1.33.1+k3s1', 'WARNING', 'renew'],
    ['1.33.0', 'OK', 'keep'],
    ['v1.30.13+rke2r1', 'WARNING', 'renew'],
    ['v1.29.15+k3s1', 'OK', 'keep'],
  ] as const) {
    const row = find(rowsOf('--data-dir', dir, '--k3s-version', version).rows, 'client-scheduler');
    assert.equal([version, row.status, row.nextStart?.action], [version, status, action]);
  }
  const warned = find(rowsOf('--data-dir', dir, '--warn', '10').rows, 'client-scheduler');
  assert.equal([warned.status, warned.nextStart?.action], ['OK', 'renew']);
  await of('client-controller', 300 * day, day);
  const early = find(rowsOf('--data-dir', dir).rows, 'client-controller');
  assert.is(early.status, 'NOT YET VALID');
  assert.equal(early.nextStart?.overlooked, ['not-yet-valid']);
  const text = check('--data-dir', dir).stdout;
  assert.match(text, /NOT YET VALID +CN=system:kube-controller-manager\n +valid from .* UTC, in \d+ hours\n/);
  assert.match(text, /WARNING +CN=system:kube-scheduler\n +expires .* UTC, 99 days left\n/);
  assert.match(text, 'next start: renewed with a new key: within 120 days of its end');
});

test('what K3s overlooks, and what stops its start', () => {
  const dir = serverDataDir();
  const tls = (name: string) => join(dir, 'server/tls', name);
  writeFileSync(tls('client-admin.crt'), 'no certificate\n');
  copyFileSync(tls('client-supervisor.key'), tls('client-controller.key'));
  const [leaf = '', first = '', ...rest] = blocks(readFileSync(tls('client-scheduler.crt'), 'utf8'));
  writeFileSync(tls('client-scheduler.crt'), [leaf, ...rest, first].join(''));
  rmSync(tls('client-supervisor.crt'));
  writeFileSync(tls('client-supervisor.key'), 'no key');
  rmSync(tls('client-auth-proxy.crt'));
  rmSync(tls('etcd/client.key'));
  rmSync(tls('etcd/server-ca.key'));
  const { code, rows } = rowsOf('--data-dir', dir);
  assert.is(code, 1, 'something could not be read');
  const next = (name: string) => {
    const { action, key, reasons, overlooked, reason } = rows.find(({ path }) => path === tls(name))?.nextStart ?? {};
    return JSON.parse(JSON.stringify([action, key ?? reason, reasons ?? overlooked])) as unknown;
  };
  assert.equal(next('client-admin.crt'), ['keep', null, ['unparsable']]);
  assert.equal(next('client-controller.crt'), ['keep', null, ['key-mismatch']]);
  assert.equal(next('client-scheduler.crt'), ['keep', null, ['old-chain']]);
  assert.equal(next('client-supervisor.crt'), ['fatal', 'key-unusable', ['certificate-missing']]);
  assert.equal(next('client-auth-proxy.crt'), ['renew', 'kept', ['certificate-missing']]);
  assert.equal(next('etcd/client.crt'), ['fatal', 'ca-key', ['key-missing']]);
  assert.is(rows.find(({ path }) => path === tls('client-auth-proxy.crt'))?.status, 'MISSING');
});

test('a broken file is a row with its reason, and the list goes on', () => {
  const dir = folder();
  const source = serverDataDir();
  const leaf = readFileSync(join(source, 'server/tls/client-admin.crt'), 'utf8');
  const [own = ''] = blocks(leaf);
  put(dir, {
    'a-good.crt': leaf,
    'b-empty.crt': '',
    'c-cut.crt': own.slice(0, 400),
    'd-key.pem': readFileSync(join(source, 'server/tls/client-admin.key')),
    'e-text.crt': 'hello\n',
    'f-mixed.pem': `${own}${own.replace(/\n.{64}/, '\n!!')}`,
    'g-values.yaml': 'replicas: 3\n',
    'i.der.crt': Buffer.from(new X509Certificate(own).raw),
    'sub/z.crt': own,
    'tls-1700000000/old.crt': own,
    'notes.txt': own,
  });
  put(dir, { 'h-huge.crt': own });
  truncateSync(join(dir, 'h-huge.crt'), 2 << 20);
  symlinkSync('nowhere', join(dir, 'j-dangling.crt'));
  symlinkSync('..', join(dir, 'sub/loop'));
  const fifo = spawnSync('mkfifo', [join(dir, 'k-fifo.crt')]).status === 0;
  const { code, rows } = rowsOf(dir);
  assert.is(code, 1);
  assert.equal(
    rows.map(({ path, status, code: why, position }) => [path.slice(dir.length + 1), status, why ?? position]),
    [
      ...[0, 1, 2, 3].map((position) => ['a-good.crt', 'OK', position]),
      ['b-empty.crt', 'UNREADABLE', 'empty'],
      ['c-cut.crt', 'UNREADABLE', 'broken-block'],
      ['e-text.crt', 'UNREADABLE', 'no-certificate'],
      ['f-mixed.pem', 'OK', 0],
      ['f-mixed.pem', 'UNREADABLE', 'broken-block'],
      ['h-huge.crt', 'UNREADABLE', 'unreadable'],
      ['i.der.crt', 'OK', 0],
      ['j-dangling.crt', 'UNREADABLE', 'dangling-link'],
      ...(fifo ? [['k-fifo.crt', 'UNREADABLE', 'unreadable']] : []),
      ['sub/z.crt', 'OK', 0],
    ],
  );
  assert.match(rows.find(({ code: why }) => why === 'broken-block')?.reason ?? '', /^line 1, CERTIFICATE: /);
  // Named one by one: another extension, a backup, a key, a file that is not there.
  const named = rowsOf(...['notes.txt', 'tls-1700000000', 'd-key.pem', 'nothing.crt'].map((name) => join(dir, name)));
  assert.equal(
    named.rows.map(({ status, code: why }) => why ?? status),
    ['OK', 'OK', 'no-certificate', 'absent'],
  );
  assert.is(named.code, 1);
});

test('files with the same chain, other blocks before it and among it', () => {
  const dir = folder();
  const leaf = readFileSync(join(serverDataDir(), 'server/tls/client-admin.crt'), 'utf8');
  const [own = '', ca = '', ...upper] = blocks(leaf);
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
  put(dir, {
    '1.crt': parameters + own + ca + upper.join(''),
    '2.crt': leaf,
    '3.crt': `${own.slice(0, 200)}\n${leaf}`,
    '4.crt': leaf.replaceAll('\n', '\r\n'),
    '5.crt': own + ca + parameters + upper.join(''),
    '6.crt': leaf,
  });
  const { rows } = rowsOf(dir);
  const of = (name: string) =>
    rows.filter(({ path }) => path === join(dir, name)).map(({ sha256, code }) => code ?? sha256);
  const whole = blocks(leaf).map((pem) => new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase());
  for (const name of ['1.crt', '2.crt', '4.crt', '5.crt', '6.crt']) assert.equal(of(name), whole, name);
  assert.equal(of('3.crt'), ['broken-block', ...whole]);
});

test('kubeconfigs: embedded, by path, broken; no key is shown', () => {
  const dir = serverDataDir();
  const admin = readFileSync(join(dir, 'server/tls/client-admin.crt'), 'utf8');
  const key = readFileSync(join(dir, 'server/tls/client-admin.key'), 'utf8');
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const kubeconfig = (ca: string, user: string) =>
    `apiVersion: v1\nkind: Config\nclusters:\n- name: local\n  cluster:\n    server: https://127.0.0.1:6443\n    ${ca}\nusers:\n- name: user\n  user:\n    ${user}\n`;
  const ca = readFileSync(join(dir, 'server/tls/server-ca.crt'), 'utf8');
  put(dir, {
    'server/cred/admin.kubeconfig': kubeconfig(
      `certificate-authority: ${join(dir, 'server/tls/server-ca.crt')}`,
      `client-certificate: ${join(dir, 'server/tls/client-admin.crt')}\n    client-key: x`,
    ),
    'elsewhere/copied.yaml': kubeconfig(
      `certificate-authority-data: ${base64(ca)}`,
      `client-certificate-data: ${base64(admin)}\n    client-key-data: ${base64(key)}`,
    ),
    'elsewhere/relative.conf': kubeconfig('certificate-authority: certs/missing.crt', 'token: abc'),
    'elsewhere/alias.kubeconfig': `kind: Config\nusers: *nobody\n`,
    'elsewhere/deployment.yaml': 'kind: Deployment\n',
    'elsewhere/broken.kubeconfig': `kind: Config\nusers: [\n  client-key-data: ${base64(key)}\n}`,
  });
  assert.not.ok(
    rowsOf('--data-dir', dir).rows.some(({ path }) => path.endsWith('kubeconfig')),
    'its files are there',
  );
  const { rows, code } = rowsOf(join(dir, 'elsewhere'));
  assert.is(code, 1);
  const shown = rows.map(({ path, part, status, code: why }) => [path.slice(dir.length + 1), part, why ?? status]);
  const copied = (part: string, count: number) =>
    Array.from({ length: count }, () => ['elsewhere/copied.yaml', part, 'OK']);
  assert.equal(shown, [
    ['elsewhere/alias.kubeconfig', undefined, 'bad-kubeconfig'],
    ['elsewhere/broken.kubeconfig', undefined, 'bad-kubeconfig'],
    ...copied('clusters/local/certificate-authority-data', blocks(ca).length),
    ...copied('users/user/client-certificate-data', blocks(admin).length),
    ['elsewhere/certs/missing.crt', undefined, 'absent'],
  ]);
  assert.match(rows.at(-1)?.reason ?? '', join(dir, 'elsewhere/relative.conf'));
  const all = ['text', 'table', 'json', 'yaml', 'prometheus', 'ics'].map((output) => {
    const run = check(join(dir, 'elsewhere'), join(dir, 'server'), '--wide', '--output', output);
    return run.stdout + run.stderr;
  });
  const secret = key.split('\n')[1] ?? 'none';
  assert.not.ok(all.some((text) => text.includes(secret) || text.includes(base64(key)) || text.includes('PRIVATE')));
});

test("the supervisor's Secret", async () => {
  const dir = serverDataDir();
  const secret = (certificate: string) =>
    JSON.stringify({
      kind: 'Secret',
      data: { 'tls.crt': Buffer.from(certificate).toString('base64'), 'tls.key': 'c2VjcmV0' },
    });
  const path = 'server/tls/dynamic-cert.json';
  await putLeaf(dir, 'x', 'server', { subject: [['CN', 'k3s']], notAfter: now + 40 * day });
  put(dir, { [path]: secret(readFileSync(join(dir, 'x.crt'), 'utf8')) });
  const row = () => rowsOf('--data-dir', dir).rows.find((each) => each.path === join(dir, path));
  assert.equal(
    [row()?.part, row()?.status, row()?.nextStart?.action, row()?.nextStart?.key],
    ['tls.crt', 'WARNING', 'renew', 'kept'],
  );
  await putLeaf(dir, 'x', 'client', { subject: [['CN', 'k3s']] });
  put(dir, { [path]: secret(readFileSync(join(dir, 'x.crt'), 'utf8')) });
  assert.equal(row()?.nextStart?.overlooked, ['bad-signature']);
  put(dir, { [path]: '{"data":{}}' });
  assert.is(row()?.code, 'bad-secret');
});

test('--fail-on: exit 3 at its own level only', async () => {
  const dir = folder();
  const source = serverDataDir();
  await putLeaf(source, 'fine', 'client', {});
  await putLeaf(source, 'soon', 'client', { notAfter: now + 50 * day });
  await putLeaf(source, 'gone', 'client', { notBefore: now - 9 * day, notAfter: now - day });
  for (const name of ['fine', 'soon', 'gone']) {
    const [own = ''] = blocks(readFileSync(join(source, `${name}.crt`), 'utf8'));
    writeFileSync(join(dir, `${name}.crt`), own);
  }
  writeFileSync(join(dir, 'broken.crt'), '');
  const table: [string, string, number][] = [
    ['fine', 'warning', 0],
    ['fine', 'expired', 0],
    ['fine', '30', 0],
    ['fine', '366', 3],
    ['soon', 'warning', 3],
    ['soon', 'expired', 0],
    ['soon', '49', 0],
    ['soon', '51', 3],
    ['gone', 'warning', 3],
    ['gone', 'expired', 3],
    ['gone', '0', 3],
    ['broken', 'expired', 3],
  ];
  for (const [name, failOn, code] of table) {
    const run = check(join(dir, `${name}.crt`), '--fail-on', failOn);
    assert.equal([name, failOn, run.code], [name, failOn, code]);
    assert.is(run.stderr, '');
  }
  assert.is(check(join(dir, 'gone.crt')).code, 0, 'without it an expired certificate is only shown');
  assert.is(check(join(dir, 'broken.crt')).code, 1);
  copyFileSync(join(source, 'server/tls/client-scheduler.key'), join(source, 'server/tls/client-controller.key'));
  assert.is(check('--data-dir', source, '--fail-on', 'expired').code, 0);
  const unfit = check('--data-dir', source, '--fail-on', 'warning');
  assert.is(unfit.code, 3, 'a key that does not fit is never mended');
  assert.match(unfit.stdout, '1 leaf stays broken at a start; see k3s-pki certificate renew');
});

test('text within 80 columns, table with one line for each, yaml as json', () => {
  const dir = serverDataDir();
  const lines = check('--data-dir', dir, '--wide').stdout.split('\n');
  for (const line of lines.filter((each) => !each.startsWith('/') && !/[0-9a-f]{64}$/.test(each))) {
    assert.ok(line.length <= 80, line);
  }
  const { rows, summary } = rowsOf('--data-dir', dir);
  const table = check('--data-dir', dir, '--output', 'table').stdout.trimEnd().split('\n');
  assert.is(table.length, rows.length + 1);
  assert.match(table[0] ?? '', /^PATH +SUBJECT +USAGES +EXPIRES +RESIDUAL TIME +STATUS +NEXT START$/);
  const yaml = parse(check('--data-dir', dir, '--output', 'yaml').stdout) as { certificates: Row[]; summary: unknown };
  const still = ({ residualSeconds, ...row }: Row) => row;
  assert.equal(yaml.certificates.map(still), rows.map(still));
  assert.equal(yaml.summary, summary);
});

test('a file name cannot steer the terminal', () => {
  const dir = folder();
  const [own = ''] = blocks(readFileSync(join(serverDataDir(), 'server/tls/client-admin.crt'), 'utf8'));
  writeFileSync(join(dir, '\x1b[31mred.crt'), own);
  for (const output of ['text', 'table']) {
    const { stdout } = check(dir, '--output', output);
    assert.match(stdout, '[31mred.crt');
    assert.not.ok(stdout.includes('\x1b'));
  }
});

test('prometheus: every line is of the exposition format, each series once', async () => {
  const dir = serverDataDir();
  await putLeaf(dir, 'odd/quote', 'client', { subject: [['CN', 'a"b\\c']] });
  const [own = ''] = blocks(readFileSync(join(dir, 'odd/quote.crt'), 'utf8'));
  writeFileSync(join(dir, 'odd/twice.crt'), own + own);
  writeFileSync(join(dir, 'odd/broken.crt'), 'x');
  const run = check('--data-dir', dir, join(dir, 'odd'), '--output', 'prometheus');
  assert.is(run.code, 1);
  const metrics = metricsOf(run.stdout);
  const after = metrics.filter(({ name }) => name === 'k3s_pki_certificate_not_after_seconds');
  const { rows } = rowsOf('--data-dir', dir, join(dir, 'odd'));
  const certificates = rows.filter(({ subject }) => subject !== undefined);
  assert.is(after.length, certificates.length);
  for (const row of certificates) {
    const found = after.find(
      ({ labels }) => labels.path === row.path && labels.position === String(row.position) && labels.part === row.part,
    );
    assert.is(found?.value, Date.parse(row.notAfter) / 1000);
    assert.is(found?.labels.subject, row.subject);
  }
  const value = (name: string, label?: [string, string]) =>
    metrics.find((each) => each.name === `k3s_pki_${name}` && (!label || each.labels[label[0]] === label[1]))?.value;
  assert.is(value('unreadable', ['path', join(dir, 'odd/broken.crt')]), 1);
  assert.is(value('certificates', ['status', 'OK']), certificates.length);
  assert.is(value('warning_seconds'), 120 * day);
  assert.is(value('leaf_needs_help', ['path', join(dir, 'server/tls/client-admin.crt')]), 0);
  assert.ok(Math.abs((value('check_timestamp_seconds') ?? 0) - now) < 300);
});

test('ics: a calendar whose events are the expiries, the same from run to run', async () => {
  const dir = folder();
  const source = serverDataDir();
  const long = 'ein sehr langer Name mit Umlauten äöü, Komma; Semikolon und \\ und noch mehr Wörtern äöü';
  await putLeaf(source, 'long', 'client', { subject: [['CN', long.slice(0, 60)]], notAfter: now + 77 * day });
  for (const name of ['one', 'two']) cpSync(join(source, 'long.crt'), join(dir, `${name}.crt`));
  const { rows } = rowsOf(dir);
  const run = check(dir, '--output', 'ics', '--warn', '30');
  assert.is(run.code, 0);
  for (const line of run.stdout.split('\r\n')) {
    assert.ok(Buffer.byteLength(line) <= 75, line);
    assert.not.ok(line.includes('\n') || line.includes('\ufffd'), line);
  }
  const events = new Component(ICAL.parse(run.stdout) as object[])
    .getAllSubcomponents('vevent')
    .map((each) => new Event(each));
  const certificates = new Map(rows.map((row) => [row.sha256, row]));
  assert.is(events.length, certificates.size, 'the same certificate in two files is one event');
  for (const row of certificates.values()) {
    const event = events.find(({ description }) => description.includes(row.sha256));
    assert.ok(event);
    assert.is(event.startDate.toUnixTime(), Date.parse(row.notAfter) / 1000);
    assert.is(event.summary, `${row.subject} expires`);
    for (const { path } of rows.filter(({ sha256 }) => sha256 === row.sha256)) assert.match(event.description, path);
    const [alarm] = event.component.getAllSubcomponents('valarm');
    assert.is(String(alarm?.getFirstPropertyValue('trigger')), '-P30D');
  }
  const uids = (text: string) => [...text.matchAll(/^UID:.*$/gm)].map(([uid]) => uid);
  assert.is(new Set(uids(run.stdout)).size, events.length);
  assert.equal(uids(check(dir, '--output', 'ics').stdout), uids(run.stdout));
});

test('--to: replaced as a whole, mode kept, nothing else left; errors leave the old file', () => {
  const dir = folder();
  const source = serverDataDir();
  const to = join(dir, 'k3s.prom');
  const write = (...more: string[]) => check('--data-dir', source, '--output', 'prometheus', '--to', to, ...more);
  assert.equal([write().code, write().stdout], [0, '']);
  assert.equal(Object.keys(tree(dir)), ['k3s.prom']);
  assert.is(statSync(to).mode & 0o777, 0o644);
  chmodSync(to, 0o600);
  const old = statSync(to).ino;
  assert.is(write().code, 0);
  assert.is(statSync(to).mode & 0o777, 0o600);
  assert.is.not(statSync(to).ino, old, 'a new file in its place');
  metricsOf(readFileSync(to, 'utf8'));
  const before = tree(dir);
  const missing = check('--data-dir', source, '--to', join(dir, 'no/such.prom'));
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /error: .*no such folder/);
  assert.is(check('--data-dir', join(dir, 'nothing'), '--to', to).code, 1);
  assert.equal(tree(dir), before);
});

test('endpoints: the chain that is served, by the name that is asked for; refusals are rows', async () => {
  const dir = serverDataDir();
  const file = (name: string) => readFileSync(join(dir, 'server/tls', name), 'utf8');
  const pair = (name: string) => ({ cert: file(`${name}.crt`), key: file(`${name}.key`) });
  const asked: string[] = [];
  const server = createTlsServer({
    ...pair('serving-kube-apiserver'),
    requestCert: true,
    rejectUnauthorized: false,
    SNICallback: (name, done) => {
      asked.push(name);
      done(null);
    },
  });
  // Answers what is no TLS.
  const plain = createPlainServer((socket) => socket.end('SSH-2.0-x\r\n'));
  const silent = createPlainServer(() => {});
  const ports = await Promise.all([server, plain, silent].map(listen));
  try {
    const connect = ports.flatMap((port) => ['--connect', `127.0.0.1:${port}`]);
    const args = ['certificate', 'check', '--output', 'json', ...connect, '--connect', '127.0.0.1:1'];
    const run = await finished([...args, '--server-name', 'kubernetes', '--timeout', '1']);
    assert.is(run.code, 1, run.stderr);
    const rows = (JSON.parse(run.stdout) as { certificates: Row[] }).certificates;
    const served = rows.filter(({ path }) => path === `127.0.0.1:${ports[0]}`);
    assert.equal(
      served.map(({ sha256 }) => sha256),
      blocks(file('serving-kube-apiserver.crt')).map((pem) =>
        new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase(),
      ),
    );
    assert.equal(asked, ['kubernetes']);
    assert.equal(
      rows.slice(served.length).map(({ status, code }) => [status, code]),
      [
        ['UNREACHABLE', 'connection'],
        ['UNREACHABLE', 'timeout'],
        ['UNREACHABLE', 'connection'],
      ],
    );
    assert.match(rows.at(-1)?.reason ?? '', 'connection refused');
  } finally {
    for (const each of [server, plain, silent]) each.close();
  }
});

test('endpoints: a server that demands a client certificate still shows its own', async () => {
  const dir = serverDataDir();
  const file = (name: string) => readFileSync(join(dir, 'server/tls', name), 'utf8');
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const server = createTlsServer({
      cert: file('etcd/server-client.crt'),
      key: file('etcd/server-client.key'),
      ca: file('etcd/server-ca.crt'),
      requestCert: true,
      rejectUnauthorized: true,
      maxVersion,
    });
    const port = await listen(server);
    try {
      const run = await finished(['certificate', 'check', '--connect', `127.0.0.1:${port}`]);
      assert.is(run.code, 0, run.stdout);
      assert.match(run.stdout, /OK +CN=etcd-server/, maxVersion);
    } finally {
      server.close();
    }
  }
});

test('a folder that is no data dir, one without certificates, and wrong words: one error each', () => {
  const dir = folder();
  for (const [args, code, error] of [
    [['--data-dir', dir], 1, 'not a data dir of k3s'],
    [[dir], 1, 'no certificate was found'],
    [['--fail-on', 'soon'], 2, 'invalid value for --fail-on: expected warning, expired or a number of days'],
    [['--connect', 'https://'], 2, 'invalid value for --connect: expected host:port'],
    [['--k3s-version', 'latest'], 2, 'invalid value for --k3s-version: expected a release'],
    [['--output', 'xml'], 2, 'invalid value for --output'],
    [['--warn', '0'], 2, 'invalid value for --warn'],
  ] as const) {
    const run = check(...args);
    assert.is(run.code, code, args.join(' '));
    assert.match(run.stderr, error);
    assert.is(run.stderr.match(/error:/g)?.length, 1);
    assert.is(run.stdout, '');
  }
  const refused = check('--data-dir', dir, '--output', 'json');
  assert.equal((JSON.parse(refused.stdout) as { ok: boolean }).ok, false);
});

test('DATA_DIR is the default and nothing more; a named data dir is looked into as one', () => {
  const dir = serverDataDir();
  const other = folder();
  cpSync(join(dir, 'server/tls/client-admin.crt'), join(other, 'one.crt'));
  const env = { DATA_DIR: dir };
  const count = (args: string[]) => {
    const run = k3sPki(['certificate', 'check', '--output', 'json', ...args], { env });
    return (JSON.parse(run.stdout) as { certificates: Row[] }).certificates.length;
  };
  assert.is(count([join(other, 'one.crt')]), 4);
  assert.ok(count([]) > 40);
  mkdirSync(join(dir, 'agent/containerd'), { recursive: true });
  cpSync(join(other, 'one.crt'), join(dir, 'agent/containerd/image.crt'));
  assert.is(count([dir]), count([]));
});

test('- is standard input: PEM, a Secret, a kubeconfig, nothing', () => {
  const pem = readFileSync(join(serverDataDir(), 'server/tls/client-admin.crt'), 'utf8');
  const count = blocks(pem).length;
  const base64 = Buffer.from(pem).toString('base64');
  for (const [input, code, rows] of [
    [pem, 0, count],
    [JSON.stringify({ kind: 'Secret', data: { 'tls.crt': base64 } }), 0, count],
    [`kind: Config\nusers:\n- name: a\n  user:\n    client-certificate-data: ${base64}\n`, 0, count],
    ['', 1, 1],
    ['hello', 1, 1],
  ] as const) {
    const run = k3sPki(['certificate', 'check', '-', '--output', 'json'], { input });
    assert.is(run.code, code, run.stderr);
    const { certificates } = JSON.parse(run.stdout) as { certificates: Row[] };
    assert.is(certificates.length, rows, input.slice(0, 40));
    assert.is(certificates[0]?.path, '-');
  }
});

test('--service: the files of some services', () => {
  const dir = serverDataDir();
  const paths = (...args: string[]) => [
    ...new Set(rowsOf('--data-dir', dir, ...args).rows.map(({ path }) => path.slice(dir.length + 1))),
  ];
  assert.equal(paths('-s', 'etcd,kubelet'), [
    'server/tls/etcd/client.crt',
    'server/tls/etcd/peer-server-client.crt',
    'server/tls/etcd/server-client.crt',
    'agent/client-kubelet.crt',
    'agent/serving-kubelet.crt',
  ]);
  const wrong = check('--data-dir', dir, '--service', 'etdc');
  assert.is(wrong.code, 2);
  assert.match(wrong.stderr, 'service etdc is not recognized');
});

if (process.getuid?.() === 0 && process.platform === 'linux') {
  test("a server's folder that is closed to this user is a row, not an agent's data dir", () => {
    const dir = serverDataDir();
    for (const [path, mode] of [
      ['.', 0o755],
      ['agent', 0o755],
      ['server', 0o700],
    ] as const)
      chmodSync(join(dir, path), mode);
    const paths = [process.execPath, program()].map(reachableByAll);
    const as = (...args: string[]) =>
      spawnSync(paths[0] ?? '', [paths[1] ?? '', 'certificate', ...args, '--data-dir', dir], {
        uid: 65534,
        gid: 65534,
        cwd: '/',
        env: environment(),
        encoding: 'utf8',
      });
    const run = as('check', '--output', 'json');
    assert.is(run.status, 1, run.stderr);
    const [first, ...rest] = (JSON.parse(run.stdout) as { certificates: Row[] }).certificates;
    assert.equal([first?.path, first?.code], [join(dir, 'server/tls'), 'unreadable']);
    assert.ok(rest.length >= 4, "the agent's are shown");
    chmodSync(join(dir, 'server'), 0o755);
    chmodSync(join(dir, 'server/tls'), 0o755);
    const seen = JSON.parse(as('check', '--output', 'json').stdout) as { certificates: Row[] };
    const admin = seen.certificates.find(({ path }) => path.endsWith('/client-admin.crt'));
    assert.equal([admin?.status, admin?.nextStart], ['OK', undefined], 'its key is not to be seen');
    const keys = as('renew', '--all', '--service', 'admin');
    assert.is(keys.status, 1);
    assert.match(keys.stderr, /permission/);
    assert.not.match(keys.stderr, /missing|regular file/);
    chmodSync(join(dir, 'server'), 0o700);
    chmodSync(dir, 0o700);
    assert.match(as('check').stdout, /server\/tls\n +UNREADABLE +no permission to read it/);
    const refused = as('renew');
    assert.is(refused.status, 1);
    assert.match(refused.stderr, 'no permission to read it');
  });
} else process.stdout.write('not run: cli/certificate-check as another user, not root on Linux\n');

test('a reader that leaves early is no error', () => {
  const dir = serverDataDir();
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', '"$0" "$1" certificate check --data-dir "$2" | head -n 1; exit 0', process.execPath, program(), dir],
    { env: environment(), encoding: 'utf8' },
  );
  assert.is(status, 0);
  assert.is(stderr, '');
});

test.run();

interface Metric {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the exposition format strictly. Source: prometheus/docs `instrumenting/exposition_formats.md`. */
function metricsOf(text: string): Metric[] {
  assert.ok(text.endsWith('\n'));
  const metrics: Metric[] = [];
  const heads = new Map<string, string[]>();
  const seen = new Set<string>();
  for (const line of text.slice(0, -1).split('\n')) {
    const head = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (head !== null) {
      const [, kind = '', name = '', rest] = head;
      if (kind === 'TYPE') assert.is(rest, 'gauge');
      heads.set(name, [...(heads.get(name) ?? []), kind]);
      continue;
    }
    const [, name = '', , list = '', value] = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (-?\d+)$/.exec(line) ?? [];
    assert.equal(heads.get(name), ['HELP', 'TYPE'], line);
    const labels: Record<string, string> = {};
    const left = list.replace(/([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/g, (_, label: string, quoted: string) => {
      assert.not.ok(label in labels, line);
      labels[label] = quoted.replace(/\\(.)/g, (__, character: string) => (character === 'n' ? '\n' : character));
      return '';
    });
    assert.is(left, '', line);
    const series = `${name}{${list}}`;
    assert.not.ok(seen.has(series), `twice: ${series}`);
    seen.add(series);
    metrics.push({ name, labels, value: Number(value) });
  }
  return metrics;
}

function listen(server: ReturnType<typeof createPlainServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

/** Runs the program beside servers of this process. */
function finished(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = startK3sPki(args);
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (chunk) => (stdout += chunk));
  child.stderr?.on('data', (chunk) => (stderr += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}
