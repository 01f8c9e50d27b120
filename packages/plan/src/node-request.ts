import { isIP } from 'node:net';
import type { CertificateRequest, LeafRow } from '@k3s-pki/core';
import { type LeafProfile, leafKeyUsage } from '@k3s-pki/k3s';
import type { RowProblem } from './node-rows.ts';

/**
 * Everything that a request asks for beyond what its leaf will hold. The leaf's names and usages come from the profile
 * and the row, never from the request; a request that asks for more is refused all the same, because whoever made it
 * would not get what he expects, or means harm. K3s's own agents send requests without any name.
 */
export function requestProblems(request: CertificateRequest, granted: LeafRow, profile: LeafProfile): RowProblem[] {
  const asked: string[] = [];
  const beyond = (
    kind: string,
    values: readonly string[],
    allowed: readonly string[],
    same = (text: string) => text,
  ) => {
    const known = new Set(allowed.map(same));
    for (const value of values) if (!known.has(same(value))) asked.push(`${kind}${value}`);
  };
  beyond('CN=', request.commonNames, [granted.commonName]);
  beyond('O=', request.organizations, granted.organizations);
  beyond('DNS:', request.dns, granted.dns, (name) => name.toLowerCase());
  beyond('IP:', request.ip, granted.ip, canonical);
  beyond('', request.keyUsage, leafKeyUsage);
  beyond('', request.extendedKeyUsage, profile.extendedKeyUsage);
  if (request.ca) asked.push('to be a CA');
  asked.push(...request.other);
  const problems: RowProblem[] = asked.map((what) => ({
    code: 'request-beyond',
    values: { what, profile: profile.name },
  }));
  const { algorithm, bits } = request.key;
  if (algorithm === 'rsa' && bits < 2048) problems.push({ code: 'request-weak-key', values: { bits } });
  return problems;
}

/** One text for an address however it is written. Source: RFC 5952, as URL parsers write it. */
function canonical(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]/`).hostname : address;
}
