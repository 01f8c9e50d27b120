import { cpSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createCore } from '@k3s-pki/core';
import { judgeFirstStart } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, fastKeys, folder, k3sPki } from '../cli/program.ts';
import { type Change, exchangedBelow, rewritten } from './changes.ts';
import { type FirstStart, goJudge, openssl, present } from './judge.ts';
import { type CaSpec, derOf, encodeKey, makeKey, makePki, trusted, withCrlf, withText } from './pki-variants.ts';

/** What we say of a set of CAs against what K3s's own packages say of the same files. */
const go = present('interop/agreement', goJudge());
const ssl = present('interop/agreement', openssl());

if (go && ssl) {
  const test = suite('interop/agreement');
  const core = await createCore();
  const sound = folder();
  assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', sound, ...fastKeys]).code, 0);
  const intermediate = {
    certificate: readFileSync(join(sound, 'server/tls/intermediate-ca.pem'), 'utf8'),
    key: readFileSync(join(sound, 'server/tls/intermediate-ca.key'), 'utf8'),
  };
  const now = Math.floor(Date.now() / 1000);

  const exchanged = (name: string, spec: CaSpec): Change => exchangedBelow(() => intermediate, name, spec);
  const removed = (file: string) => (tls: string) => rmSync(join(tls, file));
  const serviceKey = (content: string | Uint8Array) => rewritten('service.key', () => content);
  const variant = (name: Parameters<typeof makePki>[0]) => serviceKey(makePki(name).files['service.key'] ?? '');
  const order =
    (...places: number[]) =>
    (pem: string) =>
      places.map((place) => blocks(pem)[place] ?? '').join('');

  const changes: Record<string, Change> = {
    nothing: () => {},
    'key of another CA': rewritten('client-ca.key', () => makeKey('ec:p256')),
    'root first': rewritten('server-ca.crt', order(2, 1, 0)),
    'leaf, root, intermediate': rewritten('server-ca.crt', order(0, 2, 1)),
    'without the root': rewritten('server-ca.crt', order(0, 1)),
    'without the intermediate': rewritten('server-ca.crt', order(0, 2)),
    'the CA alone': rewritten('server-ca.crt', order(0)),
    'CA:FALSE': exchanged('server-ca', { ca: false }),
    'no basicConstraints': exchanged('client-ca', { ca: 'absent' }),
    'no keyCertSign': exchanged('server-ca', { keyUsage: 'digitalSignature' }),
    'no key usage': exchanged('server-ca', { keyUsage: null }),
    'server CA for clientAuth': exchanged('server-ca', { extendedKeyUsage: 'clientAuth' }),
    'etcd peer CA for clientAuth': exchanged('etcd/peer-ca', { extendedKeyUsage: 'clientAuth' }),
    'client CA for serverAuth': exchanged('client-ca', { extendedKeyUsage: 'serverAuth' }),
    'server CA for serverAuth': exchanged('server-ca', { extendedKeyUsage: 'serverAuth' }),
    'etcd server CA for serverAuth': exchanged('etcd/server-ca', { extendedKeyUsage: 'serverAuth' }),
    'client CA for both': exchanged('client-ca', { extendedKeyUsage: 'serverAuth,clientAuth' }),
    expired: exchanged('client-ca', { notBefore: now - 900_000, notAfter: now - 60 }),
    'not yet valid': exchanged('client-ca', { notBefore: now + 900_000 }),
    'RSA CA': exchanged('server-ca', { key: 'rsa:2048' }),
    'P-521 CA': exchanged('etcd/peer-ca', { key: 'ec:p521' }),
    'Ed25519 CA': exchanged('client-ca', { key: 'ed25519' }),
    'CRLF bundle': rewritten('client-ca.crt', withCrlf),
    'CRLF key': rewritten('client-ca.key', withCrlf),
    'text before the blocks': rewritten('etcd/server-ca.crt', (pem) => blocks(pem).map(withText).join('')),
    'PKCS#8 key': rewritten('client-ca.key', (key) => encodeKey(key, 'pkcs8')),
    'EC PARAMETERS before the key': rewritten('client-ca.key', (key) => encodeKey(key, 'ec-parameters')),
    'encrypted key': rewritten('etcd/peer-ca.key', (key) => encodeKey(key, 'encrypted')),
    'encrypted key, old form': rewritten('etcd/peer-ca.key', (key) => encodeKey(key, 'encrypted-legacy')),
    'public key only': rewritten('etcd/peer-ca.key', (key) => encodeKey(key, 'public')),
    'key in DER': rewritten('etcd/peer-ca.key', derOf),
    'empty key': rewritten('etcd/peer-ca.key', () => ''),
    'certificate in DER': rewritten('request-header-ca.crt', derOf),
    'TRUSTED CERTIFICATE': rewritten('request-header-ca.crt', (pem) => blocks(pem).map(trusted).join('')),
    'cut-off certificate': rewritten('request-header-ca.crt', (pem) => pem.slice(0, 200)),
    'damaged last certificate': rewritten('server-ca.crt', (pem) => {
      const [leaf = '', intermediate = '', root = ''] = blocks(pem);
      return leaf + intermediate + root.replace(/\n.{8}/, '\nMIIBAAAA');
    }),
    'headers before the first certificate': rewritten('client-ca.crt', (pem) =>
      pem.replace(/CERTIFICATE-----\n/, 'CERTIFICATE-----\nNote: mine\n\n'),
    ),
    'cut-off last certificate': rewritten('server-ca.crt', (pem) => pem.slice(0, -30)),
    'empty certificate': rewritten('request-header-ca.crt', () => ''),
    'a key in an etcd bundle': rewritten('etcd/server-ca.crt', (pem) => pem + makeKey('ec:p256')),
    'a key in another bundle': rewritten('server-ca.crt', (pem) => pem + makeKey('ec:p256')),
    'half a pair, certificate': removed('server-ca.key'),
    'half a pair, key': removed('server-ca.crt'),
    'no client CA': (tls) => ['crt', 'key'].forEach((end) => void rmSync(join(tls, `client-ca.${end}`))),
    'no service.key': removed('service.key'),
    'service.key in PKCS#8': variant('service-key-pkcs8'),
    'service.key EC': variant('service-key-ec'),
    'service.key EC in PKCS#8': variant('service-key-ec-pkcs8'),
    'service.key Ed25519': variant('service-key-ed25519'),
    'service.key encrypted': variant('service-key-encrypted'),
    'service.key public': variant('service-key-public'),
    'service.key empty': variant('service-key-empty'),
    'service.key of two': variant('service-key-two'),
  };

  /** Where the two may differ, and why. */
  const deviations: Record<string, string> = {};

  for (const [label, change] of Object.entries(changes)) {
    test(label, () => {
      const copy = folder();
      cpSync(join(sound, 'server'), join(copy, 'server'), { recursive: true });
      change(join(copy, 'server/tls'));
      const theirs = go.json<FirstStart>(['first-start', join(copy, 'server')]);
      const files = new Map(
        readdirSync(copy, { recursive: true, encoding: 'utf8' })
          .filter((name) => statSync(join(copy, name)).isFile())
          .map((name) => [relative('.', name), readFileSync(join(copy, name))]),
      );
      const ours = judgeFirstStart(
        (path) => {
          const bytes = files.get(path);
          return bytes && { bytes, blocks: core.inspect(bytes) };
        },
        (request) => core.chains(request),
        now,
      );
      const shown = JSON.stringify({ ours, theirs }, null, 1);
      assert.is(ours.accepted === theirs.ok, deviations[label] === undefined, shown);
      if (theirs.caHash.hash !== undefined) {
        assert.is(ours.caHash?.hash, theirs.caHash.hash, shown);
        assert.is(ours.caHash?.from, theirs.caHash.of, shown);
      }
    });
  }

  test.after(() => core.close());
  test.run();
}
