import { isIP } from 'node:net';
import type { KeyType, LeafRow } from '@k3s-pki/core';
import { domainPlace, type LeafProfile, nodePlace, servicePlace } from '@k3s-pki/k3s';
import { Fingerprints } from './fingerprints.ts';
import { isManifestName } from './numbered-nodes.ts';

/** The columns of a CSV file and the members of a JSON line. */
export const rowColumns = ['node', 'cn', 'organizations', 'dns', 'ip', 'days', 'key', 'out'] as const;
export type RowColumn = (typeof rowColumns)[number];

/** A row as it was read; an empty text counts as absent. In a text, several values stand with `;` between them. */
export interface RawRow {
  /** 1-based; of a quoted field over several lines the first one. */
  readonly line: number;
  readonly cells: RowCells;
  /** What is already wrong with the row; the cells are then not looked at. */
  readonly defect?: RowProblem;
  /** The defect is the whole input's, such as a wrong header: leaving the row out does not mend it. */
  readonly fatal?: boolean;
}

export type RowCells = { readonly [Column in RowColumn]?: string | readonly string[] | undefined };

/** What is wrong with a row; the words are the catalogue's. */
export interface RowProblemValues {
  /** The line is no CSV record or JSON object. */
  'bad-row': { readonly reason: string };
  'unknown-column': { readonly column: string };
  'no-node': Record<never, never>;
  'bad-node': { readonly node: string };
  'long-common-name': { readonly commonName: string; readonly profile: string };
  'bad-text': { readonly column: RowColumn; readonly value: string };
  /** The subject of every profile of the run is fixed by K3s. */
  'fixed-subject': { readonly column: 'cn' | 'organizations' };
  /** A leaf whose subject and issuer are equal is self-issued (RFC 5280, section 3.2). */
  'issuer-name': { readonly subject: string; readonly ca: string };
  'bad-dns': { readonly value: string };
  'bad-ip': { readonly value: string };
  'bad-days': { readonly value: string };
  /** `most` days would not. */
  'outlives-ca': { readonly days: number; readonly most: number; readonly ca: string };
  'bad-key': { readonly value: string };
  'bad-out': { readonly value: string; readonly why: 'parent' | 'absolute' | 'characters' | 'reserved' | 'long' };
  /** Two rows write the same folder, or one a folder inside the other's. */
  'duplicate-output': { readonly out: string };
  /** A request cannot be read, or its own key did not sign it. */
  'bad-request': { readonly reason: string };
  /** A request asks for a name or usage that its leaf will not have. */
  'request-beyond': { readonly what: string; readonly profile: string };
  'request-weak-key': { readonly bits: number };
}

export type RowProblemCode = keyof RowProblemValues;

export type RowProblem = {
  [Code in RowProblemCode]: { readonly code: Code; readonly values: RowProblemValues[Code] };
}[RowProblemCode];

/** A row that was checked: what a node's leaves are made of. */
export interface NodeRow {
  readonly line: number;
  readonly node: string;
  /** Folder of the node below the output, `/`-separated. */
  readonly out: string;
  readonly days: number;
  readonly keyType: KeyType;
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  /** DER of the certification request whose key is certified, instead of a new key. */
  readonly request?: Uint8Array;
}

/** A profile of the run, with the time that its CA leaves. Times are seconds since 1970. */
export interface ProfileInRun {
  readonly profile: LeafProfile;
  /** The subject of the CA that signs, for people. */
  readonly issuer: { readonly subject: string };
  readonly notBefore: number;
  /** End of the CA's own validity. */
  readonly caNotAfter: number;
}

/** What every row of a run shares. */
export interface RowRules {
  readonly profiles: readonly ProfileInRun[];
  readonly days: number;
  readonly keyType: KeyType;
  readonly clusterDomain: string;
  readonly serviceIp: string;
  /** Most characters of a node's folder: 155 in a ustar archive, whose prefix field it has to fit. */
  readonly longestOut: number;
}

/** Checks rows one after the other, each for all that is wrong with it. */
export class RowChecker {
  readonly #rules: RowRules;
  readonly #outs = new Fingerprints();
  readonly #above = new Fingerprints();
  readonly #freeSubject: boolean;
  readonly #mostDays: number;
  readonly #shortestCa: string;
  readonly #keyTypes = new Map<string, KeyType>();
  /** By profile. */
  readonly #caNames: readonly string[];

  constructor(rules: RowRules) {
    this.#rules = rules;
    this.#freeSubject = rules.profiles.some(({ profile }) => profile.commonName === undefined);
    const most = ({ notBefore, caNotAfter }: ProfileInRun) => Math.floor((caNotAfter - notBefore) / secondsOfDay);
    const shortest = rules.profiles.reduce((a, b) => (most(a) <= most(b) ? a : b));
    this.#mostDays = most(shortest);
    this.#shortestCa = shortest.profile.ca;
    this.#caNames = rules.profiles.map(({ issuer }) => comparable(issuer.subject));
  }

