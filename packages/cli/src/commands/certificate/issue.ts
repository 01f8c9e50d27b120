import { isIP } from 'node:net';
import { Command, Option } from 'clipanion';
import { isEnum, makeValidator } from 'typanion';
import type { Context } from '../../context.ts';
import { isCount, isDays, isDomain, isKeyType, isWorkers } from '../../options.ts';
import { outputOption, passphraseFileOption } from '../../shared-options.ts';
import { issue } from '../../verbs/issue.ts';

const isAddress = makeValidator<unknown, string>({
  test: (value, state): value is string => {
    if (typeof value === 'string' && isIP(value) !== 0 && !value.includes('%')) return true;
    state?.errors?.push(`${state.p ?? '.'}: Expected an IP address (got ${JSON.stringify(value)})`);
    return false;
  },
});

/** `k3s-pki certificate issue`. Source: K3s `pkg/daemons/control/deps`, rancher/dynamiclistener `NewSignedCert`. */
export class CertificateIssue extends Command<Context> {
  static override paths = [['certificate', 'issue']];

  static override usage = Command.Usage({
    description: 'issue certificates for any number of nodes',
    details: `
      Issues one certificate and key per node and profile, signed by a cluster's CAs, with the subjects, usages, names
      and lifetimes that K3s gives them. Nodes come from a CSV file with a header, from JSON Lines, or from a pattern.
      The columns are node, cn, organizations, dns, ip, days, key and out; several values in a field are separated by
      ";". All rows are checked before the first certificate is issued.

      With --csr the keys stay where they are: certificates are issued for certification requests. Names and usages come
      from the profile and the row; a request that asks for more is refused.

      The output is a folder per node in K3s's layout, each complete or absent; a tar archive; or JSON Lines. A
      manifest records serial, SHA-256, subject and end of every certificate.

      --shard 3/16 issues the third of sixteen parts of the input. In a Kubernetes Indexed Job the part is taken from
      JOB_COMPLETION_INDEX, and the number of parts from --shards or JOB_COMPLETIONS.
    `,
    examples: [
      [
        'Kubelet certificates for three nodes, as folders',
        "$0 certificate issue --ca-dir ./demo/server/tls --profile client-kubelet,serving-kubelet --nodes 3 --name 'edge-%05d' --out ./nodes",
      ],
      [
        'A hundred thousand nodes to another machine, as a stream',
        "$0 certificate issue --ca-dir ./demo/server/tls --profile client-kubelet --nodes 100000 --name 'edge-%06d' --tar - | ssh fleet tar x -C /srv/nodes",
      ],
      [
        'Nodes of an inventory, bad rows left out',
        '$0 certificate issue --data-dir ./demo --profile client-kubelet --from nodes.csv --skip-bad --tar nodes.tar',
      ],
      [
        'Certificates for keys that nodes made themselves',
        '$0 certificate issue --data-dir ./demo --profile client-kubelet --csr ./requests --out ./granted',
      ],
      [
        'Going on after an interruption',
        '$0 certificate issue --data-dir ./demo --profile client-kubelet --from nodes.csv --out ./fleet --resume',
      ],
    ],
  });

  profile = Option.Array('--profile', [], {
    description: 'kind of certificate, repeated or separated by commas; "certificate profiles" lists them',
  });
  caDir = Option.String('--ca-dir', { description: 'folder with client-ca.crt, client-ca.key and so on' });
  dataDir = Option.String('--data-dir', {
    env: 'DATA_DIR',
    description: 'where server/tls is; default /var/lib/rancher/k3s (also from DATA_DIR)',
  });
  from = Option.String('--from', { description: 'CSV with a header or JSON Lines; - is standard input' });
  csr = Option.String('--csr', {
    description: 'certification request, or folder of them, each named NODE.csr; may stand with --from',
  });
  nodes = Option.String('--nodes', { validator: isCount, description: 'number of nodes to make names for' });
  nodeName = Option.String('--name', 'node-%05d', {
    description: 'pattern of the names of --nodes, which count from 1; default node-%05d',
  });
  days = Option.String('--days', {
    validator: isDays,
    description: 'lifetime of a certificate; default 365 (also from CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS)',
  });
  keyType = Option.String('--key', 'ec:p256', {
    validator: isKeyType,
    description: 'type of the keys: ec:p256 (default, fastest), ec:p384, ec:p521, ed25519, rsa:2048 to rsa:8192',
  });
  clusterDomain = Option.String('--cluster-domain', 'cluster.local', {
    validator: isDomain,
    description: 'domain in the names of serving-kube-apiserver; default cluster.local',
  });
  serviceIp = Option.String('--service-ip', '10.43.0.1', {
    validator: isAddress,
    description: 'first address of the service network, in the names of servers; default 10.43.0.1',
  });
  out = Option.String('--out', { description: 'folder that gets a folder per node' });
  tar = Option.String('--tar', { description: 'archive that is written as a stream; - is standard output' });
  jsonl = Option.String('--jsonl', {
    description: 'JSON Lines with certificates and keys; - is standard output',
  });
  manifest = Option.String('--manifest', {
    description: 'where the manifest goes; default beside the output, or in the working folder for -',
  });
  workers = Option.String('--workers', { validator: isWorkers, description: 'worker threads; default one per core' });
  checks = Option.String('--check', 'sample', {
    validator: isEnum(['sample', 'all'] as const),
    description: 'verify a sample of the signatures once more, or all; default sample',
  });
  shard = Option.String('--shard', { description: 'part of the input, such as 3/16' });
  shards = Option.String('--shards', { validator: isCount, description: 'number of parts in an Indexed Job' });
  skipBad = Option.Boolean('--skip-bad', false, { description: 'leave bad rows out instead of issuing nothing' });
  resume = Option.Boolean('--resume', false, { description: 'go on in an --out folder after an interruption' });
  dryRun = Option.Boolean('--dry-run', false, { description: 'check the CAs and rows, issue nothing' });
  passphraseFile = passphraseFileOption(' of encrypted CA keys');
  output = outputOption();

  async execute(): Promise<number> {
    const { profile, caDir, dataDir, from, csr, nodes, nodeName: name, days, keyType, clusterDomain, serviceIp } = this;
    const { out, tar, jsonl, manifest, workers, checks: check, shard, shards, skipBad, resume, dryRun } = this;
    const { passphraseFile, output } = this;
    const what = { profile, caDir, dataDir, from, csr, nodes, name, days, keyType, clusterDomain, serviceIp };
    const where = { out, tar, jsonl, manifest, passphraseFile, output };
    const how = { workers, check, shard, shards, skipBad, resume, dryRun };
    return issue({ ...what, ...where, ...how }, this.context);
  }
}
