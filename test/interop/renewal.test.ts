import { type Certificate, createCore, type PrivateKey } from '@k3s-pki/core';
import { type ExpectedLeaf, type FoundFile, judgeLeaf, type LeafOutlook } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goJudge, present } from './judge.ts';

/** A line for `judge renewals`; null is a directory in the file's place. */
interface LeafCase {
  readonly files: Readonly<Record<string, string | null>>;
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly days: number;
}

interface RenewalVerdict {
  readonly action: LeafOutlook['action'];
  readonly key?: 'new' | 'kept';
  readonly reason?: string;
}

const go = present('interop/renewal', goJudge());

if (go) {
  const core = await createCore();
  const test = suite('interop/renewal');
  const now = Math.floor(Date.now() / 1000);
  const day = 86_400;
  const keyTypes = ['ec:p256', 'ec:p256', 'ec:p256', 'ec:p256', 'ed25519', 'rsa:2048'] as const;
  const keys = await core.generateKeys(keyTypes);
  const [rootKey, caKey, leafKey, otherKey, edKey, rsaKey] = keys as [
    PrivateKey,
    PrivateKey,
    PrivateKey,
    PrivateKey,
    PrivateKey,
    PrivateKey,
  ];
  const pem = (key: PrivateKey) => Buffer.from(key.toPem()).toString();
  const caOf = (name: string, key: PrivateKey, issuerKey: PrivateKey, issuer?: Certificate) =>
    core.issue(
      {
        subject: [['CN', name]],
        notBefore: now - day,
        notAfter: now + 3650 * day,
        serial: '11',
        ca: {},
        keyUsage: ['digitalSignature', 'keyEncipherment', 'keyCertSign'],
      },
      key,
      issuerKey,
      issuer,
    );
  const root = caOf('root', rootKey, rootKey);
  const ca = caOf('k3s-client-ca@1', caKey, rootKey, root);
  const renewedCa = caOf('k3s-client-ca@2', caKey, rootKey, root);
  const bundle = core.toPem(ca) + core.toPem(root);
  const days = 120;
  const wanted = { commonName: 'kube', organizations: ['a', 'b'], dns: ['one', 'two'], ip: ['127.0.0.1', '::1'] };

  interface Change {
    readonly subject?: readonly (readonly ['CN' | 'O', string])[];
    readonly notBefore?: number;
    readonly left?: number;
    readonly dns?: readonly string[];
    readonly ip?: readonly string[];
    readonly issuer?: [PrivateKey, Certificate];
    readonly authorityKeyId?: boolean;
  }
  const leaf = (change: Change = {}) => {
    const [issuerKey, issuer] = change.issuer ?? [caKey, ca];
    const made = core.issue(
      {
        subject: change.subject ?? [
          ['O', 'a'],
          ['O', 'b'],
          ['CN', 'kube'],
        ],
        notBefore: change.notBefore ?? now - 3600,
        notAfter: now + (change.left ?? 365 * day),
        serial: '22',
        keyUsage: ['digitalSignature', 'keyEncipherment'],
        extendedKeyUsage: ['clientAuth'],
        subjectAltNames: { dns: change.dns ?? wanted.dns, ip: change.ip ?? wanted.ip },
        subjectKeyId: false,
        authorityKeyId: change.authorityKeyId ?? true,
      },
      leafKey,
      issuerKey,
      issuer,
    );
    return core.toPem(made);
  };
  const good = leaf();
  const lines = good.split('\n');
  const damagedText = [...lines.slice(0, 3), '!!!!', ...lines.slice(3)].join('\n');
  const damagedDer = `${lines.slice(0, 2).join('\n')}\n${'A'.repeat(64)}\n${lines.slice(3).join('\n')}`;
  /** `undefined` is an absent file. */
  const certificates: Record<string, string | null | undefined> = {
    good: good + bundle,
    alone: good,
    'within the window': leaf({ left: days * day - 60 }) + bundle,
    'just outside it': leaf({ left: days * day + 3600 }) + bundle,
    expired: leaf({ notBefore: now - 3 * day, left: -day }) + bundle,
    'not yet valid': leaf({ notBefore: now + day }) + bundle,
    'another name': leaf({ subject: [['CN', 'kub']] }) + bundle,
    'an escaped name': leaf({
      subject: [
        ['O', 'a,O=b'],
        ['CN', 'kube'],
      ],
    }),
    'fewer organizations': leaf({
      subject: [
        ['O', 'a'],
        ['CN', 'kube'],
      ],
    }),
    'more organizations': leaf({
      subject: [
        ['O', 'a'],
        ['O', 'c'],
        ['O', 'b'],
        ['CN', 'kube'],
      ],
    }),
    'organizations in another order': leaf({
      subject: [
        ['O', 'b'],
        ['O', 'a'],
        ['CN', 'kube'],
      ],
    }),
    'two common names': leaf({
      subject: [
        ['CN', 'kube'],
        ['O', 'a'],
        ['O', 'b'],
        ['CN', 'other'],
      ],
    }),
    'a DNS name fewer': leaf({ dns: ['one'] }),
    'a DNS name more': leaf({ dns: ['three', 'two', 'one'] }),
    'an address fewer': leaf({ ip: ['127.0.0.1'] }),
    'an address more': leaf({ ip: ['::1', '127.0.0.1', '192.0.2.1'] }),
    'of another CA': leaf({ issuer: [rootKey, root] }),
    'without key identifier': leaf({ authorityKeyId: false }),
    'the CA first': bundle + good,
    empty: '',
    text: 'no certificate\n',
    'damaged base64, then the bundle': damagedText + bundle,
    'damaged base64 alone': damagedText,
    'damaged DER, then the bundle': damagedDer + bundle,
    'good, then damaged DER': good + damagedDer,
    'good, then damaged base64': good + damagedText,
    'cut off': good.slice(0, 300),
    'good, then cut off': good + good.slice(0, 300),
    'a key instead': pem(leafKey),
    'key and certificate': pem(leafKey) + good,
    'trusted certificate': good.replaceAll(' CERTIFICATE', ' TRUSTED CERTIFICATE'),
    CRLF: good.replaceAll('\n', '\r\n'),
    'text before it': `Certificate:\n  Data\n${good}`,
    directory: null,
    absent: undefined,
  };
  const keyFiles: Record<string, string | null | undefined> = {
    own: pem(leafKey),
    other: pem(otherKey),
    ed25519: pem(edKey),
    rsa: pem(rsaKey),
    pkcs8: Buffer.from(leafKey.toPem('pkcs8')).toString(),
    'a certificate before it': good + pem(leafKey),
    'cut off': pem(leafKey).slice(0, 120),
    'cut off, then whole': `${pem(leafKey).slice(0, 120)}\n${pem(otherKey)}`,
    empty: '',
    text: 'no key',
    directory: null,
    absent: undefined,
  };
  const authorities: Record<string, { ca: string | null | undefined; caKey: string | null | undefined }> = {
    sound: { ca: bundle, caKey: pem(caKey) },
    'renewed under its key': { ca: core.toPem(renewedCa) + core.toPem(root), caKey: pem(caKey) },
    'another key': { ca: core.toPem(root), caKey: pem(rootKey) },
    'not its key': { ca: bundle, caKey: pem(otherKey) },
    'a broken key': { ca: bundle, caKey: 'nothing' },
    'no key': { ca: bundle, caKey: undefined },
    'a broken certificate': { ca: damagedDer, caKey: pem(caKey) },
    'no certificate': { ca: undefined, caKey: pem(caKey) },
  };
  const found = (content: string | null | undefined): FoundFile => {
    if (content === undefined) return 'absent';
    const bytes = Buffer.from(content ?? '');
    return content === null ? 'unreadable' : { bytes, blocks: core.inspect(bytes) };
  };

  test('what becomes of a leaf at a start: every state of its files, as dynamiclistener has it', () => {
    const cases: { label: string; asked: LeafCase; ours: LeafOutlook }[] = [];
    const expected: ExpectedLeaf = { ...wanted, extendedKeyUsage: ['clientAuth'], complete: true };
    const { signatureHolds } = { signatureHolds: core.signatureHolds.bind(core) };
    for (const [certificateName, cert] of Object.entries(certificates)) {
      for (const [keyName, key] of Object.entries(keyFiles)) {
        for (const [caName, { ca: caFile, caKey: caKeyFile }] of Object.entries(authorities)) {
          const files = { cert, key, ca: caFile, caKey: caKeyFile };
          const there = Object.entries(files).filter(
            (entry): entry is [string, string | null] => entry[1] !== undefined,
          );
          const asked = { files: Object.fromEntries(there), ...wanted, days };
          const ours = judgeLeaf(
            { certificate: found(cert), key: found(key), caCertificate: found(caFile), caKey: found(caKeyFile) },
            expected,
            { at: now, days, signatureHolds },
          );
          cases.push({ label: `certificate: ${certificateName}; key: ${keyName}; CA: ${caName}`, asked, ours });
        }
      }
    }
    const verdicts = go.lines<LeafCase, RenewalVerdict>(
      ['renewals'],
      cases.map(({ asked }) => asked),
    );
    const wrong = cases.flatMap(({ label, ours }, index) => {
      const { action, key, reason } = verdicts[index] as RenewalVerdict;
      const same = ours.action === action && (ours.action !== 'renew' || ours.key === key);
      return same ? [] : [`${label}: ours ${JSON.stringify(ours)}, K3s ${action} ${key ?? ''} ${reason ?? ''}`];
    });
    assert.equal(wrong.slice(0, 20), [], `${wrong.length} of ${cases.length}`);
    const seen = (action: string) => verdicts.filter((verdict) => verdict.action === action).length;
    for (const action of ['keep', 'renew', 'fatal']) assert.ok(seen(action) > 100, `${action}: ${seen(action)}`);
  });

  test.after(() => {
    for (const key of keys) key.wipe();
  });

  test.run();
}
