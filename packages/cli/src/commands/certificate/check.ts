import { defaultDataDir, renewalDays } from '@k3s-pki/k3s';
import { Command, Option } from 'clipanion';
import { isEnum } from 'typanion';
import { isEndpoint, isFailOn, isRelease, isSeconds } from '../../checking/options.ts';
import type { Context } from '../../context.ts';
import { isDays, separated } from '../../options.ts';
import { productOption } from '../../shared-options.ts';
import { certificateCheck, checkFormats } from '../../verbs/certificate-check.ts';

/** `k3s-pki certificate check`. */
export class CertificateCheck extends Command<Context> {
  static override paths = [['certificate', 'check']];

  static override usage = Command.Usage({
    description: 'list certificates: expiry, status, and what K3s does about them at its next start',
    details: `
      Looks into the data dir, or into the files and folders that are named (PATH, - is standard input), and lists every
      certificate of every file in a stable order: CAs, leaves and the chains after them, kubeconfigs (embedded or by path), the
      supervisor's dynamic-cert.json. --connect looks at what a TLS endpoint serves; nothing is verified there.

      The status is K3s's: OK, WARNING within the time before the end in which K3s renews (120 days, 90 before the
      releases of May 2025: --k3s-version), EXPIRED, NOT YET VALID. For K3s's own files the next start is foretold:
      what it renews, keeps, or does not notice. A file that cannot be read is a line with the reason.

      Exit codes: 0; 1 when something could not be read; 3 when --fail-on meets a certificate at that status, or with
      fewer days left, or something unreadable; 2 for wrong usage. --fail-on warning also means a leaf that K3s keeps
      although it is unusable.
    `,
    examples: [
      ['The certificates of this machine', '$0 certificate check'],
      ['One line for each, as a table', '$0 certificate check --output table'],
      ['What a server shows to its clients', '$0 certificate check --connect node-1:6443 --connect node-1:10250'],
      ['For a monitoring job: exit 3 when something expires within 30 days', '$0 certificate check --fail-on 30'],
      [
        "For node-exporter's textfile collector",
        '$0 certificate check --output prometheus --to /var/lib/node_exporter/k3s.prom',
      ],
      ['A calendar of the expiries of a folder', '$0 certificate check ./nodes --output ics --to nodes.ics'],
    ],
  });

  named = Option.Rest();
  connect = Option.Array('--connect', [], {
    validator: isEndpoint,
    description: 'a TLS endpoint, host:port (6443 without a port); may be given several times',
  });
  serverName = Option.String('--server-name', { description: 'name to ask endpoints for (SNI); default their host' });
  timeout = Option.String('--timeout', '10', {
    validator: isSeconds,
    description: 'seconds to wait for an endpoint; default 10',
  });
  dataDir = Option.String('--data-dir', {
    env: 'DATA_DIR',
    description: 'data dir; default /var/lib/rancher/NAME when no PATH and no endpoint is given (also from DATA_DIR)',
  });
  service = Option.Array('-s,--service', [], {
    description: 'of the data dir only the files of these services, repeated or separated by commas',
  });
  product = productOption();
  releaseDays = Option.String('--k3s-version', {
    validator: isRelease,
    description: 'release whose renewal window counts, such as v1.33.1+k3s1; default a current one',
  });
  warn = Option.String('--warn', {
    validator: isDays,
    description: 'days before the end from which the status is WARNING; default the renewal window',
  });
  failOn = Option.String('--fail-on', {
    validator: isFailOn,
    description: 'exit with 3 at: warning, expired, or a number of days before the end',
  });
  wide = Option.Boolean('--wide', false, { description: 'names, serial and fingerprint too' });
  output = Option.String('--output', 'text', {
    validator: isEnum(checkFormats),
    description: 'text, table, json, yaml, prometheus (textfile metrics) or ics (a calendar)',
  });
  to = Option.String('--to', { description: 'file that the report replaces, all at once; default standard output' });

  async execute(): Promise<number> {
    const { named: paths, connect, serverName, timeout: timeoutSeconds, product, failOn, wide, output, to } = this;
    const renewDays = this.releaseDays ?? renewalDays;
    const warnDays = this.warn ?? renewDays;
    // From the environment it is a default; as an option it is wanted beside what else is named.
    const given = this.dataDir !== undefined && this.dataDir !== this.context.env.DATA_DIR;
    const dataDir = { path: this.dataDir ?? defaultDataDir(product), given };
    const endpoints = { connect, serverName, timeoutSeconds };
    const days = { warnDays, renewDays, failOn };
    const services = separated(this.service);
    return certificateCheck(
      { paths, ...endpoints, product, dataDir, services, ...days, wide, output, to },
      this.context,
    );
  }
}
