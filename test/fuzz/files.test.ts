import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createCore } from '@k3s-pki/core';
import { topologyOf } from '@k3s-pki/k3s';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { endpointOf } from '../../packages/cli/src/checking/endpoints.ts';
import { takeApart } from '../../packages/cli/src/checking/pieces.ts';
import { fileRows } from '../../packages/cli/src/issuing/row-source.ts';
import { describeCheckProblem } from '../../packages/cli/src/messages/english/check.ts';
import { type RawRow, rowColumns } from '../../packages/plan/src/plan.ts';
import { locate } from '../../packages/stage/src/lock.ts';
import { recover, StageError } from '../../packages/stage/src/stage.ts';
import { damaged, damagedText, fuzz, secret, seedsOf, tellsNothing } from './fuzz.ts';

/** Files that people hand over, and those that an interrupted run left, with damage: no crash, no hang, no secret in a
 *  problem, nothing written where it does not belong, and what is written is read again. */
const test = suite('fuzz/files');
const core = await createCore();
const root = mkdtempSync(join(tmpdir(), 'k3s-pki-fuzz-'));
test.after(() => {
  rmSync(root, { recursive: true, force: true });
  core.close();
});

async function rowsOf(octets: Uint8Array): Promise<RawRow[]> {
  writeFileSync(join(root, 'rows'), octets);
  const source = await fileRows('rows', root, Readable.from([]));
  try {
    const rows = [...source.pieces()].flat();
    assert.equal([...source.pieces()].flat(), rows);
    return rows;
  } finally {
    source.close();
  }
}

test('rows: read twice the same, in the order of their lines', async () => {
  const seeds = seedsOf('rows');
  const words = [
    '"',
    '""',
    ',',
    '\n',
    '\r\n',
    '{"node":',
    '[',
    'node',
    ';',
    '\ufeff',
    '\\u0000',
    '{"__proto__":"x"}\n',
  ];
  await fuzz(
    'rows',
    damaged(seeds, words),
    async (octets) => {
      let last = 0;
      for (const { line, defect, cells } of await rowsOf(octets)) {
        assert.ok(line >= last, `${last} ${line}`);
        last = line;
        if (defect === undefined)
          assert.ok(Object.keys(cells).every((name) => rowColumns.some((each) => each === name)));
        else assert.ok(defect.code === 'bad-row' || defect.code === 'unknown-column', defect.code);
      }
    },
    { share: 0.5, kept: seeds },
  );
});

test('rows: what is written as CSV and as JSON Lines is read again', async () => {
  // Line ends are LF when they are read, and a lone CR is left.
  const cell = fc.string({
    unit: fc.oneof(fc.constantFrom('"', ',', '\n', ';', ' '), fc.string({ unit: 'grapheme' })),
  });
  const table = fc
    .uniqueArray(fc.constantFrom(...rowColumns), { minLength: 2 })
    .chain((columns) =>
      fc.tuple(
        fc.constant(columns),
        fc.array(fc.tuple(...columns.map(() => cell.map((text) => text.toWellFormed().replaceAll('\r', ''))))),
      ),
    );
  await fuzz(
    'rows written',
    table,
    async ([columns, records]) => {
      const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
      const csv = [columns, ...records].map((record) => `${record.map(quoted).join(',')}\n`).join('');
      const objects = records.map((record) =>
        Object.fromEntries(columns.map((column, index) => [column, record[index]])),
      );
      const lines = objects.map((object) => `${JSON.stringify(object)}\n`).join('');
      for (const [text, rows] of [
        [csv, objects],
        [lines, objects],
      ] as const) {
        const read = await rowsOf(Buffer.from(text));
        assert.equal(
          read.map(({ cells, defect }) => ({ defect, ...present(cells) })),
          rows.map((row) => ({ defect: undefined, ...row })),
        );
      }
    },
    { share: 0.3 },
  );
});

