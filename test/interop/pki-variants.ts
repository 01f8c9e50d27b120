import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OpenSsl, openssl } from './judge.ts';

/** Key types that OpenSSL makes here; 1024 bits only to be refused. */
export type KeyType = 'rsa:1024' | 'rsa:2048' | 'rsa:4096' | 'ec:p256' | 'ec:p384' | 'ec:p521' | 'ed25519';

/** Encodings of a private key. `traditional` is PKCS#1 or SEC1; the `encrypted` ones take `passphrase`. */
export type KeyForm =
  | 'traditional'
  | 'pkcs8'
  | 'ec-parameters'
  | 'encrypted'
  | 'encrypted-scrypt'
  | 'encrypted-pbes1'
  | 'encrypted-legacy'
  | 'public';

/** A certificate and its private key, PEM both; the key is PKCS#8. */
export interface Ca {
  readonly certificate: string;
  readonly key: string;
}

/** What differs from a CA as K3s's script makes it. */
export interface CaSpec {
  /** The common name. Default `test-ca`. */
  readonly name?: string;
  /** A type to make, or a PEM key to use. Default `ec:p256`. RSA keys of 2048 bits and more are made once for a
   *  `name` and type in a process: they are slow. */
  readonly key?: KeyType | { readonly pem: string };
  /** Seconds since 1970. Default an hour ago. */
  readonly notBefore?: number;
  /** Seconds since 1970. Default 7300 days from now. */
  readonly notAfter?: number;
  readonly digest?: 'sha256' | 'sha384' | 'sha512' | 'sha1';
  /** `absent` leaves the extension out. Default true. */
  readonly ca?: boolean | 'absent';
  readonly pathLength?: number;
  /** OpenSSL's words; null leaves the extension out. Default as the script's. */
  readonly keyUsage?: string | null;
  readonly extendedKeyUsage?: string;
  /** Hex octets with colons instead of the key's hash; null leaves the extension out. */
  readonly subjectKeyId?: string | null;
  /** Self-signed certificates have none by default, as OpenSSL 3 makes them; the others always have one when their
   *  issuer has a subjectKeyIdentifier. */
  readonly authorityKeyId?: boolean;
  /** Further lines of OpenSSL's extension section, such as `nameConstraints=critical,permitted;DNS:example.org`. */
  readonly extensions?: readonly string[];
}

/** Files for a data dir, and what is wrong with them. */
export interface InputSet {
  /** By name: `root-ca.pem`, `root-ca.key`, `intermediate-ca.pem`, `intermediate-ca.key`, `service.key`. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** What makes the set unusable, in words; absent when K3s comes up on what can be made from it. */
  readonly flaw?: string;
  /** Opens the keys that are encrypted. */
  readonly passphrase?: string;
}

/** Opens every encrypted key that is made here. */
export const passphrase = 'correct horse battery staple';

const day = 86400;
const scriptKeyUsage = 'digitalSignature,keyEncipherment,keyCertSign';

