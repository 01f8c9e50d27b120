// Builds crates/wasm into packages/core/wasm. `--check` builds into a temporary folder instead and compares the
// result byte for byte with what is committed.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rustLicenses } from './rust-licenses.mjs';

const NAME = 'k3s_pki_wasm';
const FILES = [`${NAME}.js`, `${NAME}.d.ts`, `${NAME}_bg.wasm`, `${NAME}_bg.wasm.d.ts`];
const ENVIRONMENT = 'BUILD_ENVIRONMENT.txt';
const LICENSES = 'THIRD_PARTY_LICENSES.txt';
const FEATURES = [
  'simd',
  'relaxed-simd',
  'bulk-memory',
  'bulk-memory-opt',
  'sign-ext',
  'nontrapping-float-to-int',
  'mutable-globals',
  'multivalue',
  'reference-types',
];

const checkout = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const target = join(checkout, 'packages', 'core', 'wasm');
const cargoHome = process.env.CARGO_HOME ?? join(homedir(), '.cargo');

function run(program, args, env = {}) {
  execFileSync(program, args, {
    cwd: checkout,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
}

function output(program, args) {
  return execFileSync(program, args, { cwd: checkout, encoding: 'utf8' }).trim();
}

/** The flags of .cargo/config.toml once more, for RUSTFLAGS replaces them, and the folders' names taken out. */
function flags() {
  const folders = [
    [checkout, '/k3s-pki'],
    [cargoHome, '/cargo'],
    [output('rustc', ['--print', 'sysroot']), '/rust'],
  ];
  // Build scripts write generated source there.
  if (process.env.CARGO_TARGET_DIR) folders.push([process.env.CARGO_TARGET_DIR, '/k3s-pki/target']);
  const remap = folders.map(([from, to]) => `--remap-path-prefix=${from}=${to}`);
  return {
    CARGO_ENCODED_RUSTFLAGS: ['-Ctarget-feature=+simd128,+relaxed-simd', ...remap].join('\x1f'),
    CFLAGS_wasm32_unknown_unknown: folders.map(([from, to]) => `-ffile-prefix-map=${from}=${to}`).join(' '),
    CARGO_INCREMENTAL: '0',
    SOURCE_DATE_EPOCH: '0',
  };
}

/** Stops with one line when a tool is missing or of another version than the one that the bytes depend on. */
function requireTools() {
  const tools = [
    ['wasm-pack', '0.15.0', 'cargo install wasm-pack --version 0.15.0 --locked'],
    ['wasm-bindgen', '0.2.130', 'cargo install wasm-bindgen-cli --version 0.2.130'],
    ['rustc', '1.95.0', 'install rustup, it reads rust-toolchain.toml'],
    ['clang', '', 'install clang and llvm with the target wasm32'],
  ];
  for (const [name, version, mend] of tools) {
    let found = '';
    try {
      found = output(name, ['--version']);
    } catch {
      fail(`${name} is not found`, mend);
    }
    if (!found.includes(version)) fail(`${name} is "${found}", not ${version}`, mend);
  }
}

function fail(what, mend) {
  console.error(`build-wasm: error: ${what}`);
  console.error(`build-wasm: hint: ${mend}`);
  process.exit(1);
}

function environment() {
  const optimiser = join(checkout, 'node_modules', '.bin', 'wasm-opt');
  const versions = [
    output('rustc', ['--version']),
    output('clang', ['--version']).split('\n', 1)[0],
    output('wasm-pack', ['--version']),
    output('wasm-bindgen', ['--version']),
    output(optimiser, ['--version']),
  ];
  return `${versions.join('\n')}\n`;
}

function build(into) {
  const scratch = mkdtempSync(join(tmpdir(), 'k3s-pki-wasm-'));
  try {
    // --no-opt: wasm-pack would download wasm-opt. --mode no-install: it would download wasm-bindgen as well.
    run(
      'wasm-pack',
      [
        'build',
        join('crates', 'wasm'),
        '--target',
        'web',
        '--release',
        '--no-pack',
        '--no-opt',
        '--mode',
        'no-install',
      ].concat(['--out-dir', scratch, '--out-name', NAME, '--', '--locked']),
      flags(),
    );
    const wasm = join(scratch, `${NAME}_bg.wasm`);
    run(join(checkout, 'node_modules', '.bin', 'wasm-opt'), [
      '-O3',
      // Not into one caller whatever the size: V8 took 50 ms of a second thread to optimise the one function that a whole
      // search for primes had become, beside the first key.
      '--one-caller-inline-max-function-size=40',
      ...FEATURES.map((feature) => `--enable-${feature}`),
      '--strip-debug',
      '--strip-producers',
      wasm,
      '-o',
      wasm,
    ]);
    rmSync(into, { recursive: true, force: true });
    mkdirSync(into, { recursive: true });
    for (const file of FILES) {
      cpSync(join(scratch, file), join(into, file));
    }
    writeFileSync(join(into, ENVIRONMENT), environment());
    writeFileSync(join(into, LICENSES), rustLicenses());
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function check() {
  const fresh = mkdtempSync(join(tmpdir(), 'k3s-pki-check-'));
  try {
    build(fresh);
    const committed = existsSync(target) ? readdirSync(target) : [];
    const names = new Set([...committed, ...readdirSync(fresh)]);
    const different = [...names].filter((name) => {
      const [ours, theirs] = [join(fresh, name), join(target, name)];
      return !existsSync(ours) || !existsSync(theirs) || !readFileSync(ours).equals(readFileSync(theirs));
    });
    if (different.length > 0) {
      console.error(`build-wasm: error: not what the source gives: ${different.join(', ')}`);
      console.error('build-wasm: hint: run node scripts/build-wasm.mjs and commit packages/core/wasm');
      process.exitCode = 1;
    } else {
      console.log(`build-wasm: the ${names.size} committed files are what the source gives`);
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

const args = process.argv.slice(2);
requireTools();
if (args.length === 0) {
  build(target);
} else if (args.length === 1 && args[0] === '--check') {
  check();
} else {
  console.error('usage: node scripts/build-wasm.mjs [--check]');
  process.exitCode = 2;
}
