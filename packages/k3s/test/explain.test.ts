import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { explainLine, levelOf, logMessages, nearestMessages } from '../src/explain.ts';

const test = suite('explain');
const ids = (line: string) => explainLine(line).map(({ message }) => message.id);
const filled = (text: string) =>
  text.replaceAll(/\{(\w+)\}/g, (_, name: string) => (/^(id|days|count)$/.test(name) ? '12345' : `some ${name} here`));

test('every text of every entry is found, with its values filled in, and leads to its own entry', () => {
  for (const { id, texts } of logMessages) {
    for (const text of texts) assert.ok(ids(filled(text)).includes(id), text);
  }
});

test('every entry is found in a line of logrus, of klog, of journald, in JSON and in capitals', () => {
  for (const { id, texts } of logMessages) {
    const text = filled(texts[0]);
    for (const line of [
      `time="2026-11-24T10:00:00Z" level=error msg=${JSON.stringify(text)}`,
      `Nov 24 10:00:00 host k3s[123]: time="2026-11-24T10:00:00Z" level=fatal msg=${JSON.stringify(text)}`,
      `E1124 10:00:00.000000    1234 file.go:12] "Something" err=${JSON.stringify(text)}`,
      JSON.stringify({ level: 'error', ts: '2026-11-24', msg: text }),
      JSON.stringify({ level: 'warn', msg: 'outer', error: { message: text } }),
    ]) {
      assert.ok(ids(line).includes(id), line);
    }
    assert.ok(ids(text.toUpperCase()).includes(id), text);
  }
});

test('ids are unique and no text stands twice', () => {
  assert.is(new Set(logMessages.map(({ id }) => id)).size, logMessages.length);
  const texts = logMessages.flatMap((message) => message.texts);
  assert.is(new Set(texts.map((text) => text.toLowerCase())).size, texts.length);
});

// Lines as they stand in public reports of users.
for (const [line, expected] of [
  [
    'Mar 19 11:51:21 pik3s k3s[3369]: time="2026-03-19T11:51:21-04:00" level=fatal msg="Error: preparing server: failed to bootstrap cluster data: failed to reconcile with local datastore: no bootstrap data found in datastore - check server token value and verify datastore integrity"',
    ['no-bootstrap-data'],
  ],
  [
    'FATA[0000] see server log for details: https://127.0.0.1:6443/v1-k3s/cert/cacerts?force=false: 500 Internal Server Error certificate error ID 71168',
    ['see-server-log', 'certificate-error-id'],
  ],
  [
    '\x1b[31mFATA\x1b[0m[0000] /var/lib/rancher/k3s/server/tls/client-ca.key, /var/lib/rancher/k3s/server/cred/ipsec.psk newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore.',
    ['newer-on-disk'],
  ],
  [
    'level=error msg="Failed to validate connection to cluster at https://10.0.0.1:6443: token CA hash does not match the Cluster CA certificate hash: 1f526b0c3b2d558faaa261356f96ffca0474ac91dc0c7a0bc1ed84750a11dfe3 != f3afef4c29cb20a8390dbf17e4ebb2d9b81607af73946116d8c571d8a9d09926"',
    ['hash-mismatch'],
  ],
  [
    'level=error msg="Shutdown request received: failed to save bootstrap data: bootstrap data already found and encrypted with different token"',
    ['other-token'],
  ],
  [
    `time="2023-02-28T15:26:57+08:00" level=info msg="Waiting to retrieve agent configuration; server is not ready: Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag"`,
    ['node-password'],
  ],
  [
    'Node certificates require attention - restart k3s on this node to trigger automatic rotation: admin/client-admin.crt: certificate CN=system:admin,O=system:masters will expire within 120 days at 2026-12-02T17:11:23Z',
    ['needs-attention', 'certificate-expires'],
  ],
  [
    'Failed to validate connection to cluster at https://x:6443: failed to get CA certs: Get "https://127.0.0.1:6444/cacerts": context deadline exceeded',
    ['get-ca-certs'],
  ],
  [
    'E0101 12:00:00.000000 1 authentication.go:73] "Unable to authenticate the request" err="[invalid bearer token, service account token has expired]"',
    ['bearer-token'],
  ],
] as const) {
  test(`a real line: ${expected.join(', ')}`, () => {
    assert.equal(ids(line), expected);
  });
}

