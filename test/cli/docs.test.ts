import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testExamples } from './examples.ts';

/** Pages whose every example is run, and what each must have an example of. */
const pages: Readonly<Record<string, readonly string[]>> = {
  'README.md': ['generate-custom-ca-certs', 'certificate issue'],
  'docs/tokens.md': [
    ...['token show', 'token check', 'token hash', 'token new', 'token for'],
    ...['service-account rotate', 'service-account list', 'explain'],
  ],
  'docs/verifying.md': ['verify', '--against', 'topology', 'svg', 'mermaid'],
};

for (const [page, topics] of Object.entries(pages)) {
  const test = suite(page);
  const commands = testExamples(test, page).join('\n');
  test('each topic has an example', () => {
    for (const topic of topics) assert.ok(commands.includes(topic), topic);
  });
  test.run();
}