function present(cells: RawRow['cells']): object {
  return Object.fromEntries(Object.entries(cells).filter(([, value]) => value !== undefined));
}

async function piecesOf(octets: Uint8Array, name = 'a.kubeconfig') {
  const taken = await takeApart(join('/nowhere', name), octets);
  for (const piece of taken?.pieces ?? []) {
    if (piece.problem === undefined) core.inspect(piece.pem);
    else tellsNothing(describeCheckProblem(piece.problem));
  }
  assert.ok((taken?.references ?? []).every((path) => path.startsWith('/')));
  return taken;
}

test('kubeconfigs and Secrets: taken apart, or refused without a word of it', async () => {
  const manyKeys = Array.from({ length: 30_000 }, (_, index) => `key-${index}: a\n`).join('');
  const seeds = seedsOf('kubeconfigs');
  const words = [
    '*a',
    '&a ',
    '? ',
    '[',
    '{',
    '- ',
    ': ',
    '\n',
    '<<: ',
    '!!binary ',
    'kind: Config\n',
    'null',
    '{"data":',
    '"',
  ];
  await fuzz(
    'kubeconfigs',
    fc.tuple(damaged(seeds, words), fc.constantFrom('a.kubeconfig', 'a.json', 'a.crt', 'config')),
    ([octets, name]) => piecesOf(octets, name),
    { kept: [...seeds, Buffer.from(manyKeys)].map((seed): [Uint8Array, string] => [seed, 'a.kubeconfig']) },
  );
});

test('kubeconfigs: what is written is taken out again', async () => {
  const name = fc.string({ unit: 'grapheme' });
  const data = fc.uint8Array({ minLength: 1, maxLength: 40 });
  await fuzz(
    'kubeconfigs written',
    fc.tuple(fc.array(fc.tuple(name, data)), secret),
    async ([entries, password]) => {
      const config = {
        kind: 'Config',
        clusters: entries.map(([each, octets]) => ({
          name: each,
          cluster: { 'certificate-authority-data': Buffer.from(octets).toString('base64') },
        })),
        users: [{ name: 'a', user: { password, 'client-certificate': 'a.crt' } }],
      };
      const taken = await piecesOf(Buffer.from(stringify(config)));
      assert.equal(taken?.references, ['/nowhere/a.crt']);
      assert.equal(
        taken?.pieces.map((piece) => [piece.part, piece.problem === undefined ? [...piece.pem] : piece.problem]),
        entries.map(([each, octets]) => [`clusters/${each}/certificate-authority-data`, [...octets]]),
      );
    },
    { share: 0.3 },
  );
});

test('endpoints to be checked: host and port, or nothing', async () => {
  const parts = fc.constantFrom(
    'https://',
    'node-1',
    ':',
    '6443',
    '[',
    ']',
    '::1',
    '192.0.2.1',
    '/',
    '%',
    '70000',
    '\n',
  );
  await fuzz(
    'endpoints to be checked',
    fc.array(fc.oneof(parts, fc.string({ maxLength: 3 }))).map((list) => list.join('')),
    (text) => {
      const endpoint = endpointOf(text);
      if (endpoint === undefined) return;
      assert.ok(Number.isInteger(endpoint.port) && endpoint.port > 0 && endpoint.port < 65_536);
      assert.match(endpoint.host, /^[\w.:%-]+$/);
    },
    { share: 10 },
  );
});

/** Three names and keys that sign each other as they like, self-signed ones among them. */
async function signedByEachOther(): Promise<string[]> {
  const keys = await core.generateKeys(['ec:p256', 'ec:p256', 'ec:p256']);
  const spec = (name: number, serial: number) =>
    ({
      subject: [['CN', `ca-${name}`]],
      notBefore: 0,
      notAfter: 4e9,
      serial: (16 + serial).toString(16),
      ca: {},
      keyUsage: ['keyCertSign'],
    }) as const;
  const roots = keys.map((key, name) => core.issue(spec(name, 0), key, key));
  const crossed = keys.flatMap((key, name) =>
    keys.flatMap((issuer, by) =>
      by === name ? [] : [1, 2, 3].map((serial) => core.issue(spec(name, 10 * by + serial), key, issuer, roots[by])),
    ),
  );
  return [...roots, ...crossed].map((certificate) => core.toPem(certificate));
}

