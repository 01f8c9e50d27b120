import { Command, Option } from 'clipanion';
import { isSeconds } from '../../checking/options.ts';
import { rotateToken } from '../../verbs/token-rotate.ts';
import { TokenCommand } from './token-command.ts';

/** `k3s-pki token rotate`. Source: K3s `pkg/cli/token/token.go`, `Rotate`. */
export class TokenRotate extends TokenCommand {
  static override paths = [['token', 'rotate']];

  static override usage = Command.Usage({
    description: 'replace the server token',
    details: `
      Replaces the password of the server token, as "k3s token rotate" does: in the password file, in server/token, and
      as what seals the bootstrap data. The agents' password follows where it was the same. The new token is that of
      --new-token-file, or a random one; it lies in server/token of the server and, with --out, in a new file of mode 0600.
      It is never printed, and never given on the command line.

      Without --offline a running server does it, whose CAs must have the hash in the token. It is refused while new CAs
      wait for the restart, which a server would revert. Until its restart a server takes the old token alone.
      With --offline the files of a stopped server and its record in the datastore are changed together; an
      interrupted run is finished or undone by the next one. Every server must be stopped.

      Keep the old token as long as you keep snapshots from before.
    `,
    examples: [
      ['What would happen', '$0 token rotate --dry-run'],
      ['A random new token, kept in a file', '$0 token rotate --out ./new-token'],
      [
        'From another machine, with both tokens in files',
        '$0 token rotate --server https://10.0.0.1:6443 --token-file ./token --new-token-file ./new-token',
      ],
      ['A stopped server', '$0 token rotate --offline --data-dir /var/lib/rancher/k3s'],
    ],
  });

  newTokenFile = Option.String('--new-token-file', {
    description: 'holds the new token or password; - is standard input; default a random one',
  });
  out = Option.String('--out', { description: 'a new file with mode 0600 for the new token' });
  offline = Option.Boolean('--offline', false, { description: 'straight into data dir and datastore; K3s is stopped' });
  force = Option.Boolean('--force', false, {
    description: 'go on although K3s seems to run, or the datastore cannot be looked at',
  });
  server = Option.String('--server', {
    description: 'https://HOST:PORT of a server; default this machine, port 6443 (rke2: 9345)',
  });
  config = Option.String('--config', {
    description: "K3s's configuration file; default /etc/rancher/NAME/config.yaml",
  });
  endpoint = Option.String('--datastore-endpoint', { description: "as K3s's own option; default as K3s finds it" });
  caFile = Option.String('--datastore-cafile', { description: 'CA of the datastore' });
  certFile = Option.String('--datastore-certfile', { description: 'client certificate for the datastore' });
  keyFile = Option.String('--datastore-keyfile', { description: 'key of the client certificate' });
  timeout = Option.String('--timeout', '10', {
    validator: isSeconds,
    description: 'seconds without an answer of the server or datastore; default 10',
  });
  dryRun = Option.Boolean('--dry-run', false, { description: 'check and print the plan, change nothing' });

  async execute(): Promise<number> {
    const { newTokenFile, out, offline, force, server, dryRun, endpoint, caFile, certFile, keyFile, timeout } = this;
    const { output, ...source } = this.tokenOptions;
    const given = {
      'datastore-endpoint': endpoint,
      'datastore-cafile': caFile,
      'datastore-certfile': certFile,
      'datastore-keyfile': keyFile,
    };
    const record = { ...source, configFile: this.config, given, timeout };
    const via = offline ? 'datastore' : 'supervisor';
    return rotateToken({ record, via, server, newTokenFile, out, force, output, dryRun }, this.context);
  }
}