test('all failures of rotate-ca in one line, each with its fields', () => {
  const line =
    'time="2026-11-24T10:00:00Z" level=error msg="certificate error ID 04711: failed to validate new CA certificates and keys: ETCDServerCA: new CA bundle contains only a single certificate but should include root or intermediate CA certificates, ServerCA: new CA cert cannot be verified using old CA chain: x509: certificate signed by unknown authority, ServerCAKey: new CA cert and key cannot be loaded as X590KeyPair: tls: private key does not match public key, ClientCA: new CA cert cannot be verified using old CA chain: x509: certificate signed by unknown authority, ServiceKey: old ServiceAccount signing key not in new ServiceAccount key list"';
  assert.equal(
    explainLine(line).map(({ message, fields }) => [message.id, ...fields]),
    [
      ['single-certificate', 'ETCDServerCA'],
      ['not-by-old-chain', 'ServerCA', 'ClientCA'],
      ['pair-not-loaded', 'ServerCAKey'],
      ['service-key-lost', 'ServiceKey'],
    ],
  );
});

test('a part of a line, also one with values in it', () => {
  for (const [part, expected] of [
    ['signing key not in new ServiceAccount', 'service-key-lost'],
    ['cannot be verified using old', 'not-by-old-chain'],
    ['the Cluster CA certificate hash: 1f526b0c3b2d558faaa261356f96ffca != ', 'hash-mismatch'],
    ['encrypted with different token', 'other-token'],
    ['Remove the file(s) from disk', 'newer-on-disk'],
  ] as const) {
    assert.equal(ids(part), [expected], part);
  }
});

test('what is not known, and what could be many things, is not explained', () => {
  for (const line of [
    '',
    'hello',
    'the token',
    'pods is forbidden: User "x" cannot list resource "pods"',
    'level=info msg="Tunnel authorizer set Kubelet Port 0.0.0.0:10250"',
    'you are not authorized to do that',
  ]) {
    assert.equal(ids(line), [], line);
  }
});

test('the nearest entries to a line with slips of the keys come first', () => {
  for (const [line, expected] of [
    ['old ServiceAcount singing key not in new key list', 'service-key-lost'],
    ['bootstrap data found and encryptd with diferent token', 'other-token'],
    ['token CA hash doesnt match cluster CA hash', 'hash-mismatch'],
    ['CA bundle only has a single certificate', 'single-certificate'],
  ] as const) {
    assert.is(nearestMessages(line)[0]?.id, expected, line);
  }
  assert.equal(nearestMessages('xyzzy plugh'), []);
});

test('levels of logrus, klog and JSON', () => {
  for (const [line, level] of [
    ['time="x" level=fatal msg="a"', 'fatal'],
    ['FATA[0000] a', 'fatal'],
    ['{"level":"error","msg":"a"}', 'error'],
    ['E1124 10:00:00.000000 1 a.go:1] a', 'error'],
    ['host k3s[1]: W1124 10:00:00.000000 1 a.go:1] a', 'warning'],
    ['level=info msg="no error"', undefined],
    ['Everything is well', undefined],
  ] as const) {
    assert.is(levelOf(line), level, line);
  }
});

test('a long line takes no long time, whatever is in it', () => {
  const started = performance.now();
  for (const piece of [
    'a',
    '"',
    '\\"',
    '{',
    'certificate ',
    'x509: certificate is valid for ',
    ', not ',
    'error reading ',
  ]) {
    explainLine(piece.repeat(200_000));
    nearestMessages(piece.repeat(200_000));
  }
  assert.ok(performance.now() - started < 20_000, `${performance.now() - started} ms`);
});

test.run();
