import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { folder, put } from './program.ts';

const page = 'docs/checking.md';

const analyze = spawnSync('systemd-analyze', ['--version']);
if (analyze.error === undefined && analyze.status === 0) {
  const test = suite(`units of ${page}`);
  test('systemd reads them', () => {
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
  test.run();
} else process.stdout.write('not run: cli/units, no systemd-analyze\n');
