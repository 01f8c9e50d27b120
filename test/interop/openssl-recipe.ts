import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { OpenSsl, Verdict } from './judge.ts';

/** The shell script itself, for whoever wants to time it. */
export const recipeScript: string = join(import.meta.dirname, 'openssl-recipe.sh');

/** The same of K3s's rotate-default-ca-certs, as `runRotationRecipe` runs it. */
const rotationScript = join(import.meta.dirname, 'rotation-recipe.sh');

/** The five leaf CAs, as paths below `tls` without their suffix. */
export const leafCas = ['client-ca', 'server-ca', 'request-header-ca', 'etcd/peer-ca', 'etcd/server-ca'] as const;

/** Runs the OpenSSL recipe of K3s's script. Files that stand in `dataDir` or in its `server/tls` are taken as the
 *  script takes them. It exits with 1 when a key is missing. */
export function runRecipe(dataDir: string, product = 'k3s'): Verdict {
  return runScript(recipeScript, dataDir, product);
}

/** Runs the OpenSSL recipe of K3s's rotation on the CAs in `dataDir`: the set is in its `server/rotate-ca/tls`. */
export function runRotationRecipe(dataDir: string, product = 'k3s'): Verdict {
  return runScript(rotationScript, dataDir, product);
}

function runScript(script: string, dataDir: string, product: string): Verdict {
  const result = spawnSync('sh', [script], {
    encoding: 'utf8',
    env: { ...process.env, DATA_DIR: dataDir, PRODUCT: product },
  });
  if (result.error) throw result.error;
  return { status: result.status ?? 1, stdout: result.stdout, stderr: result.stderr };
}

/** `openssl x509 -text` of the first certificate of a file, without what two runs can't have in common: see
 *  `normalizeText`. Two certificates of the same profile give equal strings. */
export function normalizedText(judge: OpenSsl, file: string): string {
  return normalizeText(judge.ok(['x509', '-in', file, '-noout', '-text']));
}

/** Replaces serial, dates, timestamps in names (`@` and digits), public key bytes, key identifiers' values and
 *  signature bytes by words. Everything else stays: version, algorithms, key sizes, the RSA exponent, names, the order,
 *  criticality and values of the extensions. Versions 1.1.1 and 3 of OpenSSL give the same. */
export function normalizeText(text: string): string {
  const kept: string[] = [];
  for (const line of text.split('\n')) {
    // Only serial, key, key identifiers and signature are printed as octets.
    if (/^\s+([0-9a-f]{2}:?)+$/i.test(line)) {
      if (kept.at(-1)?.trim() !== 'OCTETS') kept.push(`${/^\s*/.exec(line)?.[0]}OCTETS`);
      continue;
    }
    kept.push(
      line
        .trimEnd()
        .replace(/^(\s+Serial Number:).*/, '$1 SERIAL')
        .replace(/^(\s+Not (?:Before|After) ?:).*/, '$1 DATE')
        .replace(/^(\s+)keyid:([0-9A-F]{2}:?)+$/, '$1OCTETS')
        .replace(/@\d+/g, '@TIME'),
    );
  }
  return (
    kept
      .join('\n')
      // Serials of 64 bits stand on the line itself or on the next, as their size is.
      .replace(/(Serial Number: SERIAL)\n\s+OCTETS/, '$1')
      .replace(
        /( +)Signature Algorithm: (.*)\n\s+(?:Signature Value:\n\s+)?OCTETS/,
        '$1Signature Algorithm: $2\n$1OCTETS',
      )
      .replace(/RSA Public-Key: \(/, 'Public-Key: (')
      .trimEnd()
  );
}

/** The DER structure of the first certificate of a file by `openssl asn1parse`: depth, type, object identifiers,
 *  strings, booleans; not serial, times, keys, key identifiers' values and signature. Shows what `-text` does
 *  not: string types, default values that should be absent, the bytes of the extensions. */
export function normalizedStructure(judge: OpenSsl, file: string): string {
  const lines = judge.ok(['x509', '-in', file, '-outform', 'DER'], { binary: true });
  const parsed = judge.ok(['asn1parse', '-inform', 'DER'], { stdin: Buffer.from(lines, 'latin1') });
  let extension = '';
  return parsed
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [, depth, kind, value = ''] = /^\s*\d+:d=(\d+)\s.*?(?:prim|cons): (.*?)\s*(?::(.*))?$/.exec(line) ?? [];
      if (depth === undefined || kind === undefined) throw new Error(`asn1parse printed an unknown line: ${line}`);
      if (kind === 'OBJECT') extension = value;
      const varies =
        kind.endsWith('TIME') ||
        (kind === 'INTEGER' && value.length > 2) ||
        (kind.startsWith('OCTET STRING') && extension.endsWith('Key Identifier'));
      return `${depth} ${kind} ${varies ? 'VALUE' : value.replace(/@\d+/g, '@TIME')}`.trimEnd();
    })
    .join('\n');
}
