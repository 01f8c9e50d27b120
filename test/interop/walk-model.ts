import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesOf } from '../cli/leaf-data-dir.ts';
import type { WalkVerdict } from './walk-judge.ts';

/** Everything below a data dir, by path: as `tree` of test/cli/program.ts. */
export type Tree = Readonly<Record<string, string>>;

export const services = Object.keys(filesOf);
export const caNames = ['client', 'server', 'request-header', 'etcd/peer', 'etcd/server'] as const;
const tls = 'server/tls';
const marker = `${tls}/dynamic-cert-regenerate`;
const emptyFile = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export function leavesOf(chosen: readonly string[]): string[] {
  return (chosen.length === 0 ? services : chosen).flatMap((service) => filesOf[service] ?? []);
}

/** CAs or the service account key that no start comes up on; a missing one of a used data dir comes from the datastore. */
export function unfit({ cas, serviceKey }: WalkVerdict): string[] {
  const broken = cas.filter(({ ok, failure }) => !ok && failure !== 'absent' && failure !== 'half-pair');
  const key = serviceKey.ok || serviceKey.failure === 'absent' ? [] : ['service.key'];
  return [...broken.map(({ name, failure }) => `${name}: ${failure}`), ...key];
}

/** Whether a bundle in place is of a chain that somebody else keeps the upper keys of, so that
 *  rotate-default-ca-certs must refuse. Source: K3s `contrib/util/rotate-default-ca-certs.sh`. */
export function areCustom(dir: string): boolean {
  const count = (path: string, what: RegExp) => {
    const file = join(dir, tls, path);
    return existsSync(file) ? (readFileSync(file, 'utf8').match(what) ?? []).length : 0;
  };
  return caNames.some(
    (ca) => count(`${ca}-ca.crt`, /BEGIN CERTIFICATE/g) > 1 && count(`${ca}-ca.key`, /BEGIN [A-Z ]*PRIVATE KEY/g) < 2,
  );
}

/** The whole tree after `certificate rotate`, but for modes of keys in the backup, which are 0600. */
export function afterRotation(before: Tree, chosen: readonly string[], at: number): Tree {
  const gone = leavesOf(chosen).filter((path) => path in before);
  const orders = (chosen.length === 0 || chosen.includes('k3s-server')) && !(marker in before) && tls in before;
  if (gone.length === 0 && !orders) return before;
  const rest = Object.entries(before).filter(([path]) => !gone.includes(path));
  return {
    ...Object.fromEntries(rest),
    ...(orders ? { [marker]: `0600 ${emptyFile}` } : {}),
    ...backupOf(before, gone, at),
  };
}

/** The backup of `server/tls` and of the agent's files among `changed`. */
export function backupOf(before: Tree, changed: readonly string[], at: number): Tree {
  const backup = freeName(before, at);
  const agent = changed.filter((path) => path.startsWith('agent/') && path in before);
  const copies = Object.entries(before).flatMap(([path, entry]) =>
    path === tls || path.startsWith(`${tls}/`)
      ? [[backup + path.slice(tls.length), privately(path, entry)] as const]
      : [],
  );
  return {
    ...Object.fromEntries(copies),
    ...(agent.length > 0 ? { [`${backup}/agent`]: '0700 /' } : {}),
    ...Object.fromEntries(agent.map((path) => [`${backup}/${path}`, privately(path, before[path] ?? '')])),
  };
}

export function freeName(before: Tree, at: number): string {
  for (let time = at; ; time++) if (!(`server/tls-${time}` in before)) return `server/tls-${time}`;
}

function privately(path: string, entry: string): string {
  return /\.(key|json)$/.test(path) ? entry.replace(/^\d{4} (?!\/)/, '0600 ') : entry;
}

/** The file of a backup of ours that stands for a file in place. */
export function savedAs(backup: string, path: string): string {
  return path.startsWith('agent/') ? `${backup}/${path}` : backup + path.slice(tls.length);
}

