import type { Cli, Definition } from 'clipanion';
import { commands } from './commands/commands.ts';
import type { Context } from './context.ts';
import { columns, painter } from './terminal.ts';
import { version } from './version.ts';

type CommandClass = (typeof commands)[number];

/** What stands for an option's value in help. */
const valueNames: Readonly<Record<string, string>> = {
  '--data-dir': 'DIR',
  '--product': 'NAME',
  '--root-key': 'TYPE',
  '--intermediate-key': 'TYPE',
  '--ca-key': 'TYPE',
  '--root-days': 'DAYS',
  '--intermediate-days': 'DAYS',
  '--days': 'DAYS',
  '--path-length': 'N',
  '--output': 'FORMAT',
  '--passphrase-file': 'FILE',
  '--profile': 'NAMES',
  '--ca-dir': 'DIR',
  '--from': 'FILE',
  '--csr': 'FILE',
  '--nodes': 'N',
  '--type': 'TYPE',
  '--count': 'N',
  '--name': 'PATTERN',
  '--key': 'TYPE',
  '--cluster-domain': 'DOMAIN',
  '--service-ip': 'IP',
  '--out': 'DIR',
  '--tar': 'FILE',
  '--jsonl': 'FILE',
  '--manifest': 'FILE',
  '--workers': 'N',
  '--check': 'HOW',
  '--shard': 'I/N',
  '--shards': 'N',
  '--topology': 'NAME',
};

/** `k3s-pki` alone and `k3s-pki --help`; with `paths`, the help of a word that several commands begin with. */
export function overview(cli: Cli<Context>, { stdout }: Context, paths: readonly string[][] = []): string {
  const paint = painter(stdout);
  const width = Math.min(columns(stdout), 100);
  const shown = commands.filter((command) => paths.length === 0 || paths.some((path) => path === command.paths[0]));
  const rows = shown.map(
    (command) => [command.paths[0]?.join(' ') ?? '', definitionOf(cli, command).description ?? ''] as const,
  );
  return [
    `${paint('bold', 'k3s-pki')} ${version} - certificates of a K3s or RKE2 cluster, made and checked`,
    '',
    paint('bold', 'Usage'),
    '  k3s-pki COMMAND [OPTIONS]',
    '',
    paint('bold', 'Commands'),
    ...table(rows, width, (name) => paint('cyan', name)),
    '',
    paint('bold', 'Options'),
    ...table(
      [
        ['-h, --help', 'help, for every command too'],
        ['-v, --version', 'the version'],
      ],
      width,
      (name) => paint('cyan', name),
    ),
    '',
    paint('bold', 'First steps'),
    '  k3s-pki generate-custom-ca-certs --data-dir ./demo   a complete set of CAs, to look at',
    '  k3s-pki generate-custom-ca-certs --help              every option, and examples',
    '',
  ].join('\n');
}

/** `k3s-pki COMMAND --help`. */
export function commandHelp(cli: Cli<Context>, command: CommandClass, { stdout }: Context): string {
  const paint = painter(stdout);
  const width = Math.min(columns(stdout), 100);
  const { description = '', options } = definitionOf(cli, command);
  const path = command.paths[0]?.join(' ') ?? '';
  const { details = '', examples = [] } = command.usage ?? {};
  const rows = [
    ...options.map((option) => [withValueName(option.definition), option.description ?? ''] as const),
    ['-h, --help', 'this text'] as const,
  ];
  return [
    ...wrap(`${paint('bold', `k3s-pki ${path}`)} - ${description}`, width, ''),
    '',
    paint('bold', 'Usage'),
    `  k3s-pki ${path} [OPTIONS]`,
    '',
    ...paragraphs(details).flatMap((paragraph) => [...wrap(paragraph, width, ''), '']),
    paint('bold', 'Options'),
    ...table(rows, width, (name) => paint('cyan', name)),
    '',
    paint('bold', 'Examples'),
    ...examples.flatMap(([label, example]) => [`  # ${label}`, `  ${example.replaceAll('$0', 'k3s-pki')}`, '']),
  ].join('\n');
}

/** clipanion's definition, which has the options; it lists commands with a usage in the order of registration. */
function definitionOf(cli: Cli<Context>, command: CommandClass): Definition {
  const definition = cli.definitions()[commands.indexOf(command)];
  return { ...definition, description: command.usage?.description ?? '' } as Definition;
}

function withValueName(definition: string): string {
  return definition.replace(/(--[\w-]+) #0/, (_, option: string) => `${option} ${valueNames[option] ?? 'VALUE'}`);
}

function paragraphs(text: string): string[] {
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s+/g, ' ').trim())
    .filter((paragraph) => paragraph !== '');
}

/** Two columns; the second is wrapped under itself, or goes below a first that is too wide. */
function table(
  rows: ReadonlyArray<readonly [string, string]>,
  width: number,
  paint: (name: string) => string,
): string[] {
  const first = Math.min(28, Math.max(...rows.map(([name]) => name.length)));
  const indent = ' '.repeat(first + 4);
  return rows.flatMap(([name, text]) => {
    const lines = wrap(text, width, indent);
    if (name.length > first) return [`  ${paint(name)}`, ...lines];
    return [`  ${paint(name)}${' '.repeat(first - name.length)}  ${(lines[0] ?? '').trimStart()}`, ...lines.slice(1)];
  });
}

function wrap(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, indent + line];
}
