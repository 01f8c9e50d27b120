import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, parse, resolve } from 'node:path';
import {
  type BulkIssuer,
  type BulkProfile,
  type Core,
  CoreError,
  type IssuedLeaves,
  type LeafRow,
} from '@k3s-pki/core';
import { type IssuePlan, leafRow, type NodeRow, type RowProblem, requestProblems } from '@k3s-pki/plan';
import { Failure, internalError } from '../failure.ts';
import type { RowSource } from './row-source.ts';

/** Certification requests by the node that each is for: the name of its file without the last extension. */
export interface Requests {
  /** The nodes of the requests as rows. */
  readonly source: RowSource;
  /** The checked row with its request, or why the request is not granted. */
  grant(row: NodeRow): NodeRow | readonly RowProblem[];
  /** Nodes of requests that no row asked for. */
  unused(): readonly string[];
}

/** Reads a request, or every file of a folder that ends in .csr, .req, .pem or .der, in PEM or DER. Throws Failure. */
export function readRequests(path: string, cwd: string, core: Core, plan: IssuePlan): Requests {
  const files = requestFiles(resolve(cwd, path), path);
  const byNode = new Map(files.map((file) => [parse(file).name, { file, used: false }]));
  if (byNode.size < files.length) {
    throw new Failure([
      { error: `${path}: two requests for one node`, hint: 'keep one file per node, named NODE.csr' },
    ]);
  }
  const profile = plan.profiles[0] ?? internalError('no profile');
  return {
    source: {
      name: path,
      place: (line) => files[line - 1] ?? path,
      *pieces() {
        yield files.map((file, index) => ({ line: index + 1, cells: { node: parse(file).name } }));
      },
      unchanged: () => true,
      close() {},
    },
    grant(row) {
      const found = byNode.get(row.node);
      const bad = (reason: string): RowProblem[] => [{ code: 'bad-request', values: { reason } }];
      if (found === undefined) return bad(`there is no file ${row.node}.csr in ${path}`);
      found.used = true;
      const request = requestIn(found.file);
      if (request === undefined) return bad('no CERTIFICATE REQUEST block in PEM, and no DER');
      try {
        const problems = requestProblems(core.inspectRequest(request), leafRow(row, profile, plan), profile.profile);
        return problems.length > 0 ? problems : { ...row, request };
      } catch (error) {
        if (error instanceof CoreError && error.code !== 'internal') return bad(error.message);
        throw error;
      }
    },
    unused: () => [...byNode].filter(([, { used }]) => !used).map(([node]) => node),
  };
}

/** Signs leaves for the keys of requests, one after the other; rows are those of `grant`. */
export function openRequestIssuer(
  core: Core,
  random: (bytes: number) => Uint8Array,
  profiles: readonly BulkProfile[],
): BulkIssuer {
  const keys = profiles.map(({ caKey }) => core.openKey(caKey));
  return {
    depth: 2,
    batchSize: 16,
    async issue(index: number, rows: readonly RequestedRow[]): Promise<IssuedLeaves> {
      const profile = profiles[index] ?? internalError('no such profile');
      const key = keys[index] ?? internalError('a profile without its key');
      const made = rows.map((row) => {
        const serial = serialFrom(random);
        const { commonName, organizations, dns, ip, notBefore, notAfter } = row;
        const certificate = core.issueForRequest(
          {
            subject: [...organizations.map((name) => ['O', name] as const), ['CN', commonName]],
            notBefore,
            notAfter,
            serial,
            keyUsage: profile.keyUsage,
            extendedKeyUsage: profile.extendedKeyUsage,
            ...(dns.length + ip.length === 0 ? {} : { subjectAltNames: { dns, ip } }),
            subjectKeyId: false,
          },
          row.request ?? internalError('a row without its request'),
          key,
          profile.ca,
        );
        return { pem: Buffer.from(core.toPem(certificate)), serial, sha256: certificate.sha256 };
      });
      const at = (place: number) => made[place] ?? internalError('a place without a leaf');
      return {
        count: made.length,
        certificate: (place) => at(place).pem,
        key: () => none,
        serial: (place) => at(place).serial,
        sha256: (place) => at(place).sha256,
        release() {},
      };
    },
    async close() {
      for (const key of keys) key.wipe();
    },
  };
}

/** A leaf's row with the request whose key it certifies. */
export interface RequestedRow extends LeafRow {
  readonly request?: Uint8Array;
}

function requestFiles(absolute: string, path: string): readonly string[] {
  const entry = statSync(absolute, { throwIfNoEntry: false });
  if (entry === undefined) throw new Failure([{ error: `${path}: there is no such file or folder` }]);
  if (!entry.isDirectory()) return [absolute];
  const names = readdirSync(absolute).filter((name) => /\.(csr|req|pem|der)$/.test(name) && !name.startsWith('.'));
  if (names.length === 0) {
    throw new Failure([
      { error: `${path}: no request in this folder`, hint: 'name each file after its node: NODE.csr' },
    ]);
  }
  return names.sort().map((name) => join(absolute, name));
}

function requestIn(file: string): Uint8Array | undefined {
  if (statSync(file).size > largest) return undefined;
  const bytes = readFileSync(file);
  if (bytes[0] === 0x30) return new Uint8Array(bytes);
  const block = /-----BEGIN (NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]*)-----END \1?CERTIFICATE REQUEST-----/;
  const base64 = block.exec(bytes.toString('latin1'))?.[2];
  return base64 === undefined ? undefined : new Uint8Array(Buffer.from(base64, 'base64'));
}

/** 128 random bits without the top one, not zero. */
function serialFrom(random: (bytes: number) => Uint8Array): string {
  for (;;) {
    const octets = Uint8Array.from(random(16));
    octets[0] = (octets[0] ?? 0) & 0x7f;
    if (octets.some((octet) => octet !== 0)) return Buffer.from(octets).toString('hex');
  }
}

const none = new Uint8Array();
/** A request with an RSA-8192 key takes 3 KB. */
const largest = 1 << 16;
