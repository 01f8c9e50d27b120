import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cluster } from './bootstrap-cluster.ts';
import { testExamples } from './examples.ts';

const test = suite('datastore-docs');
const commands = testExamples(test, 'docs/datastore.md', async (sandbox) => {
  await cluster(undefined, join(sandbox, 'opt/k3s'));
  writeFileSync(join(sandbox, 'opt/k3s/new-token'), 'c0ffeec0ffeec0ffee\n', { mode: 0o600 });
}).join('\n');

test('each command has an example', () => {
  for (const word of ['show', 'doctor', 'restore', 'reseal', 'prune', 'undo', 'export', 'import']) {
    assert.ok(commands.includes(`bootstrap ${word}`), word);
  }
});

test.run();
