import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { testExamples } from './examples.ts';
import { healthy } from './healthy-server.ts';

const test = suite('doctor-docs');
const commands = testExamples(test, 'docs/doctor.md', async (sandbox) => {
  await healthy(undefined, join(sandbox, 'opt/k3s'));
});

test('the page has a server that is sick and one that is mended', () => {
  assert.ok(commands.filter((command) => command.startsWith('k3s-pki doctor')).length > 1);
});

test.run();
