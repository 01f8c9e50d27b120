import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CoreError, createCore, type KeyType, type PrivateKey, type PrivateKeyForm } from '../src/core.ts';
import { spkiSha256 } from './judges.ts';

const keys = suite('core/keys');
const core = await createCore();

const TYPES: readonly KeyType[] = ['rsa:2048', 'ec:p256', 'ec:p384', 'ec:p521', 'ed25519'];
const made = new Map<KeyType, PrivateKey>();
for (const [index, key] of (await core.generateKeys(TYPES)).entries()) {
  made.set(TYPES[index] as KeyType, key);
}

const DETAILS: Record<string, object> = {
  'rsa:2048': { modulusLength: 2048, publicExponent: 65537n },
  'ec:p256': { namedCurve: 'prime256v1' },
  'ec:p384': { namedCurve: 'secp384r1' },
  'ec:p521': { namedCurve: 'secp521r1' },
  ed25519: {},
};
const LABELS: Record<string, string> = { pkcs1: 'RSA PRIVATE KEY', sec1: 'EC PRIVATE KEY', pkcs8: 'PRIVATE KEY' };
const forms = (type: string): PrivateKeyForm[] =>
  type.startsWith('rsa') ? ['pkcs1', 'pkcs8'] : type.startsWith('ec') ? ['sec1', 'pkcs8'] : ['pkcs8'];

for (const [type, key] of made) {
  for (const form of forms(type)) {
    keys(`node:crypto opens a new ${type} key in ${form}`, () => {
      const pem = Buffer.from(key.toPem(form));
      assert.is(pem.toString().split('\n')[0], `-----BEGIN ${LABELS[form]}-----`);
      assert.is(pem.at(-1), 10);
      const opened = createPrivateKey(pem);
      assert.equal(opened.asymmetricKeyDetails, DETAILS[type]);
      assert.is(spkiSha256(createPublicKey(opened)), key.type.spkiSha256);
    });
  }
  keys(`a ${type} key is written in its usual form when none is named`, () => {
    assert.equal(key.toPem(), key.toPem(forms(type)[0]));
  });
  keys(`a ${type} key that node:crypto wrote is opened and is the same key`, () => {
    for (const form of forms(type)) {
      const written = createPrivateKey(Buffer.from(key.toPem())).export({ type: form, format: 'pem' });
      const opened = core.openKey(Buffer.from(written));
      assert.equal(opened.type, key.type);
      // Both sides write the same optional fields.
      assert.is(Buffer.from(opened.toPem(form)).toString(), written.toString());
    }
  });
  keys(`node:crypto signs and verifies with a new ${type} key`, () => {
    const opened = createPrivateKey(Buffer.from(key.toPem()));
    const hash = type === 'ed25519' ? null : 'sha256';
    const signature = sign(hash, Buffer.from('message'), opened);
    assert.ok(verify(hash, Buffer.from('message'), createPublicKey(opened), signature));
  });
}

keys('facts of the types', () => {
  const facts = [...made.values()].map(({ type: { algorithm, bits, curve } }) => ({ algorithm, bits, curve }));
  assert.equal(facts, [
    { algorithm: 'rsa', bits: 2048, curve: undefined },
    { algorithm: 'ec', bits: 256, curve: 'p256' },
    { algorithm: 'ec', bits: 384, curve: 'p384' },
    { algorithm: 'ec', bits: 521, curve: 'p521' },
    { algorithm: 'ed25519', bits: 256, curve: undefined },
  ]);
});

keys('forms that do not belong to a type are refused', () => {
  for (const [type, form] of [
    ['rsa:2048', 'sec1'],
    ['ec:p256', 'pkcs1'],
    ['ed25519', 'pkcs1'],
  ] as const) {
    assert.throws(() => made.get(type)?.toPem(form), code('unsupported'));
  }
});

keys('new keys differ', async () => {
  const some = await core.generateKeys(['ec:p256', 'ec:p256', 'ec:p521', 'ec:p521', 'ed25519', 'ed25519']);
  assert.is(new Set(some.map((key) => key.type.spkiSha256)).size, 6);
  for (const key of some) {
    key.wipe();
  }
});

keys('RSA keys of two sizes come in the order asked for, and every one is reported', async () => {
  const types: KeyType[] = ['rsa:2048', 'ed25519', 'rsa:2112', 'ec:p256'];
  const seen: number[] = [];
  let before = 0;
  const some = await core.generateKeys(types, {
    onProgress: ({ done, total, tests }) => {
      assert.is(total, 4);
      assert.ok(tests >= before);
      before = tests;
      seen.push(done);
    },
  });
  assert.equal(
    some.map((key) => key.type.bits),
    [2048, 256, 2112, 256],
  );
  assert.equal([...new Set(seen)], [1, 2, 3, 4]);
});

keys('the thread stays responsive while RSA keys are searched', async () => {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const timer = setInterval(() => {}, 5);
  await core.generateKeys(['rsa:4096']);
  clearInterval(timer);
  delay.disable();
  // Half a second of search on this thread would be one sample of half a second. On an idle machine the median is
  // 5 ms; a busy one gets room.
  assert.ok(delay.percentile(50) < 50e6, `median ${delay.percentile(50) / 1e6} ms`);
});

keys('an abort before and while keys are searched', async () => {
  await rejects(core.generateKeys(['rsa:2048'], { signal: AbortSignal.abort() }), 'aborted');
  await rejects(core.generateKeys(['ec:p256'], { signal: AbortSignal.abort() }), 'aborted');
  const controller = new AbortController();
  const running = core.generateKeys(['rsa:8192', 'rsa:8192', 'ec:p256'], { signal: controller.signal });
  const settled = rejects(running, 'aborted');
  await setTimeout(50);
  const start = performance.now();
  controller.abort();
  await settled;
  assert.ok(performance.now() - start < 1000);
});

keys('close ends a search', async () => {
  const other = await createCore();
  const settled = rejects(other.generateKeys(['rsa:8192']), 'aborted');
  await setTimeout(50);
  await other.close();
  await settled;
});

keys('key types that nobody should have are refused before a search begins', async () => {
  await rejects(core.generateKeys(['rsa:1024']), 'weak-key');
  await rejects(core.generateKeys(['rsa:2047']), 'weak-key');
  for (const type of ['rsa:2049', 'rsa:9216', 'rsa:x', 'rsa:', 'ec:secp256k1', 'dsa', '']) {
    await rejects(core.generateKeys(['rsa:8192', type as KeyType]), 'unsupported');
  }
});

keys('a wiped key is of no use', async () => {
  const [key] = await core.generateKeys(['ec:p256']);
  key?.wipe();
  key?.wipe();
  assert.throws(() => key?.toPem(), code('internal'));
});

keys('RSA keys of unusual sizes and exponents, made by node:crypto', () => {
  for (const [modulusLength, publicExponent] of [
    [1024, 65537],
    [1536, 3],
    [2048, 3],
    [2048, 17],
    [2056, 65537],
    [2048, 0xffff_0001],
    [4608, 65537],
  ] as const) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent });
    for (const type of ['pkcs1', 'pkcs8'] as const) {
      const opened = core.openKey(Buffer.from(privateKey.export({ type, format: 'pem' })));
      assert.is(opened.type.bits, modulusLength);
      assert.is(opened.type.spkiSha256, spkiSha256(createPublicKey(privateKey)));
    }
  }
});

keys.after(() => core.close());
keys.run();

function code(expected: string): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof CoreError && thrown.code === expected;
}

async function rejects(promise: Promise<unknown>, expected: string): Promise<void> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(code(expected)(thrown), `${expected} expected, got ${thrown}`);
}
