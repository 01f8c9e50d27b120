import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatastoreError, firstLine } from './error.ts';
import type { TlsFiles } from './tls.ts';

/** Where a cluster's datastore is, and how that was found out. */
export interface DatastoreSettings {
  readonly endpoint: string;
  readonly tls: TlsFiles;
  /** For people: `--datastore-endpoint`, the path of a file, the name of a variable. */
  readonly source: string;
  /** A token that stands beside it, as written, or the file that holds one. */
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
}

export interface SettingsSources {
  readonly product: 'k3s' | 'rke2';
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The configuration file; absent: `<PRODUCT>_CONFIG_FILE` or `/etc/rancher/<product>/config.yaml`. */
  readonly configFile: string | undefined;
  /** What the command line says, by K3s's names: `datastore-endpoint`, `datastore-cafile`, ... */
  readonly given: Readonly<Record<string, string | undefined>>;
}

const names = [
  'datastore-endpoint',
  'datastore-cafile',
  'datastore-certfile',
  'datastore-keyfile',
  'token',
  'token-file',
];

/**
 * Finds the datastore as K3s does: flags, then configuration file with its `.d` folder, then environment, each name by
 * itself. K3s's own flags and environment are those of the service that the install script made. Without an endpoint
 * it is the data dir's own: embedded etcd when it has one, else SQLite. Throws DatastoreError `settings`.
 * Source: K3s `pkg/cli/cmds/server.go`, `pkg/configfilearg`.
 */
export async function findSettings(sources: SettingsSources): Promise<DatastoreSettings> {
  const { product, dataDir, env, given } = sources;
  const layers: [source: string, Readonly<Record<string, string | undefined>>][] = [
    ['the command line', given],
    ...fileLayers(serviceFiles[product], serviceArguments),
    ...(await configLayers(sources)),
    ['the environment', fromEnvironment(env, product)],
    ...fileLayers(environmentFiles[product], (text) => fromEnvironment(environmentOf(text), product)),
  ];
  const value = (name: string) => layers.find(([, values]) => filled(values[name]))?.[1][name];
  const source = layers.find(([, values]) => filled(values['datastore-endpoint']))?.[0];
  const server = join(dataDir, 'server');
  const credentials = { token: value('token'), tokenFile: value('token-file') };
  const tls = {
    caFile: value('datastore-cafile'),
    certFile: value('datastore-certfile'),
    keyFile: value('datastore-keyfile'),
  };
  if (source !== undefined) {
    return { endpoint: value('datastore-endpoint') ?? '', tls, source, ...credentials };
  }
  const database = join(server, 'db/state.db');
  const etcd = join(server, 'db/etcd');
  if (existsSync(etcd)) return embedded(etcd);
  return { endpoint: `sqlite://${database}`, tls: {}, source: database, ...credentials };

  /** Source: K3s `pkg/etcd`, `getClientConfig`; `pkg/daemons/control/deps`. */
  function embedded(from: string): DatastoreSettings {
    const file = (name: string) => join(server, 'tls/etcd', name);
    return {
      endpoint: 'https://127.0.0.1:2379',
      tls: { caFile: file('server-ca.crt'), certFile: file('client.crt'), keyFile: file('client.key') },
      source: from,
      ...credentials,
    };
  }
}

function filled(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

function fromEnvironment(env: Readonly<Record<string, string | undefined>>, product: string) {
  const variable = (name: string) => `${product.toUpperCase()}_${name.toUpperCase().replaceAll('-', '_')}`;
  return Object.fromEntries(names.map((name) => [name, env[variable(name)]]));
}

/** The configuration file and what its `.d` folder adds, strongest first. A later file replaces a value of an earlier. */
async function configLayers({ product, env, configFile }: SettingsSources) {
  const explicit = configFile ?? (env[`${product.toUpperCase()}_CONFIG_FILE`] || undefined);
  const file = explicit ?? `/etc/rancher/${product}/config.yaml`;
  const folder = `${file}.d`;
  const parts = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => /\.ya?ml$/.test(name))
        .sort()
        .map((name) => join(folder, name))
    : [];
  if (explicit !== undefined && !existsSync(file) && parts.length === 0) {
    throw new DatastoreError('settings', file, 'there is no such file', 'name the configuration file of the server');
  }
  const layers: [string, Record<string, string>][] = [];
  for (const each of [file, ...parts].reverse()) {
    if (existsSync(each)) layers.push([each, await readConfig(each)]);
  }
  return layers;
}

