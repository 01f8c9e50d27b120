// node scripts/run.mjs scripts/build-release.mjs [--out DIR]: makes a folder that `npm pack` and `npm publish` take: the
// program as plain JavaScript without dependencies, the WebAssembly beside it. The default is dist/ in the workspace.
//
// esbuild bundles: one small binary, and the same bytes from the same input. CommonJS, for Node starts it 8 ms sooner than
// modules. The program is in two files, so that what every run needs is read without the commands that it does not.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build, transform } from 'esbuild';
import { workspace } from './setup.mjs';

const { out } = parseArgs({ options: { out: { type: 'string' } } }).values;
const target = resolve(process.env.INIT_CWD ?? process.cwd(), out ?? join(workspace, 'dist'));
const cli = join(workspace, 'packages', 'cli');
const core = join(workspace, 'packages', 'core');
const WASM = 'k3s_pki_wasm_bg.wasm';

/** Modules that a release has of its own. Nothing else may look at where it lies. */
const replaced = {
  'packages/core/src/assets.ts': `
    const { pathToFileURL } = require('node:url');
    const beside = (name) => new URL(name, pathToFileURL(__filename));
    export const wasmUrl = beside('./${WASM}');
    export const workerUrl = beside('./worker.js');
    export const bulkWorkerUrl = beside('./bulk-worker.js');`,
  'packages/cli/bin/layout.js': `
    const { join } = require('node:path');
    export const load = () => require('../lib/main.js');
    export const cache = join(__dirname, '..', '.cache');
    export const dependency = undefined;
    export const ownNode = undefined;
    export const root = undefined;`,
  // It asks the terminal for its colours when it is loaded.
  'clipanion/lib/platform/node.js': `
    export const getDefaultColorDepth = () => 1;
    export const getCaptureActivator = () => null;`,
};

/** The oldest Node that the program runs on. */
const oldest = 'node22.19';

/** clipanion opens standard input when it is loaded, 3 ms; `run.ts` gives it the context it needs. */
const defaultContext = /^Cli\.defaultContext = \{[^}]*\};$/m;

const shared = {
  bundle: true,
  format: 'cjs',
  platform: 'node',
  // Names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  // Escapes: V8 reads a source of one octet a character in half of the time.
  charset: 'ascii',
  legalComments: 'none',
  // The generated glue would look for the module beside itself, if it were not given one.
  logOverride: { 'empty-import-meta': 'silent' },
  absWorkingDir: workspace,
  plugins: [
    { name: 'release', setup: replaceModules },
    { name: 'lazy', setup: delaySlowModules },
  ],
};

/** Modules of Node's that take milliseconds to load, and that many a run does not use: loaded at their first use. */
const slow = ['child_process', 'crypto', 'http', 'https', 'net', 'readline', 'tls', 'worker_threads'];

/** What every start evaluates, and the commands in a hurry: a key takes less time than reading the other commands. */
const first = ['cli/src/run.ts', 'cli/src/commands/key/generate.ts', 'core/src/early-search.ts', 'core/src/core.ts'];

/** What `homesIn` found. */
const homes = new Map();

/** Libraries that are loaded when they are needed, by name: files of their own, so that no start reads them. */
const libraries = new Map();

rmSync(target, { recursive: true, force: true });
const lib = join(target, 'lib');
mkdirSync(lib, { recursive: true });
const { metafile, outputFiles } = await build({
  ...shared,
  entryPoints: { main: join(cli, 'src', 'main.ts') },
  outdir: lib,
  target: oldest,
  format: 'esm',
  splitting: true,
  outExtension: { '.js': '.mjs' },
  plugins: [...shared.plugins, { name: 'libraries', setup: setLibrariesApart }, { name: 'trim', setup: trimModules }],
  metafile: true,
  write: false,
});
await writeProgram();
const { metafile: workersMetafile } = await build({
  ...shared,
  entryPoints: { worker: join(core, 'src', 'worker.ts'), 'bulk-worker': join(core, 'src', 'bulk-worker.ts') },
  outdir: lib,
  target: oldest,
  metafile: true,
});
const { metafile: librariesMetafile } = await build({
  ...shared,
  entryPoints: Object.fromEntries(libraries),
  outdir: lib,
  target: oldest,
  metafile: true,
});
const programs = readdirSync(join(cli, 'bin')).filter((name) => !['launch.js', 'layout.js'].includes(name));
await build({
  ...shared,
  entryPoints: programs.map((name) => join(cli, 'bin', name)),
  outdir: join(target, 'bin'),
  // An older Node has to come as far as the line that says so.
  target: 'node18',
  external: ['../lib/main.js'],
});
for (const name of programs) chmodSync(join(target, 'bin', name), 0o755);
const inputs = [metafile, workersMetafile, librariesMetafile].flatMap((each) => Object.keys(each.inputs));
refuseFoldersOfTheirOwn(inputs);

