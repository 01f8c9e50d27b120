import type { Certificate, Core, PrivateKey } from '@k3s-pki/core';
import { leafKeyUsage, readCertificates, tlsFile } from '@k3s-pki/k3s';
import type { PlannedLeaf, PlannedLeafFile } from '@k3s-pki/plan';
import type { FileWrite } from '@k3s-pki/stage';
import { internalError } from './failure.ts';
import { filesOf, type LeafReading } from './leaf-tree.ts';

/**
 * Makes planned leaves as K3s does: P-256 keys in SEC1, and files of the leaf and its CA's whole bundle after it. `random`
 * draws serials. Keys are wiped before it returns; the contents of the writes are the caller's.
 * Source: K3s `pkg/daemons/control/deps/deps.go`, createClientCertKey.
 */
export async function makeLeaves(
  leaves: readonly PlannedLeaf[],
  reading: LeafReading,
  core: Core,
  { random, signal }: { random: (bytes: number) => Uint8Array; signal: AbortSignal },
): Promise<FileWrite[]> {
  const opened: PrivateKey[] = [];
  const open = (path: string): PrivateKey => {
    const key = openFirst(reading, path, core);
    opened.push(key);
    return key;
  };
  try {
    const needed = leaves.filter(({ key }) => key.kind === 'new');
    const made = await core.generateKeys(
      needed.map(() => 'ec:p256' as const),
      { signal },
    );
    opened.push(...made);
    const signers = new Map<string, { key: PrivateKey; bundle: readonly Certificate[]; pem: string }>();
    for (const { ca } of leaves) {
      if (signers.has(ca)) continue;
      const bundle = readCertificates(filesOf(reading)(tlsFile.caBundle(ca)) ?? 'absent');
      const pem = bundle.map((certificate) => core.toPem(certificate)).join('');
      signers.set(ca, { key: open(tlsFile.caKey(ca)), bundle, pem });
    }
    return leaves.flatMap((leaf) => {
      const signer = signers.get(leaf.ca) ?? internalError(leaf.ca);
      const key = leaf.key.kind === 'kept' ? open(leaf.key.path) : (made.shift() ?? internalError(leaf.key.path));
      const certificate = core.issue(specOf(leaf, random), key, signer.key, signer.bundle[0]);
      const content = new TextEncoder().encode(core.toPem(certificate) + signer.pem);
      const write = { ...fileWrite(leaf.certificate), content, secret: false };
      return leaf.key.kind === 'kept'
        ? [write]
        : [write, { ...fileWrite(leaf.key), content: key.toPem('sec1'), secret: true }];
    });
  } finally {
    for (const key of opened) key.wipe();
  }
}

function specOf(leaf: PlannedLeaf, random: (bytes: number) => Uint8Array) {
  const { organizations, commonName, notBefore, notAfter, dns, ip, extendedKeyUsage } = leaf;
  return {
    // Go's pkix.Name encodes them in this order.
    subject: [...organizations.map((name) => ['O', name] as const), ['CN', commonName] as const],
    notBefore,
    notAfter,
    serial: serial(random),
    keyUsage: leafKeyUsage,
    extendedKeyUsage,
    subjectAltNames: { dns, ip },
    subjectKeyId: false,
  };
}

/** Random below 2^63, never zero. Source: dynamiclistener `cert/cert.go`, NewSignedCert. */
function serial(random: (bytes: number) => Uint8Array): string {
  for (;;) {
    const octets = Uint8Array.from(random(8));
    octets[0] = (octets[0] ?? 0) & 0x7f;
    if (octets.some((octet) => octet !== 0)) return Buffer.from(octets).toString('hex');
  }
}

function fileWrite({ path, mode, owner, replaces }: PlannedLeafFile) {
  return { path, mode, expect: replaces, ...(owner === undefined ? {} : { owner }) };
}

function openFirst({ tree, contents }: LeafReading, path: string, core: Core): PrivateKey {
  const entry = tree.entries.get(path);
  const bytes = contents.get(path);
  const block = entry?.kind === 'file' ? entry.blocks.find(({ kind }) => kind === 'private-key') : undefined;
  if (block === undefined || bytes === undefined) return internalError(`no key in ${path}`);
  return core.openKey(bytes.subarray(block.start, block.end));
}
