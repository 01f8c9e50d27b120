import { type Product, publicHash } from '@k3s-pki/k3s';
import type { RolloutStep } from '@k3s-pki/plan';

/** One step of a rollout in words: what to do, the commands, and why. */
export interface RolloutWords {
  readonly what: string;
  readonly commands: readonly string[];
  readonly why?: string;
}

/** The words for a step, with the values of this cluster. */
export function describeStep(step: RolloutStep, product: Product): RolloutWords {
  const units = product === 'rke2' ? (['rke2-server', 'rke2-agent'] as const) : (['k3s', 'k3s-agent'] as const);
  switch (step.step) {
    case 'new-tokens':
      return {
        what: 'give each node that joined with a full token the new one, before its restart',
        commands: [`k3s-pki token for --ca NEW-SERVER-CA.crt --token-file FILE   # K10${publicHash(step.caHash)}::...`],
        why: 'the CA hash in the old token is that of the old root; look in config.yaml, .env files and systemd units',
      };
    case 'supervisor-certificate':
      return {
        what: 'on each server, stopped for its restart, have the supervisor certificate made anew',
        commands: ['k3s-pki certificate rotate --service k3s-server'],
        why: 'the old one was signed by a CA that the new bundle does not hold',
      };
    case 'restart-servers':
      return {
        what: 'restart the servers one by one, first the one that the others name with --server',
        commands: [`systemctl restart ${units[0]}`],
        why: "the others take the CAs from that server's disk, and would bring the old ones back",
      };
    case 'restart-agents':
      return { what: 'restart the agents', commands: [`systemctl restart ${units[1]}`] };
    case 'restart-pods':
      return {
        what: 'restart the pods that talk to the API server',
        commands: ['kubectl rollout restart deployment,daemonset,statefulset --namespace NAMESPACE'],
        why: 'they hold the old CA, or a token that is refused',
      };
    case 'kubeconfigs':
      return {
        what: 'give out kubeconfigs again',
        commands: [`/etc/rancher/${product}/${product}.yaml`],
        why: 'copies hold the old CA and a client certificate of it',
      };
  }
}
