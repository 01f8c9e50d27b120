// Comparison of the main job: every CA of a cluster with all defaults, fresh process.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { k3sPki, openssl, shell } from './programs.mjs';
import * as verified from './verify.mjs';

export function customCaCerts({ short }) {
  return {
    name: 'custom-ca-certs',
    title: 'generate-custom-ca-certs, all defaults, fresh process',
    unit: 'run',
    rounds: short ? 3 : 7,
    turns: short ? 1 : 3,
    warmUps: 1,
    subjects: [
      {
        name: 'ours',
        title: 'k3s-pki generate-custom-ca-certs',
        run: () => job((dataDir) => k3sPki(['generate-custom-ca-certs', '--data-dir', dataDir])),
      },
      {
        name: 'openssl',
        title: 'the script’s steps with openssl',
        run: () =>
          job((dataDir) =>
            shell('test/interop/openssl-recipe.sh', [], { env: { DATA_DIR: dataDir, OPENSSL: openssl } }),
          ),
      },
    ],
  };
}

async function job(run) {
  const dataDir = mkdtempSync(join(tmpdir(), 'k3s-pki-bench-'));
  try {
    const { wall, cpu } = await run(dataDir);
    verified.customCas((name) => readFileSync(join(dataDir, 'server', 'tls', name)));
    return { wall, cpu, units: 1 };
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}
