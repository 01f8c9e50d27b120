import type { Certificate, CertificateSpec, Core, KeyType, PrivateKey } from '@k3s-pki/core';

/** A CA with its key. */
export interface Made {
  readonly certificate: Certificate;
  readonly key: PrivateKey;
}

export const daySeconds = 86_400;

/** Makes CAs with the core, valid from a day before `now` (seconds since 1970) for 1000 days more, for sets of files. */
export function authorities(core: Core, now: number) {
  let serial = 1;
  const freshKey = async (type: KeyType = 'ec:p256'): Promise<PrivateKey> => {
    const [key] = await core.generateKeys([type]);
    if (key === undefined) throw new Error(`no ${type} key`);
    return key;
  };
  const make = async (
    name: string,
    issuer?: Made,
    changes: Partial<CertificateSpec> = {},
    key?: PrivateKey,
  ): Promise<Made> => {
    const own = key ?? (await freshKey());
    const spec: CertificateSpec = {
      subject: [['CN', name]],
      notBefore: now - daySeconds,
      notAfter: now + 1000 * daySeconds,
      serial: (serial++).toString(16).padStart(4, '0'),
      ca: {},
      keyUsage: ['digitalSignature', 'keyEncipherment', 'keyCertSign'],
      ...changes,
    };
    return { certificate: core.issue(spec, own, issuer?.key ?? own, issuer?.certificate), key: own };
  };
  return {
    freshKey,
    make,
    /** Certificates in this order. */
    pem: (...made: readonly Made[]) => made.map(({ certificate }) => core.toPem(certificate)).join(''),
    keyPem: ({ key }: Pick<Made, 'key'>) => Buffer.from(key.toPem()).toString(),
  };
}

export const caPaths = ['client-ca', 'server-ca', 'request-header-ca', 'etcd/peer-ca', 'etcd/server-ca'] as const;
