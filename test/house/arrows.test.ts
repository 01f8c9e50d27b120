import { globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

/** The arrows of ARCHITECTURE.md: which package may import which at run time. Types of the core may be named anywhere. */
const arrows: Record<string, readonly string[]> = {
  cli: ['plan', 'k3s', 'core', 'stage', 'datastore', 'supervisor'],
  plan: ['k3s'],
  k3s: [],
  core: [],
  stage: [],
  datastore: ['k3s'],
  supervisor: ['k3s'],
  testkit: [],
};
const workspace = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const sources = globSync('packages/*/src/**/*.ts', { cwd: workspace });
const test = suite('arrows');

test('packages import only along the arrows', () => {
  const wrong = sources.flatMap((file) =>
    imports(file)
      .filter(({ from, typeOnly }) => {
        const target = /^@k3s-pki\/([\w-]+)/.exec(from)?.[1];
        if (target === undefined || (typeOnly && target === 'core')) return false;
        return !arrows[packageOf(file)]?.includes(target);
      })
      .map(({ from }) => `${file} -> ${from}`),
  );
  assert.equal(wrong, []);
});

test('relative imports stay inside their package', () => {
  const wrong = sources.flatMap((file) =>
    imports(file)
      .filter(({ from }) => from.startsWith('.'))
      .filter(({ from }) => !join(dirname(file), from).startsWith(`packages/${packageOf(file)}/`))
      .map(({ from }) => `${file} -> ${from}`),
  );
  assert.equal(wrong, []);
});

test('only stage and datastore write files, only cli prints', () => {
  const writers =
    /\b(writeFile|appendFile|createWriteStream|rename|unlink|rm|mkdir|chmod|symlink|link|copyFile)(Sync)?\(/;
  const printers = /\b(console\.|process\.std(out|err))/;
  const wrong = sources.filter((file) => {
    const text = readFileSync(join(workspace, file), 'utf8');
    const name = packageOf(file);
    return (
      (!['stage', 'datastore', 'testkit'].includes(name) && writers.test(text)) ||
      (name !== 'cli' && printers.test(text))
    );
  });
  assert.equal(wrong, []);
});

test('the test sees the sources', () => {
  assert.ok(sources.length > 10, `${sources.length} sources`);
  assert.ok(sources.some((file) => imports(file).some(({ from }) => from === '@k3s-pki/k3s')));
});

test.run();

function packageOf(file: string): string {
  return file.split('/')[1] ?? '';
}

function imports(file: string): { from: string; typeOnly: boolean }[] {
  const text = readFileSync(join(workspace, file), 'utf8');
  return [...text.matchAll(/^(?:import|export)(\s+type)?\b[^;]*?from '([^']+)'|\bimport\('([^']+)'\)/gm)].map(
    ([, typeOnly, from, dynamic]) => ({ from: from ?? dynamic ?? '', typeOnly: typeOnly !== undefined }),
  );
}
