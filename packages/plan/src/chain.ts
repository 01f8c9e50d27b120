import type { Certificate } from '@k3s-pki/core';
import { checkSigner, isSelfIssued, whyNotIssuer, type X509 } from './inputs.ts';
import type { Problems } from './problem.ts';

/** A certificate of a chain and the file that it was found in. */
export interface Link {
  readonly certificate: Certificate;
  readonly file: string;
}

/** From the issuing certificate up to a self-signed root: name, key id and signature of every step are checked. */
export function climb(
  signer: Certificate,
  signerFile: string,
  intermediates: readonly Certificate[],
  roots: readonly Certificate[],
  rootFile: string,
  x509: X509,
  problems: Problems,
): Link[] {
  const pool: Link[] = [
    ...intermediates.map((certificate) => ({ certificate, file: signerFile })),
    ...roots.map((certificate) => ({ certificate, file: rootFile })),
  ];
  const chain: Link[] = [{ certificate: signer, file: signerFile }];
  for (let link = chain[0]; link !== undefined; link = chain.at(-1)) {
    const { certificate, file } = link;
    if (isSelfIssued(certificate)) {
      // Old roots signed with SHA-1 are refused as weak; here only a signature that the core can judge counts.
      if (!x509.signatureHolds(certificate, certificate)) {
        problems.error('not-issued-by', file, {
          subject: certificate.subject,
          issuer: certificate.issuer,
          why: 'signature',
          roots: rootFile,
        });
      }
      return chain;
    }
    const used = new Set(chain.map((step) => step.certificate.sha256));
    const verdicts = pool
      .filter((candidate) => !used.has(candidate.certificate.sha256))
      .map((candidate) => ({ candidate, why: whyNotIssuer(certificate, candidate.certificate, x509) }));
    const issuer = verdicts.find(({ why }) => why === undefined)?.candidate;
    if (issuer === undefined) {
      const values = { subject: certificate.subject, issuer: certificate.issuer };
      if (file === rootFile) problems.error('root-not-self-signed', file, values);
      else {
        // The most specific reason: a signature was tried only where name and key id fit.
        const why = (['signature', 'key-id', 'name'] as const).find((reason) =>
          verdicts.some((verdict) => verdict.why === reason),
        );
        problems.error('not-issued-by', file, { ...values, why: why ?? 'name', roots: rootFile });
      }
      return chain;
    }
    chain.push(issuer);
  }
  return chain;
}

/** Checks every certificate of a chain, issuing one first; `below` CA certificates stand under the first. */
export function checkChain(chain: readonly Link[], below: number, x509: X509, now: number, problems: Problems): void {
  let count = below;
  for (const { certificate, file } of chain) {
    checkSigner(certificate, file, count, now, problems);
    // RFC 5280, section 4.2.1.9: self-issued certificates do not count.
    if (!isSelfIssued(certificate)) count += 1;
  }
  const [first, ...issuers] = chain;
  const root = issuers.at(-1) ?? first;
  if (problems.refused || first === undefined || root === undefined) return;
  const result = x509.chains({
    leaf: first.certificate,
    roots: [root.certificate],
    intermediates: issuers.slice(0, -1).map(({ certificate }) => certificate),
    at: now,
  });
  if (!result.ok) {
    problems.error('chain-refused', first.file, { subject: first.certificate.subject, detail: result.detail });
  }
}

/** The certificate that belongs to `key`. Undefined, and noted, when there is none; the first when no key is known. */
export function matchKey(
  certificates: readonly Certificate[],
  key: { readonly spkiSha256: string } | undefined,
  path: string,
  keyPath: string,
  problems: Problems,
): Certificate | undefined {
  const [first] = certificates;
  if (key === undefined || first === undefined) return undefined;
  const match = certificates.find((certificate) => certificate.key.spkiSha256 === key.spkiSha256);
  if (match === undefined) {
    problems.error('key-mismatch', path, { key: keyPath, subject: first.subject, count: certificates.length });
  }
  return match;
}