/** Why `certificate restore` has to refuse, by what OpenSSL in Node makes of the files; empty when it has to be done. */
export function restoreObstacles(
  dir: string,
  before: Tree,
  backup: string,
  chosen: readonly string[],
  force: boolean,
  verdict: WalkVerdict,
): Set<string> {
  const found = new Set<string>();
  if (!(backup in before)) return found.add('no-backup');
  const read = (path: string) => readFileSync(join(dir, path), 'utf8');
  let any = chosen.length === 0 || chosen.includes('k3s-server');
  for (const path of leavesOf(chosen)) {
    const saved = savedAs(backup, path);
    if (!(saved in before)) continue;
    any = true;
    if (publicKeyOf(read(saved), path) === undefined) found.add('broken-file');
    const key = saved.replace(/crt$/, 'key');
    if (force || !saved.endsWith('.crt') || !(key in before)) continue;
    const pair = [publicKeyOf(read(saved), path), publicKeyOf(read(key), key)];
    if (pair[0] !== undefined && pair[1] !== undefined && pair[0] !== pair[1]) found.add('pair-mismatch');
  }
  if (!any) found.add('nothing-to-restore');
  const differs = differingCas(dir, before, backup);
  if (differs.length > 0 && !force) found.add('ca-differs');
  for (const ca of caNames) {
    const halves = [`${ca}-ca.crt`, `${ca}-ca.key`];
    const saved = halves.filter((name) => `${backup}/${name}` in before);
    const stays = halves.every((name) => `${tls}/${name}` in before) && !differs.includes(ca);
    if (saved.length < 2 || stays) continue;
    if (saved.some((name) => publicKeyOf(read(`${backup}/${name}`), name) === undefined)) found.add('broken-file');
  }
  if (found.size === 0 && !force && unfit(verdict).length > 0) found.add('cas-unfit');
  return found;
}

/** The CAs of a backup, both halves there, of which a half in place says something else. */
export function differingCas(dir: string, before: Tree, backup: string): string[] {
  const read = (path: string) => readFileSync(join(dir, path), 'utf8');
  return caNames.filter((ca) => {
    const [bundle, key] = [`${ca}-ca.crt`, `${ca}-ca.key`] as const;
    if (!(`${backup}/${bundle}` in before && `${backup}/${key}` in before)) return false;
    const bundleDiffers =
      `${tls}/${bundle}` in before &&
      certificates(read(`${tls}/${bundle}`)) !== certificates(read(`${backup}/${bundle}`));
    const keyDiffers =
      `${tls}/${key}` in before &&
      publicKeyOf(read(`${tls}/${key}`), key) !== publicKeyOf(read(`${backup}/${key}`), key);
    return bundleDiffers || keyDiffers;
  });
}

/** The whole tree after `certificate restore`: pairs whole, missing CAs and those that `replaced` names back, the rest
 *  untouched, and a backup of what stood there. */
export function afterRestore(
  before: Tree,
  backup: string,
  chosen: readonly string[],
  replaced: readonly string[],
  at: number,
): Tree {
  const expected: Record<string, string | undefined> = { ...before };
  const take = (path: string, saved: string) => {
    expected[path] = privately(path, before[saved] ?? '');
  };
  for (const path of leavesOf(chosen)) {
    const saved = savedAs(backup, path);
    const other = path.endsWith('.crt') ? path.replace(/crt$/, 'key') : path.replace(/key$/, 'crt');
    if (saved in before) take(path, saved);
    else if (leavesOf(chosen).includes(other) && savedAs(backup, other) in before) expected[path] = undefined;
  }
  if (chosen.length === 0 || chosen.includes('k3s-server')) {
    expected[marker] = undefined;
    const listener = `${backup}/dynamic-cert.json`;
    if (listener in before) take(`${tls}/dynamic-cert.json`, listener);
  }
  for (const ca of caNames) {
    const halves = [`${ca}-ca.crt`, `${ca}-ca.key`];
    if (!halves.every((name) => `${backup}/${name}` in before)) continue;
    const missing = halves.some((name) => !(`${tls}/${name}` in before));
    if (!missing && !replaced.includes(ca)) continue;
    for (const name of halves) take(`${tls}/${name}`, `${backup}/${name}`);
  }
  if (!(`${tls}/service.key` in before) && `${backup}/service.key` in before) {
    take(`${tls}/service.key`, `${backup}/service.key`);
  }
  const changed = Object.keys(expected).filter((path) => expected[path] !== before[path]);
  const saved = changed.length === 0 ? {} : backupOf(before, changed, at);
  return Object.fromEntries(
    Object.entries({ ...expected, ...saved }).flatMap(([path, entry]) => (entry === undefined ? [] : [[path, entry]])),
  );
}

/** SPKI of a leaf file's certificate or key in base64; undefined for what OpenSSL can't read. */
function publicKeyOf(pem: string, path: string): string | undefined {
  try {
    const key = path.endsWith('.crt') ? new X509Certificate(pem).publicKey : createPublicKey(createPrivateKey(pem));
    return key.export({ type: 'spki', format: 'der' }).toString('base64');
  } catch {
    return undefined;
  }
}

function certificates(pem: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.join('');
}
