import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cluster } from './bootstrap-cluster.ts';
import { serverDataDir } from './data-dir.ts';
import { testExamples } from './examples.ts';
import { healthy } from './healthy-server.ts';

/** Pages whose every example is run, and what each must have an example of. */
const pages: Readonly<Record<string, readonly string[]>> = {
  // One for each procedure of K3s's own page.
  'README.md': [
    ...['generate-custom-ca-certs --data-dir', 'generate-custom-ca-certs --from', 'rotate-default-ca-certs'],
    ...['certificate rotate', 'certificate check', 'service-account rotate', 'certificate issue'],
  ],
  'docs/cas.md': ['generate-default-ca-certs', '--from', '--topology isolated', 'rotate-default-ca-certs'],
  'docs/checking.md': ['certificate check', 'certificate renew', '--fail-on', 'prometheus', 'ics'],
  'docs/datastore.md': ['show', 'doctor', 'restore', 'reseal', 'prune', 'undo', 'export', 'import'].map(
    (word) => `bootstrap ${word}`,
  ),
  // A server that is sick, and then mended.
  'docs/doctor.md': ['>> /opt/k3s', 'bootstrap restore --data-dir /opt/k3s\nk3s-pki doctor'],
  'docs/rotating.md': ['certificate rotate', 'certificate restore'],
  'docs/tokens.md': [
    ...['token show', 'token check', 'token hash', 'token new', 'token for', 'token rotate'],
    ...['service-account rotate', 'service-account list', 'explain'],
  ],
  'docs/verifying.md': ['verify', '--against', 'topology', 'svg', 'mermaid'],
};

/** What a page's reader has and no command of the page makes. */
const prepared: Readonly<Record<string, (sandbox: string) => Promise<void>>> = {
  'docs/checking.md': async (sandbox) => {
    cpSync(serverDataDir(), join(sandbox, 'root/k3s-pki/demo'), { recursive: true });
  },
  'docs/datastore.md': async (sandbox) => {
    await cluster(undefined, join(sandbox, 'opt/k3s'));
    writeFileSync(join(sandbox, 'opt/k3s/new-token'), 'c0ffeec0ffeec0ffee\n', { mode: 0o600 });
  },
  'docs/doctor.md': async (sandbox) => {
    await healthy(undefined, join(sandbox, 'opt/k3s'));
  },
  'docs/tokens.md': async (sandbox) => {
    await cluster(undefined, join(sandbox, 'var/lib/rancher/k3s'));
  },
};

for (const [page, topics] of Object.entries(pages)) {
  const test = suite(page);
  const commands = testExamples(test, page, prepared[page]).join('\n');
  test('each topic has an example', () => {
    for (const topic of topics) assert.ok(commands.includes(topic), topic);
  });
  test.run();
}
