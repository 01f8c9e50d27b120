import { lstatSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Core } from '@k3s-pki/core';
import { dataDirLeaves, dynamicCert, type FoundFile, type Product, tokenFile, tokenFileText } from '@k3s-pki/k3s';
import type { DataDirView, TokenFileSight } from '@k3s-pki/plan';
import { takeApart } from '../checking/pieces.ts';
import { readFile } from '../snapshot.ts';

/** What of a data dir the doctor reads beside its CAs. Contents of keys are overwritten at once. */
export interface DiskSight {
  readonly leaves: DataDirView;
  readonly tokens: { readonly server: TokenFileSight; readonly agent: TokenFileSight; readonly node: TokenFileSight };
  readonly passwd: readonly (readonly string[])[] | undefined;
  readonly modes: ReadonlyMap<string, number>;
  readonly unreadable: ReadonlyMap<string, string>;
}

const credentials = [
  'server/cred/passwd',
  'server/cred/ipsec.psk',
  'server/cred/encryption-config.json',
  'server/cred/encryption-state.json',
];
const nodeToken = 'server/node-token';

/** Reads them; what cannot be read is among `unreadable`. */
export async function readDisk(root: string, product: Product, core: Core): Promise<DiskSight> {
  const leaves = new Map<string, FoundFile>();
  const modes = new Map<string, number>();
  const unreadable = new Map<string, string>();
  const see = (path: string): Uint8Array | 'absent' | 'unreadable' => {
    const read = readFile(join(root, path));
    if (read === 'absent') return 'absent';
    if ('why' in read) {
      unreadable.set(path, read.why);
      return 'unreadable';
    }
    return read.bytes;
  };
  const note = (path: string) => {
    const stat = statSync(join(root, path), { throwIfNoEntry: false });
    if (stat?.isFile()) modes.set(path, stat.mode & 0o7777);
  };
  for (const { path } of dataDirLeaves(product)) {
    for (const file of [`${path}.crt`, `${path}.key`]) {
      const bytes = see(file);
      if (file.endsWith('.key')) attempt(() => note(file));
      if (typeof bytes === 'string') {
        leaves.set(file, bytes);
        continue;
      }
      const blocks = core.inspect(bytes);
      if (file.endsWith('.key')) bytes.fill(0);
      leaves.set(file, { bytes, blocks });
    }
  }
  leaves.set(dynamicCert, await supervisorCertificate(see(dynamicCert), core));
  for (const path of [dynamicCert, tokenFile.server, tokenFile.agent, ...credentials]) attempt(() => note(path));
  const token = (path: string): TokenFileSight => {
    const bytes = see(path);
    if (bytes === 'absent') return { kind: 'absent' };
    if (bytes === 'unreadable') return { kind: 'unreadable', reason: 'it cannot be read' };
    const text = tokenFileText(bytes);
    bytes.fill(0);
    if (text === undefined) return { kind: 'unreadable', reason: 'not a text in UTF-8' };
    const linkTo = linkAt(join(root, path));
    return { kind: 'token', text, ...(linkTo === undefined ? {} : { linkTo }) };
  };
  return {
    leaves: (path) => leaves.get(path) ?? 'absent',
    tokens: { server: token(tokenFile.server), agent: token(tokenFile.agent), node: token(nodeToken) },
    passwd: await passwdRows(see(credentials[0] ?? '')),
    modes,
    unreadable,
  };
}

/** K3s keeps it in a Secret; its chain is what is judged. */
async function supervisorCertificate(bytes: Uint8Array | 'absent' | 'unreadable', core: Core): Promise<FoundFile> {
  if (typeof bytes === 'string') return bytes;
  const [piece] = (await takeApart(dynamicCert, bytes))?.pieces ?? [];
  bytes.fill(0);
  const pem = piece !== undefined && piece.problem === undefined ? piece.pem : new Uint8Array();
  return { bytes: pem, blocks: core.inspect(pem) };
}

async function passwdRows(bytes: Uint8Array | 'absent' | 'unreadable') {
  if (typeof bytes === 'string') return undefined;
  const { default: csv } = await import('papaparse');
  const text = Buffer.from(bytes).toString('utf8');
  bytes.fill(0);
  return csv.parse<string[]>(text, { delimiter: ',', skipEmptyLines: true }).data;
}

function linkAt(path: string): string | undefined {
  return attempt(() => (lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined));
}

function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
