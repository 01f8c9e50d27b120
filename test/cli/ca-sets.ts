import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateSpec, Core, KeyType } from '@k3s-pki/core';
import { authorities, caPaths, daySeconds, type Made } from './authorities.ts';
import { folder, put } from './program.ts';

/** A CA's bundle and key file. */
export interface Pair {
  readonly crt: string;
  readonly key: string;
}
export type CaPath = (typeof caPaths)[number];

/** The kinds of sets that K3s's documentation draws, made with the core; a set is a folder with `tls` in it. */
export function caSets(core: Core, now: number) {
  const { make, freshKey, pem, keyPem } = authorities(core, now);
  const years = (count: number): Partial<CertificateSpec> => ({ notAfter: now + count * 365 * daySeconds });
  const name = (path: CaPath) => `k3s-${path.replace('/', '-')}`;
  const pair = (made: Made, ...rest: readonly Made[]): Pair => ({ crt: pem(made, ...rest), key: keyPem(made) });

  /** A CA as K3s makes it itself. */
  const selfSigned = (path: CaPath) =>
    make(`${name(path)}@1700000000`, undefined, { ...years(7), authorityKeyId: false });
  /** As `rotate-default-ca-certs` makes it after `former`. */
  const crossSigned = async (path: CaPath, former: Made): Promise<Pair> => {
    const root = await make(`${name(path)}-root@1790000000`, undefined, years(20));
    const crossed = await make(`${name(path)}-root@1790000000`, former, years(20), root.key);
    const ca = await make(`${name(path)}@1790000000`, root, years(20));
    return { crt: pem(ca, root, crossed, former), key: keyPem(ca) + keyPem(root) };
  };
  /** The same once more after `crossSigned`: the CA and root in between stay, for what they have signed. */
  const crossSignedTwice = async (path: CaPath): Promise<Pair> => {
    const first = await selfSigned(path);
    const label = name(path);
    const between = await make(`${label}-root@1790000000`, undefined, years(20));
    const betweenCrossed = await make(`${label}-root@1790000000`, first, years(7), between.key);
    const former = await make(`${label}@1790000000`, between, years(20));
    const root = await make(`${label}-root@1795000000`, undefined, years(20));
    const crossed = await make(`${label}-root@1795000000`, between, years(20), root.key);
    const ca = await make(`${label}@1795000000`, root, years(20));
    return { crt: pem(ca, root, crossed, between, betweenCrossed, first, former), key: keyPem(ca) + keyPem(root) };
  };
  const authority = async (label = 'test') => {
    const root = await make(`${label}-root`, undefined, years(20));
    return { root, intermediate: await make(`${label}-intermediate`, root, years(10)) };
  };
  const below = async (
    { root, intermediate }: { root: Made; intermediate: Made },
    path: CaPath,
    changes: Partial<CertificateSpec> = {},
  ): Promise<Pair> => pair(await make(name(path), intermediate, { ...years(5), ...changes }), intermediate, root);

  /** Writes pairs and service account keys; answers the folder. */
  const written = async (pairOf: (path: CaPath) => Promise<Pair | undefined>, serviceKey?: string): Promise<string> => {
    const place = folder();
    for (const path of caPaths) {
      const made = await pairOf(path);
      if (made === undefined) continue;
      put(place, { [`tls/${path}.crt`]: made.crt, [`tls/${path}.key`]: made.key });
    }
    if (serviceKey !== undefined) put(place, { 'tls/service.key': serviceKey });
    return place;
  };
  const serviceKey = async (type: KeyType = 'ec:p256') => keyPem({ key: await freshKey(type) });
  const replace = (place: string, file: string, content: string) =>
    writeFileSync(join(place, 'tls', file), content, { mode: file.endsWith('.key') ? 0o600 : 0o644 });

  return {
    make,
    freshKey,
    pem,
    keyPem,
    pair,
    years,
    name,
    selfSigned,
    crossSigned,
    crossSignedTwice,
    authority,
    below,
    written,
    serviceKey,
    replace,
  };
}
