import { createCore, type PrivateKey } from '@k3s-pki/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CustomCaOptions, customCaDefaults, customCaSigningKeys, planCustomCaCerts } from '../src/plan.ts';
import type { Snapshot, SnapshotFile } from '../src/snapshot.ts';

const test = suite('plan/generate-custom-ca-certs');
const core = await createCore();
const now = 1_800_000_000;
const options: CustomCaOptions = { ...customCaDefaults, product: 'k3s', force: false };

const [rootKey] = (await core.generateKeys(['ec:p256'])) as [PrivateKey];
const root = core.issue(
  {
    subject: [['CN', 'root']],
    notBefore: now - 1000,
    notAfter: now + 8000 * 86_400,
    serial: '01',
    ca: {},
    keyUsage: ['keyCertSign'],
  },
  rootKey,
  rootKey,
);

const nothing: Snapshot = { files: new Map(), inUse: [] };
const rootGiven: Snapshot = {
  files: new Map([
    ['server/tls/root-ca.pem', file(new TextEncoder().encode(core.toPem(root)), 0o644)],
    ['server/tls/root-ca.key', file(rootKey.toPem(), 0o600)],
  ]),
  inUse: [],
};

test('the same options, files and clock give the same plan, frozen and printable', () => {
  for (const snapshot of [nothing, rootGiven]) {
    const [first, second] = [0, 1].map(() => planCustomCaCerts(options, snapshot, core, now));
    assert.equal(first, second);
    assert.ok(first?.ok);
    assert.equal(JSON.parse(JSON.stringify(first.plan)), JSON.parse(JSON.stringify(second)).plan);
    assert.throws(() => Object.assign(first.plan.files[0] ?? {}, { mode: 0o644 }), /read only|read-only/);
  }
});

test('the snapshot is left as it was', () => {
  const before = JSON.stringify([...rootGiven.files]);
  planCustomCaCerts(options, rootGiven, core, now);
  assert.is(JSON.stringify([...rootGiven.files]), before);
});

test('a plan names keys and holds none', () => {
  const planned = planCustomCaCerts(options, rootGiven, core, now);
  assert.not.match(JSON.stringify(planned), /PRIVATE|BEGIN/);
  assert.equal(customCaSigningKeys(options, rootGiven), ['server/tls/root-ca.key']);
  assert.equal(customCaSigningKeys(options, nothing), []);
});

test('a path length is the constraint of the five CAs, more above them', () => {
  const planned = planCustomCaCerts({ ...options, pathLength: 0 }, nothing, core, now);
  assert.ok(planned.ok);
  const lengths = Object.fromEntries(planned.plan.certificates.map(({ id, pathLength }) => [id, pathLength]));
  assert.is(lengths.root, 2);
  assert.is(lengths.intermediate, 1);
  assert.is(lengths['etcd/peer'], 0);
});

test('lifetimes count from the clock, in seconds', () => {
  const planned = planCustomCaCerts({ ...options, days: 1 }, nothing, core, now);
  assert.ok(planned.ok);
  const server = planned.plan.certificates.find(({ id }) => id === 'server');
  assert.is(server?.notBefore, now);
  assert.is(server?.notAfter, now + 86_400);
});

test('an earlier clock finds the root not yet valid, a later one expired', () => {
  for (const [at, code] of [
    [now - 2000, 'not-yet-valid'],
    [now + 8001 * 86_400, 'expired'],
  ] as const) {
    const planned = planCustomCaCerts(options, rootGiven, core, at);
    assert.not.ok(planned.ok);
    assert.ok(!planned.ok && planned.problems.some((problem) => problem.code === code));
  }
});

test.after(() => core.close());
test.run();

function file(bytes: Uint8Array, mode: number): SnapshotFile {
  return {
    kind: 'file',
    mode,
    sha256: String(bytes.length),
    size: bytes.length,
    der: false,
    blocks: core.inspect(bytes),
  };
}
