import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testExamples } from './examples.ts';

const test = suite('readme');
const shown = testExamples(test, 'README.md');

test('the README has an example for each procedure', () => {
  const commands = shown.join('\n');
  for (const words of ['generate-custom-ca-certs', 'certificate issue']) {
    assert.ok(commands.includes(words), words);
  }
});

test.run();
