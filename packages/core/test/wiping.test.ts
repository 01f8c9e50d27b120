/** Linear memory after a key was wiped, searched for its numbers in both orders of octets. What V8 keeps in registers
 *  or on its own stack is not seen here. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createCore, type KeyType } from '../src/core.ts';
import { load, wasm } from '../src/engine.ts';

const wiping = suite('core/wiping');
const core = await createCore();
const { memory } = wasm.initSync({ module: await load() });

const PASSPHRASE = 'Wq7hTz0Kc4vXr9LmYb2NsG8dJfPe5uAa';
const AT = 1_800_000_000;

/** Pieces of 12 octets of every secret number: a residue is often overwritten in part. */
function residues(secrets: readonly Buffer[]): string[] {
  const all = Buffer.from(memory.buffer);
  return secrets.flatMap((secret, number) =>
    [secret, Buffer.from(secret).reverse()].flatMap((octets, order) => {
      const pieces = Array.from({ length: Math.floor(octets.length / 12) }, (_, piece) => piece * 12);
      return pieces
        .map((at) => ({ at, found: all.indexOf(octets.subarray(at, at + 12)) }))
        .filter(({ found }) => found >= 0)
        .map(({ at, found }) => `number ${number}, ${order === 0 ? 'big' : 'little'} endian, octet ${at} at ${found}`);
    }),
  );
}

function secretsOf(key: KeyObject): Buffer[] {
  const jwk = key.export({ format: 'jwk' });
  return [jwk.d, jwk.p, jwk.q, jwk.dp, jwk.dq, jwk.qi].flatMap((number) =>
    number === undefined ? [] : Buffer.from(number, 'base64url'),
  );
}

for (const type of ['ec:p256', 'ec:p384', 'ec:p521', 'ed25519', 'rsa:2048', 'rsa:3072'] satisfies KeyType[]) {
  wiping(`${type}: made, signed with, written, wiped`, async () => {
    const [key] = await core.generateKeys([type]);
    assert.ok(key);
    const secrets = secretsOf(createPrivateKey(Buffer.from(key.toPem())));
    core.issue({ subject: [['CN', 'x']], notBefore: AT, notAfter: AT, serial: '01', keyUsage: [] }, key, key);
    key.toPem('pkcs8');
    // The search itself works: a living key is found.
    assert.ok(residues(secrets).length > 0);
    key.wipe();
    assert.equal(residues(secrets), []);
  });

  wiping(`${type}: read from every form, and looked at`, async () => {
    const [key] = await core.generateKeys([type]);
    assert.ok(key);
    const object = createPrivateKey(Buffer.from(key.toPem()));
    key.wipe();
    const secrets = secretsOf(object);
    const form = type.startsWith('rsa') ? 'pkcs1' : type.startsWith('ec') ? 'sec1' : 'pkcs8';
    for (const pem of [object.export({ type: form, format: 'pem' }), object.export({ type: 'pkcs8', format: 'pem' })]) {
      core.openKey(Buffer.from(pem)).wipe();
      assert.equal(residues(secrets), [], 'opened');
      core.inspect(Buffer.from(pem));
      assert.equal(residues(secrets), [], 'inspected');
    }
  });

  wiping(`${type}: decrypted, and the passphrase`, async () => {
    const [key] = await core.generateKeys([type]);
    assert.ok(key);
    const object = createPrivateKey(Buffer.from(key.toPem()));
    key.wipe();
    const secrets = [...secretsOf(object), Buffer.from(PASSPHRASE)];
    const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE } as const;
    const pem = Buffer.from(object.export(options));
    core.openKey(pem, Buffer.from(PASSPHRASE)).wipe();
    assert.equal(residues(secrets), []);
    assert.throws(() => core.openKey(pem, Buffer.from(`${PASSPHRASE}.`)));
    assert.equal(residues(secrets), []);
  });
}

wiping.after(() => core.close());
wiping.run();
