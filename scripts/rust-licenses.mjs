// The licences of the Rust code that is linked into the core, in their own words: of crates.io's crates and of the standard
// library. scripts/build-wasm.mjs puts them beside the module; a release hands them on.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { workspace } from './setup.mjs';

const PACKAGE = 'k3s-pki-wasm';
const TARGET = 'wasm32-unknown-unknown';
/** What the standard library brings for this target. Source: rust-lang/rust, library/std/Cargo.toml. */
const standardDependencies = ['cfg-if', 'dlmalloc', 'foldhash', 'hashbrown'];

/** The text of the file. Needs cargo and the crates' sources; throws for a crate without a licence file. */
export function rustLicenses() {
  const all = [...crates(), ...standardLibrary()];
  const texts = Map.groupBy(all, ({ text }) => text);
  const rule = '-'.repeat(72);
  return [
    'Rust code in k3s_pki_wasm_bg.wasm: version and licence. Where there is a choice, it is used under the MIT licence.\n',
    ...all.map(({ title, license }) => `- ${title}: ${license}`),
    '',
    ...[...texts].map(([text, of]) => [rule, ...of.map(({ title }) => title), rule, text, ''].join('\n')),
  ].join('\n');
}

/** Those that cargo compiles for the module; build scripts and procedural macros run before, and are not in it. */
function crates() {
  const cargo = (...args) => execFileSync('cargo', args, { cwd: workspace, encoding: 'utf8', maxBuffer: 2 ** 28 });
  const edges = ['--edges', 'normal,no-proc-macro', '--prefix', 'none', '--no-dedupe', '--format', '{p}'];
  const linked = new Set(cargo('tree', '--locked', '--package', PACKAGE, '--target', TARGET, ...edges).split('\n'));
  const facts = cargo('metadata', '--locked', '--format-version', '1', '--filter-platform', TARGET);
  return JSON.parse(facts)
    .packages.filter(({ name, version, source }) => source !== null && linked.has(`${name} v${version}`))
    .map(({ name, version, license, manifest_path: manifest }) => ({
      title: `${name} ${version}`,
      license,
      text: licenseText(dirname(manifest), license),
    }))
    .sort((a, b) => (a.title < b.title ? -1 : 1));
}

function licenseText(folder, license) {
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|copyright|notice)/i.test(file));
  const mit = files.filter((file) => /mit/i.test(file));
  const used = mayBeMit(license) && mit.length > 0 ? mit : files;
  if (used.length === 0) throw new Error(`${folder}: no licence file`);
  return used
    .sort()
    .map((file) => readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim())
    .join('\n\n');
}

/** Whether MIT alone will do. The slash is an older spelling of OR. */
function mayBeMit(license) {
  return !/AND|\(/.test(license) && license.split(/ OR |\//).includes('MIT');
}

function standardLibrary() {
  const root = execFileSync('rustc', ['--print', 'sysroot'], { cwd: workspace, encoding: 'utf8' }).trim();
  const read = (...path) => readFileSync(join(root, 'share', 'doc', 'rust', ...path), 'utf8');
  const [, version] = /^rustc (\S+)/.exec(execFileSync('rustc', ['--version'], { cwd: workspace, encoding: 'utf8' }));
  const notice = (spdx, holder) => read('licenses', `${spdx}.txt`).replace('<year> <copyright holders>', holder).trim();
  const sections = read('COPYRIGHT-library.html').split('<h3>').slice(1);
  const dependencies = standardDependencies.map((name) => {
    const section = sections.find((each) => each.includes(`/crates/${name}/`));
    const [, number] = new RegExp(`/crates/${name}/([^"]+)"`).exec(section);
    const [, license] = /<b>License:<\/b> ([^<]+)</.exec(section);
    const texts = [...section.matchAll(/<code>([^<]+)<\/code><\/summary>\s*<pre>([^<]*)<\/pre>/g)];
    const mit = texts.filter(([, file]) => /mit/i.test(file));
    const used = mayBeMit(license) && mit.length > 0 ? mit : texts;
    if (used.length === 0) throw new Error(`${name} of the standard library: no licence text`);
    return {
      title: `${name} ${number} (std)`,
      license,
      text: used.map(([, , text]) => fromHtml(text).trim()).join('\n\n'),
    };
  });
  return [
    {
      title: `rust ${version} (std, core, alloc)`,
      license: 'MIT OR Apache-2.0, and Unicode-3.0 for its tables of characters',
      text: `${notice('MIT', 'The Rust Project Developers (see https://thanks.rust-lang.org)')}\n\n${notice('Unicode-3.0')}`,
    },
    ...dependencies,
  ];
}

function fromHtml(html) {
  return html.replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))).replaceAll('&amp;', '&');
}
