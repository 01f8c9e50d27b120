import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testExamples } from './examples.ts';

const document = 'docs/rotating.md';
const test = suite(document);
const commands = testExamples(test, document).join('\n');

test('there are examples of both commands', () => {
  for (const words of ['certificate rotate', 'certificate restore']) assert.ok(commands.includes(words), words);
});

test.run();
