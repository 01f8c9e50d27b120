/** What users get: the packed release, installed in an empty folder. */
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkoutBin, environment, fastKeys, folder, k3sPki, type Run, tree } from './program.ts';

const workspace = resolve(import.meta.dirname, '../..');
const test = suite('release');

const npm = spawnSync('npm', ['--version'], { encoding: 'utf8' });
if (npm.status !== 0) console.log('not run: release, no npm');
else {
  const scratch = folder();
  const release = join(scratch, 'release');
  const home = join(scratch, 'home');
  mkdirSync(home);
  finished(process.execPath, [join(workspace, 'scripts/build-release.mjs'), '--out', release], workspace);
  finished('npm', ['pack', '--silent', '--pack-destination', scratch], release);
  const [tarball = ''] = readdirSync(scratch).filter((name) => name.endsWith('.tgz'));
  finished('npm', ['install', '--offline', '--no-audit', '--no-fund', '--silent', join(scratch, tarball)], home);
  const installed = join(home, 'node_modules', 'k3s-pki');

  const run = (args: readonly string[], cwd: string, name = 'k3s-pki'): Run => {
    const bin = join(home, 'node_modules', '.bin', name);
    const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
      cwd,
      env: environment(),
      encoding: 'utf8',
    });
    return { code: status, stdout, stderr };
  };

  test('it needs no other package, and has every program of the checkout', () => {
    assert.equal(
      readdirSync(join(home, 'node_modules')).filter((name) => !name.startsWith('.')),
      ['k3s-pki'],
    );
    const ours = readdirSync(checkoutBin).filter((name) => !/^(launch|layout)\.js$/.test(name));
    assert.equal(readdirSync(join(installed, 'bin')).sort(), ours.sort());
    const { bin } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    for (const file of Object.values<string>(bin)) assert.ok(existsSync(join(installed, file)), file);
    for (const file of ['LICENSE', 'THIRD_PARTY_LICENSES.txt']) assert.ok(existsSync(join(installed, file)), file);
  });

  const licenses = readFileSync(join(installed, 'THIRD_PARTY_LICENSES.txt'), 'utf8');
  /** Name and version of each piece of Rust to its licence. */
  const rust = new Map([...licenses.matchAll(/^- (\S+ \S+.*): (.+)$/gm)].map(([, title = '', is = '']) => [title, is]));

  test('whoever wrote code in it is named: npm packages, crates, what Rust brings', () => {
    for (const title of ['clipanion 3.2.1', 'typanion 3.14.0']) assert.match(licenses, `${title}\n---`);
    const module = readFileSync(join(installed, 'lib', 'k3s_pki_wasm_bg.wasm'), 'latin1');
    // A panic says in which file it arose.
    const files = module.matchAll(/\/(cargo\/registry\/src\/[^/]+|rust\/deps)\/([\w-]+)-(\d[\w.+-]*)\//g);
    const linked = new Set(
      [...files].map(([, from, name, version]) => `${name} ${version}${from === 'rust/deps' ? ' (std)' : ''}`),
    );
    assert.ok(linked.size > 10, `${linked.size} crates in the module`);
    assert.equal(
      [...linked].filter((title) => !rust.has(title)),
      [],
    );
  });

  test('each has the text of its licence', () => {
    const parts = licenses
      .slice(licenses.indexOf('\n- '))
      .split(/^-{72}$\n/m)
      .slice(1);
    const texts = new Map<string, string>();
    for (let index = 0; index < parts.length; index += 2) {
      for (const title of (parts[index] ?? '').trim().split('\n')) texts.set(title, parts[index + 1] ?? '');
    }
    assert.equal([...texts.keys()].sort(), [...rust.keys()].sort());
    for (const [title, text] of texts) assert.match(text, /copyright .*[\s\S]*(permission|licensed)/i, title);
  });

  const cargo = spawnSync(
    'cargo',
    [
      ...['tree', '--locked', '--offline', '--package', 'k3s-pki-wasm', '--target', 'wasm32-unknown-unknown'],
      ...['--edges', 'normal,no-proc-macro', '--prefix', 'none', '--no-dedupe', '--format', '{p}: {l}'],
    ],
    { cwd: workspace, encoding: 'utf8' },
  );
  if (cargo.status !== 0) console.log('not run: crates of the release, no cargo with the crates');
  else {
    test('the crates are those that cargo links', () => {
      const named = [...rust].filter(([title]) => !/^rust | \(std\)$/.test(title));
      // A crate of ours has a path behind its version.
      const linked = new Set(cargo.stdout.split('\n').filter((line) => /^\S+ v\S+: /.test(line)));
      assert.equal(
        named.map(([title, license]) => `${title.replace(' ', ' v')}: ${license}`).sort(),
        [...linked].sort(),
      );
    });
  }

  test('help and mistakes read as in the checkout', () => {
    for (const args of [['--help'], ['generate-custom-ca-certs', '--help'], ['certificate', 'profiles'], ['nonsense']])
      assert.equal(run(args, scratch), k3sPki(args, { cwd: scratch, bin: checkoutBin }));
  });

  test('it makes CAs, issues leaves with its workers, and finds RSA keys', () => {
    const cwd = folder();
    const made = run(['--data-dir', 'demo', ...fastKeys], cwd, 'generate-custom-ca-certs');
    assert.is(made.code, 0, made.stderr);
    const issued = run(
      ['certificate', 'issue', '--data-dir', 'demo', '--profile', 'client-kubelet', '--nodes', '3', '--out', 'nodes'],
      cwd,
    );
    assert.is(issued.code, 0, issued.stderr);
    const leaves = Object.keys(tree(cwd)).filter((path) => path.endsWith('client-kubelet.crt'));
    assert.is(leaves.length, 3);
    const ca = new X509Certificate(readFileSync(join(cwd, 'demo/server/tls/client-ca.crt')));
    for (const leaf of leaves) assert.ok(new X509Certificate(readFileSync(join(cwd, leaf))).verify(ca.publicKey));
    for (const count of ['1', '4']) {
      const keys = run(['key', 'generate', '--count', count], cwd);
      assert.is(keys.code, 0, keys.stderr);
      assert.is(keys.stdout.match(/BEGIN RSA PRIVATE KEY/g)?.length, Number(count));
    }
  });

  test('YAML, which is loaded when it is asked for', () => {
    const { stdout } = run(['certificate', 'profiles', '--output', 'yaml'], scratch);
    assert.match(stdout, /^command: certificate profiles$/m);
  });
  test.run();
}

function finished(command: string, args: readonly string[], cwd: string): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', env: environment() });
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`);
}
