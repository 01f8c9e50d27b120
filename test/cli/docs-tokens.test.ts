import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testExamples } from './examples.ts';

const test = suite('docs/tokens');
const commands = testExamples(test, 'docs/tokens.md');

test('the page has an example for each command', () => {
  for (const words of [
    'token show',
    'token check',
    'token hash',
    'token new',
    'token for',
    'service-account rotate',
    'service-account list',
    'explain',
  ]) {
    assert.ok(
      commands.some((command) => command.includes(`k3s-pki ${words}`)),
      words,
    );
  }
});

test.run();
