import {
  caNames,
  defaultCaPrefix,
  firstStartMode,
  leafBackdate,
  type Product,
  signsOfUse,
  tlsDir,
  tlsFile,
} from '@k3s-pki/k3s';
import { type CaPlan, fileWriter, type Planned } from './ca-plan.ts';
import { deepFreeze } from './freeze.ts';
import { readable } from './inputs.ts';
import { Problems } from './problem.ts';
import type { Snapshot } from './snapshot.ts';

/** Options of `generate-default-ca-certs`, checked one by one. */
export interface DefaultCaOptions {
  readonly product: Product;
  /** Lifetime. */
  readonly days: number;
  /** Where the join token goes, relative to the data dir. A token or password that is there keeps its password. */
  readonly tokenFile?: string;
}

/** What will be made. */
export interface DefaultCaPlan extends CaPlan {
  readonly verb: 'generate-default-ca-certs';
  /** The token file, and whether its password is the one that was there. */
  readonly token?: { readonly file: string; readonly password: 'kept' | 'new' };
}

/** All that K3s would take for its own. */
const ownFiles = [tlsFile.serviceKey, ...caNames.flatMap((ca) => [tlsFile.caBundle(ca), tlsFile.caKey(ca)])];

/** Every path that the snapshot for this plan must look at. */
export function defaultCaFiles({ tokenFile }: Pick<DefaultCaOptions, 'tokenFile'>): string[] {
  return [...ownFiles, ...(tokenFile === undefined ? [] : [tokenFile])];
}

/**
 * Plans the five self-signed CAs and the service account key that K3s makes at its first start. `now` is seconds since
 * 1970. Two differences: the serial is random, where K3s writes 0 against RFC 5280 4.1.2.2 (positive), and the
 * extensions stand in the order of K3s's scripts. Source: K3s `pkg/daemons/control/deps/deps.go`,
 * `createSigningCertKey`; rancher/dynamiclistener `cert/cert.go`, `NewSelfSignedCACert`. `tokenFault`: what is
 * wrong with the text of the token file, which is a secret and not in the snapshot.
 */
export function planDefaultCas(
  options: DefaultCaOptions,
  snapshot: Snapshot,
  now: number,
  tokenFault: string | undefined,
): Planned<DefaultCaPlan> {
  const problems = new Problems();
  const { tokenFile } = options;
  const present = ownFiles.filter((path) => snapshot.files.has(path));
  if (snapshot.inUse.length > 0) problems.error('started-already', '', { signs: snapshot.inUse });
  // In a data dir in use they are the server's, and nobody should be told to remove them.
  else if (present.length > 0) problems.error('made-already', tlsDir, { files: present });
  const token = tokenFile === undefined ? undefined : planToken(tokenFile, tokenFault, snapshot, problems);
  if (problems.refused) return { ok: false, problems: problems.list };
  const write = fileWriter(snapshot, firstStartMode);
  const notBefore = now - leafBackdate;
  const plan: DefaultCaPlan = {
    verb: 'generate-default-ca-certs',
    product: options.product,
    timestamp: now,
    uses: [],
    keys: [{ id: 'service', type: 'rsa:2048' }, ...caNames.map((id) => ({ id, type: 'ec:p256' }) as const)],
    certificates: caNames.map((id) => ({
      id,
      commonName: `${defaultCaPrefix(id, options.product)}-ca@${now}`,
      issuer: { kind: 'self' },
      notBefore,
      notAfter: notBefore + options.days * 86_400,
      authorityKeyId: false,
    })),
    directories: [
      { path: '.', mode: firstStartMode.dataDir },
      { path: 'server', mode: firstStartMode.directory },
      { path: tlsDir, mode: firstStartMode.directory },
      // dynamiclistener makes the folder of a certificate that it writes, with this mode.
      { path: `${tlsDir}/etcd`, mode: firstStartMode.dataDir },
      ...foldersOf(tokenFile).map((path) => ({ path, mode: firstStartMode.directory })),
    ],
    files: [
      write(tlsFile.serviceKey, [{ kind: 'new-key', id: 'service' }]),
      ...caNames.flatMap((ca) => [
        write(tlsFile.caKey(ca), [{ kind: 'new-key', id: ca }]),
        write(tlsFile.caBundle(ca), [{ kind: 'new-certificate', id: ca }]),
      ]),
      ...(token === undefined
        ? []
        : [
            write(
              token.file,
              [
                {
                  kind: 'token',
                  bundle: tlsFile.caBundle('server'),
                  ...(token.password === 'kept' ? { file: token.file } : {}),
                },
              ],
              true,
            ),
          ]),
    ],
    ...(token === undefined ? {} : { token }),
    warnings: problems.list,
  };
  return { ok: true, plan: deepFreeze(plan) };
}

function planToken(
  file: string,
  fault: string | undefined,
  snapshot: Snapshot,
  problems: Problems,
): NonNullable<DefaultCaPlan['token']> {
  if (signsOfUse.some((sign) => file === sign || file.startsWith(`${sign}/`))) {
    problems.error('token-file-of-server', file, {});
  }
  if (!snapshot.files.has(file)) return { file, password: 'new' };
  if (readable(snapshot, file, problems) !== undefined && fault !== undefined) {
    problems.error('bad-token', file, { fault });
  }
  return { file, password: 'kept' };
}

/** The folders of a file inside the data dir that may be absent. */
function foldersOf(file: string | undefined): string[] {
  const parts = file === undefined || file.startsWith('../') ? [] : file.split('/').slice(0, -1);
  const folders = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
  return folders.filter((folder) => folder !== 'server' && folder !== tlsDir && folder !== `${tlsDir}/etcd`);
}