/** Makes a private key as PKCS#8 PEM. RSA keys of 2048 bits and more with the same `label` are one key. */
export function makeKey(type: KeyType, label = ''): string {
  const slot = `${type} ${label}`;
  const known = slowKeys.get(slot);
  if (known !== undefined) return known;
  const [family, detail = ''] = type.split(':');
  const arguments_ =
    family === 'rsa'
      ? ['-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${detail}`]
      : family === 'ec'
        ? [
            '-algorithm',
            'EC',
            '-pkeyopt',
            `ec_paramgen_curve:P-${detail.slice(1)}`,
            '-pkeyopt',
            'ec_param_enc:named_curve',
          ]
        : ['-algorithm', 'ED25519'];
  const key = program().ok(['genpkey', ...arguments_]);
  if (type === 'rsa:2048' || type === 'rsa:4096') slowKeys.set(slot, key);
  return key;
}

const slowKeys = new Map<string, string>();

/** Makes a CA certificate, signed by `issuer` or by itself. OpenSSL's `ca` is the only command of versions 1.1.1 to
 *  3.3 that sets both dates. */
export function makeCa(spec: CaSpec = {}, issuer?: Ca): Ca {
  const name = spec.name ?? 'test-ca';
  const key = typeof spec.key === 'object' ? spec.key.pem : makeKey(spec.key ?? 'ec:p256', name);
  const now = Math.floor(Date.now() / 1000);
  return inFolder((folder) => {
    writeFileSync(join(folder, 'key'), key, { mode: 0o600 });
    writeFileSync(join(folder, 'database'), '');
    writeFileSync(join(folder, 'config'), config(folder, spec, issuer));
    program().ok(
      [
        'req',
        '-new',
        '-config',
        'config',
        '-key',
        'key',
        '-subj',
        `/CN=${name.replace(/[\\/+]/g, '\\$&')}`,
        '-out',
        'request',
      ],
      {
        cwd: folder,
      },
    );
    const signer: string[] = [];
    if (issuer === undefined) {
      signer.push('-selfsign', '-keyfile', 'key');
    } else {
      writeFileSync(join(folder, 'issuer'), issuer.certificate);
      writeFileSync(join(folder, 'issuer-key'), issuer.key, { mode: 0o600 });
      signer.push('-cert', 'issuer', '-keyfile', 'issuer-key');
    }
    const dates = [
      '-startdate',
      stamp(spec.notBefore ?? now - 3600),
      '-enddate',
      stamp(spec.notAfter ?? now + 7300 * day),
    ];
    const options = ['-batch', '-notext', '-md', spec.digest ?? 'sha256', '-in', 'request', '-out', 'certificate'];
    program().ok(['ca', '-config', 'config', ...signer, ...dates, ...options], { cwd: folder });
    return { certificate: readFileSync(join(folder, 'certificate'), 'utf8'), key };
  });
}

function config(folder: string, spec: CaSpec, issuer: Ca | undefined): string {
  const extensions: string[] = [];
  const subjectKeyId = spec.subjectKeyId === undefined ? 'hash' : (spec.subjectKeyId ?? 'none');
  const wanted = spec.authorityKeyId ?? issuer !== undefined;
  const authorityKeyId = !wanted ? 'none' : issuer === undefined ? 'keyid:always' : 'keyid';
  extensions.push(`subjectKeyIdentifier=${subjectKeyId}`, `authorityKeyIdentifier=${authorityKeyId}`);
  const ca = spec.ca ?? true;
  if (ca !== 'absent') {
    const pathLength = spec.pathLength === undefined ? '' : `,pathlen:${spec.pathLength}`;
    extensions.push(`basicConstraints=critical,CA:${ca}${pathLength}`);
  }
  const keyUsage = spec.keyUsage === undefined ? scriptKeyUsage : spec.keyUsage;
  if (keyUsage !== null) extensions.push(`keyUsage=critical,${keyUsage}`);
  if (spec.extendedKeyUsage !== undefined) extensions.push(`extendedKeyUsage=${spec.extendedKeyUsage}`);
  extensions.push(...(spec.extensions ?? []));
  // Version 3 adds both key identifiers by itself unless they say none, a word that version 1.1.1 does not know.
  const silent = program().version.startsWith('1.') ? /=none$/ : /^$/;
  const present = extensions.filter((line) => !silent.test(line));
  // A certificate without a section of extensions is of X.509 version 1.
  const version1 = extensions.every((line) => line.endsWith('=none'));
  return [
    '[req]',
    'distinguished_name=none',
    'string_mask=utf8only',
    '[none]',
    '[ca]',
    'default_ca=authority',
    '[authority]',
    `database=${join(folder, 'database')}`,
    `new_certs_dir=${folder}`,
    'rand_serial=yes',
    'unique_subject=no',
    'email_in_dn=no',
    'preserve=yes',
    'policy=any',
    ...(version1 ? [] : ['x509_extensions=extensions']),
    '[any]',
    'commonName=supplied',
    '[extensions]',
    ...present,
    '',
  ].join('\n');
}

/** YYYYMMDDHHMMSSZ. */
function stamp(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().replace(/[-:T]|\..*/g, '')}Z`;
}

/** Re-encodes a private key. `traditional` and `ec-parameters` need RSA or EC, `ec-parameters` EC on P-256. */
export function encodeKey(key: string, form: KeyForm): string {
  return inFolder((folder) => {
    writeFileSync(join(folder, 'key'), key, { mode: 0o600 });
    writeFileSync(join(folder, 'passphrase'), `${passphrase}\n`, { mode: 0o600 });
    const encrypted = ['-passout', 'file:passphrase'];
    const pkcs8 = ['pkcs8', '-topk8', '-in', 'key'];
    const options = { cwd: folder };
    switch (form) {
      case 'traditional':
        return program().ok(['pkey', '-in', 'key', '-traditional'], options);
      case 'pkcs8':
        return program().ok([...pkcs8, '-nocrypt'], options);
      case 'ec-parameters':
        return program().ok(['ecparam', '-name', 'prime256v1']) + encodeKey(key, 'traditional');
      case 'encrypted':
        return program().ok([...pkcs8, '-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA256', ...encrypted], options);
      case 'encrypted-scrypt':
        return program().ok([...pkcs8, '-scrypt', ...encrypted], options);
      case 'encrypted-pbes1':
        return program().ok([...pkcs8, '-v1', 'PBE-SHA1-3DES', ...encrypted], options);
      case 'encrypted-legacy':
        return program().ok(['pkey', '-in', 'key', '-traditional', '-aes256', ...encrypted], options);
      case 'public':
        return program().ok(['pkey', '-in', 'key', '-pubout'], options);
    }
  });
}

/** The DER bytes of a PEM block's first certificate or key. */
export function derOf(pem: string): Uint8Array {
  const body = /-----BEGIN [^-]+-----\r?\n([\s\S]*?)-----END/.exec(pem)?.[1];
  if (body === undefined) throw new Error('no PEM block');
  return Buffer.from(body, 'base64');
}

/** A certificate with OpenSSL's description before the block, as `openssl x509 -text` and `openssl ca` write it. */
export function withText(certificate: string): string {
  return program().ok(['x509', '-text'], { stdin: certificate });
}

/** A certificate in OpenSSL's own `TRUSTED CERTIFICATE` form. */
export function trusted(certificate: string): string {
  return program().ok(['x509', '-trustout', '-addtrust', 'serverAuth'], { stdin: certificate });
}

/** The same certificate with one bit of its signature turned over. */
export function withBrokenSignature(certificate: string): string {
  const der = Uint8Array.from(derOf(certificate));
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

export function withCrlf(pem: string): string {
  return pem.replaceAll('\n', '\r\n');
}

/** Lines as `openssl pkcs12` writes them before a block. */
export function withBagAttributes(pem: string): string {
  return `Bag Attributes\n    localKeyID: 01 02 03\n    friendlyName: a friendly name\nKey Attributes: <No Attributes>\n${pem}`;
}

/** Writes a set into a folder, which is made when it is missing; keys get mode 0600. */
export function writeInputs(set: InputSet, folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  for (const [name, content] of Object.entries(set.files)) {
    writeFileSync(join(folder, name), content, { mode: name.endsWith('.key') ? 0o600 : 0o640 });
  }
}

/** The set without some files: `without(makePki('expired-root'), 'intermediate-ca.pem', 'intermediate-ca.key')`. */
export function without(set: InputSet, ...files: readonly string[]): InputSet {
  return { ...set, files: Object.fromEntries(Object.entries(set.files).filter(([name]) => !files.includes(name))) };
}

/** Makes the files of a variant, with new keys at every call. */
export function makePki(variant: Variant): InputSet {
  return variants[variant]();
}

/** A name of `variantNames`. */
export type Variant = keyof typeof variants;

// Every row that says `flaw` is refused or comes up broken; every other one has to work.
const variants = {
  nothing: () => ({ files: {} }),
  root: () => rootOnly(),
  'root-and-intermediate': () => pair({}, {}),
  'root-without-key': () => without(pair({}, {}), 'root-ca.key'),
  'root-with-authority-key-id': () => pair({ authorityKeyId: true }, {}),
  // Without its authorityKeyIdentifier the intermediate is a root to K3s's CA hash and continuity check.
  'root-without-key-ids': () => pair({ subjectKeyId: null }, { authorityKeyId: false }),
  'intermediate-without-key-id': () => pair({}, { subjectKeyId: null }),

  'keys-rsa:2048': () => pair({ key: 'rsa:2048' }, { key: 'rsa:2048' }),
  'keys-rsa:4096': () => pair({ key: 'rsa:4096' }, { key: 'rsa:4096' }),
  'keys-ec:p384': () => pair({ key: 'ec:p384', digest: 'sha384' }, { key: 'ec:p384', digest: 'sha384' }),
  'keys-ec:p521': () => pair({ key: 'ec:p521', digest: 'sha512' }, { key: 'ec:p521', digest: 'sha512' }),
  'keys-ed25519': () => pair({ key: 'ed25519' }, { key: 'ed25519' }),
  'keys-mixed': () => pair({ key: 'rsa:2048' }, { key: 'ec:p384' }),
  'keys-rsa:1024': () => flawed('RSA keys of 1024 bits', pair({ key: 'rsa:1024' }, { key: 'rsa:1024' })),

  'form-pkcs1': () => formed(pair({ key: 'rsa:2048' }, { key: 'rsa:2048' }), 'traditional'),
  'form-sec1': () => formed(pair({}, {}), 'traditional'),
  'form-pkcs8': () => formed(pair({}, {}), 'pkcs8'),
  'form-ec-parameters': () => formed(pair({}, {}), 'ec-parameters'),
  'form-encrypted': () => formed(pair({}, {}), 'encrypted'),
  'form-encrypted-scrypt': () => formed(pair({}, {}), 'encrypted-scrypt'),
  'form-encrypted-pbes1': () => formed(pair({}, {}), 'encrypted-pbes1'),
  'form-encrypted-legacy': () => formed(pair({}, {}), 'encrypted-legacy'),
  'form-public': () => flawed('public keys only', formed(pair({}, {}), 'public')),
  'form-crlf': () => mapped(formed(pair({}, {}), 'traditional'), withCrlf),
  'form-text': () => mapped(pair({}, {}), withText, '.pem'),
  'form-bag-attributes': () => mapped(pair({}, {}), withBagAttributes),
  'form-der': () => flawed('DER instead of PEM', mapped(pair({}, {}), derOf)),
  'form-trusted': () => flawed('TRUSTED CERTIFICATE blocks', mapped(pair({}, {}), trusted, '.pem')),
  'form-truncated': () =>
    flawed(
      'PEM blocks without an end',
      mapped(pair({}, {}), (pem) => pem.slice(0, -60), '.pem'),
    ),
  'form-empty': () =>
    flawed(
      'empty certificate files',
      mapped(pair({}, {}), () => '', '.pem'),
    ),
  'form-not-base64': () => flawed('PEM bodies that are not base64', mapped(pair({}, {}), broken, '.pem')),

  'root-bundle': () => {
    const set = pair({}, {});
    const second = makeCa({ name: 'test-other-root' });
    return { files: { ...set.files, 'root-ca.pem': `${set.files['root-ca.pem']}${second.certificate}` } };
  },
  'two-intermediates': () => twoIntermediates((lower, upper) => lower + upper),
  'two-intermediates-reversed': () =>
    flawed(
      'the first certificate is not the one of the key',
      twoIntermediates((lower, upper) => upper + lower),
    ),
  'root-first': () => {
    const set = pair({}, {});
    const files = {
      ...set.files,
      'intermediate-ca.pem': `${set.files['root-ca.pem']}${set.files['intermediate-ca.pem']}`,
    };
    return { files, flaw: 'the root stands first in intermediate-ca.pem' };
  },

  'half-root-certificate': () => ({
    files: { 'root-ca.pem': makeCa({ name: 'test-root' }).certificate },
    flaw: 'an intermediate is wanted without the key of the root',
  }),
  'half-root-key': () => flawed('a root key without its certificate', without(rootOnly(), 'root-ca.pem')),
  'half-intermediate-certificate': () =>
    flawed('no key of the intermediate', without(pair({}, {}), 'intermediate-ca.key')),
  'half-intermediate-key': () =>
    flawed('no certificate of the intermediate', without(pair({}, {}), 'intermediate-ca.pem')),
  'intermediate-without-root': () =>
    flawed('no certificate of the root', without(pair({}, {}), 'root-ca.pem', 'root-ca.key')),
  'wrong-root-key': () =>
    flawed('the root key is another one', replaced(rootOnly(), 'root-ca.key', makeKey('ec:p256'))),
  'wrong-intermediate-key': () =>
    flawed(
      'the key of the intermediate is another one',
      replaced(pair({}, {}), 'intermediate-ca.key', makeKey('ec:p256')),
    ),

  'expired-root': () => flawed('the root has expired', pair({ ...past() }, {})),
  'expired-intermediate': () => flawed('the intermediate has expired', pair({}, { ...past() })),
  'not-yet-valid-root': () => flawed('the root is not valid yet', pair({ notBefore: inDays(2) }, {})),
  'not-yet-valid-intermediate': () => flawed('the intermediate is not valid yet', pair({}, { notBefore: inDays(2) })),
  // Leaf CAs live 3700 days: usable, but worth a warning.
  'root-expires-first': () => pair({ notAfter: inDays(30) }, {}),
  'intermediate-expires-first': () => pair({}, { notAfter: inDays(30) }),

  'path-length-root-0': () => flawed('the root allows no intermediate', pair({ pathLength: 0 }, {})),
  'path-length-root-1': () =>
    flawed('the root allows one intermediate, leaf CAs need two', pair({ pathLength: 1 }, {})),
  'path-length-root-2': () => pair({ pathLength: 2 }, {}),
  'path-length-intermediate-0': () => flawed('the intermediate allows no leaf CA', pair({}, { pathLength: 0 })),
  'path-length-intermediate-1': () => pair({}, { pathLength: 1 }),
  'not-a-ca-root': () => flawed('the root is CA:FALSE', pair({ ca: false }, {})),
  'not-a-ca-intermediate': () => flawed('the intermediate is CA:FALSE', pair({}, { ca: false })),
  'no-basic-constraints-root': () => flawed('the root has no basicConstraints', pair({ ca: 'absent' }, {})),
  'no-basic-constraints-intermediate': () =>
    flawed('the intermediate has no basicConstraints', pair({}, { ca: 'absent' })),
  'v1-root': () =>
    flawed(
      'the root is an X.509 version 1 certificate',
      pair({ ca: 'absent', keyUsage: null, subjectKeyId: null }, { authorityKeyId: false }),
    ),
  'no-cert-sign-root': () => flawed('the root lacks keyCertSign', pair({ keyUsage: 'digitalSignature' }, {})),
  'no-cert-sign-intermediate': () =>
    flawed('the intermediate lacks keyCertSign', pair({}, { keyUsage: 'digitalSignature,keyEncipherment' })),
  'no-key-usage': () => pair({ keyUsage: null }, { keyUsage: null }),
  'eku-client-root': () => flawed('the root is for clientAuth only', pair({ extendedKeyUsage: 'clientAuth' }, {})),
  'eku-client-intermediate': () =>
    flawed('the intermediate is for clientAuth only', pair({}, { extendedKeyUsage: 'clientAuth' })),
  'eku-both': () => {
    const usages = { extendedKeyUsage: 'serverAuth,clientAuth' };
    return pair(usages, usages);
  },
  'sha1-root': () => flawed('the root is signed with SHA-1', pair({ digest: 'sha1' }, {})),
  'sha1-intermediate': () => flawed('the intermediate is signed with SHA-1', pair({}, { digest: 'sha1' })),

  'wrong-issuer-name': () => {
    const root = makeCa({ name: 'test-root' });
    const renamed = makeCa({ name: 'test-renamed-root', key: { pem: root.key } });
    return signedBy(renamed, root, 'the intermediate names another issuer, whose key is the same');
  },
  'same-name-other-key': () => {
    const root = makeCa({ name: 'test-root' });
    const twin = makeCa({ name: 'test-root' });
    return signedBy(twin, root, 'the intermediate is issued by another root of the same name');
  },
  'same-name-and-key-id': () => {
    const subjectKeyId = '01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14';
    const root = makeCa({ name: 'test-root', subjectKeyId });
    const twin = makeCa({ name: 'test-root', subjectKeyId });
    return signedBy(twin, root, "the intermediate's name and key identifier fit the root, its signature does not");
  },
  'other-key-id': () => {
    // What a root looks like whose certificate was made again with an identifier of another kind.
    const root = makeCa({ name: 'test-root' });
    const subjectKeyId = '14:13:12:11:10:0F:0E:0D:0C:0B:0A:09:08:07:06:05:04:03:02:01';
    const renewed = makeCa({ name: 'test-root', key: { pem: root.key }, subjectKeyId });
    return signedBy(root, renewed, "the intermediate's authorityKeyIdentifier is not the root's identifier");
  },
  'broken-signature': () => {
    const set = pair({}, {});
    const flaw = 'the signature of the intermediate is damaged';
    return flawed(flaw, replaced(set, 'intermediate-ca.pem', withBrokenSignature(set.files['intermediate-ca.pem'])));
  },
  'unknown-critical-extension': () =>
    flawed(
      'the intermediate has a critical extension that nobody knows',
      pair({}, { extensions: ['1.3.6.1.4.1.55555.1=critical,ASN1:UTF8String:unknown'] }),
    ),
  'name-constraints': () => pair({}, { extensions: ['nameConstraints=critical,permitted;DNS:cluster.local'] }),

  'service-key-pkcs1': () => ({ files: { 'service.key': encodeKey(makeKey('rsa:2048', 'service'), 'traditional') } }),
  'service-key-pkcs8': () => ({ files: { 'service.key': makeKey('rsa:2048', 'service') } }),
  'service-key-ec': () => ({ files: { 'service.key': encodeKey(makeKey('ec:p256'), 'traditional') } }),
  'service-key-two': () => ({ files: { 'service.key': rsaPair('service', 'older service') } }),
  'service-key-twice': () => ({ files: { 'service.key': rsaPair('service', 'service') } }),
  'service-key-ec-pkcs8': () => ({
    files: { 'service.key': makeKey('ec:p256') },
    flaw: 'the API server reads EC keys as SEC1 only when it looks for public keys',
  }),
  'service-key-ed25519': () => ({
    files: { 'service.key': makeKey('ed25519') },
    flaw: 'an Ed25519 key signs no tokens',
  }),
  'service-key-encrypted': () => ({
    files: { 'service.key': encodeKey(makeKey('rsa:2048', 'service'), 'encrypted') },
    flaw: 'K3s has no passphrase for service.key',
  }),
  'service-key-public': () => ({
    files: { 'service.key': encodeKey(makeKey('rsa:2048', 'service'), 'public') },
    flaw: 'a public key signs no tokens',
  }),
  'service-key-empty': () => ({ files: { 'service.key': '' }, flaw: 'service.key is empty' }),
} satisfies Record<string, () => InputSet>;

/** All variants, in the order of the table. */
export const variantNames = Object.keys(variants) as Variant[];

type PairFiles = Record<'root-ca.pem' | 'root-ca.key' | 'intermediate-ca.pem' | 'intermediate-ca.key', string>;

function pair(root: CaSpec, intermediate: CaSpec): { files: PairFiles } {
  const upper = makeCa({ name: 'test-root', ...root });
  const lower = makeCa({ name: 'test-intermediate', ...intermediate }, upper);
  return { files: { ...rootFiles(upper), ...intermediateFiles(lower) } };
}

function rootOnly(): InputSet {
  return { files: rootFiles(makeCa({ name: 'test-root' })) };
}

function twoIntermediates(order: (lower: string, upper: string) => string): InputSet {
  const root = makeCa({ name: 'test-root' });
  const upper = makeCa({ name: 'test-upper' }, root);
  const lower = makeCa({ name: 'test-intermediate' }, upper);
  const bundle = order(lower.certificate, upper.certificate);
  return { files: { ...rootFiles(root), ...intermediateFiles(lower), 'intermediate-ca.pem': bundle } };
}

function rootFiles(root: Ca): Pick<PairFiles, 'root-ca.pem' | 'root-ca.key'> {
  return { 'root-ca.pem': root.certificate, 'root-ca.key': root.key };
}

function intermediateFiles(intermediate: Ca): Pick<PairFiles, 'intermediate-ca.pem' | 'intermediate-ca.key'> {
  return { 'intermediate-ca.pem': intermediate.certificate, 'intermediate-ca.key': intermediate.key };
}

/** An intermediate that `issuer` signed beside `root` as the root. */
function signedBy(issuer: Ca, root: Ca, flaw: string): InputSet {
  const intermediate = makeCa({ name: 'test-intermediate' }, issuer);
  return { files: { ...rootFiles(root), ...intermediateFiles(intermediate) }, flaw };
}

function flawed(flaw: string, set: InputSet): InputSet {
  return { ...set, flaw };
}

function replaced(set: InputSet, file: string, content: string): InputSet {
  return { ...set, files: { ...set.files, [file]: content } };
}

function mapped(set: InputSet, change: (pem: string) => string | Uint8Array, suffix = ''): InputSet {
  const changed = Object.entries(set.files).map(([name, content]) => [
    name,
    name.endsWith(suffix) ? change(String(content)) : content,
  ]);
  return { ...set, files: Object.fromEntries(changed) };
}

function formed(set: InputSet, form: KeyForm): InputSet {
  const encoded = mapped(set, (key) => encodeKey(key, form), '.key');
  return form.startsWith('encrypted') ? { ...encoded, passphrase } : encoded;
}

function broken(pem: string): string {
  return pem.replace(/\n.{4}/, '\n!#$%');
}

function rsaPair(first: string, second: string): string {
  return [first, second].map((label) => encodeKey(makeKey('rsa:2048', label), 'traditional')).join('');
}

function inDays(days: number): number {
  return Math.floor(Date.now() / 1000) + days * day;
}

function past(): Pick<CaSpec, 'notBefore' | 'notAfter'> {
  return { notBefore: inDays(-30), notAfter: inDays(-1) };
}

function program(): OpenSsl {
  const found = openssl();
  if ('absent' in found) throw new Error(`test PKIs need openssl: ${found.absent}`);
  return found;
}

/** Calls `work` with a private folder that is gone afterwards: private keys lie in it. */
function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'k3s-pki-variant-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
