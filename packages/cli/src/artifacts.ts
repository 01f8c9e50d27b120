import type { Certificate, Core, KeyProgress, PrivateKey } from '@k3s-pki/core';
import { caHash, formatToken, parseToken, randomPassword, tokenFileText } from '@k3s-pki/k3s';
import type { CaPlan, FilePart, PlanId, PlannedFile, PlannedIssuer } from '@k3s-pki/plan';
import { internalError } from './failure.ts';
import { concat, withUnixLines } from './octets.ts';
import type { Reading } from './snapshot.ts';

/** Opened keys of found CAs, by the SHA-256 of their SubjectPublicKeyInfo. */
export type SigningKeys = ReadonlyMap<string, PrivateKey>;

/** The bytes of every planned file, in the plan's order, and the certificates that were made on the way. */
export interface Artifacts {
  readonly files: readonly (PlannedFile & { readonly content: Uint8Array })[];
  readonly certificates: ReadonlyMap<PlanId, Certificate>;
}

/** K3s's script sets these, and digitalSignature and keyEncipherment are what its own CAs hold too. */
const caKeyUsage = ['digitalSignature', 'keyEncipherment', 'keyCertSign'];

/**
 * Makes what a plan describes, in memory: keys, then certificates from the root down, then the files, tokens last.
 * `random` draws serials and passwords, `at` (seconds since 1970) is when a token's chain is judged. New keys are wiped
 * before it returns; `signingKeys` and the files' bytes are the caller's.
 */
export async function makeArtifacts(
  plan: CaPlan,
  { snapshot, contents }: Reading,
  core: Core,
  options: {
    signingKeys: SigningKeys;
    at: number;
    random: (bytes: number) => Uint8Array;
    signal: AbortSignal;
    onProgress: KeyProgress;
  },
): Promise<Artifacts> {
  const { signal, onProgress, random, signingKeys, at } = options;
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
      const certificate = found.get(issuer.certificate.sha256) ?? internalError(issuer.certificate.file);
      const key = signingKeys.get(certificate.key.spkiSha256) ?? internalError(`${issuer.keyFile} was not opened`);
      return [key, certificate];
    };
    for (const planned of plan.certificates) {
      const { id, key = id, commonName, issuer, notBefore, notAfter, pathLength, authorityKeyId = true } = planned;
      const [issuerKey, issuerCertificate] = issuerOf(id, issuer);
      const spec = {
        subject: [['CN', commonName]],
        notBefore,
        notAfter,
        serial: serial(random),
        ca: pathLength === undefined ? {} : { pathLength },
        keyUsage: caKeyUsage,
        authorityKeyId,
      } as const;
      certificates.set(id, core.issue(spec, keyOf(key), issuerKey, issuerCertificate));
    }
    const written = new Map<string, Uint8Array>();
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
        case 'token': {
          const bundle = written.get(part.bundle) ?? internalError(part.bundle);
          const old = part.file === undefined ? text(randomPassword(random)) : contents.get(part.file);
          return joinToken(old ?? internalError(`${part.file}`), bundle, core, at);
        }
      }
    };
    const files = plan.files.map((file) => {
      const content = concat(file.parts.map(render));
      written.set(file.path, content);
      return { ...file, content };
    });
    return { files, certificates };
  } finally {
    for (const key of keys.values()) key.wipe();
  }
}

/** The text of a token file for a bundle: its CA hash, and the credentials of the token in `file`, whatever its hash. */
function joinToken(file: Uint8Array, bundle: Uint8Array, core: Core, at: number): Uint8Array {
  const parsed = parseToken(tokenFileText(file) ?? '');
  if (!parsed.ok || parsed.token.kind !== 'password') return internalError('a token that was not checked');
  const certificates = core
    .inspect(bundle)
    .flatMap((block) => (block.kind === 'certificate' ? [block.certificate] : []));
  const { hash } = caHash(bundle, certificates, (request) => core.chains(request), at);
  // A bare password stands for the server's own user.
  const token = parsed.token.user === '' ? { ...parsed.token, user: 'server' } : parsed.token;
  return text(`${formatToken(token, hash)}\n`);
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
