import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serverDataDir } from './data-dir.ts';
import { environment, folder, program, put } from './program.ts';

/** Runs the console examples of docs/checking.md on a data dir, and compares what they print with what they show. */
const document = readFileSync(resolve(import.meta.dirname, '../../docs/checking.md'), 'utf8');
const sandbox = folder();
const test = suite('checking-docs');

cpSync(serverDataDir(), join(sandbox, 'demo'), { recursive: true });
put(sandbox, { 'bin/k3s-pki': `#!/bin/sh\nexec '${process.execPath}' '${program()}' "$@"\n` });
spawnSync('chmod', ['+x', join(sandbox, 'bin/k3s-pki')]);

const examples = [...document.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
  block.split(/^\$ /m).slice(1),
);

for (const example of examples) {
  const [line = '', ...shown] = example.trimEnd().split('\n');
  const [command = '', code = '0'] = line.split(/\s+# exit /);
  test(command, () => {
    const run = spawnSync('sh', ['-c', command], {
      cwd: sandbox,
      encoding: 'utf8',
      env: { ...environment(), PATH: `${join(sandbox, 'bin')}:${process.env.PATH}` },
    });
    assert.is(String(run.status), code, run.stderr);
    assert.is(run.stderr, '');
    const cut = shown.indexOf('...');
    const wanted = plain(shown.slice(0, cut < 0 ? undefined : cut).join('\n'));
    const printed = plain(run.stdout.trimEnd());
    assert.is(cut < 0 ? printed : printed.slice(0, wanted.length), wanted);
  });
}

test('there are examples of both commands', () => {
  for (const words of ['certificate check', 'certificate renew']) {
    assert.ok(examples.filter((example) => example.includes(words)).length >= 2, words);
  }
});

const analyze = spawnSync('systemd-analyze', ['--version']);
if (analyze.error === undefined && analyze.status === 0) {
  test('systemd reads the units', () => {
    const units = [...document.matchAll(/^```ini\n# \/etc\/systemd\/system\/(\S+)\n([\s\S]*?)^```$/gm)];
    assert.is(units.length, 2);
    const files = units.map(([, name = '', text = '']) => {
      // The installed program is not there; another one stands for it.
      put(sandbox, { [name]: text.replaceAll('/usr/local/bin/k3s-pki', '/bin/true') });
      return join(sandbox, name);
    });
    const run = spawnSync('systemd-analyze', ['verify', ...files], { encoding: 'utf8' });
    assert.is(run.status, 0, run.stderr);
    assert.not.match(run.stderr, /k3s-pki-renew/);
  });
} else process.stdout.write('not run: cli/checking-docs units, no systemd-analyze\n');

test.run();

/** Without what differs from run to run: the folder, moments, remaining time, numbers in names. */
function plain(text: string): string {
  return text
    .replaceAll(sandbox, '/root')
    .replace(/\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d UTC)?/g, 'DATE')
    .replace(/@\d+/g, '@N')
    .replace(/\d+ days left/g, 'N days left');
}
