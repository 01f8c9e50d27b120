import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serverDataDir } from './data-dir.ts';
import { testExamples } from './examples.ts';
import { folder, put } from './program.ts';

const page = 'docs/checking.md';
const test = suite(page);

const commands = testExamples(test, page, async (sandbox) => {
  cpSync(serverDataDir(), join(sandbox, 'root/k3s-pki/demo'), { recursive: true });
});

test('there are examples of both commands', () => {
  for (const words of ['certificate check', 'certificate renew', '--fail-on', 'prometheus', 'ics']) {
    assert.ok(
      commands.some((command) => command.includes(words)),
      words,
    );
  }
});

const analyze = spawnSync('systemd-analyze', ['--version']);
if (analyze.error === undefined && analyze.status === 0) {
  test('systemd reads the units', () => {
    const units = [
      ...readFileSync(resolve(import.meta.dirname, '../..', page), 'utf8').matchAll(
        /^```ini\n# \/etc\/systemd\/system\/(\S+)\n([\s\S]*?)^```$/gm,
      ),
    ];
    assert.is(units.length, 2);
    const sandbox = folder();
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
