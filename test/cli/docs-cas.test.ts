import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testExamples } from './examples.ts';

const test = suite('docs/cas');
const commands = testExamples(test, 'docs/cas.md').join('\n');

test('the page has an example for each command', () => {
  for (const words of ['generate-default-ca-certs', '--from', '--topology isolated', 'rotate-default-ca-certs']) {
    assert.ok(commands.includes(words), words);
  }
});

test.run();
