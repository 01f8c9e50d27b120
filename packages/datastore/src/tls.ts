import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DatastoreError, readFailure } from './error.ts';

/** Files of a TLS connection, as K3s's `--datastore-cafile`, `--datastore-certfile`, `--datastore-keyfile` name them. */
export interface TlsFiles {
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

/** Their contents, PEM. */
export interface Tls {
  readonly ca: Buffer | undefined;
  readonly certificate: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly files: TlsFiles;
}

/** Reads the files; undefined when none is named. Throws DatastoreError `settings`. */
export function readTls(files: TlsFiles): Tls | undefined {
  const { caFile, certFile, keyFile } = files;
  if (caFile === undefined && certFile === undefined && keyFile === undefined) return undefined;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [there, missing] = certFile === undefined ? [keyFile, 'certificate'] : [certFile, 'key'];
    throw new DatastoreError(
      'settings',
      there ?? '',
      `half a client certificate: no ${missing} is named`,
      'name both: --datastore-certfile and --datastore-keyfile',
    );
  }
  return { ca: read(caFile), certificate: read(certFile), key: read(keyFile), files };
}

/** What is wrong with the client certificate by itself, for a connection that the server refused; servers rarely say. */
function clientCertificateFlaw({ certificate, key, files }: Tls, now: number): string | undefined {
  if (certificate === undefined || key === undefined) return undefined;
  try {
    const parsed = new X509Certificate(certificate);
    if (Date.parse(parsed.validTo) < now)
      return `the client certificate ${files.certFile} has expired (${parsed.validTo})`;
    if (Date.parse(parsed.validFrom) > now) {
      return `the client certificate ${files.certFile} is not valid yet (${parsed.validFrom})`;
    }
    if (!parsed.checkPrivateKey(createPrivateKey(key))) {
      return `${files.keyFile} is not the key of the client certificate ${files.certFile}`;
    }
    return undefined;
  } catch {
    return `the client certificate ${files.certFile} or its key ${files.keyFile} cannot be read`;
  }
}

/** The failure of a connection whose client certificate is at fault by itself; undefined when it is not. */
export function certificateFailure(
  where: string,
  tls: Tls | undefined,
  now: number,
  cause: unknown,
): DatastoreError | undefined {
  const flaw = tls && clientCertificateFlaw(tls, now);
  const mend = 'renew it, or name another with --datastore-certfile and --datastore-keyfile';
  return flaw === undefined ? undefined : new DatastoreError('tls', where, flaw, mend, cause);
}

function read(file: string | undefined): Buffer | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file);
  } catch (error) {
    const mend = 'it is named for the TLS connection to the datastore';
    throw new DatastoreError('settings', file, readFailure(error), mend, error);
  }
}
