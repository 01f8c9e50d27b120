// Comparison of `certificate rotate-ca --offline`: new CAs into the record of a stopped server on SQLite, fresh process.
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryFolder } from './process.mjs';
import { goRotate, k3sPki } from './programs.mjs';
import * as verified from './verify.mjs';

export function rotateCaOffline({ short }) {
  return {
    name: 'rotate-ca-offline',
    title: 'certificate rotate-ca --offline on SQLite, fresh process',
    unit: 'run',
    rounds: short ? 2 : 7,
    turns: short ? 1 : 5,
    warmUps: 1,
    subjects: [
      {
        name: 'ours',
        title: 'k3s-pki certificate rotate-ca --offline',
        run: () =>
          job(({ dataDir, path, config }) =>
            k3sPki(['certificate', 'rotate-ca', '--offline', '--data-dir', dataDir, '--path', path], {
              env: { K3S_CONFIG_FILE: config },
            }),
          ),
      },
      {
        name: 'go',
        title: 'the same steps in Go, with the SQLite that K3s has',
        run: () => job(({ dataDir, path }) => goRotate(['--data-dir', dataDir, '--path', path])),
      },
    ],
  };
}

let made;

/** Runs on a fresh copy of the data dir, and looks at what is in its datastore then. */
async function job(run) {
  made ??= await make();
  const { pristine, staged, dataDir, config, fields, documentOf } = made;
  rmSync(dataDir, { recursive: true, force: true });
  // A file that is newer than the record says another thing.
  cpSync(pristine, dataDir, { recursive: true, preserveTimestamps: true });
  const before = documentOf(dataDir);
  const { wall, cpu, peak } = await run({ dataDir, path: join(staged, 'server'), config });
  const after = documentOf(dataDir);
  for (const [name, { Content }] of Object.entries(before)) {
    const file = fields.get(name);
    const expected = file === undefined ? Content : readFileSync(join(staged, file)).toString('base64');
    if (after[name]?.Content !== expected) throw new Error(`the record holds something else for ${name}`);
    // The service key is the same in both sets.
    if (file !== undefined && name !== 'ServiceKey' && expected === Content) throw new Error(`${name} is not new`);
  }
  return { wall, cpu, peak, units: 1 };
}

async function make() {
  // What the tests call a cluster: CAs under a root of its own, a password, kine's table with the sealed record.
  const { cluster, password } = await import('../../test/cli/bootstrap-cluster.ts');
  const { stageNew } = await import('../../test/interop/supervisor-server.ts');
  const { bootstrapKey, rotationFields } = await import('@k3s-pki/k3s');
  if (password !== verified.passphrase) throw new Error('the cluster has another password');
  const work = temporaryFolder();
  const cas = join(work, 'cas');
  // K3s's own CAs are of this kind too.
  const keys = ['--root-key', 'ec:p256', '--intermediate-key', 'ec:p256'];
  await k3sPki(['generate-custom-ca-certs', '--data-dir', cas, ...keys]);
  const pristine = join(work, 'pristine');
  await cluster(undefined, pristine, cas);
  fillDatabase(join(pristine, 'server/db/state.db'));
  const config = join(work, 'config.yaml');
  writeFileSync(config, '');
  return {
    pristine,
    staged: stageNew(cas),
    dataDir: join(work, 'used'),
    config,
    fields: new Map(rotationFields.map(({ field, file }) => [field, file])),
    documentOf: (dataDir) => {
      const database = new DatabaseSync(join(dataDir, 'server/db/state.db'));
      const { value } = database
        .prepare('SELECT value FROM kine WHERE name = ? ORDER BY id DESC LIMIT 1')
        .get(bootstrapKey(password));
      database.close();
      return JSON.parse(verified.openedRecord(value).toString());
    },
  };
}

/** What a small cluster keeps beside the record: 4,000 objects of 2 kB, and kine's other indexes. Source: kine
 *  `pkg/drivers/sqlite`. */
function fillDatabase(path) {
  const database = new DatabaseSync(path);
  database.exec(`
    CREATE INDEX kine_name_index ON kine (name);
    CREATE INDEX kine_name_id_index ON kine (name, id);
    CREATE INDEX kine_id_deleted_index ON kine (id, deleted);
    CREATE INDEX kine_prev_revision_index ON kine (prev_revision);
    BEGIN`);
  const insert = database.prepare(
    'INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value) VALUES (?, 1, 0, 0, 0, 0, ?)',
  );
  for (let row = 0; row < 4000; row += 1) insert.run(`/registry/configmaps/default/${row}`, Buffer.alloc(2000, row));
  database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
}
