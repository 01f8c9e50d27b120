import { createHash } from 'node:crypto';
import { createCore, type PrivateKey } from '@k3s-pki/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { planServiceAccountRotate, type ServiceAccountSnapshot } from '../src/plan.ts';
import type { SnapshotFile } from '../src/snapshot.ts';

const test = suite('plan/service-account');
const core = await createCore();
const now = 1_800_000_000;
const options = { source: '/k3s/server/tls/service.key', stage: '/stage', keyType: 'rsa:2048' } as const;
const keys = (await core.generateKeys(['ec:p256', 'ec:p256', 'ec:p256'])) as [PrivateKey, PrivateKey, PrivateKey];
const whole: ServiceAccountSnapshot = {
  source: file(Buffer.concat(keys.map((key) => key.toPem())), 0o600),
  target: undefined,
  sameFile: false,
  inUse: [],
  modified: now * 1000,
};

test('the same options, files and clock give the same plan, frozen, printable, without a secret', () => {
  const [first, second] = [0, 1].map(() => planServiceAccountRotate(options, whole, now));
  assert.equal(first, second);
  assert.ok(first?.ok);
  const { plan } = first;
  assert.throws(() => Object.assign(plan.kept[0] ?? {}, { block: 9 }), /read only|read-only/);
  assert.not.match(JSON.stringify(plan), /BEGIN|PRIVATE/);
  assert.equal(
    plan.kept.map(({ block }) => block),
    [0, 1, 2],
  );
  assert.is(plan.replaces, 'absent');
});

test('keep counts old keys, the first of the file stay', () => {
  for (const [keep, kept] of [
    [1, 1],
    [2, 2],
    [3, 3],
    [9, 3],
  ] as const) {
    const planned = planServiceAccountRotate({ ...options, keep }, whole, now);
    assert.ok(planned.ok);
    assert.equal(
      planned.plan.kept.map(({ block }) => block),
      [0, 1, 2].slice(0, kept),
    );
    assert.equal(
      planned.plan.dropped.map(({ block }) => block),
      [0, 1, 2].slice(kept),
    );
    assert.is(
      planned.plan.warnings.some(({ code }) => code === 'keys-dropped'),
      kept < 3,
    );
  }
});

test('every problem of a run is told at once', () => {
  const broken = file(Buffer.concat([keys[0].toPem(), Buffer.from('-----BEGIN EC PRIVATE KEY-----\n')]), 0o644);
  const planned = planServiceAccountRotate(
    options,
    { ...whole, source: broken, target: file(keys[1].toPem(), 0o600), modified: (now + 60) * 1000 },
    now,
  );
  assert.is(planned.ok, false);
  assert.equal(planned.ok ? [] : planned.problems.map(({ severity, code }) => `${severity} ${code}`), [
    'warning loose-mode',
    'error broken-pem',
    'error staged-already',
    'warning from-the-future',
  ]);
});

function file(bytes: Uint8Array, mode: number): SnapshotFile {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { kind: 'file', mode, sha256, size: bytes.length, der: false, blocks: core.inspect(bytes) };
}

test.run();
