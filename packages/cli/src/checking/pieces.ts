import { basename, dirname, resolve } from 'node:path';
import type { CheckProblem } from '@k3s-pki/plan';
import { isKubeconfigFile } from './walk.ts';

/** What a file holds: PEM as it stands, or taken out of a kubeconfig or Secret; and the files that a kubeconfig names. */
export interface Pieces {
  readonly pieces: readonly Piece[];
  readonly references: readonly string[];
}

export type Piece = { readonly part?: string } & (
  | { readonly pem: Uint8Array; readonly problem?: undefined }
  | { readonly problem: CheckProblem }
);

/** Takes a file apart. `undefined` for one that is no kind of file that is looked into: YAML that is no kubeconfig. */
export async function takeApart(path: string, bytes: Uint8Array): Promise<Pieces | undefined> {
  const name = basename(path);
  // `{`: what kubectl get secret -o json prints.
  if (name.endsWith('.json') || bytes[0] === 0x7b) return { pieces: [secretPiece(bytes)], references: [] };
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (text.includes('-----BEGIN ')) return { pieces: [{ pem: bytes }], references: [] };
  if (isKubeconfigFile(name) || text.includes('certificate-authority') || text.includes('client-certificate')) {
    return kubeconfigPieces(path, text);
  }
  // A SEQUENCE of some hundred bytes: DER, which K3s does not read, but openssl x509 -outform der writes.
  if (bytes[0] === 0x30 && bytes[1] === 0x82) {
    return { pieces: [{ part: 'DER', pem: pemOf(bytes) }], references: [] };
  }
  return { pieces: [{ pem: bytes }], references: [] };
}

/** PEM of a DER certificate. */
export function pemOf(der: Uint8Array): Uint8Array {
  const base64 = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n');
  return Buffer.from(`-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`);
}

/** The certificate of a Secret of type kubernetes.io/tls. Source: dynamiclistener `storage/file`. */
function secretPiece(bytes: Uint8Array): Piece {
  try {
    const secret: unknown = JSON.parse(Buffer.from(bytes).toString());
    const certificate = member(member(secret, 'data'), 'tls.crt');
    if (typeof certificate === 'string') return { part: 'tls.crt', pem: Buffer.from(certificate, 'base64') };
  } catch {
    // Not JSON, as below.
  }
  return { problem: { code: 'bad-secret', values: {} } };
}

const sections = [
  ['clusters', 'cluster', 'certificate-authority'],
  ['users', 'user', 'client-certificate'],
] as const;

/** Source: Kubernetes `client-go/tools/clientcmd/api/v1`; relative paths start at the kubeconfig's folder. */
async function kubeconfigPieces(path: string, text: Buffer): Promise<Pieces | undefined> {
  const looksLikeOne = /certificate-authority|client-certificate|kind:\s*"?Config\b/.test(text.toString('latin1'));
  if (!looksLikeOne && !path.endsWith('.kubeconfig')) return undefined;
  // Loaded when it is asked for: start-up is most of a short command's time.
  const { parseDocument } = await import('yaml');
  let document: ReturnType<typeof parseDocument>;
  try {
    // Looking for equal keys takes the square of their number; kubectl takes a key twice.
    document = parseDocument(text.toString(), { uniqueKeys: false, stringKeys: true, logLevel: 'silent' });
  } catch {
    return problem('nested too deeply');
  }
  const [error] = document.errors;
  if (error !== undefined) {
    // Not its message: that may quote the file, which holds private keys.
    const what = error.code.toLowerCase().replaceAll('_', ' ');
    const line = error.linePos?.[0].line;
    return problem(line === undefined ? what : `line ${line}: ${what}`);
  }
  let config: unknown;
  try {
    config = document.toJS();
  } catch {
    return problem('its aliases do not resolve');
  }
  if (member(config, 'kind') !== 'Config')
    return path.endsWith('.kubeconfig') ? problem('its kind is not Config') : undefined;
  const pieces: Piece[] = [];
  const references: string[] = [];
  for (const [list, inner, key] of sections) {
    const entries = member(config, list);
    for (const entry of Array.isArray(entries) ? entries : []) {
      const fields = member(entry, inner);
      const name = member(entry, 'name');
      const part = `${list}/${['string', 'number'].includes(typeof name) ? name : ''}/${key}`;
      const [data, file] = [member(fields, `${key}-data`), member(fields, key)];
      if (typeof data === 'string' && data !== '') {
        pieces.push({ part: `${part}-data`, pem: Buffer.from(data, 'base64') });
      } else if (typeof file === 'string' && file !== '') references.push(resolve(dirname(path), file));
    }
  }
  return { pieces, references };
}

function problem(reason: string): Pieces {
  return { pieces: [{ problem: { code: 'bad-kubeconfig', values: { reason } } }], references: [] };
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