test('topologies: drawn, whoever signed whom', async () => {
  const pems = await signedByEachOther();
  const bundle = fc.array(fc.constantFrom(...pems), { maxLength: 21 });
  const names = ['server', 'client', 'request-header', 'etcd/peer', 'etcd/server'] as const;
  await fuzz(
    'topologies',
    fc.tuple(...names.map(() => bundle)),
    (bundles) => {
      const files = new Map(
        names.map((name, index) => [`server/tls/${name}-ca.crt`, Buffer.from(bundles[index]?.join('') ?? '')]),
      );
      const fileOf = (path: string) => {
        const bytes = files.get(path);
        return bytes === undefined || bytes.length === 0 ? undefined : { bytes, blocks: core.inspect(bytes) };
      };
      const { nodes } = topologyOf(fileOf, core, 1e9);
      assert.is(nodes.length, new Set(bundles.flat()).size);
      const known = new Set(nodes.map(({ certificate }) => certificate.sha256));
      assert.ok(nodes.every(({ issuers }) => issuers.every((issuer) => known.has(issuer))));
    },
    { share: 0.02, kept: [[pems, [], [], [], []]] },
  );
});

/** Every file below a folder with its content. */
function tree(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const files = entries.filter((name) => statSync(join(folder, name)).isFile());
  return new Map(files.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

test('journals: finished, undone or refused; nothing outside is touched', async () => {
  const seeds = seedsOf('journals');
  const words = [
    '..',
    '/',
    '"../x"',
    'null',
    '"before":null',
    '[',
    '{',
    ',',
    '1e3',
    '""',
    '\\u0000',
    '-1',
    '"made/a/b"',
  ];
  const sandbox = join(root, 'journals');
  const inputs = fc.tuple(damagedText(seeds, words), fc.constantFrom('commit', 'undo', 'done', 'undone'), fc.boolean());
  const allowed = new Set(['old', 'new', 'other']);
  await fuzz(
    'journals',
    inputs,
    async ([text, phase, isStaged]) => {
      rmSync(sandbox, { recursive: true, force: true });
      const base = join(sandbox, 'base');
      mkdirSync(base, { recursive: true });
      writeFileSync(join(sandbox, 'outside'), 'other');
      for (const name of ['b', 'c']) writeFileSync(join(base, name), 'old');
      writeFileSync(join(base, 'other'), 'other');
      const { folder } = locate(base);
      for (const part of ['', 'new', 'old', 'gone']) mkdirSync(join(folder, part), { mode: 0o700 });
      if (isStaged) for (const index of ['0', '1']) writeFileSync(join(folder, 'new', index), 'new');
      writeFileSync(join(folder, 'old', '1'), 'old');
      writeFileSync(join(folder, `journal.${phase}`), text, { mode: 0o600 });
      try {
        const { kind } = await recover(base, { clock: () => 1e12 });
        assert.ok(['clean', 'finished', 'undone'].includes(kind));
      } catch (error) {
        assert.instance(error, StageError);
        tellsNothing((error as StageError).message);
      }
      const after = tree(sandbox);
      assert.is(after.get('outside'), 'other');
      assert.is(after.get('base/other'), 'other');
      assert.equal(
        [...after.keys()].filter((name) => !name.startsWith('base/') && name !== 'outside'),
        [],
      );
      const own = [...after].filter(([name]) => !name.includes('k3s-pki'));
      assert.ok(own.every(([, content]) => allowed.has(content)));
    },
    {
      share: 0.1,
      kept: seeds.map((seed): [string, string, boolean] => [Buffer.from(seed).toString(), 'commit', true]),
    },
  );
});

test.run();