  /** The types of key that rows asked for by themselves. */
  get keyTypes(): readonly KeyType[] {
    return [...this.#keyTypes.values()];
  }

  /** The checked row, or everything that is wrong with it. `again` is for a second pass over rows that were checked:
   *  their outputs are known already. */
  check({ line, cells, defect }: RawRow, again = false): NodeRow | readonly RowProblem[] {
    if (defect !== undefined) return [defect];
    const { days: usualDays, keyType: usualKeyType } = this.#rules;
    let problems: RowProblem[] | undefined;
    const refuse = <Code extends RowProblemCode>(code: Code, values: RowProblemValues[Code]): void => {
      problems ??= [];
      problems.push({ code, values } as RowProblem);
    };

    const node = textOf(cells.node);
    const nodeHolds = isNodeName(node);
    if (node === '') refuse('no-node', {});
    else if (!nodeHolds) refuse('bad-node', { node });

    const commonName = textOf(cells.cn) || node;
    const organizations = valuesOf(cells.organizations);
    if (cells.cn !== undefined || cells.organizations !== undefined) {
      if (textOf(cells.cn) !== '' && !this.#freeSubject) refuse('fixed-subject', { column: 'cn' });
      if (organizations.length > 0 && !this.#freeSubject) refuse('fixed-subject', { column: 'organizations' });
      if (textOf(cells.cn) !== '' && !isPlainText(commonName)) refuse('bad-text', { column: 'cn', value: commonName });
      for (const value of organizations) {
        if (!isPlainText(value) || [...value].length > longestName) {
          refuse('bad-text', { column: 'organizations', value });
        }
      }
    }
    for (const { profile } of this.#rules.profiles) {
      const name = commonNameOf(profile, node, commonName);
      if (name.length > longestName && [...name].length > longestName) {
        refuse('long-common-name', { commonName: name, profile: profile.name });
        break;
      }
    }
    if (problems === undefined) {
      for (const [index, { profile }] of this.#rules.profiles.entries()) {
        const subject = subjectOfRow({ node, commonName, organizations }, profile);
        if (comparable(subject) === this.#caNames[index]) refuse('issuer-name', { subject, ca: profile.ca });
      }
    }

    const dns = valuesOf(cells.dns);
    for (const value of dns) if (!isDnsName(value)) refuse('bad-dns', { value });
    const ip = valuesOf(cells.ip);
    // An address with a zone (fe80::1%eth0) has no place in a certificate.
    for (const value of ip) if (isIP(value) === 0 || value.includes('%')) refuse('bad-ip', { value });

    let days = usualDays;
    const wantedDays = textOf(cells.days);
    if (wantedDays !== '') {
      days = /^\d{1,5}$/.test(wantedDays) ? Number(wantedDays) : 0;
      if (days < 1 || days > longestDays) refuse('bad-days', { value: wantedDays });
    }
    if (days > this.#mostDays && days <= longestDays) {
      refuse('outlives-ca', { days, most: this.#mostDays, ca: this.#shortestCa });
    }

    let keyType = usualKeyType;
    const wantedKey = textOf(cells.key);
    if (wantedKey !== '') {
      if (isKeyTypeText(wantedKey)) keyType = wantedKey;
      else refuse('bad-key', { value: wantedKey });
    }

    const out = textOf(cells.out) || node;
    const why = out === node && nodeHolds ? this.#whyTooLong(out) : this.#whyBadOut(out);
    if (why !== undefined && (out !== node || nodeHolds)) refuse('bad-out', { value: out, why });
    else if (problems === undefined && !again && !this.#claim(out)) refuse('duplicate-output', { out });

    if (problems !== undefined) return problems;
    if (keyType !== usualKeyType) this.#keyTypes.set(keyType, keyType);
    return { line, node, out, days, keyType, commonName, organizations, dns, ip };
  }

  #whyTooLong(out: string): 'long' | 'reserved' | undefined {
    if (out.length > this.#rules.longestOut) return 'long';
    return isManifestName(out) ? 'reserved' : undefined;
  }

  #whyBadOut(out: string): RowProblemValues['bad-out']['why'] | undefined {
    if (out.startsWith('/')) return 'absolute';
    const parts = out.split('/');
    if (parts.includes('..')) return 'parent';
    if (!parts.every((part) => /^[A-Za-z0-9_][-A-Za-z0-9._@+]{0,254}$/.test(part))) return 'characters';
    if (isManifestName(parts[0] ?? '')) return 'reserved';
    return this.#whyTooLong(out);
  }

  /** Whether no row before writes this folder, one inside it, or one around it. */
  #claim(out: string): boolean {
    if (this.#above.size > 0 && this.#above.has(out)) return false;
    for (let slash = out.indexOf('/'); slash >= 0; slash = out.indexOf('/', slash + 1)) {
      const parent = out.slice(0, slash);
      if (this.#outs.has(parent)) return false;
      this.#above.add(parent);
    }
    return this.#outs.add(out);
  }
}

/** The leaf of one profile for a checked row. `notBefore` is the profile's. */
export function leafRow(row: NodeRow, { profile, notBefore }: ProfileInRun, rules: RowRules): LeafRow {
  const { commonName: fixed, takesNames } = profile;
  return {
    commonName: commonNameOf(profile, row.node, row.commonName),
    organizations: fixed === undefined ? row.organizations : profile.organizations,
    dns: names(profile.dns, takesNames ? row.dns : none, row, rules),
    ip: names(profile.ip, takesNames ? row.ip : none, row, rules),
    notBefore,
    notAfter: notBefore + row.days * secondsOfDay,
  };
}

/** The subject of a node's leaf for people, in encoded order as Go's pkix.Name writes it:
 *  `O=system:nodes,CN=system:node:edge-1`; several organizations are one RDN, `O=a+O=b`. Escapes of RFC 4514. */
export function subjectOfRow(
  row: Pick<NodeRow, 'node' | 'commonName' | 'organizations'>,
  profile: LeafProfile,
): string {
  if (profile.commonName === undefined) {
    const organizations = inDerOrder(row.organizations).map((organization) => `O=${escaped(organization)}`);
    return `${organizations.join('+')}${organizations.length === 0 ? '' : ','}CN=${escaped(row.commonName)}`;
  }
  // No name of the table and no node needs an escape.
  const commonName = commonNameOf(profile, row.node, row.commonName);
  const [organization] = profile.organizations;
  return organization === undefined ? `CN=${commonName}` : `O=${organization},CN=${commonName}`;
}

/** The order in which DER sorts the attributes of a SET: by length, then PrintableString after UTF8String, then octets. */
function inDerOrder(values: readonly string[]): readonly string[] {
  if (values.length < 2) return values;
  const tag = (value: string) => (/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value) ? 0x13 : 0x0c);
  return values
    .map((value) => ({ value, octets: Buffer.from(value), tag: tag(value) }))
    .sort((a, b) => a.octets.length - b.octets.length || a.tag - b.tag || Buffer.compare(a.octets, b.octets))
    .map(({ value }) => value);
}

function escaped(value: string): string {
  return value.replace(/[,+"\\<>;]|^#/g, '\\$&');
}

const none: readonly string[] = [];

function names(
  given: readonly string[],
  own: readonly string[],
  { node }: NodeRow,
  { clusterDomain, serviceIp }: RowRules,
): readonly string[] {
  if (given.length === 0) return own;
  const filled: string[] = [];
  for (const name of given) {
    if (name === nodePlace) filled.push(node);
    else if (name === servicePlace) filled.push(serviceIp);
    else filled.push(name.endsWith(domainPlace) ? name.replace(domainPlace, clusterDomain) : name);
  }
  for (const name of own) if (!filled.includes(name)) filled.push(name);
  return filled;
}

function commonNameOf({ commonName: fixed }: LeafProfile, node: string, own: string): string {
  if (fixed === undefined) return own;
  return fixed.endsWith(nodePlace) ? fixed.slice(0, -nodePlace.length) + node : fixed;
}

/** A name as OpenSSL compares it (`x509_name_canon`): without case, and with single spaces. Go compares the octets. */
function comparable(subject: string): string {
  return subject.toLowerCase().replace(/\s+/g, ' ');
}

function textOf(cell: string | readonly string[] | undefined): string {
  if (cell === undefined) return '';
  return typeof cell === 'string' ? cell.trim() : cell.join(';');
}

function valuesOf(cell: string | readonly string[] | undefined): readonly string[] {
  if (cell === undefined || cell === '') return none;
  if (typeof cell !== 'string') return cell.length === 0 ? none : cell;
  if (!cell.includes(';')) return [cell.trim()].filter((value) => value !== '');
  return cell
    .split(';')
    .map((value) => value.trim())
    .filter((value) => value !== '');
}

/** A node's name as Kubernetes takes it. Source: RFC 1123 subdomain, `k8s.io/apimachinery` `IsDNS1123Subdomain`. */
export function isNodeName(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name);
}

/** A DNS name of a certificate, which may begin with `*.`. Source: RFC 1034, section 3.5; RFC 6125, section 6.4.3. */
export function isDnsName(name: string): boolean {
  return (
    name.length <= 253 &&
    /^(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/i.test(name)
  );
}

/** `rsa:2048` to `rsa:8192` in steps of 64 bits, `ec:p256`, `ec:p384`, `ec:p521`, `ed25519`. */
export function isKeyTypeText(text: string): text is KeyType {
  const bits = Number(/^rsa:(\d{4})$/.exec(text)?.[1]);
  return /^(ec:p(256|384|521)|ed25519)$/.test(text) || (bits >= 2048 && bits <= 8192 && bits % 64 === 0);
}

/** Text without control characters, without those that would deceive on a terminal, without the mark of bytes that were
 *  not UTF-8, and without spaces around it. */
function isPlainText(text: string): boolean {
  return text !== '' && text.trim() === text && !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\ufffd]/u.test(text);
}

/** Characters of a common name or organization. Source: RFC 5280, appendix A.1, ub-common-name. */
const longestName = 64;
const longestDays = 36_500;
const secondsOfDay = 86_400;
