import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Certificate, type CertificateSpec, createCore } from '@k3s-pki/core';
import * as assert from 'uvu/assert';
import { issueLeaves } from './leaf-data-dir.ts';
import { fastKeys, folder, k3sPki } from './program.ts';

let made: string | undefined;

/** A copy of the data dir of a server that runs an agent too: custom CAs, and every leaf, valid for a year. */
export function serverDataDir(): string {
  made ??= makeServerDataDir();
  const dir = folder();
  cpSync(made, dir, { recursive: true });
  return dir;
}

function makeServerDataDir(): string {
  const dir = folder();
  assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', dir, ...fastKeys]).code, 0);
  issueLeaves(dir);
  return dir;
}

/** Puts a leaf at a path of a data dir (without `.crt` and `.key`), with a key of its own: a client of a year, signed by the
 *  CA named `client`, `etcd/peer` and so on, unless `spec` says otherwise. Returns the certificate. */
export async function putLeaf(
  dir: string,
  path: string,
  issuer: string,
  spec: Partial<CertificateSpec>,
): Promise<Certificate> {
  const core = await createCore();
  const tls = join(dir, 'server/tls');
  const now = Math.floor(Date.now() / 1000);
  const issuerKey = core.openKey(readFileSync(join(tls, `${issuer}-ca.key`)));
  const bundle = readFileSync(join(tls, `${issuer}-ca.crt`), 'utf8');
  const [first] = core.inspect(Buffer.from(bundle));
  assert.is(first?.kind, 'certificate');
  const [key] = await core.generateKeys(['ec:p256']);
  if (key === undefined || first?.kind !== 'certificate') throw new Error('no key');
  const certificate = core.issue(
    {
      subject: [['CN', 'someone']],
      notBefore: now - 3600,
      notAfter: now + 365 * 86_400,
      serial: '0badcafe',
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      extendedKeyUsage: ['clientAuth'],
      subjectKeyId: false,
      ...spec,
    },
    key,
    issuerKey,
    first.certificate,
  );
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, `${path}.crt`), core.toPem(certificate) + bundle);
  writeFileSync(join(dir, `${path}.key`), key.toPem(), { mode: 0o600 });
  for (const opened of [key, issuerKey]) opened.wipe();
  return certificate;
}
