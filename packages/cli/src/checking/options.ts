import { renewalDaysOf } from '@k3s-pki/k3s';
import type { FailOn } from '@k3s-pki/plan';
import { cascade, isInInclusiveRange, isInteger, isNumber, makeValidator, type StrictValidator } from 'typanion';
import { type Endpoint, endpointOf } from './endpoints.ts';

/** Endpoints of `--connect`. */
export const isEndpoint: StrictValidator<unknown, Endpoint[]> = read<Endpoint[]>(
  'host:port, such as node-1:6443 or [2001:db8::1]:6443',
  (value) => {
    const texts = Array.isArray(value) ? value : [];
    const endpoints = texts.map((text) => (typeof text === 'string' ? endpointOf(text) : undefined));
    const wrong = endpoints.indexOf(undefined);
    return wrong < 0 ? { value: endpoints.filter((each) => each !== undefined) } : { wrong: texts[wrong] };
  },
);

/** A K3s or RKE2 release, as its renewal window in days. */
export const isRelease: StrictValidator<unknown, number> = read<number>('a release such as v1.33.1+k3s1', (value) => {
  const days = typeof value === 'string' ? renewalDaysOf(value) : undefined;
  return days === undefined ? { wrong: value } : { value: days };
});

/** `warning`, `expired`, or days. */
export const isFailOn: StrictValidator<unknown, FailOn> = read<FailOn>(
  'warning, expired or a number of days',
  (value) => {
    if (value === 'warning' || value === 'expired') return { value };
    const days = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : undefined;
    return days === undefined ? { wrong: value } : { value: { days } };
  },
);

/** `90d` or `90`. */
export const isWithin: StrictValidator<unknown, number> = read<number>('days, such as 90d', (value) => {
  const digits = typeof value === 'string' ? /^(\d{1,5})d?$/.exec(value)?.[1] : undefined;
  return digits === undefined ? { wrong: value } : { value: Number(digits) };
});

export const isSeconds = cascade(isNumber(), isInteger(), isInInclusiveRange(1, 600));

/** A validator that replaces the words of the command line by what they mean. */
function read<T>(
  expected: string,
  meaning: (value: unknown) => { readonly value: T } | { readonly wrong: unknown },
): StrictValidator<unknown, T> {
  return makeValidator<unknown, T>({
    test: (value, state): value is never => {
      const found = meaning(value);
      if ('wrong' in found) {
        state?.errors?.push(`${state.p ?? '.'}: Expected ${expected} (got ${JSON.stringify(found.wrong)})`);
        return false;
      }
      if (state?.coercion !== undefined) {
        state.coercions?.push([state.p ?? '.', state.coercion.bind(null, found.value)]);
      }
      return true;
    },
  }) as StrictValidator<unknown, T>;
}
