import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testExamples } from './examples.ts';

const test = suite('readme');
const commands = testExamples(test, 'README.md');

test('the README has an example for each procedure', () => {
  for (const words of ['generate-custom-ca-certs', 'certificate issue']) {
    assert.ok(
      commands.some((command) => command.includes(words)),
      words,
    );
  }
});

test.run();
