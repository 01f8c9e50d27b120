import type { ChainFailure } from '@k3s-pki/core';

/** What K3s's log puts before the failures, without and with --force. */
export const rotationLog = {
  refused: 'failed to validate new CA certificates and keys',
  forced: 'Save of CA certificates and keys forced, ignoring validation errors',
} as const;

/** How Go's error begins; it goes on with times or the candidate that did not fit. */
export function verifyLog(failure: ChainFailure, detail: string): string {
  switch (failure) {
    case 'expired':
    case 'not-yet-valid':
      return 'x509: certificate has expired or is not yet valid: current time';
    case 'path-length':
      return 'x509: too many intermediates for path length constraint';
    case 'incompatible-usage':
      return 'x509: certificate specifies an incompatible key usage';
    case 'name-constraints':
      return 'x509: a root or intermediate certificate is not authorized to sign for this name:';
    case 'unknown-authority':
    case 'bad-signature':
    case 'not-a-ca':
      return 'x509: certificate signed by unknown authority';
    case 'unsupported':
      if (detail.includes('critical extension')) return 'x509: unhandled critical extension';
      return /SHA-1|algorithm/.test(detail) ? 'x509: certificate signed by unknown authority' : 'x509:';
  }
}

/** K3s writes what it was sent into a folder of a random name first; its log names that. */
export function shownByK3s(file: string, set: 'current' | 'proposed'): string {
  return set === 'current' ? file : file.replace('server/', 'server/.rotate-ca-tmp-*/');
}
