import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testExamples } from './examples.ts';

/** Documents whose every example is run. */
for (const [document, words] of [
  ['docs/verifying.md', ['verify', '--against', 'topology', 'svg', 'mermaid']],
] as const) {
  const test = suite(document);
  const shown = testExamples(test, document).join('\n');
  test('what the document is about has an example', () => {
    for (const word of words) assert.ok(shown.includes(word), word);
  });
  test.run();
}
