import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { environment, fastKeys, folder, k3sPki, program, tree } from './program.ts';

const test = suite('usage');

test('alone: an overview on stdout', () => {
  const run = k3sPki([]);
  assert.is(run.code, 0);
  assert.match(run.stdout, /^k3s-pki \d+\.\d+\.\d+ - /);
  assert.match(run.stdout, /generate-custom-ca-certs/);
  assert.is(run.stderr, '');
  assert.is(k3sPki(['--help']).stdout, run.stdout);
});

test('--help of a command: every option, within 80 columns in a pipe', () => {
  for (const args of [
    ['generate-custom-ca-certs', '--help'],
    ['generate-custom-ca-certs', '--days', '3', '-h'],
    ['help', 'generate-custom-ca-certs'],
  ]) {
    const run = k3sPki(args);
    assert.is(run.code, 0);
    for (const option of [
      '--data-dir DIR',
      '--product',
      '--root-key',
      '--days',
      '--path-length',
      '--output',
      '--dry-run',
      '--passphrase-file',
      '--force',
    ]) {
      assert.match(run.stdout, option);
    }
    const prose = run.stdout.split('Examples')[0] ?? '';
    for (const line of prose.split('\n')) assert.ok(line.length <= 80, line);
  }
  assert.match(k3sPki(['--help'], { name: 'generate-custom-ca-certs' }).stdout, /--data-dir DIR/);
});

for (const command of ['generate-custom-ca-certs', 'generate-default-ca-certs', 'rotate-default-ca-certs']) {
  test(`the examples of the help of ${command} run`, () => {
    const { stdout } = k3sPki([command, '--help']);
    const examples = [...stdout.matchAll(/^ {2}k3s-pki (\S+ .*--data-dir.*)$/gm)].map(([, line = '']) =>
      line.split(' '),
    );
    assert.ok(examples.length >= 2);
    const server = folder();
    const makes =
      command === 'rotate-default-ca-certs' ? ['generate-default-ca-certs'] : [examples[0]?.[0] ?? '', ...fastKeys];
    if (!command.startsWith('generate-default')) assert.is(k3sPki([...makes, '--data-dir', server]).code, 0);
    for (const example of examples) {
      const cwd = folder();
      cpSync(server, join(cwd, 'server'), { recursive: true });
      const before = tree(cwd);
      const places: Record<string, string> = { '/var/lib/rancher/k3s': './server', '/opt/k3s': './opt' };
      const words = example.map((word) => places[word] ?? word);
      const fast = command.includes('custom') && !words.includes('--root-key') ? fastKeys : [];
      const run = k3sPki([...words, ...fast], { cwd });
      assert.is(run.code, 0, run.stderr);
      assert.is(Object.keys(tree(cwd)).length > Object.keys(before).length, !words.includes('--dry-run'));
    }
  });
}

test('--help of a word that several commands begin with lists these', () => {
  const run = k3sPki(['certificate', '--help']);
  assert.is(run.code, 0);
  assert.match(run.stdout, /certificate issue/);
  assert.not.match(run.stdout, /key generate {2}/);
});

test('--version', () => {
  assert.match(k3sPki(['--version']).stdout, /^k3s-pki \d+\.\d+\.\d+\n$/);
});

for (const [label, args, error, hint] of [
  [
    'half a command',
    ['certificate'],
    'certificate needs one more word: check, issue, profiles, renew, rotate, restore, rotate-ca\n',
    'k3s-pki certificate check --help',
  ],
  [
    'an option that must be there',
    ['certificate', 'rotate-ca', '--force'],
    'certificate rotate-ca needs --path',
    'see k3s-pki certificate rotate-ca --help',
  ],
  ['an argument that must be there', ['verify'], 'verify needs DIR', 'see k3s-pki verify --help'],
  [
    'misspelt command',
    ['generate-custom-ca-cert'],
    'unknown command "generate-custom-ca-cert"',
    'did you mean k3s-pki generate-custom-ca-certs?',
  ],
  ['unknown command', ['frobnicate'], 'unknown command "frobnicate"', 'k3s-pki --help lists the commands'],
  [
    'help of an unknown command',
    ['frobnicate', '--help'],
    'unknown command "frobnicate"',
    'k3s-pki --help lists the commands',
  ],
  [
    'misspelt option',
    ['generate-custom-ca-certs', '--data-dri', 'x'],
    'unknown option --data-dri',
    'did you mean --data-dir?',
  ],
  [
    'option without value',
    ['generate-custom-ca-certs', '--data-dir'],
    'option --data-dir needs a value',
    'see k3s-pki generate-custom-ca-certs --help',
  ],
  [
    'surplus argument',
    ['generate-custom-ca-certs', 'x'],
    'unexpected argument "x"',
    'see k3s-pki generate-custom-ca-certs --help',
  ],
  [
    'key type',
    ['generate-custom-ca-certs', '--root-key', 'rsa:1024'],
    'invalid value for --root-key: expected rsa:2048 to rsa:8192',
    undefined,
  ],
  ['lifetime', ['generate-custom-ca-certs', '--days', '0'], 'invalid value for --days: expected', undefined],
  [
    'lifetime that is no number',
    ['generate-custom-ca-certs', '--days', 'ten'],
    'invalid value for --days: expected',
    undefined,
  ],
  [
    'product',
    ['generate-custom-ca-certs', '--product', 'k8s'],
    'invalid value for --product: expected one of',
    undefined,
  ],
] as const) {
  test(`wrong usage: ${label}`, () => {
    const cwd = folder();
    const run = k3sPki(args, { cwd, env: { DATA_DIR: cwd } });
    assert.is(run.code, 2);
    assert.is(run.stdout, '');
    assert.ok(run.stderr.startsWith(`k3s-pki: error: ${error}`), run.stderr);
    if (hint !== undefined) assert.match(run.stderr, `k3s-pki: hint: ${hint}\n`);
    assert.equal(tree(cwd), {});
  });
}

test('a pipe that closes early is no error', () => {
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', '"$0" "$1" --help | head -n 1; exit 0', process.execPath, program()],
    {
      env: environment(),
      encoding: 'utf8',
    },
  );
  assert.is(status, 0);
  assert.is(stderr, '');
});

test.run();