copyFileSync(join(core, 'wasm', WASM), join(lib, WASM));
for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md']) copyFileSync(join(workspace, name), join(target, name));
writeFileSync(join(target, 'THIRD_PARTY_LICENSES.txt'), licenses(inputs));
writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`);

process.stdout.write(`k3s-pki ${manifest().version} in ${target}: ${programs.length} programs\n`);

/** Writes esbuild's chunks as two files of functions, each of which is called when its exports are asked for. */
async function writeProgram() {
  const chunks = new Map(outputFiles.map(({ path, text }) => [`./${basename(path)}`, text]));
  const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [`./${basename(path)}`, output]));
  const near = new Set();
  const include = (name) => {
    if (near.has(name) || !chunks.has(name)) return;
    near.add(name);
    for (const { path, kind } of outputs.get(name).imports) {
      if (kind !== 'dynamic-import') include(`./${basename(path)}`);
    }
  };
  const isFirst = ({ entryPoint = '' }) => first.some((path) => entryPoint.endsWith(path));
  for (const [name, output] of outputs) if (name === './main.mjs' || isFirst(output)) include(name);
  const functions = async (names, before = '', after = '') => {
    const written = names.map(async (name) => {
      const body = await asCommonJs(chunks.get(name));
      return `${JSON.stringify(name)}:${before}function(module,exports,require){${body}}${after}`;
    });
    return `{\n${(await Promise.all(written)).join(',\n')}\n}`;
  };
  const names = [...chunks.keys()].sort();
  const others = names.filter((name) => !near.has(name));
  // In parentheses: V8 compiles such a function with its file, and so into what Node keeps of that, 5 ms of a start.
  const main = `"use strict";
