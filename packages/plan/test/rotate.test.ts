import { createHash } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type LeafTree, type LeafTreeEntry, planRestore, planRotate } from '../src/plan.ts';

const test = suite('plan: rotate and restore');
const owner = { uid: 0, gid: 0 };
const directory: LeafTreeEntry = { kind: 'directory', mode: 0o700, owner };
const file = (text: string, mode = 0o600): LeafTreeEntry => ({
  kind: 'file',
  mode,
  owner,
  sha256: createHash('sha256').update(text).digest('hex'),
  size: text.length,
  blocks: [],
  holdsKey: text.includes('PRIVATE KEY-----'),
});
const now = 1_800_000_000;
const signatureHolds = () => true;

function treeOf(entries: Readonly<Record<string, LeafTreeEntry>>, more: Partial<LeafTree> = {}): LeafTree {
  return { entries: new Map(Object.entries(entries)), inUse: true, holders: [], ...more };
}

const server = {
  server: directory,
  agent: directory,
  'server/tls': directory,
  'server/tls/client-admin.crt': file('certificate', 0o644),
  'server/tls/client-admin.key': file('-----BEGIN EC PRIVATE KEY-----', 0o640),
  'agent/client-kubelet.key': file('kubelet'),
};
const all = { product: 'k3s', services: [], force: false } as const;

test('a plan is frozen, plain JSON, and the same for the same input', () => {
  const [one, other] = [1, 2].map(() => planRotate(all, treeOf(server), undefined, now));
  assert.equal(one, other);
  if (!one?.ok) throw new Error('refused');
  assert.equal(JSON.parse(JSON.stringify(one.plan)), one.plan);
  assert.ok(Object.isFrozen(one.plan) && Object.isFrozen(one.plan.backup?.copies[0]));
  assert.not.match(JSON.stringify(one.plan), 'BEGIN');
  assert.is(one.plan.backup?.path, `server/tls-${now}`);
  assert.equal(
    one.plan.backup?.copies.map(({ to, mode, secret }) => [to, mode, secret]),
    [
      [`server/tls-${now}/client-admin.crt`, 0o644, false],
      [`server/tls-${now}/client-admin.key`, 0o600, true],
      [`server/tls-${now}/agent/client-kubelet.key`, 0o600, true],
    ],
  );
  assert.equal(
    one.plan.removes.map(({ path }) => path),
    ['server/tls/client-admin.crt', 'server/tls/client-admin.key', 'agent/client-kubelet.key'],
  );
});

test('the name of a backup is the first free second', () => {
  const taken = { [`server/tls-${now}`]: directory, [`server/tls-${now + 1}`]: directory };
  const planned = planRotate(all, treeOf({ ...server, ...taken }), undefined, now);
  assert.is(planned.ok && planned.plan.backup?.path, `server/tls-${now + 2}`);
});

test('every problem at once', () => {
  const unreadable: LeafTreeEntry = { kind: 'unreadable', why: 'permission' };
  const tree = treeOf(
    { ...server, 'server/tls/secret.pem': unreadable, 'agent/client-kube-proxy.key': unreadable },
    { holders: [{ kind: 'process', pid: 7, command: 'k3s server' }] },
  );
  const planned = planRotate({ ...all, services: ['admin', 'kube-proxy', 'nobody', 'noone'] }, tree, undefined, now);
  assert.equal(
    planned.ok ? [] : planned.problems.filter(({ severity }) => severity === 'error').map(({ code }) => code),
    ['unknown-service', 'unknown-service', 'running', 'unreadable', 'unreadable'],
  );
});

test('a folder that cannot be searched is no machine without certificates', () => {
  const closed: LeafTreeEntry = { kind: 'unreadable', why: 'permission' };
  for (const path of ['server', 'server/tls']) {
    const planned = planRotate(all, treeOf({ ...server, [path]: closed }), undefined, now);
    assert.ok(!planned.ok, path);
    const restored = planRestore(
      { ...all, backup: 'tls-1' },
      treeOf({ ...server, [path]: closed }),
      { signatureHolds },
      () => undefined,
      now,
    );
    assert.ok(!restored.ok, path);
  }
});

test.run();
