// Judges results by node:crypto, which is OpenSSL and none of ours. Everything here throws on a wrong result.
import * as assert from 'node:assert/strict';
import {
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  pbkdf2Sync,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';

const message = Buffer.from('bench');

/** A private key in PEM: it imports, has this type and size, and what it signs verifies. */
export function privateKey(pem, { type, bits, curve }) {
  const key = createPrivateKey(pem);
  assert.equal(key.asymmetricKeyType, type);
  if (bits !== undefined) assert.equal(key.asymmetricKeyDetails.modulusLength, bits);
  if (type === 'rsa') assert.equal(key.asymmetricKeyDetails.publicExponent, 65537n);
  if (curve !== undefined) assert.equal(key.asymmetricKeyDetails.namedCurve, curve);
  assert.ok(verify('sha256', message, createPublicKey(key), sign('sha256', message, key)), 'a key does not sign');
  return key;
}

/** A client-kubelet certificate as K3s makes it, its CA's bundle behind it, and its key. */
export function kubelet({ node, certificate, key, bundle }) {
  const [leafPem, ...chain] = blocks(certificate);
  const leaf = new X509Certificate(leafPem);
  const ca = new X509Certificate(blocks(bundle)[0]);
  assert.deepEqual(chain, blocks(bundle), `${node}: the CA's bundle does not follow`);
  assert.equal(leaf.subject, `O=system:nodes\nCN=system:node:${node}`);
  assert.ok(leaf.checkIssued(ca), `${node}: not issued by the client CA`);
  assert.ok(leaf.verify(ca.publicKey), `${node}: the signature is wrong`);
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.2'], `${node}: extended key usage`);
  assert.equal(leaf.ca, false);
  const [from, to] = [leaf.validFromDate, leaf.validToDate].map(Number);
  assert.equal((to - from) / 86_400_000, 365, `${node}: lifetime`);
  assert.ok(from <= Date.now() && Date.now() < to, `${node}: not valid now`);
  assert.ok(leaf.checkPrivateKey(privateKey(key, { type: 'ec', curve: 'prime256v1' })), `${node}: another key`);
}

/** New public keys of P-256, points in hex, and with each a message's signature by a certificate's key. */
export function keysAndSignatures(rows, certificate) {
  const signer = new X509Certificate(certificate).publicKey;
  for (const { message, point, signature } of rows) {
    const [x, y] = [2, 66].map((start) => Buffer.from(point.slice(start, start + 64), 'hex').toString('base64url'));
    // Throws for a point off the curve.
    createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
    assert.ok(verify('sha256', Buffer.from(message), signer, Buffer.from(signature, 'hex')), `${message}: signature`);
  }
  assert.equal(new Set(rows.map(({ point }) => point)).size, rows.length, 'two keys are the same');
}

/** What `generate-custom-ca-certs` leaves: five CAs whose chains verify up to the root, with their keys. */
export function customCas(read) {
  const root = new X509Certificate(read('root-ca.crt'));
  assert.ok(root.ca && root.verify(root.publicKey), 'root-ca.crt is not a self-signed CA');
  for (const name of ['client-ca', 'server-ca', 'request-header-ca', 'etcd/peer-ca', 'etcd/server-ca']) {
    const chain = blocks(read(`${name}.crt`)).map((pem) => new X509Certificate(pem));
    assert.equal(chain.length, 3, `${name}.crt: length of the chain`);
    assert.equal(chain[2].fingerprint256, root.fingerprint256, `${name}.crt: another root`);
    for (const [index, certificate] of chain.entries()) {
      const issuer = chain[index + 1] ?? certificate;
      assert.ok(certificate.ca && certificate.checkIssued(issuer), `${name}.crt: certificate ${index}`);
      assert.ok(certificate.verify(issuer.publicKey), `${name}.crt: signature ${index}`);
    }
    assert.ok(chain[0].checkPrivateKey(privateKey(read(`${name}.key`), { type: 'ec' })), `${name}.key`);
  }
  for (const [name, bits] of Object.entries({ 'root-ca': 4096, 'intermediate-ca': 4096, service: 2048 }))
    privateKey(read(`${name}.key`), { type: 'rsa', bits });
}

/** A record of bootstrap data: salt as text, colon, base64 of nonce, content and tag. Source: K3s `pkg/cluster/encrypt.go`. */
export const sealed = { salt: 16, nonce: 12, tag: 16, rounds: 4096, key: 32, digest: 'sha1', cipher: 'aes-256-gcm' };

/** The bench's cluster. */
export const passphrase = 'f00dfacef00dfacef00dfacef00dface';

/** Opens a record that was sealed with `passphrase`. */
export function openedRecord(record) {
  const text = Buffer.from(record).toString('latin1');
  assert.match(text.slice(0, sealed.salt + 1), /^[0-9a-f]+:$/);
  const bytes = Buffer.from(text.slice(sealed.salt + 1), 'base64');
  const key = pbkdf2Sync(passphrase, text.slice(0, sealed.salt), sealed.rounds, sealed.key, sealed.digest);
  const opening = createDecipheriv(sealed.cipher, key, bytes.subarray(0, sealed.nonce));
  opening.setAuthTag(bytes.subarray(-sealed.tag));
  return Buffer.concat([opening.update(bytes.subarray(sealed.nonce, -sealed.tag)), opening.final()]);
}

/** The blocks of a PEM text, each with its final newline. */
export function blocks(pem) {
  return (String(pem).match(/-----BEGIN ([^-]+)-----[\s\S]*?-----END \1-----/g) ?? []).map((block) => `${block}\n`);
}
