import type { Certificate, Core, KeyProgress, PrivateKey } from '@k3s-pki/core';
import type { CustomCaPlan, FilePart, PlanId, PlannedFile, PlannedIssuer } from '@k3s-pki/plan';
import { internalError } from './failure.ts';
import { concat, withUnixLines } from './octets.ts';
import type { Reading } from './snapshot.ts';

/** The bytes of every planned file, in the plan's order, and the certificates that were made on the way. */
export interface Artifacts {
  readonly files: readonly (PlannedFile & { readonly content: Uint8Array })[];
  readonly certificates: ReadonlyMap<PlanId, Certificate>;
}

/** K3s's script sets these, and digitalSignature and keyEncipherment are what its own CAs hold too. */
const caKeyUsage = ['digitalSignature', 'keyEncipherment', 'keyCertSign'];

/**
 * Makes what a plan describes, in memory: keys, then certificates from the root down, then the files. `signingKey` is
 * the opened key of the found CA that signs, when there is one. `random` draws serials. Keys are wiped before it
 * returns; the files' bytes are the caller's.
 */
export async function makeArtifacts(
  plan: CustomCaPlan,
  { snapshot, contents }: Reading,
  core: Core,
  options: {
    signingKey: PrivateKey | undefined;
    random: (bytes: number) => Uint8Array;
    signal: AbortSignal;
    onProgress: KeyProgress;
  },
): Promise<Artifacts> {
  const { signal, onProgress, random, signingKey } = options;
  const made = await core.generateKeys(
    plan.keys.map(({ type }) => type),
    { signal, onProgress },
  );
  const keys = new Map(plan.keys.map(({ id }, index) => [id, made[index] ?? internalError(`no key ${id}`)]));
  const keyOf = (id: PlanId) => keys.get(id) ?? internalError(`no key ${id}`);
  try {
    const found = new Map<string, Certificate>();
    for (const file of snapshot.files.values()) {
      for (const block of file.kind === 'file' ? file.blocks : []) {
        if (block.kind === 'certificate') found.set(block.certificate.sha256, block.certificate);
      }
    }
    const certificates = new Map<PlanId, Certificate>();
    const issuerOf = (id: PlanId, issuer: PlannedIssuer): [PrivateKey, Certificate?] => {
      if (issuer.kind === 'self') return [keyOf(id)];
      if (issuer.kind === 'new') return [keyOf(issuer.id), certificates.get(issuer.id) ?? internalError(issuer.id)];
      return [
        signingKey ?? internalError(`${issuer.keyFile} was not opened`),
        found.get(issuer.certificate.sha256) ?? internalError(issuer.certificate.file),
      ];
    };
    for (const { id, commonName, issuer, notBefore, notAfter, pathLength } of plan.certificates) {
      const [issuerKey, issuerCertificate] = issuerOf(id, issuer);
      const spec = {
        subject: [['CN', commonName]],
        notBefore,
        notAfter,
        serial: serial(random),
        ca: pathLength === undefined ? {} : { pathLength },
        keyUsage: caKeyUsage,
      } as const;
      certificates.set(id, core.issue(spec, keyOf(id), issuerKey, issuerCertificate));
    }
    const render = (part: FilePart): Uint8Array => {
      switch (part.kind) {
        case 'new-key':
          return keyOf(part.id).toPem();
        case 'new-certificate':
          return text(core.toPem(certificates.get(part.id) ?? internalError(`no certificate ${part.id}`)));
        case 'found-certificate':
          return text(core.toPem(found.get(part.sha256) ?? internalError(part.file)));
        case 'found-file':
          return Uint8Array.from(contents.get(part.file) ?? internalError(part.file));
        case 'found-block': {
          const file = snapshot.files.get(part.file);
          const block = file?.kind === 'file' ? file.blocks[part.block] : undefined;
          const bytes = contents.get(part.file);
          if (block === undefined || bytes === undefined) return internalError(part.file);
          return withUnixLines(bytes.subarray(block.start, block.end));
        }
      }
    };
    const files = plan.files.map((file) => ({ ...file, content: concat(file.parts.map(render)) }));
    return { files, certificates };
  } finally {
    for (const key of keys.values()) key.wipe();
    signingKey?.wipe();
  }
}

/** 64 random bits, never zero, as K3s's script draws its first serial; positive in DER by a leading zero octet. */
function serial(random: (bytes: number) => Uint8Array): string {
  for (;;) {
    const hex = Buffer.from(random(8)).toString('hex');
    if (/[1-9a-f]/.test(hex)) return hex;
  }
}

function text(pem: string): Uint8Array {
  return new TextEncoder().encode(pem);
}
