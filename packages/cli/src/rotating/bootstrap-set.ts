import type { Core } from '@k3s-pki/core';
import { type BootstrapData, type FileSet, type PemFile, rotationFields } from '@k3s-pki/k3s';

/** The files of opened bootstrap data, with the times that K3s stored. Paths are relative to a data dir. */
export function bootstrapSet(data: BootstrapData, core: Core): FileSet {
  const known = new Map<string, PemFile>();
  for (const { field, file } of rotationFields) {
    const found = data.files.get(field);
    if (found === undefined || found.content.length === 0) continue;
    const modified = Date.parse(found.timestamp ?? '') / 1000;
    known.set(file, {
      bytes: found.content,
      blocks: core.inspect(found.content),
      ...(Number.isNaN(modified) ? {} : { modified }),
    });
  }
  return (path) => known.get(path);
}
