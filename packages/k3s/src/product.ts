/** The two distributions that share K3s's certificate layout. Source: K3s `contrib/util`, `PRODUCT`. */
export const products = ['k3s', 'rke2'] as const;
export type Product = (typeof products)[number];

/** Where a product keeps its data when nobody says otherwise. */
export function defaultDataDir(product: Product): string {
  return `/var/lib/rancher/${product}`;
}
