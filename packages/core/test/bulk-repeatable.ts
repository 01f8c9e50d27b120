/** Prints the lanes and the SHA-256 of two batches whose randomness is a fixed sequence, for the lanes in argv. */
import nodeCrypto, { createCipheriv, createHash, createPrivateKey } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { packRows } from '../src/bulk-rows.ts';
import { load, wasm } from '../src/engine.ts';

const key = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
// The module takes its randomness from the host by these: the engine by the first, ring by the second.
const fill = <T extends Uint8Array>(octets: T): T => {
  octets.set(key.update(Buffer.alloc(octets.length)));
  return octets;
};
nodeCrypto.randomFillSync = fill as typeof nodeCrypto.randomFillSync;
syncBuiltinESMExports();
Object.defineProperty(globalThis.crypto, 'getRandomValues', { value: fill });

await load();
const caKey = createPrivateKey({
  // The private key of RFC 6979, A.2.5.
  key: {
    kty: 'EC',
    crv: 'P-256',
    d: Buffer.from('c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721', 'hex').toString('base64url'),
    x: Buffer.from('60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6', 'hex').toString('base64url'),
    y: Buffer.from('7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299', 'hex').toString('base64url'),
  },
  format: 'jwk',
}).export({ type: 'pkcs8', format: 'pem' });
const opened = wasm.openKey(Buffer.from(caKey));
const blank = new wasm.Blank(new Uint8Array([1]), 1_700_000_000, 2_000_000_000);
blank.keyIds(true, true);
blank.subject('CN', 'ca');
blank.ca(undefined);
blank.usages(['keyCertSign'], []);
const der = Buffer.from(JSON.parse(blank.issue(opened, opened, undefined)).der, 'base64');

try {
  const issuer = new wasm.LeafIssuer(process.argv[2] ?? 'auto', false, false);
  issuer.addProfile(der, Buffer.from(caKey), ['digitalSignature'], ['clientAuth'], 'ec:p256');
  const hash = createHash('sha256');
  for (const count of [131, 7]) {
    const rows = Array.from({ length: count }, (_, i) => ({
      commonName: `node-${i}`,
      organizations: ['system:nodes'],
      dns: [],
      ip: [],
      notBefore: 1_800_000_000,
      notAfter: 1_900_000_000,
    }));
    hash.update(issuer.issue(0, packRows(rows)));
  }
  console.log(issuer.lanes(), hash.digest('hex'));
} catch (thrown) {
  console.log((thrown as Error).message);
}
