import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatastoreError, findSettings } from '@k3s-pki/datastore';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serviceArguments } from '../src/settings.ts';

const test = suite('settings');
const root = mkdtempSync(join(tmpdir(), 'k3s-pki-test-'));
const put = (path: string, content: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  return join(root, path);
};
const find = (more: Partial<Parameters<typeof findSettings>[0]> = {}) =>
  findSettings({ product: 'k3s', dataDir: join(root, 'data'), env: {}, configFile: undefined, given: {}, ...more });

test.after(() => rmSync(root, { recursive: true, force: true }));

test('without a word it is the data dir: SQLite, or etcd when it has that', async () => {
  const sqlite = await find();
  assert.is(sqlite.endpoint, `sqlite://${join(root, 'data/server/db/state.db')}`);
  mkdirSync(join(root, 'etcd/server/db/etcd'), { recursive: true });
  const etcd = await find({ dataDir: join(root, 'etcd') });
  assert.is(etcd.endpoint, 'https://127.0.0.1:2379');
  assert.is(etcd.tls.certFile, join(root, 'etcd/server/tls/etcd/client.crt'));
});

test('command line before configuration before environment, each name by itself; later files of the folder win', async () => {
  const configFile = put(
    'config.yaml',
    'datastore-endpoint: postgres://a/\ndatastore-cafile: /ca\ntoken: one\nnode-label:\n  - x=y\n',
  );
  put('config.yaml.d/10.yaml', 'datastore-endpoint: postgres://b/\n');
  put('config.yaml.d/20.yml', 'datastore-endpoint: postgres://c/\n');
  put('config.yaml.d/30.txt', 'datastore-endpoint: postgres://d/\n');
  const env = { K3S_DATASTORE_ENDPOINT: 'postgres://e/', K3S_DATASTORE_KEYFILE: '/key', K3S_TOKEN_FILE: '/token' };
  const found = await find({ configFile, env });
  assert.is(found.endpoint, 'postgres://c/');
  assert.is(found.source, join(root, 'config.yaml.d/20.yml'));
  assert.equal(found.tls, { caFile: '/ca', certFile: undefined, keyFile: '/key' });
  assert.equal([found.token, found.tokenFile], ['one', '/token']);
  const given = { 'datastore-endpoint': 'postgres://f/' };
  assert.is((await find({ configFile, env, given })).endpoint, 'postgres://f/');
  assert.is((await find({ env })).endpoint, 'postgres://e/');
  assert.is((await find({ env: { K3S_CONFIG_FILE: configFile } })).endpoint, 'postgres://c/');
  assert.is(
    (await find({ product: 'rke2', env: { RKE2_DATASTORE_ENDPOINT: 'https://g:2379' } })).endpoint,
    'https://g:2379',
  );
});

test("the flags in a service's file, as the install script writes them", () => {
  const unit = `[Service]
EnvironmentFile=-/etc/systemd/system/k3s.service.env
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/k3s \\
    server \\
\t'--datastore-endpoint' \\
\t'mysql://u:p'\\''w d@tcp(h:3306)/k3s' \\
\t'--datastore-cafile=/etc/ca file.crt' \\
\t'--node-label' \\
\t'token=x' \\

[Install]
WantedBy=multi-user.target
`;
  assert.equal(serviceArguments(unit), {
    'datastore-endpoint': "mysql://u:p'w d@tcp(h:3306)/k3s",
    'datastore-cafile': '/etc/ca file.crt',
  });
  assert.equal(serviceArguments('ExecStart=/usr/local/bin/k3s server --token-file /t --disable traefik\n'), {
    'token-file': '/t',
  });
  const openrc = `command="/usr/local/bin/k3s"\ncommand_args="server '--datastore-endpoint=https://a:2379' \n    >>/var/log/k3s.log 2>&1"\n`;
  assert.equal(serviceArguments(openrc), { 'datastore-endpoint': 'https://a:2379' });
  assert.equal(serviceArguments(''), {});
});

test('a file that is no YAML is refused by its line, without what stands there', async () => {
  const configFile = put('broken.yaml', 'token: x\ndatastore-endpoint: "postgres://u:secret@h\n');
  try {
    await find({ configFile });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, DatastoreError);
    assert.match((error as Error).message, /broken\.yaml: not YAML: line \d/);
    assert.not.match((error as Error).message, 'secret');
  }
  try {
    await find({ configFile: join(root, 'none.yaml') });
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /none\.yaml: there is no such file/);
  }
});

test.run();
