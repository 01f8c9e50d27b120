import type { KeyType } from '@k3s-pki/core';
import { isDnsName } from '@k3s-pki/plan';
import { cascade, isEnum, isInInclusiveRange, isInteger, isNumber, makeValidator } from 'typanion';
import { isKeyType } from './key-type.ts';

export { isKeyType };

/** A key that the API server signs tokens with: RSA or EC. Source: Kubernetes `pkg/serviceaccount/jwt.go`. */
export const isServiceKeyType = cascade(
  isKeyType,
  makeValidator<KeyType, KeyType>({
    test: (value, state): value is KeyType => {
      if (value !== 'ed25519') return true;
      state?.errors?.push(
        `${state.p ?? '.'}: Expected rsa:2048 to rsa:8192, ec:p256, ec:p384 or ec:p521; the API server does not sign with Ed25519`,
      );
      return false;
    },
  }),
);

/** A domain of DNS, such as a cluster's. */
export const isDomain = makeValidator<unknown, string>({
  test: (value, state): value is string => {
    if (typeof value === 'string' && isDnsName(value)) return true;
    state?.errors?.push(`${state.p ?? '.'}: Expected a DNS domain (got ${JSON.stringify(value)})`);
    return false;
  },
});

/** A lifetime. The bound keeps notAfter within four-digit years. */
export const isDays = cascade(isNumber(), isInteger(), isInInclusiveRange(1, 36_500));

export const isPathLength = cascade(isNumber(), isInteger(), isInInclusiveRange(0, 10));

/** A number of nodes, keys or parts. The bound keeps ordinals within 32 bits. */
export const isCount = cascade(isNumber(), isInteger(), isInInclusiveRange(1, 1_000_000_000));

export const isWorkers = cascade(isNumber(), isInteger(), isInInclusiveRange(1, 256));

/** How long to wait for an answer, in seconds. */
export const isTimeout = cascade(isNumber(), isInteger(), isInInclusiveRange(1, 3600));

/** The users that K3s knows by a token. Source: K3s `pkg/daemons/control/deps/deps.go`, genUsers. */
export const isTokenUser = isEnum(['server', 'node'] as const);

/** Values of a repeated option, each a list with commas. An empty one stays: it is a mistake, not the absence of a choice. */
export function separated(lists: readonly string[]): string[] {
  return lists.flatMap((list) => list.split(',').map((value) => value.trim()));
}
