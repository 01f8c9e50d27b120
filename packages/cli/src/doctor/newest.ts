import { statSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrapFields, dataDirLeaves, dynamicCert, type Product, tokenFile } from '@k3s-pki/k3s';

/** The file of a data dir that was written last, of those that K3s writes, with its time in seconds since 1970. */
export function newestOf(root: string, product: Product): { file: string; modified: number } | undefined {
  const files = [
    ...bootstrapFields.map(({ file }) => file),
    ...dataDirLeaves(product).flatMap(({ path }) => [`${path}.crt`, `${path}.key`]),
    ...[dynamicCert, tokenFile.server, 'server/db/state.db', 'server/db/state.db-wal'],
  ];
  let newest: { file: string; modified: number } | undefined;
  for (const file of files) {
    const modified = modifiedAt(join(root, file));
    if (modified !== undefined && modified > (newest?.modified ?? 0)) newest = { file, modified };
  }
  return newest;
}

function modifiedAt(path: string): number | undefined {
  try {
    return Math.floor(statSync(path).mtimeMs / 1000);
  } catch {
    return undefined;
  }
}
