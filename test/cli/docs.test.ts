import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cluster } from './bootstrap-cluster.ts';
import { testExamples } from './examples.ts';

/** Pages whose every example is run, and what each must have an example of. */
const pages: Readonly<Record<string, readonly string[]>> = {
  // One for each procedure of K3s's own page.
  'README.md': [
    ...['generate-custom-ca-certs --data-dir', 'generate-custom-ca-certs --from', 'rotate-default-ca-certs'],
    ...['certificate rotate', 'certificate check', 'service-account rotate', 'certificate issue'],
  ],
  'docs/cas.md': ['generate-default-ca-certs', '--from', '--topology isolated', 'rotate-default-ca-certs'],
  'docs/rotating.md': ['certificate rotate', 'certificate restore'],
  'docs/tokens.md': [
    ...['token show', 'token check', 'token hash', 'token new', 'token for', 'token rotate'],
    ...['service-account rotate', 'service-account list', 'explain'],
  ],
  'docs/verifying.md': ['verify', '--against', 'topology', 'svg', 'mermaid'],
};

/** What a page's reader has and no command of the page makes. */
const prepared: Readonly<Record<string, (sandbox: string) => Promise<void>>> = {
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
