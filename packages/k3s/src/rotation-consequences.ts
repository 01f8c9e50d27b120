import type { Rotation } from './rotate-ca.ts';

/** What stops working when a rotation is loaded, until somebody acts. In the order in which people should care. */
export interface RotationConsequenceValues {
  /** Tokens with the old CA hash are refused: each node that joined with one needs a new token before its restart. */
  'tokens-refused': { readonly before: string; readonly after: string };
  /** What trusts only the old server CA refuses the new API server: pods, copied kubeconfigs, agents that still run. */
  'server-distrusted': Record<never, never>;
  /** The supervisor keeps its old certificate, which the new CAs do not vouch for: nothing can join or talk to it. */
  'supervisor-certificate': Record<never, never>;
  /** Client certificates of the old client CA are refused: agents until their restart, copied kubeconfigs for good. */
  'clients-refused': Record<never, never>;
  /** Members of etcd with the old CAs and with the new ones refuse each other: no quorum until most have restarted. */
  'etcd-members-apart': Record<never, never>;
  /** Extension API servers (metrics-server) refuse the API server until they have read its new CA. */
  'aggregation-refused': Record<never, never>;
  /** Service account tokens signed with keys that are no longer in service.key: pods lose access to the API. */
  'service-tokens-refused': { readonly keys: number; readonly signing: boolean };
}
export type RotationConsequenceCode = keyof RotationConsequenceValues;
export type RotationConsequence = {
  [Code in RotationConsequenceCode]: { readonly code: Code; readonly values: RotationConsequenceValues[Code] };
}[RotationConsequenceCode];

/** What a rotation breaks, forced or not; empty for one that nobody notices. Source: observed on running servers. */
export function consequencesOf({ caHash, trust, serviceKeysLost }: Rotation): RotationConsequence[] {
  const consequences: RotationConsequence[] = [];
  const changeOf = (ca: string) => trust.find((change) => change.ca === ca);
  if (!caHash.kept && caHash.before !== undefined && caHash.after !== undefined) {
    const values = { before: caHash.before.hash, after: caHash.after.hash };
    consequences.push({ code: 'tokens-refused', values });
  }
  const server = changeOf('server');
  if (server?.oldTrustsNew === false) consequences.push({ code: 'server-distrusted', values: {} });
  if (server?.newTrustsOld === false) consequences.push({ code: 'supervisor-certificate', values: {} });
  if (changeOf('client')?.newTrustsOld === false) consequences.push({ code: 'clients-refused', values: {} });
  const apart = ['etcd/peer', 'etcd/server']
    .map(changeOf)
    .some((change) => change !== undefined && !(change.oldTrustsNew && change.newTrustsOld));
  if (apart) consequences.push({ code: 'etcd-members-apart', values: {} });
  if (changeOf('request-header')?.oldTrustsNew === false) {
    consequences.push({ code: 'aggregation-refused', values: {} });
  }
  if (serviceKeysLost.count > 0) {
    const { count: keys, signing } = serviceKeysLost;
    consequences.push({ code: 'service-tokens-refused', values: { keys, signing } });
  }
  return consequences;
}
