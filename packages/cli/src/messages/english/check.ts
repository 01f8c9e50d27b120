import type { FatalReason, Overlooked, RenewalReason } from '@k3s-pki/k3s';
import type { CheckProblem, CheckProblemCode, CheckProblemValues, NextStart } from '@k3s-pki/plan';

type ProblemWords = { [Code in CheckProblemCode]: (values: CheckProblemValues[Code]) => string };

const problemWords: ProblemWords = {
  absent: ({ namedBy }) =>
    namedBy === undefined ? 'there is no such file' : `there is no such file; ${namedBy} names it`,
  unreadable: ({ why }) =>
    ({
      permission: 'no permission to read it; run as the user who owns it, usually root',
      'not-a-file': 'not a regular file',
      'too-large': 'larger than 1 MiB, so not looked into',
      io: 'cannot be read',
    })[why],
  'dangling-link': ({ target }) => `a link to ${target}, which is not there`,
  empty: () => 'the file is empty',
  'broken-block': ({ line, label, reason }) => `line ${line}, ${label}: ${reason.replace(/^line \d+: /, '')}`,
  'no-certificate': ({ holdsKey }) => (holdsKey ? 'holds a key and no certificate' : 'holds no certificate'),
  'bad-kubeconfig': ({ reason }) => `not a kubeconfig: ${reason}`,
  'bad-secret': () => 'not a JSON Secret with a certificate (tls.crt)',
  timeout: ({ seconds }) => `no TLS handshake within ${amount(seconds, 'second')}`,
  connection: ({ code }) => connectionWords[code] ?? `no TLS connection (${code})`,
  'certificate-missing': ({ key }) => `there is no such file, only its key ${key}`,
};

const connectionWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused: nothing listens there',
  ECONNRESET: 'the connection was closed before a certificate came',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the host name cannot be looked up now',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ETIMEDOUT: 'the host does not answer',
  EPROTO: 'it speaks another protocol than TLS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it speaks another protocol than TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it speaks another protocol than TLS',
  ABORTED: 'interrupted',
};

/** Why there is no certificate, in one line. */
export function describeCheckProblem({ code, values }: CheckProblem): string {
  return (problemWords[code] as (values: unknown) => string)(values);
}

const reasonWords: Record<RenewalReason, (days: number) => string> = {
  expired: () => 'it has expired',
  'within-window': (days) => `within ${days} days of its end`,
  'common-name': () => 'its common name is another',
  organizations: () => 'its organizations are others',
  'names-missing': () => 'it lacks names or addresses',
  'authority-key-id': () => 'its CA has another key',
  'certificate-missing': () => 'it is not there',
  'key-missing': () => 'its key is not there',
};

const fatalWords: Record<FatalReason, string> = {
  'ca-key': 'the key of its CA cannot be read',
  'ca-certificate': 'the certificate of its CA cannot be read',
  'ca-key-mismatch': 'key and certificate of its CA do not belong together',
  'key-unusable': 'its key cannot be parsed',
  'key-unreadable': 'its key is no regular file',
  'certificate-unreadable': 'it is no regular file',
};

const overlookedWords: Record<Overlooked, string> = {
  unparsable: 'it cannot be parsed',
  'key-unusable': 'its key cannot be parsed',
  'key-mismatch': 'its key is another',
  'not-yet-valid': 'it is not valid yet',
  'surplus-names': 'it has names that nobody asks for',
  usages: 'its usages are not those that are needed',
  'bad-signature': 'its CA did not sign it',
  'old-chain': 'the chain after it is not that of its CA',
};

/** What K3s does about a file, in one line; `days` is the renewal window. */
export function describeNextStart(next: NextStart, days: number): string {
  switch (next.action) {
    case 'keep':
      return next.overlooked.length === 0 ? 'kept' : `kept, not noticed: ${describeOverlooked(next.overlooked)}`;
    case 'renew':
      return `renewed${next.key === 'new' ? ' with a new key' : ', key kept'}: ${describeReasons(next.reasons, days)}`;
    case 'fatal':
      return `the start fails: ${fatalWords[next.reason]}`;
    case 'fetch':
      return 'fetched anew from the server';
    case 'rewrite':
      return 'written anew';
    case 'never':
      return 'kept; only certificate rotate-ca replaces a CA';
  }
}

/** Why a leaf is made anew, joined by commas. */
export function describeReasons(reasons: readonly RenewalReason[], days: number): string {
  return reasons.map((reason) => reasonWords[reason](days)).join(', ');
}

/** What is wrong with a leaf that K3s keeps, joined by commas. */
export function describeOverlooked(overlooked: readonly Overlooked[]): string {
  return overlooked.map((fault) => overlookedWords[fault]).join(', ');
}

/** `29 days left`, `expired 3 days ago`. */
export function residualText(seconds: number): string {
  return seconds < 0 ? `expired ${duration(-seconds)} ago` : `${duration(seconds)} left`;
}

/** The largest unit of which there are two: `9 years`, `29 days`, `30 hours`. */
export function duration(seconds: number): string {
  const units = [
    [365 * 86_400, 'year'],
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
  ] as const;
  for (const [size, unit] of units) if (seconds >= 2 * size) return amount(Math.floor(seconds / size), unit);
  return amount(Math.floor(seconds), 'second');
}

function amount(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
