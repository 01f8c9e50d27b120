import { type Certificate, createCore, type PrivateKey } from '@k3s-pki/core';
import { caNames } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { planRotateDefaultCas, type RotateDefaultCaOptions, rotateDefaultDefaults } from '../src/plan.ts';
import type { Snapshot, SnapshotFile } from '../src/snapshot.ts';

const test = suite('plan/rotate-default-ca-certs');
const core = await createCore();
const now = 1_800_000_000;
const day = 86_400;
const options: RotateDefaultCaOptions = { ...rotateDefaultDefaults, product: 'k3s', force: false };
const noFaults = new Map<string, string>();

interface Ca {
  readonly key: PrivateKey;
  readonly certificate: Certificate;
}

const other = await make('other-ca@1', now + 9000 * day);
const first = await make('client-ca@1', now + 100 * day);
const second = await make('client-root@2', now + 5000 * day);
const crossed = signed('client-root@2', second.key, now + 5000 * day, first);
const below = await make('client-ca@2', now + 5000 * day, second);

test('the same options, files and clock give the same plan, frozen, printable, without a key', () => {
  const snapshot = inUse([first.certificate], [first.key]);
  const [one, other] = [0, 1].map(() => planRotateDefaultCas(options, snapshot, core, now, noFaults));
  assert.equal(one, other);
  assert.ok(one?.ok);
  assert.throws(() => Object.assign(one.plan.files[0] ?? {}, { mode: 0o644 }), /read only|read-only/);
  assert.not.match(JSON.stringify(one), /PRIVATE|BEGIN/);
});

test('after a rotation the second key signs, and everything that lives is kept', () => {
  const bundle = [below.certificate, second.certificate, crossed, first.certificate];
  assert.equal(
    tail(bundle, now),
    [second, below, { certificate: crossed }, first].map(({ certificate }) => certificate.sha256),
  );
});

test('an expired root leaves with what has no other root: the second one is not cut off by the end of the first', () => {
  const bundle = [below.certificate, second.certificate, crossed, first.certificate];
  assert.equal(
    tail(bundle, now + 101 * day),
    [second, below].map(({ certificate }) => certificate.sha256),
  );
});

test('what crosses to the old root ends with it, and a root that ends soon is a warning', () => {
  const planned = planRotateDefaultCas(options, inUse([first.certificate], [first.key]), core, now, noFaults);
  assert.ok(planned.ok);
  const end = (id: string) => planned.plan.certificates.find((each) => each.id === id)?.notAfter;
  assert.is(end('client-root-xsigned'), first.certificate.notAfter);
  assert.is(end('client-root'), now + 7300 * day);
  assert.equal(planned.plan.warnings.filter(({ code }) => code === 'old-root-ends-soon').length, 1);
});

test('an expired root in use cannot cross-sign', () => {
  const planned = planRotateDefaultCas(
    options,
    inUse([first.certificate], [first.key]),
    core,
    now + 101 * day,
    noFaults,
  );
  assert.not.ok(planned.ok);
  assert.ok(!planned.ok && planned.problems.some(({ code }) => code === 'expired'));
});

test('one CA with a chain and without its root key is custom, and named; the others are not', () => {
  const bundle = [below.certificate, second.certificate];
  const planned = planRotateDefaultCas(options, inUse(bundle, [below.key]), core, now, noFaults);
  assert.not.ok(planned.ok);
  const custom = planned.ok ? [] : planned.problems.filter(({ code }) => code === 'custom-cas');
  assert.equal(
    custom.map(({ values }) => values),
    [{ cas: ['client'], issuers: ['CN=client-root@2'] }],
  );
});

test('a name that is in use already gets a later second', () => {
  const same = signed(`k3s-client-ca@${now}`, first.key, now + 5000 * day);
  const planned = planRotateDefaultCas(options, inUse([same], [first.key]), core, now, noFaults);
  assert.ok(planned.ok);
  assert.is(planned.plan.timestamp, now + 1);
  assert.is(planned.plan.certificates[0]?.commonName, `k3s-client-root@${now + 1}`);
});

test('with crossSignedFirst every self-signed root of a bundle stands behind what leads to it', () => {
  const snapshot = inUse([below.certificate, second.certificate, crossed, first.certificate], [below.key, second.key]);
  const planned = planRotateDefaultCas({ ...options, crossSignedFirst: true }, snapshot, core, now, noFaults);
  assert.ok(planned.ok);
  const parts = planned.plan.files.find(({ path }) => path.endsWith('rotate-ca/tls/client-ca.crt'))?.parts ?? [];
  assert.equal(
    parts.map((part) => ('id' in part ? part.id : 'subject' in part ? part.subject : '')),
    [
      'client',
      'client-root-xsigned',
      'CN=client-ca@2',
      'CN=client-root@2',
      'client-root',
      'CN=client-root@2',
      'CN=client-ca@1',
    ],
  );
  const found = parts.flatMap((part) => (part.kind === 'found-certificate' ? [part.sha256] : []));
  assert.is(found[1], crossed.sha256);
  assert.is(found[2], second.certificate.sha256);
});

test.after(() => core.close());
test.run();

/** SHA-256 of what follows the three new certificates in the client CA's bundle. */
function tail(bundle: readonly Certificate[], at: number): string[] {
  const planned = planRotateDefaultCas(options, inUse(bundle, [below.key, second.key]), core, at, noFaults);
  assert.ok(planned.ok, JSON.stringify(planned));
  const parts = planned.plan.files.find(({ path }) => path.endsWith('rotate-ca/tls/client-ca.crt'))?.parts ?? [];
  return parts.flatMap((part) => (part.kind === 'found-certificate' ? [part.sha256] : []));
}

/** A data dir whose client CA is this; the other CAs are roots of their own that live long. */
function inUse(bundle: readonly Certificate[], keys: readonly PrivateKey[]): Snapshot {
  const files = new Map<string, SnapshotFile>();
  const put = (path: string, text: string, mode: number) => files.set(path, file(new TextEncoder().encode(text), mode));
  const pem = (key: PrivateKey) => Buffer.from(key.toPem()).toString();
  for (const ca of caNames) {
    const [certificates, own] = ca === 'client' ? [bundle, keys] : [[other.certificate], [other.key]];
    put(`server/tls/${ca}-ca.crt`, certificates.map((each) => core.toPem(each)).join(''), 0o644);
    put(`server/tls/${ca}-ca.key`, own.map(pem).join(''), 0o600);
  }
  put('server/tls/service.key', pem(first.key), 0o600);
  return { files, inUse: ['server/token'] };
}

async function make(name: string, notAfter: number, issuer?: Ca): Promise<Ca> {
  const [key] = (await core.generateKeys(['ec:p256'])) as [PrivateKey];
  return { key, certificate: signed(name, key, notAfter, issuer) };
}

function signed(name: string, key: PrivateKey, notAfter: number, issuer?: Ca): Certificate {
  const spec = {
    subject: [['CN', name]],
    notBefore: now - 1000,
    notAfter,
    serial: '01',
    ca: {},
    keyUsage: ['digitalSignature', 'keyCertSign'],
  } as const;
  return core.issue(spec, key, issuer?.key ?? key, issuer?.certificate);
}

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
