import { spawnSync } from 'node:child_process';
import nodeCrypto, { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { wasmUrl } from '../src/assets.ts';
import { packRows } from '../src/bulk-rows.ts';
import {
  type BulkIssuer,
  type BulkProfile,
  type Certificate,
  CoreError,
  createCore,
  type KeyType,
  type LeafRow,
  openBulk,
} from '../src/core.ts';
import { load, wasm } from '../src/engine.ts';

const bulk = suite('core/bulk');
const core = await createCore();
const scratch = mkdtempSync(join(tmpdir(), 'k3s-pki-bulk-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

interface Authority {
  readonly certificate: Certificate;
  readonly key: Uint8Array;
}

// 2026-11-24 and 365 days later.
const NOT_BEFORE = 1_795_478_400;
const NOT_AFTER = NOT_BEFORE + 365 * 86_400;

async function authority(type: KeyType, name = 'k3s-client-ca@1795478400'): Promise<Authority> {
  const [key] = await core.generateKeys([type]);
  assert.ok(key);
  const spec = {
    subject: [['CN', name]],
    notBefore: NOT_BEFORE - 86_400,
    notAfter: 4_000_000_000,
    serial: '01',
    ca: {},
    keyUsage: ['digitalSignature', 'keyEncipherment', 'keyCertSign'],
  } as const;
  return { certificate: core.issue(spec, key, key), key: key.toPem() };
}

function profile(
  { certificate, key }: Authority,
  extendedKeyUsage: string[],
  keyType: KeyType = 'ec:p256',
): BulkProfile {
  return {
    ca: certificate,
    caKey: key,
    keyUsage: ['digitalSignature', 'keyEncipherment'],
    extendedKeyUsage,
    keyType,
  };
}

function row(commonName: string, more: Partial<LeafRow> = {}): LeafRow {
  return {
    commonName,
    organizations: [],
    dns: [],
    ip: [],
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    ...more,
  };
}

const rows = (count: number): LeafRow[] =>
  Array.from({ length: count }, (_, i) => row(`system:node:edge-${i}`, { organizations: ['system:nodes'] }));

const long = 'n'.repeat(64);
const wide = 'ノード'.repeat(21);
/** Rows of K3s's table, then the bounds. */
const KINDS: readonly LeafRow[] = [
  row('system:kube-proxy'),
  row('system:node:node-1', { organizations: ['system:nodes'] }),
  row('node-1', { dns: ['node-1', 'localhost'], ip: ['192.0.2.10', '127.0.0.1', '::1'] }),
  row('kube-apiserver', {
    dns: ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes', '*.example.org', '_x.y'],
    ip: ['10.43.0.1', '2001:db8::1', 'fe80:0:0:0:1:2:3:4', '::ffff:192.0.2.1'],
  }),
  row(long, { organizations: ['zz', 'z', 'ä', 'a', 'a', long, 'A&B', "it's (an) O, x+y=z?/:.-"] }),
  row(wide, { organizations: [wide, 'O*'], dns: Array.from({ length: 400 }, (_, i) => `san-${i}.example.org`) }),
  row('ip only', { ip: Array.from({ length: 300 }, (_, i) => `2001:db8::${i.toString(16)}`) }),
  row('last utc time', { notBefore: 2_524_607_999, notAfter: 2_524_608_000 }),
  row('end of time', { notBefore: 2_524_608_000, notAfter: 253_402_300_799 }),
];

/** Every row read by node:crypto: names, dates, serial, digest, signature and key. */
function judgeByNode(issued: Awaited<ReturnType<BulkIssuer['issue']>>, asked: readonly LeafRow[], ca: Authority): void {
  const issuer = new X509Certificate(ca.certificate.der);
  assert.is(issued.count, asked.length);
  const seen = new Set<string>();
  for (const [index, { commonName, organizations, notAfter, notBefore }] of asked.entries()) {
    const pem = Buffer.from(issued.certificate(index));
    const leaf = new X509Certificate(pem);
    assert.is(leaf.toString(), pem.toString());
    assert.ok(leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey));
    assert.ok(leaf.checkPrivateKey(createPrivateKey(Buffer.from(issued.key(index)))));
    assert.is(leaf.serialNumber.toLowerCase(), issued.serial(index));
    assert.match(issued.serial(index), /^(?!00)[0-7][0-9a-f]{31}$/);
    assert.is(leaf.fingerprint256.replaceAll(':', '').toLowerCase(), issued.sha256(index));
    assert.is(leaf.validFromDate.getTime(), notBefore * 1000);
    assert.is(leaf.validToDate.getTime(), notAfter * 1000);
    const { CN, O } = leaf.toLegacyObject().subject as { CN: string; O?: string | string[] };
    assert.is(CN, commonName);
    assert.equal([O ?? []].flat().sort(), [...organizations].sort());
    seen
      .add(issued.serial(index))
      .add(issued.sha256(index))
      .add(Buffer.from(issued.key(index)).toString());
  }
  assert.is(seen.size, 3 * asked.length);
}

const p256 = await authority('ec:p256');

bulk('node:crypto accepts every row of batches of all sizes', async () => {
  const issuer = await openBulk([profile(p256, ['clientAuth'])], { workers: 2, check: 'sample' });
  try {
    const sizes = [0, 1, 2, 3, 4, 5, 15, 16, 17, 63, 127, 128, 129, 255, 256, 257, 300, issuer.batchSize];
    await Promise.all(
      sizes.map(async (size) => {
        const asked = rows(size);
        const issued = await issuer.issue(0, asked);
        judgeByNode(issued, asked, p256);
        issued.release();
      }),
    );
  } finally {
    await issuer.close();
  }
});

bulk('several profiles in one issuer, every row verified', async () => {
  const server = await authority('ec:p256', 'k3s-server-ca@1795478400');
  const profiles = [
    profile(p256, ['clientAuth']),
    profile(server, ['serverAuth']),
    profile(server, ['serverAuth', 'clientAuth']),
  ];
  const issuer = await openBulk(profiles, { workers: 1, check: 'all', expected: 30 });
  try {
    for (const [index, ca] of [p256, server, server].entries()) {
      const issued = await issuer.issue(index, KINDS);
      judgeByNode(issued, KINDS, ca);
      const usages = profiles[index]?.extendedKeyUsage ?? [];
      for (let leaf = 0; leaf < KINDS.length; leaf += 1) {
        const [block] = core.inspect(issued.certificate(leaf));
        assert.ok(block?.kind === 'certificate');
        assert.equal(block.certificate.extendedKeyUsage, usages);
        assert.equal(block.certificate.keyUsage, ['digitalSignature', 'keyEncipherment']);
        assert.is(block.certificate.authorityKeyId, ca.certificate.subjectKeyId);
        assert.is(block.certificate.subjectKeyId, undefined);
        assert.is(block.certificate.basicConstraints, undefined);
        assert.equal(block.certificate.subjectAltNames?.dns ?? [], KINDS[leaf]?.dns);
        assert.is(block.certificate.subjectAltNames?.ip.length ?? 0, KINDS[leaf]?.ip.length);
      }
    }
  } finally {
    await issuer.close();
  }
});

const others: ReadonlyArray<readonly [KeyType, KeyType]> = [
  ['ec:p256', 'rsa:2048'],
  ['ec:p256', 'ec:p384'],
  ['ec:p256', 'ec:p521'],
  ['ec:p256', 'ed25519'],
  ['rsa:2048', 'ec:p256'],
  ['ec:p384', 'ec:p256'],
  ['ec:p521', 'ec:p256'],
  ['ed25519', 'ec:p256'],
];
for (const [caType, keyType] of others) {
  bulk(`${keyType} keys under a CA of ${caType} take the ordinary path`, async () => {
    const ca = await authority(caType);
    const issuer = await openBulk([profile(ca, ['serverAuth'], keyType)], { workers: 1, check: 'sample' });
    try {
      const asked = keyType === 'rsa:2048' ? KINDS.slice(0, 2) : KINDS;
      judgeByNode(await issuer.issue(0, asked), asked, ca);
    } finally {
      await issuer.close();
    }
  });
}

if (!absent('openssl')) {
  bulk('openssl verifies leaves and reads their keys', async () => {
    const issuer = await openBulk([profile(p256, ['clientAuth'])], { workers: 1, check: 'sample' });
    try {
      const issued = await issuer.issue(0, KINDS);
      const ca = join(scratch, 'ca.pem');
      writeFileSync(ca, core.toPem(p256.certificate));
      const leaves = KINDS.slice(0, 7).map((_, index) => {
        const path = join(scratch, `leaf-${index}.pem`);
        writeFileSync(path, issued.certificate(index));
        const read = run('openssl', ['pkey', '-pubout'], Buffer.from(issued.key(index)));
        const spki = createPublicKey(read).export({ type: 'spki', format: 'der' });
        assert.equal(
          new X509Certificate(issued.certificate(index)).publicKey.export({ type: 'spki', format: 'der' }),
          spki,
        );
        return path;
      });
      const at = ['-attime', String(NOT_BEFORE + 1)];
      const verdict = run('openssl', [
        'verify',
        '-x509_strict',
        '-purpose',
        'sslclient',
        ...at,
        '-CAfile',
        ca,
        ...leaves,
      ]);
      assert.is(verdict, leaves.map((path) => `${path}: OK\n`).join(''));
    } finally {
      await issuer.close();
    }
  });
}

if (!absent('go')) {
  bulk("Go's crypto/x509 would sign the same octets", async () => {
    const judge = join(scratch, 'bulk-judge');
    const built = spawnSync('go', ['build', '-buildvcs=false', '-o', judge, '.'], {
      cwd: fileURLToPath(new URL('bulk-judge', import.meta.url)),
      encoding: 'utf8',
    });
    assert.is(built.status, 0, built.stderr);
    const questions: object[] = [];
    for (const [caType, keyType] of [['ec:p256', 'ec:p256'], ...others] as ReadonlyArray<readonly [KeyType, KeyType]>) {
      const ca = await authority(caType);
      for (const usages of [['clientAuth'], ['serverAuth', 'clientAuth']]) {
        const issuer = await openBulk([profile(ca, usages, keyType)], { workers: 1, check: 'sample' });
        const asked = keyType === 'rsa:2048' ? KINDS.slice(3, 6) : KINDS;
        const issued = await issuer.issue(0, asked);
        for (const [index, { commonName, organizations, dns, ip, notBefore, notAfter }] of asked.entries()) {
          questions.push({
            CA: core.toPem(ca.certificate),
            CAKey: Buffer.from(ca.key).toString(),
            Leaf: Buffer.from(issued.certificate(index)).toString(),
            Key: Buffer.from(issued.key(index)).toString(),
            ...{ CommonName: commonName, Organizations: organizations, DNS: dns, IP: ip },
            ...{ NotBefore: notBefore, NotAfter: notAfter, Usages: usages },
          });
        }
        await issuer.close();
      }
    }
    const answers = run(judge, [], Buffer.from(questions.map((question) => `${JSON.stringify(question)}\n`).join('')));
    assert.equal(
      answers.trim().split('\n'),
      questions.map(() => '""'),
    );
  });
}

bulk('equal randomness gives equal octets with and without fused multiply-adds', () => {
  const digest = (lanes: string, ...flags: string[]): string => {
    const program = fileURLToPath(new URL('bulk-repeatable.ts', import.meta.url));
    return run(process.execPath, [...flags, program, lanes]);
  };
  const [simd, scalar, unfused] = [digest('simd'), digest('scalar'), digest('auto', '--no-enable-fma3')];
  assert.match(simd, /^simd [0-9a-f]{64}\n$/);
  assert.is(scalar, simd.replace('simd', 'scalar'));
  const auto = digest('auto');
  assert.is(auto.replace(/^\w+/, 'simd'), simd);
  if (process.arch === 'x64') {
    assert.is(unfused, simd);
    assert.match(digest('fma', '--no-enable-fma3'), /^unsupported: this CPU has no fused multiply-add/);
  }
});

bulk('bad rows are refused by number, and the batch after them is issued', async () => {
  const issuer = await openBulk([profile(p256, ['clientAuth'])], { workers: 1, check: 'sample' });
  try {
    const bad: ReadonlyArray<readonly [LeafRow, RegExp]> = [
      [row(''), /^row 2: a name in the subject/],
      [row(`${long}n`), /^row 2: a name in the subject/],
      [row('a\0b'), /zero character/],
      [row('a', { dns: ['grün.example.org'] }), /^row 2: a DNS name/],
      [row('a', { ip: ['192.0.2.256'] }), /^row 2: an IP address/],
      [row('a', { notAfter: 0 }), /^row 2: a certificate that ends before it begins/],
      [row('a', { notBefore: Number.NaN, notAfter: 1e300 }), /^row 2: a validity outside/],
      [row('k3s-client-ca@1795478400'), /^row 2: a leaf with the name of its issuer/],
    ];
    for (const [wrong, message] of bad) {
      await rejects(issuer.issue(0, [...rows(2), wrong, row('')]), 'malformed', message);
    }
    await rejects(issuer.issue(0, rows(4097)), 'malformed', /more than 4096 rows/);
    await rejects(issuer.issue(1, rows(1)), 'internal', /no such profile/);
    judgeByNode(await issuer.issue(0, rows(3)), rows(3), p256);
  } finally {
    await issuer.close();
  }
});

bulk('bad rows of the ordinary path are named by their place in the batch', async () => {
  const ca = await authority('ed25519');
  const issuer = await openBulk([profile(ca, ['clientAuth'])], { workers: 2, check: 'sample' });
  try {
    assert.ok(issuer.batchSize < 20);
    const wrong = [...rows(19), row('a', { dns: ['a b'] }), ...rows(5)];
    await rejects(issuer.issue(0, wrong), 'malformed', /^row 19: a DNS name/);
    judgeByNode(await issuer.issue(0, rows(21)), rows(21), ca);
  } finally {
    await issuer.close();
  }
});

bulk('batches after the first take no new memory and few calls for randomness', async () => {
  const { memory } = wasm.initSync({ module: await load() });
  const issuer = new wasm.LeafIssuer('auto', false, false);
  issuer.addProfile(p256.certificate.der, p256.key, ['digitalSignature'], ['clientAuth'], 'ec:p256');
  const packed = packRows(rows(256));
  const real = nodeCrypto.randomFillSync;
  let calls = 0;
  // Counted, not replaced.
  const use = (fill: typeof real): void => {
    nodeCrypto.randomFillSync = fill;
    syncBuiltinESMExports();
  };
  use(((octets: Uint8Array<ArrayBuffer>) => {
    calls += 1;
    return real(octets);
  }) as typeof real);
  try {
    for (let batch = 0; batch < 10; batch += 1) {
      issuer.issue(0, packed);
    }
    const before = memory.buffer.byteLength;
    calls = 0;
    for (let batch = 0; batch < 20; batch += 1) {
      issuer.issue(0, packed);
    }
    assert.is(memory.buffer.byteLength, before);
    // 5 for 256 rows, and one for each serial whose first octet is zero: 2 on average.
    assert.ok(calls >= 20 && calls <= 20 * 12, `${calls} calls`);
  } finally {
    use(real);
    issuer.free();
  }
});

bulk('the module stays below 1.9 MB', () => {
  // 1,785,775 octets when written.
  assert.ok(statSync(wasmUrl).size < 1_900_000, `${statSync(wasmUrl).size} octets`);
});

bulk('a key of another CA, an unknown usage and unknown lanes are refused at the start', async () => {
  const other = await authority('ec:p256');
  const options = { workers: 2, check: 'sample' } as const;
  const crossed = { ...profile(p256, ['clientAuth']), caKey: other.key };
  await rejects(openBulk([crossed], options), 'malformed', /key is not that of its certificate/);
  await rejects(openBulk([profile(p256, ['everything'])], options), 'malformed', /unknown extended key usage/);
  const lanes = 'wide' as 'auto';
  await rejects(openBulk([profile(p256, [])], { ...options, lanes }), 'unsupported', /lanes/);
});

bulk('close stops what is under way', async () => {
  const issuer = await openBulk([profile(p256, ['clientAuth'])], { workers: 1, check: 'all' });
  const batches = Array.from({ length: issuer.depth }, () => issuer.issue(0, rows(256)));
  const refused = batches.map((batch) => rejects(batch, 'aborted', /closed/));
  await issuer.close();
  await Promise.all(refused);
  await rejects(issuer.issue(0, rows(1)), 'aborted', /closed/);
});

bulk('the caller keeps its CA key, and release overwrites the leaves', async () => {
  const before = Buffer.from(p256.key);
  const issuer = await openBulk([profile(p256, ['clientAuth'])], { workers: 1, check: 'sample' });
  try {
    assert.equal(Buffer.from(p256.key), before);
    const issued = await issuer.issue(0, rows(5));
    const keys = [0, 1, 2, 3, 4].map((index) => issued.key(index));
    issued.release();
    for (const key of keys) {
      assert.ok(key.length === 227 && key.every((octet) => octet === 0));
    }
    assert.throws(() => issued.key(5), /no row 5 among 5/);
  } finally {
    await issuer.close();
  }
});

bulk.run();

async function rejects(promise: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  try {
    await promise;
  } catch (thrown) {
    assert.instance(thrown, CoreError);
    assert.is((thrown as CoreError).code, code);
    assert.match((thrown as CoreError).message, message);
    return;
  }
  assert.unreachable('it was not refused');
}

function run(program: string, args: readonly string[], input?: Uint8Array): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { input: input ?? '', maxBuffer: 1 << 28 });
  assert.is(status, 0, `${program}: ${error ?? stderr}`);
  return stdout.toString();
}

/** Says which judge is not there; with K3S_PKI_REQUIRE_JUDGES=1 that is a failure. */
function absent(program: 'openssl' | 'go'): boolean {
  if (spawnSync(program, ['version']).status === 0) {
    return false;
  }
  if (process.env.K3S_PKI_REQUIRE_JUDGES === '1') {
    throw new Error(`core/bulk: ${program} is required and not found`);
  }
  console.log(`not run: core/bulk, no ${program}`);
  return true;
}
