import { Cli } from 'clipanion';
import { type CommandClass, type CommandEntry, commands } from './commands/commands.ts';
import type { Context } from './context.ts';
import { wrap } from './render/text.ts';
import { columns, painter } from './terminal.ts';
import { version } from './version.ts';

/** What stands for an option's value in help; a command's words in front where it differs there. */
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
  'generate-custom-ca-certs --from': 'DIR',
  '--csr': 'FILE',
  '--nodes': 'N',
  '--type': 'TYPE',
  '--key-type': 'TYPE',
  '--keep': 'N',
  '--token-file': 'FILE',
  '--ca': 'FILE',
  '--server': 'URL',
  '--timeout': 'SECONDS',
  '--seconds': 'N',
  '--user': 'NAME',
  '--count': 'N',
  '--name': 'PATTERN',
  '--key': 'TYPE',
  '--cluster-domain': 'DOMAIN',
  '--service-ip': 'IP',
  '--out': 'DIR',
  'token new --out': 'FILE',
  'token for --out': 'FILE',
  'token rotate --out': 'FILE',
  '--tar': 'FILE',
  '--jsonl': 'FILE',
  '--manifest': 'FILE',
  '--workers': 'N',
  '--check': 'HOW',
  '--shard': 'I/N',
  '--shards': 'N',
  '--topology': 'NAME',
  '--against': 'DIR',
  '--connect': 'HOST:PORT',
  '--server-name': 'NAME',
  '--k3s-version': 'VERSION',
  '--warn': 'DAYS',
  '--fail-on': 'WHEN',
  '--to': 'FILE',
  '--within': 'DAYS',
  '--service': 'NAMES',
  '--path': 'DIR',
  '--config': 'FILE',
  '--datastore-endpoint': 'URL',
  '--datastore-cafile': 'FILE',
  '--datastore-certfile': 'FILE',
  '--datastore-keyfile': 'FILE',
  '--new-token-file': 'FILE',
  '--recipient': 'AGE1...',
  '--identity': 'FILE',
  '--backup': 'FILE',
  '--kubeconfig': 'FILE',
};

/** `k3s-pki` alone and `k3s-pki --help`; with `below`, the help of a word that these commands begin with. */
export async function overview({ stdout }: Context, below: readonly CommandEntry[] = []): Promise<string> {
  const paint = painter(stdout);
  const width = Math.min(columns(stdout), 100);
  const shown = below.length === 0 ? commands : below;
  const rows = await Promise.all(
    shown.map(async ({ path, load }) => [path.join(' '), (await load()).usage?.description ?? ''] as const),
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
export function commandHelp(command: CommandClass, { stdout }: Context): string {
  const paint = painter(stdout);
  const width = Math.min(columns(stdout), 100);
  const path = command.paths?.[0]?.join(' ') ?? '';
  const { description = '', details = '', examples = [] } = command.usage ?? {};
  const { options = [], usage = path } = Cli.from<Context>([command], { binaryName: 'k3s-pki' }).definitions()[0] ?? {};
  const rows = [
    ...options.map((option) => [withValueName(option.definition, path), option.description ?? ''] as const),
    ['-h, --help', 'this text'] as const,
  ];
  return [
    ...wrap(`${paint('bold', `k3s-pki ${path}`)} - ${description}`, width, ''),
    '',
    paint('bold', 'Usage'),
    // clipanion does not say what the arguments at the end are; they are paths in every command that has some.
    `  ${usage.replace(/ \.\.\.$/, ' [PATH]...')} [OPTIONS]`,
    '',
    ...paragraphs(details).flatMap((paragraph) => [...wrap(paragraph, width, ''), '']),
    paint('bold', 'Options'),
    ...table(rows, width, (name) => paint('cyan', name)),
    '',
    paint('bold', 'Examples'),
    ...examples.flatMap(([label, example]) => [`  # ${label}`, `  ${example.replaceAll('$0', 'k3s-pki')}`, '']),
  ].join('\n');
}

function withValueName(definition: string, path: string): string {
  return definition.replace(/(--[\w-]+) #0/, (_, option: string) => {
    const name = valueNames[`${path} ${option}`] ?? valueNames[option] ?? 'VALUE';
    return `${option} ${name}`;
  });
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
