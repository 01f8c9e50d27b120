import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks } from '../cli/program.ts';
import { type Change, exchangedBelow, rewritten } from './changes.ts';
import { type FirstStart, goJudge, openssl, present } from './judge.ts';
import { runRecipe } from './openssl-recipe.ts';
import {
  type Ca,
  type CaSpec,
  derOf,
  encodeKey,
  makeKey,
  makePki,
  trusted,
  withCrlf,
  withText,
  writeInputs,
} from './pki-variants.ts';

const go = present('interop/first-start', goJudge());
const ssl = present('interop/first-start', openssl());

if (go && ssl) {
  const test = suite('interop/first-start');
  let folder = '';
  let upper: Ca;

  test.before(() => {
    folder = mkdtempSync(join(tmpdir(), 'k3s-pki-first-start-'));
    const inputs = makePki('root-and-intermediate');
    writeInputs(inputs, join(folder, 'sound'));
    assert.is(runRecipe(join(folder, 'sound')).status, 0);
    upper = {
      certificate: inputs.files['intermediate-ca.pem'] as string,
      key: inputs.files['intermediate-ca.key'] as string,
    };
  });

  test.after(() => rmSync(folder, { recursive: true, force: true }));

  let copies = 0;
  /** Judges a copy of the recipe's set after `change` got its tls folder. */
  const judged = (change: Change = () => {}): FirstStart => {
    const copy = join(folder, `copy-${copies++}`);
    cpSync(join(folder, 'sound'), copy, { recursive: true });
    change(join(copy, 'server/tls'));
    return go.json<FirstStart>(['first-start', join(copy, 'server')]);
  };
  const ca = (verdict: FirstStart, name: string) => verdict.cas.find((one) => one.name === name);
  const exchanged = (name: string, spec: CaSpec): Change => exchangedBelow(() => upper, name, spec);
  const serviceKey = (content: string | Uint8Array) =>
    judged((tls) => writeFileSync(join(tls, 'service.key'), content));

  test('the recipe of the script comes up', () => {
    const verdict = judged();
    assert.equal(
      verdict.cas.map(({ name, ok, certificates, leaves }) => [name, ok, certificates, leaves?.length]),
      [
        ['client', true, 3, 9],
        ['server', true, 3, 5],
        ['request-header', true, 3, 1],
        ['etcd/server', true, 3, 2],
        ['etcd/peer', true, 3, 1],
      ],
    );
    assert.is(verdict.meetings.filter(({ ok }) => ok).length, 8);
    assert.is(verdict.serviceKey.ok, true);
    assert.equal(verdict.serviceKey.first?.bits, 2048);
    assert.is(verdict.caHash.of, 'root');
    assert.is(verdict.ok, true);
  });

  test('CAs of every key type come up', () => {
    for (const key of ['rsa:2048', 'ec:p384', 'ec:p521', 'ed25519'] as const) {
      for (const name of ['client-ca', 'server-ca', 'etcd/peer-ca']) {
        assert.is(judged(exchanged(name, { key })).ok, true, `${name} with ${key}`);
      }
    }
  });

  test('key and bundle forms that K3s reads come up', () => {
    assert.is(judged(rewritten('client-ca.key', (key) => encodeKey(key, 'pkcs8'))).ok, true, 'PKCS#8');
    assert.is(judged(rewritten('client-ca.key', (key) => encodeKey(key, 'ec-parameters'))).ok, true, 'EC PARAMETERS');
    assert.is(judged(rewritten('client-ca.crt', withCrlf)).ok, true, 'CRLF certificate');
    assert.is(judged(rewritten('client-ca.key', withCrlf)).ok, true, 'CRLF key');
    const text = (bundle: string) => blocks(bundle).map(withText).join('');
    assert.is(judged(rewritten('etcd/server-ca.crt', text)).ok, true, 'text before the blocks');
    const reordered = (bundle: string) => {
      const [leaf = '', intermediate = '', root = ''] = blocks(bundle);
      return leaf + root + intermediate;
    };
    const verdict = judged(rewritten('server-ca.crt', reordered));
    assert.is(verdict.ok, true, 'leaf, root, intermediate');
    assert.is(verdict.caHash.of, 'root');
  });

  test("another CA's key is refused", () => {
    const verdict = judged(rewritten('client-ca.key', () => makeKey('ec:p256')));
    assert.is(verdict.ok, false);
    assert.is(ca(verdict, 'client')?.failure, 'key-mismatch');
    assert.match(ca(verdict, 'client')?.reason ?? '', "provided PrivateKey doesn't match parent's PublicKey");
    assert.is(ca(verdict, 'server')?.ok, true);
    const meetings = new Map(verdict.meetings.map(({ name, ok, failure }) => [name, failure ?? ok]));
    assert.is(meetings.get('admin to kube-apiserver'), 'no-certificate');
    assert.is(meetings.get('etcd to etcd'), true);
  });

  test('the root first in the bundle is refused by way of the key', () => {
    const verdict = judged(rewritten('server-ca.crt', (bundle) => blocks(bundle).reverse().join('')));
    assert.is(ca(verdict, 'server')?.failure, 'key-mismatch');
    assert.is(verdict.caHash.of, 'file');
  });

  test('CA:FALSE and a key usage without keyCertSign are refused', () => {
    for (const spec of [{ ca: false }, { ca: 'absent' }, { keyUsage: 'digitalSignature' }] as const) {
      const verdict = judged(exchanged('server-ca', spec));
      assert.is(ca(verdict, 'server')?.failure, 'unknown-authority', JSON.stringify(spec));
      assert.is(ca(verdict, 'server')?.hint, 'not-a-ca', JSON.stringify(spec));
    }
  });

  test('an extended key usage of clientAuth alone is refused for what serves', () => {
    const spec = { extendedKeyUsage: 'clientAuth' };
    for (const [file, name] of [
      ['server-ca', 'server'],
      ['etcd/server-ca', 'etcd/server'],
      ['etcd/peer-ca', 'etcd/peer'],
    ] as const) {
      assert.is(ca(judged(exchanged(file, spec)), name)?.failure, 'incompatible-usage', file);
    }
    assert.is(
      ca(judged(exchanged('client-ca', { extendedKeyUsage: 'serverAuth' })), 'client')?.failure,
      'incompatible-usage',
    );
  });

  test('expired and not yet valid CAs are refused', () => {
    const now = Math.floor(Date.now() / 1000);
    const expired = judged(exchanged('client-ca', { notBefore: now - 9e5, notAfter: now - 60 }));
    assert.is(ca(expired, 'client')?.failure, 'expired');
    // dynamiclistener never dates a leaf before its CA, so the leaf is the one that is not valid yet.
    const early = judged(exchanged('client-ca', { notBefore: now + 9e5 }));
    assert.is(ca(early, 'client')?.failure, 'not-yet-valid');
  });

  test('certificates that K3s does not read are refused', () => {
    const one = (change: (bundle: string) => string | Uint8Array) =>
      ca(judged(rewritten('request-header-ca.crt', change)), 'request-header')?.failure;
    assert.is(one(derOf), 'certificate-unreadable', 'DER');
    assert.is(
      one((bundle) => blocks(bundle).map(trusted).join('')),
      'certificate-unreadable',
      'TRUSTED CERTIFICATE',
    );
    assert.is(
      one((bundle) => bundle.slice(0, 200)),
      'certificate-unreadable',
      'truncated',
    );
    assert.is(
      one(() => ''),
      'certificate-unreadable',
      'empty',
    );
  });

  test('a block that is no certificate stops etcd, which K3s would skip', () => {
    const appended = (bundle: string) => bundle + makeKey('ec:p256');
    assert.is(ca(judged(rewritten('etcd/server-ca.crt', appended)), 'etcd/server')?.failure, 'certificate-unreadable');
    assert.is(judged(rewritten('server-ca.crt', appended)).ok, true);
  });

  test('keys that K3s does not read are refused', () => {
    const one = (change: (key: string) => string | Uint8Array) =>
      ca(judged(rewritten('etcd/peer-ca.key', change)), 'etcd/peer')?.failure;
    for (const form of ['encrypted', 'encrypted-legacy', 'public'] as const) {
      assert.is(
        one((key) => encodeKey(key, form)),
        'key-unreadable',
        form,
      );
    }
    assert.is(one(derOf), 'key-unreadable', 'DER');
    assert.is(
      one(() => ''),
      'key-unreadable',
      'empty',
    );
  });

  test('half a pair is named, and so is none', () => {
    for (const suffix of ['crt', 'key']) {
      const verdict = judged((tls) => rmSync(join(tls, `server-ca.${suffix}`)));
      assert.is(ca(verdict, 'server')?.failure, 'half-pair', suffix);
    }
    const none = judged((tls) => {
      rmSync(join(tls, 'client-ca.crt'));
      rmSync(join(tls, 'client-ca.key'));
      rmSync(join(tls, 'service.key'));
    });
    assert.is(ca(none, 'client')?.failure, 'absent');
    assert.is(none.serviceKey.failure, 'absent');
  });

  test('service.key is loaded as K3s and the API server do', () => {
    const rsa = makeKey('rsa:2048', 'service');
    const content = (variant: Parameters<typeof makePki>[0]) => makePki(variant).files['service.key'] as string;
    for (const variant of ['service-key-pkcs1', 'service-key-pkcs8', 'service-key-ec'] as const) {
      const verdict = serviceKey(content(variant));
      assert.is(verdict.ok, true, variant);
      assert.is(verdict.serviceKey.publicKeys, 1, variant);
    }
    assert.is(serviceKey(content('service-key-two')).serviceKey.publicKeys, 2);
    assert.is(serviceKey(content('service-key-ed25519')).serviceKey.failure, 'key-type');
    for (const variant of ['service-key-encrypted', 'service-key-public', 'service-key-empty'] as const) {
      assert.is(serviceKey(content(variant)).serviceKey.failure, 'key-unreadable', variant);
    }
    assert.is(serviceKey(encodeKey(rsa, 'encrypted-legacy')).serviceKey.failure, 'key-unreadable');
    assert.is(serviceKey(derOf(rsa)).serviceKey.failure, 'key-unreadable');
    // The first readable key signs, also behind one that is not.
    const behind = serviceKey(encodeKey(rsa, 'encrypted') + encodeKey(rsa, 'traditional'));
    assert.is(behind.serviceKey.first?.algorithm, 'rsa');
  });

  test('an EC service.key in PKCS#8 signs, but the API server does not find its public key', () => {
    const alone = serviceKey(makeKey('ec:p256'));
    assert.is(alone.serviceKey.failure, 'key-unreadable');
    assert.match(alone.serviceKey.reason ?? '', 'public keys');
    const first = serviceKey(makeKey('ec:p256') + makeKey('rsa:2048', 'service'));
    assert.is(first.serviceKey.failure, 'signing-key-unknown');
  });

  test.run();
}
