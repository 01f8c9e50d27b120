import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenSsl } from '../judge.ts';

export interface TlsPair {
  readonly certificate: string;
  readonly key: string;
}

/** Paths of PEM files for servers on 127.0.0.1 and their clients. */
export interface TlsSet {
  readonly ca: string;
  readonly server: TlsPair;
  /** For `wrong.example` only. */
  readonly elsewhere: TlsPair;
  readonly client: TlsPair;
  /** Who may only read, by name. */
  readonly reader: TlsPair;
  readonly expired: TlsPair;
  readonly expiredServer: TlsPair;
  /** Of another CA. */
  readonly otherCa: string;
  readonly stranger: TlsPair;
}

/** Has OpenSSL make them. Keys are readable by everybody: the servers run as users of their own and check the mode. */
export function issueTls(openssl: OpenSsl, folder: string): TlsSet {
  const past = ['-startdate', '20200101000000Z', '-enddate', '20200201000000Z'];
  const ca = makeCa('ca');
  const other = makeCa('other');
  return {
    ca: ca.certificate,
    server: issue(ca, 'server', 'subjectAltName=IP:127.0.0.1'),
    elsewhere: issue(ca, 'elsewhere', 'subjectAltName=DNS:wrong.example'),
    client: issue(ca, 'client', 'subjectAltName=DNS:client'),
    reader: issue(ca, 'reader', 'subjectAltName=DNS:client'),
    expired: issue(ca, 'expired', 'subjectAltName=DNS:client', past),
    expiredServer: issue(ca, 'expired-server', 'subjectAltName=IP:127.0.0.1', past),
    otherCa: other.certificate,
    stranger: issue(other, 'stranger', 'subjectAltName=DNS:client'),
  };

  function makeCa(name: string): TlsPair {
    const pair = files(name);
    openssl.ok(
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=${name} -keyout ${pair.key} -out ${pair.certificate}`.split(
        ' ',
      ),
    );
    return pair;
  }

  function issue(
    issuer: TlsPair,
    name: string,
    extension: string,
    validity: readonly string[] = ['-days', '30'],
  ): TlsPair {
    const pair = files(name);
    const request = join(folder, `${name}.csr`);
    openssl.ok(
      `req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=${name} -keyout ${pair.key} -out ${request}`.split(
        ' ',
      ),
    );
    const config = join(folder, `${name}.cnf`);
    writeFileSync(join(folder, `${name}.index`), '');
    writeFileSync(
      config,
      `[ca]
default_ca = own
[own]
database = ${join(folder, `${name}.index`)}
new_certs_dir = ${folder}
rand_serial = yes
default_md = sha256
policy = names
x509_extensions = leaf
[names]
commonName = supplied
[leaf]
${extension}
extendedKeyUsage = serverAuth,clientAuth
`,
    );
    openssl.ok(
      `ca -batch -notext -config ${config} -in ${request} -cert ${issuer.certificate} -keyfile ${issuer.key} -out ${pair.certificate}`
        .split(' ')
        .concat(validity),
    );
    return pair;
  }

  function files(name: string): TlsPair {
    return { certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  }
}