const chunks = ${await functions([...near].sort(), '(', ')')};
const loaded = new Map();
function load(name) {
  if (!name.endsWith('.mjs')) return require(name);
  let module = loaded.get(name);
  if (module === undefined) {
    if (!(name in chunks)) Object.assign(chunks, require('./commands.js'));
    module = { exports: {} };
    loaded.set(name, module);
    chunks[name](module, module.exports, load);
  }
  return module.exports;
}
module.exports = load('./main.mjs');
`;
  writeFileSync(join(lib, 'main.js'), main);
  writeFileSync(join(lib, 'commands.js'), `"use strict";\nmodule.exports = ${await functions(others)};\n`);
}

async function asCommonJs(chunk) {
  const { bundle, plugins, absWorkingDir, ...options } = shared;
  // Dynamic imports by `require`, since what is imported is CommonJS too.
  const { code } = await transform(chunk, { ...options, target: oldest, supported: { 'dynamic-import': false } });
  return code.trimEnd();
}

/** Modules of the workspace do nothing when they are imported: what nobody uses is left out, and who imports from a list
 *  of modules gets the ones that it names, so that a start evaluates no others. */
function trimModules({ onResolve, onLoad, resolve: find }) {
  onResolve({ filter: /^(\.|@k3s-pki\/)/ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
    if (pluginData?.trimmed || kind !== 'import-statement' || importer.includes('node_modules')) return undefined;
    const found = await find(path, { kind, importer, resolveDir, pluginData: { trimmed: true } });
    return { ...found, sideEffects: found.path.includes('node_modules') };
  });
  const imports = /^import \{([^}]*)\} from '@k3s-pki\/(plan|k3s)';$/gm;
  onLoad({ filter: /[/\\]packages[/\\]\w+[/\\]src[/\\].*\.ts$/ }, async ({ path }) => {
    const homes = { plan: await homesIn('plan'), k3s: await homesIn('k3s') };
    const direct = (_, names, list) =>
      names
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '' && !name.startsWith('type '))
        .map((name) => `import { ${name} } from ${JSON.stringify(homes[list].get(name.split(' as ')[0]))};`)
        .join(' ');
    return { contents: readFileSync(path, 'utf8').replace(imports, direct), loader: 'ts' };
  });
}

/** By name, the file that each export of a package comes from. Found by what is exported, for a file may have other exports
 *  under a name that the package has from elsewhere. */
function homesIn(name) {
  const folder = join(workspace, 'packages', name, 'src');
  const list = join(folder, `${name}.ts`);
  const look = async () => {
    const exported = await import(pathToFileURL(list).href);
    const files = [...readFileSync(list, 'utf8').matchAll(/ from '\.\/([^']+)';/g)].map(([, file]) =>
      join(folder, file),
    );
    const modules = await Promise.all(files.map(async (path) => [path, await import(pathToFileURL(path).href)]));
    const homeOf = (each) =>
      modules.find(([, module]) => each in module && module[each] === exported[each])?.[0] ?? list;
    return new Map(Object.keys(exported).map((each) => [each, homeOf(each)]));
  };
  homes.set(name, homes.get(name) ?? look());
  return homes.get(name);
}

function replaceModules({ onLoad }) {
  for (const [path, contents] of Object.entries(replaced)) {
    const filter = new RegExp(`${path.replaceAll(/[/.]/g, '[/\\\\.]')}$`);
    onLoad({ filter }, () => ({ contents, loader: 'ts' }));
  }
  onLoad({ filter: /clipanion[/\\]lib[/\\]advanced[/\\]Cli\.js$/ }, ({ path }) => {
    const source = readFileSync(path, 'utf8');
    if (!defaultContext.test(source)) throw new Error(`${path} is not as expected`);
    return { contents: source.replace(defaultContext, 'Cli.defaultContext = { colorDepth: 1 };') };
  });
}

/** Gives a getter for each export in place of the module. */
function delaySlowModules({ onResolve, onLoad }) {
  const filter = new RegExp(`^node:(${slow.join('|')})$`);
  onResolve({ filter }, ({ path, kind }) => (kind === 'import-statement' ? { path, namespace: 'lazy' } : undefined));
  onLoad({ filter: /./, namespace: 'lazy' }, ({ path }) => {
    const names = Object.keys(process.getBuiltinModule(path));
    const getters = names.map((name) => `get ${name}() { return load().${name}; },`);
    const load = `let found; const load = () => (found ??= require('${path}'));`;
    return { contents: `${load} module.exports = { ${getters.join(' ')} };`, loader: 'js' };
  });
}

function setLibrariesApart({ onResolve, resolve: find }) {
  onResolve({ filter: /^[^./]/ }, async ({ path, kind, resolveDir, pluginData }) => {
    if (kind !== 'dynamic-import' || pluginData?.found || /^(node:|@k3s-pki\/)/.test(path)) return undefined;
    const found = await find(path, { kind, resolveDir, pluginData: { found: true } });
    if (found.errors.length > 0) return undefined;
    // `require` would give a module's default export another shape.
    if (isModule(found.path) && 'default' in (await import(pathToFileURL(found.path).href))) return undefined;
    const name = path.replace(/^@/, '').replaceAll('/', '-');
    libraries.set(name, found.path);
    return { path: `./${name}.js`, external: true };
  });
}

function isModule(path) {
  if (path.endsWith('.mjs')) return true;
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) return !path.endsWith('.cjs') && JSON.parse(readFileSync(file, 'utf8')).type === 'module';
  }
  return false;
}

/** A module that finds files beside itself finds none in a bundle. */
function refuseFoldersOfTheirOwn(paths) {
  const own = paths.filter((path) => path.startsWith('packages/') && !(path in replaced) && !path.includes('/wasm/'));
  const wrong = own.filter((path) => /\bimport\.meta\.(url|dirname|filename)\b/.test(read(path)));
  if (wrong.length === 0) return;
  process.stderr.write(`build-release: error: import.meta in ${wrong.join(', ')}: only assets.ts may look for files\n`);
  process.exit(1);
}

function manifest() {
  const { version, description, license } = JSON.parse(read('packages/cli/package.json'));
  const { engines } = JSON.parse(read('package.json'));
  const bin = Object.fromEntries(programs.map((name) => [basename(name, '.js'), `bin/${name}`]));
  return { name: 'k3s-pki', version, description, license, type: 'commonjs', bin, engines };
}

/** The licences of the packages whose code is in the bundle and of what is in the module, in their own words. */
function licenses(paths) {
  const folders = new Set(paths.flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []));
  const packages = [...folders].sort().map(licenseOf);
  return [...packages, read('packages/core/wasm/THIRD_PARTY_LICENSES.txt')].join('\n');
}

function licenseOf(folder) {
  const { name, version, license } = JSON.parse(read(join(folder, 'package.json')));
  const file = readdirSync(join(workspace, folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? `${license}\n` : read(join(folder, file));
  return `${name} ${version}\n${'-'.repeat(72)}\n${text.trimEnd()}\n`;
}

function read(path) {
  return readFileSync(join(workspace, path), 'utf8');
}
