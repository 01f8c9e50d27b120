import { type CaName, hyphenated } from './layout.ts';
import type { Product } from './product.ts';

/** Lifetime in days of the CAs that K3s makes itself. Source: rancher/dynamiclistener `cert/cert.go`,
 *  NewSelfSignedCACert: ten times 365 days. */
export const defaultCaDays = 3650;

/** The variable with which patched builds replace the ten years. dynamiclistener up to v0.10.1 does not read it. */
export const defaultCaYearsVariable = 'CATTLE_NEW_SIGNED_CA_EXPIRATION_YEARS';

/** Lifetime in days under an environment; `ignored` is a value that is no number of years from 1 to 100. */
export function defaultCaDaysFrom(value: string | undefined): { readonly days: number; readonly ignored?: string } {
  if (value === undefined || value === '') return { days: defaultCaDays };
  const years = /^\d{1,3}$/.test(value) ? Number(value) : 0;
  return years >= 1 && years <= 100 ? { days: years * 365 } : { days: defaultCaDays, ignored: value };
}

/** Modes of what a server writes at its first start. Source: K3s `pkg/daemons/control/server.go`, `prepare`;
 *  rancher/dynamiclistener `cert/io.go`. */
export const firstStartMode = { dataDir: 0o755, directory: 0o700, certificate: 0o644, key: 0o600 } as const;

/** First part of the common name of a CA that K3s makes itself. Source: K3s `pkg/daemons/control/deps/deps.go`. */
export function defaultCaPrefix(ca: CaName, product: Product): string {
  return ca.startsWith('etcd/') ? hyphenated(ca) : `${product}-${ca}`;
}
