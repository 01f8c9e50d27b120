import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CertificateSpec, createCore, type KeyType, type PemBlock } from '@k3s-pki/core';
import { judgeRotation, type Rotation } from '@k3s-pki/k3s';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { authorities, caPaths, daySeconds, type Made } from '../cli/authorities.ts';
import { blocks, folder } from '../cli/program.ts';
import { goJudge, openssl, present, type RotationAnswer } from './judge.ts';
import {
  derOf,
  encodeKey,
  makeKey,
  trusted,
  withBagAttributes,
  withBrokenSignature,
  withCrlf,
} from './pki-variants.ts';

/** What we say of a rotation against K3s's own checks, in Go, on the same two sets. */
const go = present('interop/rotate-ca', goJudge());
const ssl = present('interop/rotate-ca', openssl());

if (go && ssl) {
  const test = suite('interop/rotate-ca');
  const core = await createCore();
  const now = Math.floor(Date.now() / 1000);
  const day = daySeconds;

  type Content = string | Uint8Array;
  /** A bundle and its key file; a half that is `undefined` is not there. */
  type Files = { readonly crt?: Content | undefined; readonly key?: Content | undefined };

  const { freshKey, make, pem, keyPem } = authorities(core, now);

  const root = await make('root');
  const intermediate = await make('intermediate', root);
  const otherRoot = await make('other-root');
  const otherIntermediate = await make('other-intermediate', otherRoot);
  // OpenSSL 3 and K3s's own CAs leave the identifier out.
  const silentRoot = await make('silent-root', undefined, { authorityKeyId: false });
  const renewedRoot = await make('root', undefined, {}, root.key);
  const expiredRoot = await make('root', undefined, { notBefore: now - 9 * day, notAfter: now - day }, root.key);
  const shortRoot = await make('short-root', undefined, { ca: { pathLength: 0 } });
  const crossed = await make('other-root', root, {}, otherRoot.key);
  const nameless = await make('nameless', root, { subjectKeyId: false, authorityKeyId: false });
  const clientOnly = await make('client-only', root, { extendedKeyUsage: ['clientAuth'] });
  const unfitIntermediate = await make('unfit', root, { keyUsage: ['digitalSignature'] });
  const notACa = await make('not-a-ca', root, { ca: undefined } as unknown as Partial<CertificateSpec>);
  const older = await make('older-ca', undefined, { authorityKeyId: false });
  const olderCross = await make('other-root', older, {}, otherRoot.key);
  const lateRoot = await make('late-root', undefined, { notBefore: now + 9 * day });
  const crossedLate = await make('late-root', root, {}, lateRoot.key);

  const bundle = (made: Made, ...rest: readonly Made[]): Files => ({ crt: pem(made, ...rest), key: keyPem(made) });

  /** Sets that a cluster may have. */
  const inUse: Record<string, () => Promise<Files>> = {
    custom: async () => bundle(await make('ca', intermediate), intermediate, root),
    'without the root': async () => bundle(await make('ca', intermediate), intermediate),
    'self-signed': async () => bundle(await make('ca', undefined, { authorityKeyId: false })),
    'self-signed, the one that signs others later': async () => bundle(older),
    'below the root': async () => bundle(await make('ca', root), root),
    'silent root': async () => bundle(await make('ca', silentRoot), silentRoot),
    'rotated default': async () => bundle(await make('ca', otherRoot), otherRoot, olderCross, older),
    'expired root': async () => bundle(await make('ca', intermediate), intermediate, expiredRoot),
    'short root': async () => bundle(await make('ca', shortRoot), shortRoot),
    'late root': async () => bundle(await make('ca', lateRoot), lateRoot),
    'two roots': async () => bundle(await make('ca', intermediate), intermediate, root, otherRoot),
  };

  const exchanged = (change: Partial<CertificateSpec>, type?: KeyType) => async (): Promise<Files> =>
    bundle(await make('ca', intermediate, change, type && (await freshKey(type))), intermediate, root);
  const rekeyed = (change: (key: string) => Content | undefined) => async (): Promise<Files> => {
    const made = await make('ca', intermediate);
    return { crt: pem(made, intermediate, root), key: change(keyPem(made)) };
  };
  const rewritten = (change: (bundle: string) => Content | undefined) => async (): Promise<Files> => {
    const made = await make('ca', intermediate);
    return { crt: change(pem(made, intermediate, root)), key: keyPem(made) };
  };
  const damaged = (block: string) => block.replace(/\n.{8}/, '\nMIIBAAAA');

  /** Sets that an administrator may come with. */
  const proposed: Record<string, () => Promise<Files>> = {
    ...inUse,
    nothing: async () => ({}),
    'other root': async () => bundle(await make('ca', otherIntermediate), otherIntermediate, otherRoot),
    'cross-signed root': async () => bundle(await make('ca', otherIntermediate), otherIntermediate, otherRoot, crossed),
    'cross-signed root, first': async () =>
      bundle(await make('ca', otherIntermediate), otherIntermediate, crossed, root),
    'root renewed with its key': async () => bundle(await make('ca', intermediate), intermediate, renewedRoot),
    'cross-signed late root': async () => bundle(await make('ca', lateRoot), lateRoot, crossedLate),
    single: async () => bundle(await make('ca', intermediate)),
    'single root': async () => bundle(root),
    'the root itself': async () => bundle(root, intermediate),
    'root first': async () => {
      const made = await make('ca', intermediate);
      return { crt: pem(root, intermediate, made), key: keyPem(made) };
    },
    'leaf, root, intermediate': async () => bundle(await make('ca', intermediate), root, intermediate),
    'without the intermediate': async () => bundle(await make('ca', intermediate), root),
    'intermediate without identifiers': async () => bundle(await make('ca', nameless), nameless, root),
    'intermediate for clients': async () => bundle(await make('ca', clientOnly), clientOnly, root),
    'intermediate without keyCertSign': async () =>
      bundle(await make('ca', unfitIntermediate), unfitIntermediate, root),
    'intermediate that is no CA': async () => bundle(await make('ca', notACa), notACa, root),
    'too deep for the root': async () => {
      const below = await make('below', shortRoot);
      return bundle(await make('ca', below), below, shortRoot);
    },
    'for clients': exchanged({ extendedKeyUsage: ['clientAuth'] }),
    'for servers': exchanged({ extendedKeyUsage: ['serverAuth'] }),
    'for both': exchanged({ extendedKeyUsage: ['serverAuth', 'clientAuth'] }),
    expired: exchanged({ notBefore: now - 9 * day, notAfter: now - day }),
    'not yet valid': exchanged({ notBefore: now + 9 * day }),
    'no CA': exchanged({ ca: undefined } as unknown as Partial<CertificateSpec>),
    'no keyCertSign': exchanged({ keyUsage: ['digitalSignature'] }),
    'path length': exchanged({ ca: { pathLength: 0 } }),
    Ed25519: exchanged({}, 'ed25519'),
    'P-384': exchanged({}, 'ec:p384'),
    'P-521': exchanged({}, 'ec:p521'),
    'wrong key': rekeyed(() => makeKey('ec:p256')),
    'key of another kind': rekeyed(() => makeKey('ed25519')),
    'RSA key': rekeyed(() => makeKey('rsa:2048', 'service')),
    'root key first': rekeyed((key) => Buffer.from(root.key.toPem()).toString() + key),
    'root key second': rekeyed((key) => key + Buffer.from(root.key.toPem()).toString()),
    'no key': rekeyed(() => undefined),
    'empty key': rekeyed(() => ''),
    'key in PKCS#8': rekeyed((key) => encodeKey(key, 'pkcs8')),
    'key behind EC PARAMETERS': rekeyed((key) => encodeKey(key, 'ec-parameters')),
    'encrypted key': rekeyed((key) => encodeKey(key, 'encrypted')),
    'encrypted key, old form': rekeyed((key) => encodeKey(key, 'encrypted-legacy')),
    'encrypted key before a plain one': rekeyed((key) => encodeKey(key, 'encrypted') + key),
    'public key': rekeyed((key) => encodeKey(key, 'public')),
    'key in DER': rekeyed(derOf),
    'damaged key': rekeyed(damaged),
    'cut-off key': rekeyed((key) => key.slice(0, -20)),
    'certificate as the key': rekeyed(() => pem(root)),
    'certificates as the key': rekeyed(() => pem(root, intermediate)),
    'no bundle': rewritten(() => undefined),
    'empty bundle': rewritten(() => ''),
    'bundle of text': rewritten(() => 'certificates will follow\n'),
    'bundle in DER': rewritten(derOf),
    'key as the bundle': rewritten(() => makeKey('ec:p256')),
    'keys as the bundle': rewritten(() => makeKey('ec:p256') + makeKey('ec:p256')),
    'TRUSTED CERTIFICATE': rewritten((text) => blocks(text).map(trusted).join('')),
    'cut-off bundle': rewritten((text) => text.slice(0, -30)),
    'cut-off first certificate': rewritten((text) => text.replace(/.{20}\n-----END CERTIFICATE-----\n/, '')),
    'damaged first certificate': rewritten(damaged),
    'damaged last certificate': rewritten((text) => blocks(text).slice(0, -1).join('') + damaged(pem(root))),
    'empty block': rewritten((text) => `-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n${text}`),
    'not base64': rewritten((text) => text.replace(/\n.{4}/, '\n!#$%')),
    'broken signature': rewritten((text) =>
      text.replace(blocks(text)[0] ?? '', withBrokenSignature(blocks(text)[0] ?? '')),
    ),
    'headers before a certificate': rewritten((text) =>
      text.replace(/CERTIFICATE-----\n/, 'CERTIFICATE-----\nNote: mine\n\n'),
    ),
    'CRLF bundle': rewritten(withCrlf),
    'bag attributes': rewritten((text) => blocks(text).map(withBagAttributes).join('')),
    'blanks before BEGIN': rewritten((text) => `  ${text}`),
  };

  const service = encodeKey(makeKey('rsa:2048', 'service'), 'traditional');
  const newer = encodeKey(makeKey('rsa:2048', 'newer service'), 'traditional');
  const ecKey = makeKey('ec:p256');
  const ecService = encodeKey(ecKey, 'traditional');
  const serviceInUse: Record<string, Content> = {
    one: service,
    two: newer + service,
    EC: ecService,
    'PKCS#8': makeKey('rsa:2048', 'service'),
  };
  const serviceProposed: Record<string, Content | undefined> = {
    nothing: undefined,
    kept: service,
    'newer first': newer + service,
    'newer last': service + newer,
    lost: newer,
    EC: ecService,
    'EC in PKCS#8': ecKey,
    'EC in PKCS#8, then the old': ecKey + service,
    'public key': encodeKey(service, 'public'),
    'public EC key': encodeKey(ecKey, 'public'),
    'PKCS#8': encodeKey(service, 'pkcs8'),
    encrypted: encodeKey(service, 'encrypted'),
    Ed25519: makeKey('ed25519'),
    'Ed25519, then the old': makeKey('ed25519') + service,
    DER: derOf(service),
    empty: '',
    CRLF: withCrlf(newer + service),
    'a certificate': pem(root),
  };

  type Plan = { readonly cas: Readonly<Record<string, string>>; readonly service: string };

  // Each kind is made once in use and once as a proposal: OpenSSL's forms are slow.
  const madeOf = async (makers: typeof inUse): Promise<Record<string, Files>> => {
    const made: Record<string, Files> = {};
    for (const [kind, maker] of Object.entries(makers)) made[kind] = await maker();
    return made;
  };
  const inUseFiles = await madeOf(inUse);
  const proposedFiles = await madeOf(proposed);

  const places = new Map<string, string>();
  const written = (plan: Plan, cas: typeof inUseFiles, keys: typeof serviceProposed): string => {
    const name = JSON.stringify([plan, cas === inUseFiles]);
    const known = places.get(name);
    if (known !== undefined) return known;
    const place = folder();
    places.set(name, place);
    mkdirSync(join(place, 'server/tls/etcd'), { recursive: true });
    const put = (name: string, content: Content | undefined) => {
      if (content !== undefined) writeFileSync(join(place, 'server/tls', name), content, { mode: 0o600 });
    };
    for (const [path, kind] of Object.entries(plan.cas)) {
      put(`${path}.crt`, cas[kind]?.crt);
      put(`${path}.key`, cas[kind]?.key);
    }
    put('service.key', keys[plan.service]);
    return place;
  };

  // Many sets hold the same file, and an RSA key is checked whenever it is read.
  const read = new Map<string, readonly PemBlock[]>();
  const reader = (place: string) => (path: string) => {
    const full = join(place, path);
    if (!existsSync(full)) return undefined;
    const bytes = readFileSync(full);
    const content = bytes.toString('latin1');
    const blocks = read.get(content) ?? core.inspect(bytes);
    read.set(content, blocks);
    return { bytes, blocks };
  };

  /** Asserts for every pair of sets that the same fields are refused in the same words, and answers our verdicts. */
  const compare = (pairs: ReadonlyArray<{ readonly old: Plan; readonly fresh: Plan }>): Rotation[] => {
    const folders = pairs.map(({ old, fresh }) => ({
      current: written(old, inUseFiles, serviceInUse),
      proposed: written(fresh, proposedFiles, serviceProposed),
    }));
    const answers = go.lines<unknown, RotationAnswer>(
      ['rotate-ca'],
      folders.map(({ current, proposed }) => ({
        current: join(current, 'server'),
        proposed: join(proposed, 'server'),
        at: now,
      })),
    );
    return folders.map(({ current, proposed }, index) => {
      const theirs = answers[index] as RotationAnswer;
      const ours = judgeRotation(reader(current), reader(proposed), (request) => core.chains(request), now);
      const shown = JSON.stringify({ pair: pairs[index], ours: ours.fields, theirs }, null, 1);
      const refused = ours.fields.filter(({ failure }) => failure !== undefined);
      assert.equal(
        refused.map(({ field }) => field),
        theirs.refused.map(({ field }) => field),
        shown,
      );
      for (const [place, { failure }] of refused.entries()) {
        const text = (theirs.refused[place]?.text ?? '')
          .replaceAll(join(current, 'server'), 'server')
          .replaceAll(join(proposed, 'server'), 'server/.rotate-ca-tmp-*');
        assert.ok(text.startsWith(failure?.log ?? 'no failure'), `${shown}\n${text}`);
      }
      for (const { ca, oldTrustsNew, newTrustsOld } of ours.trust) {
        const path = `${ca}-ca`;
        if (theirs.oldTrustsNew[path] === undefined) continue;
        assert.is(oldTrustsNew, theirs.oldTrustsNew[path], `${ca}: old trusts new\n${shown}`);
        assert.is(newTrustsOld, theirs.newTrustsOld[path], `${ca}: new trusts old\n${shown}`);
      }
      return ours;
    });
  };
  const all = (kind: string) => Object.fromEntries(caPaths.map((path) => [path, kind]));

  test('each proposed CA on each CA in use', () => {
    // Five CAs of a set are five questions, so the proposed ones go round in fives.
    const kinds = Object.keys(proposed);
    const rounds = kinds.flatMap((_, at) => (at % caPaths.length === 0 ? [at] : []));
    const chosen = (at: number) =>
      Object.fromEntries(caPaths.map((path, index) => [path, kinds[(at + index) % kinds.length] ?? '']));
    const verdicts = compare(
      Object.keys(inUse).flatMap((old) =>
        rounds.map((at) => ({
          old: { cas: all(old), service: 'one' },
          fresh: { cas: chosen(at), service: 'nothing' },
        })),
      ),
    );
    const fields = verdicts.flatMap((verdict) => verdict.fields.filter(({ from }) => from === 'proposed'));
    const refused = fields.filter(({ failure }) => failure !== undefined).length;
    assert.ok(refused > 300 && fields.length - refused > 300, `${refused} of ${fields.length} refused`);
    const codes = new Set(
      fields.map(({ failure }) => (failure?.code === 'not-verified' ? failure.values.failure : failure?.code)),
    );
    for (const code of [
      'unreadable-bundle',
      'single-certificate',
      'pair',
      'unknown-authority',
      'bad-signature',
      'expired',
      'not-yet-valid',
      'path-length',
      'incompatible-usage',
      'not-a-ca',
    ] as const) {
      assert.ok(codes.has(code), `${code} was never seen: ${[...codes]}`);
    }
  });

  test('each proposed service.key on each one in use', () => {
    const verdicts = compare(
      Object.keys(serviceInUse).flatMap((old) =>
        Object.keys(serviceProposed).map((fresh) => ({
          old: { cas: all('custom'), service: old },
          fresh: { cas: all('nothing'), service: fresh },
        })),
      ),
    );
    const codes = verdicts.flatMap(({ fields }) => fields.flatMap(({ failure }) => failure?.code ?? 'accepted'));
    assert.equal([...new Set(codes)].sort(), ['accepted', 'service-key-lost', 'unreadable-service-key']);
  });

  test('sets that mix everything', () => {
    // Any sequence will do; this one is the same on every run.
    let state = 7;
    const draw = <T>(list: readonly T[]): T => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return list[(state >>> 8) % list.length] as T;
    };
    const drawn = (kinds: readonly string[], keys: readonly string[]): Plan => ({
      cas: Object.fromEntries(caPaths.map((path) => [path, draw(kinds)])),
      service: draw(keys),
    });
    const rounds = 150;
    // Half of the rounds propose sound sets mostly, or hardly one would be accepted as a whole.
    const sound = ['custom', 'custom', 'leaf, root, intermediate', 'P-384', 'nothing', 'root key second'];
    const pairs = Array.from({ length: rounds }, (_, round) => ({
      old: drawn(round % 2 ? ['custom', 'two roots'] : Object.keys(inUse), Object.keys(serviceInUse)),
      fresh: drawn(round % 2 ? sound : Object.keys(proposed), Object.keys(serviceProposed)),
    }));
    const accepted = compare(pairs).filter((verdict) => verdict.accepted).length;
    assert.ok(accepted > 20 && accepted < rounds - 20, `${accepted} of ${rounds} accepted`);
  });

  test.after(() => core.close());
  test.run();
}
