import { createHash, X509Certificate } from 'node:crypto';
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cluster, password } from './bootstrap-cluster.ts';
import { blocks } from './program.ts';

/** A server in order: its token carries the CA hash, the secret files are closed. */
export async function healthy(records?: Parameters<typeof cluster>[0], place?: string): Promise<string> {
  const { dir } = await cluster(records, place);
  writeFileSync(join(dir, 'server/token'), `K10${rootHash(dir)}::server:${password}\n`);
  chmodSync(join(dir, 'server/token'), 0o600);
  symlinkSync(join(dir, 'server/token'), join(dir, 'server/node-token'));
  return dir;
}

/** SHA-256 of the root's DER, which a token of custom CAs carries. */
export function rootHash(dir: string): string {
  const root = blocks(readFileSync(join(dir, 'server/tls/server-ca.crt'), 'utf8')).at(-1) ?? '';
  return createHash('sha256').update(new X509Certificate(root).raw).digest('hex');
}
