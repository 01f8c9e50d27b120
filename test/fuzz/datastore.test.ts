import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DatastoreError,
  findSettings,
  holdsPassword,
  openDatastore,
  readBackup,
  SealError,
  seal,
  unseal,
  writeBackup,
} from '@k3s-pki/datastore';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { parseEndpoint } from '../../packages/datastore/src/endpoint.ts';
import { derive, open, sealedParts } from '../../packages/datastore/src/seal.ts';
import { serviceArguments } from '../../packages/datastore/src/settings.ts';
import { damaged, damagedText, fuzz, secret, seedsOf, tellsNothing } from './fuzz.ts';

/** What is read for a datastore, with damage: no crash, no hang, no secret in an error, and what is written is read again. */
const test = suite('fuzz/datastore');
const root = mkdtempSync(join(tmpdir(), 'k3s-pki-fuzz-'));
test.after(() => rmSync(root, { recursive: true, force: true }));

const document = '{"ServerCA":null}';

test('sealed records: opened to what was sealed, or refused', async () => {
  const seeds = seedsOf('sealed');
  // Took half a minute.
  const long = Buffer.from(`a:${'\n'.repeat(1 << 17)}!`);
  // A key takes 4,096 rounds of PBKDF2: those of the seeds are made once.
  const [key] = await Promise.all(['07'.repeat(8)].map((salt) => derive('Qxpassword', salt)));
  if (key === undefined) throw new Error('no key');
  let opened = 0;
  const holds = (record: Uint8Array) => {
    try {
      assert.is(Buffer.from(open(sealedParts(record), key)).toString(), document);
      opened += 1;
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      tellsNothing(error.message);
    }
  };
  await fuzz('sealed records', damaged(seeds, [':', '=', '\n', '\r\n']), holds, {
    share: 10,
    kept: [...seeds, long],
  });
  assert.ok(opened > 0);
});

test('sealed records: a derived key changes nothing of that', async () => {
  const sealed = fc.tuple(fc.uint8Array({ maxLength: 60 }), fc.oneof(secret, fc.string({ unit: 'binary' })));
  await fuzz(
    'sealed records, keys derived',
    sealed,
    async ([content, passphrase]) => {
      const record = await seal(content, passphrase, (count) => new Uint8Array(count).fill(content.length));
      assert.equal([...(await unseal(record, passphrase))], [...content]);
      for (const wrong of [record.subarray(0, -4), record.with(3, 0x30), record.with(30, 0x41)]) {
        if (Buffer.from(wrong).equals(record)) continue;
        try {
          await unseal(wrong, passphrase);
        } catch (error) {
          assert.instance(error, SealError);
          continue;
        }
        assert.unreachable('a changed record was opened');
      }
    },
    { share: 0.02 },
  );
});

const limits = { signal: new AbortController().signal, timeout: 1000 };

test('datastore endpoints: taken in, or refused without the password', async () => {
  const seeds = seedsOf('endpoints');
  const generated = fc
    .tuple(
      fc.constantFrom('postgres://', 'mysql://', 'https://', 'http://', 'unix://', 'nats://', 'sqlite://', ''),
      fc.constantFrom('user', ''),
      secret,
      fc.constantFrom('@', '@tcp(', '@unix('),
      fc.oneof(fc.constantFrom('db:5432', '[::1]:3306)', 'a,b:1', '/run/x)'), fc.string({ maxLength: 12 })),
      fc.oneof(fc.constantFrom('/kubernetes', '/k?sslmode=require', '?tls=skip-verify'), fc.string({ maxLength: 12 })),
    )
    .map(([scheme, user, password, at, host, rest]) => `${scheme}${user}:${password}${at}${host}${rest}`);
  const words = ['://', '@', ':', '/', '?', '%', '%40', '[', ']', '(', ')', ',', '&host=', '&password='];
  const parse = (text: string) => {
    holdsPassword(text);
    try {
      return parseEndpoint(text, '/nowhere', text.length % 2 === 0);
    } catch (error) {
      assert.instance(error, DatastoreError);
      tellsNothing(`${(error as DatastoreError).message} ${(error as DatastoreError).mend}`);
      return undefined;
    }
  };
  const text = fc.oneof(generated, damagedText(seeds, words));
  await fuzz('datastore endpoints', text, parse, {
    share: 10,
    kept: seeds.map((seed) => Buffer.from(seed).toString()),
  });
  await fuzz(
    'datastores opened',
    // Damage may move the password to where the host stands, which is shown.
    generated,
    async (endpoint) => {
      try {
        const store = await openDatastore({ endpoint, tls: {}, server: '/nowhere', ...limits, clock: Date.now });
        // The other kinds have no password.
        if (/^(postgres|mysql)/.test(endpoint)) tellsNothing(store.description);
        await store.close();
      } catch (error) {
        assert.instance(error, DatastoreError);
        tellsNothing(`${(error as DatastoreError).message} ${(error as DatastoreError).mend}`);
      }
    },
    { share: 0.2, kept: seeds.map((seed) => Buffer.from(seed).toString()) },
  );
});

/** Made anew by every execution: what is in it counts. */
async function configFolder(files: ReadonlyMap<string, string>): Promise<string> {
  const folder = join(root, 'config.yaml.d');
  await mkdir(folder, { recursive: true });
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
  for (const [name, text] of files) writeFileSync(join(root, name), text);
  return join(root, 'config.yaml');
}

