import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SealError, seal, unseal } from '@k3s-pki/datastore';
import { bootstrapKey } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('seal');
const { records } = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/sealed-by-go.json'), 'utf8')) as {
  records: { token: string; key: string; document: string; record: string }[];
};
const bytes = (text: string) => new TextEncoder().encode(text);

async function fails(record: Uint8Array, token: string): Promise<SealError> {
  try {
    await unseal(record, token);
  } catch (error) {
    assert.instance(error, SealError);
    return error as SealError;
  }
  return assert.unreachable() as never;
}

test("records that Go sealed as K3s does are opened, and lie under K3s's key", async () => {
  assert.is(records.length, 3);
  for (const { token, key, document, record } of records) {
    assert.is(bootstrapKey(token), key);
    assert.is(Buffer.from(await unseal(bytes(record), token)).toString(), document);
  }
});

test('a record has the shape of K3s, is new each time and opens again', async () => {
  const document = randomBytes(1000);
  const [one, two] = [await seal(document, 'token', randomBytes), await seal(document, 'token', randomBytes)];
  assert.match(Buffer.from(one).toString(), /^[0-9a-f]{16}:[A-Za-z0-9+/]+={0,2}$/);
  assert.not.equal(Buffer.from(one), Buffer.from(two));
  assert.ok(Buffer.from(await unseal(one, 'token')).equals(document));
});

test('another token, and every changed part, is refused', async () => {
  const record = await seal(bytes('document'), 'token', randomBytes);
  assert.is((await fails(record, 'other')).code, 'wrong-token');
  const text = Buffer.from(record).toString();
  const [salt = '', sealed = ''] = text.split(':');
  const raw = Buffer.from(sealed, 'base64');
  for (const at of [0, 11, 12, raw.length - 17, raw.length - 16, raw.length - 1]) {
    const changed = Buffer.from(raw);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.is((await fails(bytes(`${salt}:${changed.toString('base64')}`), 'token')).code, 'wrong-token');
  }
  assert.is((await fails(bytes(`0${salt.slice(1)}x:${sealed}`), 'token')).code, 'wrong-token');
});

test('what is no record is refused as such', async () => {
  for (const text of ['', 'abc', 'abc:', 'abc:!!!!', `abc:${Buffer.alloc(27).toString('base64')}`]) {
    assert.is((await fails(bytes(text), 'token')).code, 'malformed', text);
  }
  // Node's decoder would take the rest; Go's does not.
  const record = Buffer.from(await seal(bytes('document'), 'token', randomBytes)).toString();
  for (const cut of [1, 2, 3]) {
    const error = await fails(bytes(record.slice(0, -cut)), 'token');
    assert.is(error.code, 'malformed');
    assert.match(error.message, /cut off/);
  }
});

test.run();
