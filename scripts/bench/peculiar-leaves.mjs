// node peculiar-leaves.mjs CA_DIR COUNT: client-kubelet certificates with keys by @peculiar/x509 on Node's WebCrypto, PEM
// discarded. Prints JSON: the PEM of the last node.
// tsyringe, which @peculiar/x509 is built on, asks for it and doesn't bring it.
import 'reflect-metadata';
import { createPrivateKey, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const { subtle } = webcrypto;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const hour = 3_600_000;
const day = 24 * hour;

const [folder = '', count = '1'] = process.argv.slice(2);
const bundle = readFileSync(join(folder, 'client-ca.crt'), 'latin1');
const issuer = new x509.X509Certificate(bundle.slice(0, bundle.indexOf('-----END CERTIFICATE-----') + 25));
const caKey = createPrivateKey(readFileSync(join(folder, 'client-ca.key')));
const signingKey = await subtle.importKey('pkcs8', caKey.export({ type: 'pkcs8', format: 'der' }), algorithm, false, [
  'sign',
]);
const keyId = issuer.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;

let last;
for (let row = 1; row <= Number(count); row += 1) {
  last = await kubelet(`edge-${String(row).padStart(6, '0')}`);
}
process.stdout.write(`${JSON.stringify(last)}\n`);

/** K3s's template; the key as PKCS#8, which is what WebCrypto exports. */
async function kubelet(node) {
  const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const notBefore = Math.max(Date.now() - hour, issuer.notBefore.getTime());
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(8))).toString('hex'),
      subject: [{ O: ['system:nodes'] }, { CN: [`system:node:${node}`] }],
      issuer: issuer.subject,
      notBefore: new Date(notBefore),
      notAfter: new Date(notBefore + 365 * day),
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
        new x509.AuthorityKeyIdentifierExtension(keyId),
      ],
    },
    webcrypto,
  );
  const pkcs8 = await subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificate: `${certificate.toString('pem')}\n${bundle}`,
    key: x509.PemConverter.encode(pkcs8, x509.PemConverter.PrivateKeyTag),
  };
}