const find = (configFile: string, env: Record<string, string | undefined>, given: Record<string, string> = {}) =>
  findSettings({ product: 'k3s', dataDir: root, env, configFile, given });

test('config.yaml and its folder: read, or refused without a word of it', async () => {
  const seeds = seedsOf('config');
  const words = [
    'token: ',
    '&a ',
    '*a',
    '- ',
    '? ',
    '[',
    '{',
    '}',
    '\n',
    '  ',
    '<<: ',
    '|',
    '!!binary ',
    '\t',
    '"',
    '%',
    '---\n',
  ];
  const inputs = fc.tuple(damagedText(seeds, words), damagedText(seeds, words));
  const kept = seeds.map((seed): [string, string] => [Buffer.from(seed).toString(), '']);
  const manyKeys = Array.from({ length: 30_000 }, (_, index) => `key-${index}: a\n`).join('');
  kept.push([manyKeys, ''], ['? '.repeat(5000), '['.repeat(100_000)]);
  await fuzz(
    'config.yaml',
    inputs,
    async ([text, part]) => {
      const config = await configFolder(
        new Map([
          ['config.yaml', text],
          ['config.yaml.d/10.yaml', part],
        ]),
      );
      try {
        const { source, token } = await find(config, {});
        tellsNothing(source);
        assert.ok(token === undefined || typeof token === 'string');
      } catch (error) {
        assert.instance(error, DatastoreError);
        tellsNothing(`${(error as DatastoreError).message} ${(error as DatastoreError).mend}`);
      }
    },
    { share: 0.5, kept },
  );
});

test('config.yaml, its folder, K3S_ variables and flags: the strongest that says something counts', async () => {
  const names = ['datastore-endpoint', 'datastore-cafile', 'token', 'token-file'] as const;
  const value = fc.oneof(
    secret,
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('a: b', '[x', '0123', 'null', '- y', '~'),
  );
  const settings = fc.dictionary(
    fc.constantFrom(...names),
    value.filter((text) => text !== ''),
    { maxKeys: 4 },
  );
  const layers = fc.record({ given: settings, late: settings, early: settings, file: settings, env: settings });
  await fuzz(
    'layers of settings',
    layers,
    async ({ given, late, early, file, env }) => {
      const config = await configFolder(
        new Map([
          ['config.yaml', stringify(file)],
          ['config.yaml.d/10.yaml', stringify(early, { defaultStringType: 'QUOTE_DOUBLE' })],
          ['config.yaml.d/9.yml', JSON.stringify(late)],
        ]),
      );
      const variables = Object.entries(env).map(([name, text]) => [
        `K3S_${name.toUpperCase().replaceAll('-', '_')}`,
        text,
      ]);
      const found = await find(config, Object.fromEntries(variables), given);
      const strongest = (name: (typeof names)[number]) =>
        [given, late, early, file, env].find((layer) => Object.hasOwn(layer, name))?.[name];
      assert.is(found.token, strongest('token'));
      assert.is(found.tokenFile, strongest('token-file'));
      const endpoint = strongest('datastore-endpoint');
      if (endpoint === undefined) return;
      assert.is(found.endpoint, endpoint);
      assert.is(found.tls.caFile, strongest('datastore-cafile'));
    },
    { share: 0.5 },
  );
});

test("a service's file: flags, and nothing else", async () => {
  const seeds = seedsOf('service');
  const words = ['ExecStart=', 'command_args="', '\\\n', "'", "\\'", ' --token ', '--token=', '\n\t', '"'];
  await fuzz(
    'service files',
    damagedText(seeds, words),
    (text) => {
      for (const name of Object.keys(serviceArguments(text))) assert.match(name, /^(datastore-|token)/);
    },
    { kept: [...seeds.map((seed) => Buffer.from(seed).toString()), 'ExecStart=a\\\n'.repeat(30_000)] },
  );
});

test('backups of records: read, or refused without a word of it', async () => {
  const seeds = seedsOf('backups');
  const path = join(root, 'backup.json');
  await fuzz(
    'backups',
    damaged(seeds, ['null', '[', '{', '"before":', ':', ',', '1e9', '{"key":1}']),
    (octets) => {
      writeFileSync(path, octets);
      try {
        for (const { key, before } of readBackup(path).records) {
          assert.ok(typeof key === 'string' && (before === undefined || before instanceof Uint8Array));
        }
      } catch (error) {
        assert.instance(error, DatastoreError);
        tellsNothing(`${(error as DatastoreError).message} ${(error as DatastoreError).mend}`);
      }
    },
    { kept: seeds },
  );
});

test('backups of records: written and read again', async () => {
  const octets = fc.uint8Array({ maxLength: 60 });
  const record = fc.record(
    { key: fc.string(), before: octets, after: fc.stringMatching(/^[0-9a-f]{64}$/) },
    { requiredKeys: ['key'] },
  );
  const backup = fc.record({ at: fc.nat(), command: fc.string(), where: fc.string(), records: fc.array(record) });
  await fuzz(
    'backups written',
    backup,
    (given) => {
      const path = writeBackup(root, given);
      assert.equal(plain(readBackup(path)), plain(given));
      rmSync(path);
    },
    { share: 0.1 },
  );
});

/** Octets as plain arrays, which compare whatever class they are of. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, each: unknown) => (each instanceof Uint8Array ? [...each] : each)));
}

test.run();
