// Comparison of `certificate check`: a folder of ten thousand certificate files, each a leaf with its chain.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './process.mjs';
import { go, k3sPki, openssl, shell } from './programs.mjs';

const profiles = ['client-kubelet', 'serving-kubelet'];
/** Leaf, CA, intermediate, root. */
const perFile = 4;

export function check({ short }) {
  const files = short ? 2000 : 10_000;
  const shellFiles = short ? 50 : 200;
  const units = files * perFile;
  return {
    name: 'check-10000',
    title: `certificate check of ${files.toLocaleString('en')} files with ${units.toLocaleString('en')} certificates, a line each, whole process`,
    unit: 'certificate',
    rounds: short ? 3 : 5,
    turns: 1,
    warmUps: 1,
    subjects: [
      {
        name: 'ours',
        title: 'k3s-pki certificate check --output json',
        run: () =>
          inFolder(files, async (folder) => {
            const { wall, cpu, peak, stdout } = await k3sPki(['certificate', 'check', folder, '--output', 'json']);
            const { certificates, summary } = JSON.parse(stdout);
            expect('rows', certificates.length, units);
            expect('certificates that are OK', summary.status.OK, units);
            return { wall, cpu, peak, units };
          }),
      },
      {
        name: 'go',
        title: 'Go crypto/x509',
        run: () =>
          inFolder(files, async (folder, work) => {
            const out = join(work, 'go.jsonl');
            const { wall, cpu, peak, stdout } = await go(['check', '--folder', folder, '--out', out]);
            expect('certificates', JSON.parse(stdout).certificates, units);
            expect('lines', readFileSync(out, 'utf8').trimEnd().split('\n').length, units);
            return { wall, cpu, peak, units };
          }),
      },
      {
        name: 'openssl',
        title: `openssl x509, one process a file, the first certificate only (${shellFiles} files)`,
        run: () =>
          inFolder(files, async (folder) => {
            const args = [folder, String(shellFiles)];
            const { wall, cpu, stdout } = await shell('scripts/bench/openssl-check.sh', args, {
              env: { OPENSSL: openssl },
            });
            expect('subjects', stdout.toString().match(/^subject=/gm)?.length, shellFiles);
            return { wall, cpu, units: shellFiles };
          }),
      },
    ],
  };
}

let made;

/** Hands over the folder of the files, made at first use. */
async function inFolder(files, run) {
  made ??= make(files);
  const work = await made;
  return run(join(work, 'nodes'), work);
}

async function make(files) {
  const work = temporaryFolder();
  const keys = ['--root-key', 'ec:p256', '--intermediate-key', 'ec:p256'];
  await k3sPki(['generate-custom-ca-certs', '--data-dir', work, ...keys]);
  const nodes = files / profiles.length;
  const what = ['--profile', profiles.join(), '--nodes', String(nodes), '--out', join(work, 'nodes')];
  await k3sPki(['certificate', 'issue', '--data-dir', work, ...what]);
  expect('nodes', readdirSync(join(work, 'nodes')).filter((name) => name.startsWith('node-')).length, nodes);
  return work;
}

function expect(what, found, wanted) {
  if (found !== wanted) throw new Error(`${what}: ${found} instead of ${wanted}`);
}
