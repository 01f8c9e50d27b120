import { createCore } from '@k3s-pki/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DoctorInputs, diagnose } from '../src/plan.ts';

const test = suite('plan/doctor');
const core = await createCore();

/** A data dir before its first start, at noon. */
const noon = 1_800_000_000;
const inputs: DoctorInputs = {
  product: 'k3s',
  at: noon,
  set: { files: () => undefined, facts: new Map(), inUse: false },
  inUse: false,
  bare: true,
  records: { kind: 'none-yet' },
  leaves: () => 'absent',
  hasMarker: false,
  days: 120,
  version: 'v1.34.1+k3s1',
  tokens: { server: { kind: 'absent' }, agent: { kind: 'absent' }, node: { kind: 'absent' } },
  passwd: undefined,
  kubeconfigs: [],
  modes: new Map(),
  unreadable: new Map(),
};

function codes(added: Partial<DoctorInputs>): string[] {
  return diagnose({ ...inputs, ...added }, core)
    .findings.map(({ code }) => code)
    .filter((code) => code !== 'first-start' && code !== 'no-datastore-yet');
}

const server = (seconds: number) =>
  ({ kind: 'seen', host: 'server-1:6443', caHash: 'ab'.repeat(32), at: noon + seconds }) as const;

test('clocks: a minute apart is none of our business, more is', () => {
  assert.equal(codes({ server: server(60) }), []);
  assert.equal(codes({ server: server(-60) }), []);
  assert.equal(codes({ server: server(61) }), ['clock-differs']);
  assert.equal(codes({ server: server(-61) }), ['clock-differs']);
});

test('file times: three seconds ahead are within what K3s allows', () => {
  assert.equal(codes({ newest: { file: 'server/token', modified: noon + 3 } }), []);
  assert.equal(codes({ newest: { file: 'server/token', modified: noon + 4 } }), ['clock-behind']);
});

test('an embedded etcd in use without a record stops K3s; kine saves what the disk has', () => {
  const seen = { kind: 'seen', where: 'here', tokenFrom: 'server/token', records: [] } as const;
  const etcd = diagnose({ ...inputs, records: { ...seen, embedded: true } }, core);
  assert.is(etcd.start.outcome, 'fatal');
  assert.is(etcd.ok, false);
  assert.equal(codes({ records: { ...seen, embedded: false } }), ['no-record']);
});

test('modes: only what others may read is told, in the order of the files', () => {
  const modes = new Map([
    ['server/token', 0o600],
    ['server/cred/passwd', 0o640],
    ['server/tls/client-admin.key', 0o604],
  ]);
  const { findings, ok } = diagnose({ ...inputs, modes }, core);
  const told = findings.filter(({ section }) => section === 'modes').map(({ file }) => file);
  assert.equal(told, ['server/cred/passwd', 'server/tls/client-admin.key']);
  assert.ok(ok);
});

test('sections come in their order, and a sick server is not ok', () => {
  const report = diagnose(
    {
      ...inputs,
      inUse: true,
      set: { ...inputs.set, inUse: true },
      passwd: { fault: 'line 1: a quotation mark in a wrong place' },
      server: server(3600),
      newest: { file: 'server/token', modified: noon + 10 },
    },
    core,
  );
  assert.is(report.ok, false);
  assert.is(report.start.outcome, 'fatal');
  const sections = report.findings.map(({ section }) => section);
  const order = ['authorities', 'datastore', 'token', 'clock'];
  assert.equal([...new Set(sections)], order);
});

test.run();
