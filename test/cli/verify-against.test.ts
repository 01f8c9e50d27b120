import { mkdirSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateSpec } from '@k3s-pki/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { daySeconds } from './authorities.ts';
import { blocks, folder, k3sPki, put } from './program.ts';
import {
  changed,
  core,
  custom,
  judged,
  now,
  other,
  read,
  replaced,
  serviceKey,
  sets,
  shared,
  twin,
  withCa,
} from './verified-sets.ts';

const test = suite('verify-against');
const stray = await sets.make('k3s-etcd-peer-ca', shared.intermediate, sets.years(5));

/** A staged set below `authority`, with the key in use behind a new one. */
const staged = async (authority: typeof shared, key = other + serviceKey) =>
  sets.written((path) => sets.below(authority, path), key);

test('against the set in use, below the same root: non-disruptive, exit 0', async () => {
  const { code, rotation } = judged(await staged(shared), '--against', custom);
  assert.is(code, 0);
  assert.is(rotation?.verdict, 'non-disruptive');
  assert.equal(rotation?.consequences, []);
  assert.ok(rotation?.fields.every(({ ok, from }) => ok && from === 'proposed'));
});

test("below another root: every line of K3s's log, what --force would break, exit 1", async () => {
  const dir = await staged(await sets.authority('other'), other);
  const { code, stdout } = k3sPki(['verify', dir, '--against', custom]);
  assert.is(code, 1);
  for (const line of [
    'failed to validate new CA certificates and keys: ETCDServerCA: new CA cert cannot be verified using old CA chain: x509: certificate signed by unknown authority, ETCDPeerCA: ',
    'ServiceKey: old ServiceAccount signing key not in new ServiceAccount key list, RequestHeaderCA: ',
    'Save of CA certificates and keys forced, ignoring validation errors: ETCDServerCA: ',
    'needs --force',
    `k3s certificate rotate-ca --force --path=${dir}`,
  ]) {
    assert.ok(stdout.includes(line), `${line}\n${stdout}`);
  }
  const { rotation } = judged(dir, '--against', custom);
  assert.is(rotation?.verdict, 'refused');
  assert.equal(
    rotation?.consequences.map((consequence) => consequence.code),
    [
      'tokens-refused',
      'server-distrusted',
      'supervisor-certificate',
      'clients-refused',
      'etcd-members-apart',
      'aggregation-refused',
      'service-tokens-refused',
    ],
  );
  const rke2 = k3sPki(['verify', dir, '--against', custom, '--product', 'rke2']);
  assert.match(rke2.stdout, 'rke2 certificate rotate-ca --force');
});

test("single certificates, a key of another CA, a bundle without certificate: in K3s's words", () => {
  const dir = changed((tls) => {
    replaced('client-ca', { crt: blocks(read(tls, 'client-ca.crt'))[0] ?? '' })(tls);
    replaced('server-ca', { key: other })(tls);
    replaced('request-header-ca', { crt: other })(tls);
  });
  const { stdout } = k3sPki(['verify', dir, '--against', custom]);
  for (const line of [
    'new CA bundle contains only a single certificate but should include root or intermediate CA certificates',
    'new CA cert and key cannot be loaded as X590KeyPair: tls: private key does not match public key',
    'data does not contain any valid RSA or ECDSA certificates',
  ]) {
    assert.ok(stdout.includes(line), `${line}\n${stdout}`);
  }
});

test('service.key alone is staged: the CAs are kept', () => {
  const dir = folder();
  put(dir, { 'tls/service.key': other + serviceKey });
  const { code, rotation, problems } = judged(dir, '--against', custom);
  assert.is(code, 0, JSON.stringify(problems));
  assert.is(rotation?.verdict, 'non-disruptive');
  assert.equal(
    rotation?.fields.filter(({ from }) => from === 'proposed').map(({ field }) => field),
    ['ServiceKey'],
  );
});

test('what K3s accepts and cannot start on is refused here', async () => {
  const noCa = { ca: undefined } as unknown as Partial<CertificateSpec>;
  const dir = changed(await withCa('server-ca', noCa));
  const { code, rotation } = judged(dir, '--against', custom);
  assert.is(rotation?.accepted, true);
  assert.is(rotation?.verdict, 'unfit');
  assert.is(code, 1);
});

test('one CA for two purposes, a bundle without its root: K3s takes them, and they are named', async () => {
  const dir = changed((tls) => {
    const pair = sets.pair(twin, shared.intermediate, shared.root);
    replaced('client-ca', pair)(tls);
    replaced('server-ca', pair)(tls);
    replaced('etcd/peer-ca', sets.pair(stray, shared.intermediate))(tls);
  });
  const { code, rotation } = judged(dir, '--against', custom);
  assert.is(code, 0);
  assert.is(rotation?.accepted, true);
  assert.equal(
    rotation?.findings.map((finding) => [finding.code, finding.effect]),
    [
      ['same-ca', 'odd'],
      ['bundle-without-root', 'odd'],
    ],
  );
});

test('nothing staged, or what is in use: K3s would answer "certificates saved to datastore"', () => {
  const empty = folder();
  mkdirSync(join(empty, 'tls'));
  for (const dir of [empty, custom]) {
    const { code, rotation } = judged(dir, '--against', custom);
    assert.is(code, 1);
    assert.equal(
      rotation?.findings.map((finding) => finding.code),
      ['nothing-proposed'],
    );
  }
  assert.match(k3sPki(['verify', empty, '--against', custom]).stdout, '"certificates saved to datastore"');
});

test('staged files that are older than those in use stop the next start', async () => {
  const dir = await staged(shared);
  const long = now - 9 * daySeconds;
  utimesSync(join(dir, 'tls/client-ca.crt'), long, long);
  const { code, rotation } = judged(dir, '--against', custom);
  assert.is(code, 1);
  assert.equal(
    rotation?.findings.map((finding) => [finding.code, finding.effect]),
    [['older-than-current', 'fatal']],
  );
  assert.match(rotation?.findings[0]?.message ?? '', join(dir, 'tls/client-ca.crt'));
});

test('half a pair is staged', async () => {
  const fresh = await sets.below(shared, 'client-ca');
  const dir = folder();
  put(dir, { 'tls/client-ca.crt': fresh.crt });
  const { code, rotation } = judged(dir, '--against', custom);
  assert.is(code, 1);
  assert.ok(rotation?.findings.some((finding) => finding.code === 'half-proposed'));
  const refused = rotation?.fields.filter(({ ok }) => !ok);
  assert.equal(
    refused?.map(({ field, from }) => [field, from]),
    [['ClientCAKey', 'current']],
  );
});

test('a set in use that cannot be read is no verdict', () => {
  const dir = changed((tls) => {
    rmSync(join(tls, 'client-ca.crt'));
    mkdirSync(join(tls, 'client-ca.crt'));
  });
  const run = k3sPki(['verify', custom, '--against', dir]);
  assert.is(run.code, 1);
  assert.is(run.stdout, '');
  assert.match(run.stderr, join(dir, 'tls/client-ca.crt'));
});

test.after(() => core.close());
test.run();
