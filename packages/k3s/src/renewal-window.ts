/** Days before a certificate's end from which K3s makes it anew at a start. Source: K3s `pkg/daemons/config`,
 *  `CertificateRenewDays`: 120 since the releases of May 2025, 90 before. */
export const renewalDays = 120;
const earlierRenewalDays = 90;

/** First patch release with the longer window, of each minor that was maintained then. */
const firstPatch: Readonly<Record<number, number>> = { 30: 13, 31: 9, 32: 5, 33: 1 };

/** The window of a K3s or RKE2 release, `v1.33.1+k3s1` or `1.33.1`; undefined for what is no version. */
export function renewalDaysOf(version: string): number | undefined {
  const [, minor, patch] = /^v?1\.(\d{1,3})\.(\d{1,3})(?:[-+][\w.+-]+)?$/.exec(version) ?? [];
  if (minor === undefined || patch === undefined) return undefined;
  const first = firstPatch[Number(minor)] ?? (Number(minor) > 33 ? 0 : Number.POSITIVE_INFINITY);
  return Number(patch) >= first ? renewalDays : earlierRenewalDays;
}