async function readConfig(file: string): Promise<Record<string, string>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new DatastoreError(
      'settings',
      file,
      `cannot be read (${firstLine(error)})`,
      'run as root, or name the datastore with --datastore-endpoint',
      error,
    );
  }
  const values = await parseConfig(text, file);
  if (typeof values !== 'object' || values === null) return {};
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => {
      const name = key.replace(/\+$/, '').replace(/^--/, '');
      const last = Array.isArray(value) ? value.at(-1) : value;
      return names.includes(name) && ['string', 'number'].includes(typeof last) ? [[name, String(last)]] : [];
    }),
  );
}

/** The first document; a key may stand there twice, and the last one counts. Source: K3s `pkg/configfilearg/parser.go`. */
async function parseConfig(text: string, file: string): Promise<unknown> {
  const { parseDocument } = await import('yaml');
  const refuse = (what: string) => new DatastoreError('settings', file, what, 'mend it; K3s would not start with it');
  let document: ReturnType<typeof parseDocument>;
  try {
    // Looking for equal keys takes the square of their number. The parser's warnings quote the file, as its messages do.
    document = parseDocument(text, { uniqueKeys: false, stringKeys: true, logLevel: 'silent' });
  } catch {
    throw refuse('not YAML: nested too deeply');
  }
  const mistake = document.errors.find(({ code }) => code !== 'MULTIPLE_DOCS');
  if (mistake !== undefined) {
    const line = mistake.linePos?.[0].line;
    throw refuse(`not YAML${line === undefined ? '' : `: line ${line}`}`);
  }
  try {
    return document.toJS();
  } catch {
    throw refuse('not YAML: its aliases do not resolve');
  }
}

/** What the install scripts leave behind for the service. Source: K3s `install.sh`; RKE2 `install.sh`. */
const serviceFiles = {
  k3s: ['/etc/systemd/system/k3s.service', '/etc/init.d/k3s'],
  rke2: ['/etc/systemd/system/rke2-server.service', '/usr/local/lib/systemd/system/rke2-server.service'],
};
const environmentFiles = {
  k3s: ['/etc/systemd/system/k3s.service.env', '/etc/rancher/k3s/k3s.env'],
  rke2: ['/etc/default/rke2-server', '/etc/sysconfig/rke2-server', '/usr/local/lib/systemd/system/rke2-server.env'],
};

type Values = Record<string, string | undefined>;

/** Those of the files that can be read. */
function fileLayers(files: readonly string[], read: (text: string) => Values): [string, Values][] {
  return files.flatMap((file): [string, Values][] => {
    try {
      return [[file, read(readFileSync(file, 'utf8'))]];
    } catch {
      return [];
    }
  });
}

/** The flags of a server in a service's own file: `--name value` or `--name=value`, quoted for a shell or not. */
export function serviceArguments(text: string): Values {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => /^(?:ExecStart|command_args)=./.test(line));
  let next = first + 1;
  while (next < lines.length && (lines[next - 1]?.endsWith('\\') || /^[ \t]/.test(lines[next] ?? ''))) next += 1;
  const command = first < 0 ? '' : lines.slice(first, next).join('\n').replace(/^\w+=/, '');
  const words = [...command.matchAll(/(?:'[^']*'|\\'|[^\s'\\])+/g)].map(([word]) =>
    word.replace(/'([^']*)'|\\'/g, (quoted, inner) => inner ?? quoted.slice(1)).replace(/^"|"$/g, ''),
  );
  const values: Values = {};
  for (const [index, word] of words.entries()) {
    const [, name = '', value = words[index + 1]] = /^--?([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (names.includes(name)) values[name] = value;
  }
  return values;
}

function environmentOf(text: string): Values {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [, name, value = ''] = /^\s*([A-Z0-9_]+)=(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, value.trim().replace(/^(['"])(.*)\1$/, '$2')]];
    }),
  );
}
