import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { commands } from '../../packages/cli/src/commands/commands.ts';
import { checkoutBin, environment, folder, program } from './program.ts';

const test = suite('commands');

test('each entry loads the class of its words, whose help is complete', async () => {
  assert.ok(commands.length > 3);
  assert.is(new Set(commands.map(({ path }) => path.join(' '))).size, commands.length, 'a command stands there twice');
  for (const { path, load } of commands) {
    const { paths, usage } = await load();
    assert.equal(paths?.[0], path);
    assert.ok(usage?.description && usage.details && (usage.examples?.length ?? 0) > 0, path.join(' '));
  }
});

test('a start loads the command that it was asked for and no other', () => {
  const cwd = folder();
  const hooks = join(cwd, 'hooks.mjs');
  writeFileSync(
    hooks,
    `import { registerHooks } from 'node:module';
     import { writeSync } from 'node:fs';
     registerHooks({ load: (url, context, next) => (writeSync(2, url + '\\n'), next(url, context)) });`,
  );
  mkdirSync(join(cwd, 'empty'));
  // In a release all of them are one file.
  const source = program({ bin: checkoutBin });
  const run = spawnSync(process.execPath, ['--import', pathToFileURL(hooks).href, source, 'certificate', 'profiles'], {
    encoding: 'utf8',
    env: environment(),
    cwd: join(cwd, 'empty'),
  });
  assert.is(run.status, 0, run.stderr);
  const loaded = run.stderr.split('\n').filter((url) => /\/src\/(commands|verbs)\//.test(url));
  const names = loaded.map((url) => url.replace(/^.*\/src\//, '')).sort();
  assert.equal(names, ['commands/certificate/profiles.ts', 'commands/commands.ts', 'verbs/profiles.ts']);
});

test.run();
