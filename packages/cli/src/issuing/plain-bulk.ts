import type { BulkIssuer, BulkOptions, BulkProfile, Core, IssuedLeaves, LeafRow } from '@k3s-pki/core';
import { Failure } from '../failure.ts';

/** Leaves one after the other by the ordinary path of the core. */
export async function openPlainBulk(
  core: Core,
  random: (bytes: number) => Uint8Array,
  profiles: readonly BulkProfile[],
  _options: BulkOptions,
): Promise<BulkIssuer> {
  const keys = profiles.map(({ caKey }) => core.openKey(caKey));
  return {
    depth: 2,
    batchSize: 16,
    async issue(index: number, rows: readonly LeafRow[]): Promise<IssuedLeaves> {
      const profile = profiles[index];
      const caKey = keys[index];
      if (profile === undefined || caKey === undefined) throw new Failure([{ error: 'no such profile' }]);
      const subjectKeys = await core.generateKeys(rows.map(() => profile.keyType));
      const made = rows.map((row, place) => {
        const serial = Buffer.from(random(16));
        serial[0] = ((serial[0] ?? 0) & 0x7f) | 1;
        const { commonName, organizations, dns, ip, notBefore, notAfter } = row;
        const key = subjectKeys[place];
        if (key === undefined) throw new Failure([{ error: 'no key' }]);
        const certificate = core.issue(
          {
            subject: [...organizations.map((each) => ['O', each] as const), ['CN', commonName]],
            notBefore,
            notAfter,
            serial: serial.toString('hex'),
            keyUsage: profile.keyUsage,
            extendedKeyUsage: profile.extendedKeyUsage,
            ...(dns.length + ip.length === 0 ? {} : { subjectAltNames: { dns, ip } }),
            subjectKeyId: false,
          },
          key,
          caKey,
          profile.ca,
        );
        const pem = Buffer.from(core.toPem(certificate));
        const keyPem = key.toPem();
        key.wipe();
        return { pem, keyPem, serial: serial.toString('hex'), sha256: certificate.sha256 };
      });
      const at = (place: number) =>
        made[place] ?? { pem: Buffer.alloc(0), keyPem: Buffer.alloc(0), serial: '', sha256: '' };
      return {
        count: made.length,
        certificate: (place) => at(place).pem,
        key: (place) => at(place).keyPem,
        serial: (place) => at(place).serial,
        sha256: (place) => at(place).sha256,
        release() {
          for (const { keyPem } of made) keyPem.fill(0);
        },
      };
    },
    async close() {
      for (const key of keys) key.wipe();
    },
  };
}
