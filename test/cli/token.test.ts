import { spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, environment, fastKeys, folder, k3sPki, program, put, type Run, startK3sPki, tree } from './program.ts';

const test = suite('token');
const secret = 'geheim-geheim-geheim';
const bootstrap = 'abcdef.geheimgeheim0000';

const demo = join(folder(), 'demo');
k3sPki(['generate-custom-ca-certs', '--data-dir', demo, ...fastKeys]);
const tls = join(demo, 'server/tls');
const bundle = readFileSync(join(tls, 'server-ca.crt'), 'utf8');
/** By K3s's rule, of Node's own crypto: the DER of the root. */
const rootHash = sha256(new X509Certificate(readFileSync(join(tls, 'root-ca.pem'))).raw);
const whole = `K10${rootHash}::server:${secret}`;
put(demo, {
  'server/token': `${whole}\n`,
  'server/cred/passwd': `${secret},node,node,k3s:agent\n${secret},server,server,k3s:server\n`,
});

function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** No secret in what a program prints: the word that every secret of this file has. */
function assertSilent({ stdout, stderr }: Run): void {
  assert.not.match(stdout + stderr, /geheim/);
}

test('show: what K3s reads, with the secret masked', () => {
  for (const [text, expected] of [
    [
      whole,
      { form: 'secure', kind: 'password', caHash: rootHash, user: 'server', masked: `K10${rootHash}::server:********` },
    ],
    [
      `K10::node:${secret}`,
      { form: 'no-hash', kind: 'password', caHash: '', user: 'node', masked: 'K10::node:********' },
    ],
    [secret, { form: 'bare', kind: 'password', caHash: '', user: '', masked: '********' }],
    [
      `K10${secret}:x`,
      { form: 'no-separator', kind: 'password', caHash: '', user: '********', masked: 'K10********:********' },
    ],
    [bootstrap, { form: 'bare', kind: 'bootstrap', caHash: '', id: 'abcdef', masked: 'abcdef.********' }],
  ] as const) {
    const run = k3sPki(['token', 'show', '--token-file', '-', '--output', 'json'], { input: `${text}\n` });
    assert.is(run.code, 0, run.stderr);
    const { command, ok, from, remarks, ...rest } = JSON.parse(run.stdout);
    assert.equal(rest, expected);
    assert.is(from, 'standard input');
    assertSilent(run);
    assertSilent(k3sPki(['token', 'show', '--token-file', '-'], { input: text }));
  }
});

test('show: what is odd about a token', () => {
  for (const [text, remarks] of [
    [whole, []],
    [secret, ['no-hash']],
    [bootstrap, ['bootstrap', 'no-hash']],
    [`K10${rootHash}:server:${secret}`, ['one-colon']],
    [`K10${secret}:x`, ['no-separator']],
    [`K10${rootHash.toUpperCase()}::server:${secret}`, /[a-f]/.test(rootHash) ? ['upper-case'] : []],
    [`K10${'geheim'.padEnd(64, 'x')}::server:${secret}`, ['not-hexadecimal']],
    [`${secret}\n${secret}`, ['white-space', 'no-hash']],
  ] as const) {
    const run = k3sPki(['token', 'show', '--token-file', '-', '--output', 'yaml'], { input: text });
    assert.is(run.code, 0, run.stderr);
    assert.equal(
      [...run.stdout.matchAll(/- code: (\S+)/g)].map(([, code]) => code),
      remarks,
    );
    assert.is(run.stderr.match(/k3s-pki: warning: /g)?.length ?? 0, remarks.length);
    assertSilent(run);
  }
});

test('show --reveal: everything, and the key of the bootstrap data', () => {
  const run = k3sPki(['token', 'show', '--data-dir', demo, '--reveal', '--output', 'json']);
  const { token, password, bootstrapKey } = JSON.parse(run.stdout);
  assert.equal({ token, password }, { token: whole, password: secret });
  assert.is(bootstrapKey, `/bootstrap/${sha256(secret).slice(0, 12)}`);
  assert.match(k3sPki(['token', 'show', '--data-dir', demo, '--reveal']).stdout, `password        ${secret}\n`);
});

test('where a token is found: the file, then K3S_TOKEN_FILE, then K3S_TOKEN, then the data dir', () => {
  const cwd = folder();
  put(cwd, { one: 'K10::one:geheim', two: 'K10::node:geheim\n' });
  const from = (args: string[], env: Record<string, string>) => {
    const run = k3sPki(['token', 'show', '--output', 'json', ...args], { cwd, env });
    assertSilent(run);
    return JSON.parse(run.stdout).from;
  };
  const env = { K3S_TOKEN_FILE: 'two', K3S_TOKEN: 'geheim', DATA_DIR: demo };
  assert.is(from(['--token-file', 'one'], env), join(cwd, 'one'));
  assert.is(from([], env), join(cwd, 'two'));
  assert.is(from([], { K3S_TOKEN: 'geheim', DATA_DIR: demo }), 'K3S_TOKEN');
  assert.is(from([], { DATA_DIR: demo }), join(demo, 'server/token'));
  assert.is(from(['--product', 'rke2'], { ...env, RKE2_TOKEN: 'geheim' }), 'RKE2_TOKEN');
});

test('a token in a pipe of the shell', () => {
  const { status, stdout } = spawnSync(
    'bash',
    ['-c', '"$0" "$1" token show --token-file <(echo "$2")', process.execPath, program(), whole],
    {
      env: environment(),
      encoding: 'utf8',
    },
  );
  assert.is(status, 0);
  assert.match(stdout, `K10${rootHash}::server:********\n`);
});

for (const [label, text, error] of [
  ['nothing', '\n', 'token must not be empty'],
  ['a short hash', `K10abc::server:${secret}`, 'invalid token CA hash length'],
  ['no password', `K10${secret}`, 'invalid token format'],
] as const) {
  test(`what is no token: ${label}, in K3s's words`, () => {
    for (const command of ['show', 'check', 'for']) {
      const run = k3sPki(
        ['token', command, '--token-file', '-', '--data-dir', demo, ...(command === 'for' ? ['--ca', demo] : [])],
        { input: text },
      );
      assert.is(run.code, 1);
      assert.match(run.stderr, `k3s-pki: error: standard input: ${error}\nk3s-pki: hint: `);
      assert.is(run.stdout, '');
      assertSilent(run);
    }
  });
}

test('a token file that cannot be read', () => {
  const cwd = folder();
  put(cwd, { large: 'geheim'.repeat(20_000), bytes: Uint8Array.of(0x67, 0xff, 0xfe) });
  for (const [file, error] of [
    ['none', `${join(cwd, 'none')}: there is no such file`],
    ['.', `${cwd}: a folder, not a file`],
    ['large', `${join(cwd, 'large')}: larger than 64 KiB`],
    ['bytes', `${join(cwd, 'bytes')}: not a text in UTF-8`],
  ] as const) {
    const run = k3sPki(['token', 'show', '--token-file', file], { cwd });
    assert.is(run.code, 1);
    assert.match(run.stderr, `k3s-pki: error: ${error}`);
    assertSilent(run);
  }
  const none = k3sPki(['token', 'show', '--data-dir', cwd]);
  assert.match(none.stderr, `${join(cwd, 'server/token')}: there is no such file, and no token is given`);
});

test('hash: 64 characters and a newline, of a file, a folder and standard input', () => {
  for (const args of [
    [join(tls, 'server-ca.crt')],
    [tls],
    [join(demo, 'server')],
    [demo],
    ['--data-dir', demo],
    ['--ca', tls],
  ]) {
    const run = k3sPki(['token', 'hash', ...args]);
    assert.equal(run, { code: 0, stdout: `${rootHash}\n`, stderr: '' });
  }
  assert.is(k3sPki(['token', 'hash', '-'], { input: bundle }).stdout, `${rootHash}\n`);
  const both = k3sPki(['token', 'hash', tls, '--ca', tls]);
  assert.equal([both.code, both.stdout], [2, '']);
  assert.match(both.stderr, 'FILE and --ca are both given');
  const lone = readFileSync(join(tls, 'server-ca.pem'));
  assert.is(k3sPki(['token', 'hash', join(tls, 'server-ca.pem')]).stdout, `${sha256(lone)}\n`);
});

test('hash: a bundle without its root is hashed as it stands, with a warning', () => {
  const [leaf, intermediate] = blocks(bundle);
  const run = k3sPki(['token', 'hash', '-', '--output', 'json'], { input: `${leaf}${intermediate}` });
  assert.is(run.code, 0);
  const { hash, from, certificates } = JSON.parse(run.stdout);
  assert.equal({ hash, from, certificates }, { hash: sha256(`${leaf}${intermediate}`), from: 'file', certificates: 2 });
  assert.match(run.stderr, 'warning: standard input: no chain leads from its first certificate to a root');
});

test('hash: what is no bundle', () => {
  const cwd = folder();
  put(cwd, { text: 'hello', cut: bundle.slice(0, 400), broken: bundle.replace(/MII/, 'MIM'), empty: '' });
  for (const [file, error] of [
    ['none', 'there is no such file'],
    ['text', 'data does not contain any valid RSA or ECDSA certificates'],
    ['empty', 'data does not contain any valid RSA or ECDSA certificates'],
    ['cut', 'data does not contain any valid RSA or ECDSA certificates'],
    ['broken', 'line 1: '],
  ] as const) {
    const run = k3sPki(['token', 'hash', file], { cwd });
    assert.is(run.code, 1, file);
    assert.match(run.stderr, `k3s-pki: error: ${join(cwd, file)}: ${error}`);
    assert.is(run.stdout, '');
  }
});

test('check: the data dir, its CAs and its passwords', () => {
  const run = k3sPki(['token', 'check', '--data-dir', demo, '--output', 'json']);
  assert.is(run.code, 0, run.stderr);
  const { ok, caHash, password } = JSON.parse(run.stdout);
  assert.equal(
    { ok, caHash, password },
    { ok: true, caHash: { hash: rootHash, from: 'root' }, password: { kind: 'right', users: ['node', 'server'] } },
  );
  const other = k3sPki(['token', 'check', '--data-dir', demo, '--token-file', '-'], {
    input: `K10${rootHash}::server:geheim2`,
  });
  assert.is(other.code, 1);
  assert.match(
    other.stderr,
    `k3s-pki: error: not authorized: the password of the token is not one of ${join(demo, 'server/cred/passwd')} (node, server)\n`,
  );
  assertSilent(other);
});

test('check: every problem in one run, of the token, the CAs and the password', () => {
  const run = k3sPki(['token', 'check', '--data-dir', demo, '--token-file', '-', '--output', 'json'], {
    input: `K10${'f'.repeat(64)}::server:geheim2`,
  });
  assert.is(run.code, 1);
  assert.match(run.stderr, 'error: token CA hash does not match the Cluster CA certificate hash: ');
  assert.match(run.stderr, 'error: not authorized: the password of the token');
  const { origin, password } = JSON.parse(run.stdout);
  assert.equal({ origin, password: password.kind }, { origin: { kind: 'other' }, password: 'wrong' });
  assertSilent(run);
  const cwd = folder();
  for (const command of ['check', 'for']) {
    const none = k3sPki(['token', command, '--ca', 'none', '--token-file', 'gone'], { cwd });
    assert.is(none.code, 1);
    assert.match(none.stderr, `${join(cwd, 'none')}: there is no such file`);
    assert.match(none.stderr, `${join(cwd, 'gone')}: there is no such file`);
    assert.is(k3sPki(['token', command, '--ca', '-', '--token-file', '-'], { input: 'geheim' }).code, 2);
  }
});

test('check: a passwd file whose columns are not in order shows no password', () => {
  const dir = folder();
  put(dir, { 'server/tls/server-ca.crt': bundle, 'server/cred/passwd': `server,${secret},server,k3s:server\n` });
  const run = k3sPki(['token', 'check', '--data-dir', dir, '--token-file', '-'], {
    input: `K10${rootHash}::server:geheim2`,
  });
  assert.is(run.code, 1);
  assertSilent(run);
});

test('check: passwords that CSV has to quote', () => {
  const dir = folder();
  put(dir, { 'server/tls/server-ca.crt': bundle, 'server/cred/passwd': '"geheim,""a",server,server,k3s:server\n' });
  const run = k3sPki(['token', 'check', '--data-dir', dir, '--token-file', '-'], {
    input: `K10${rootHash}::server:geheim,"a`,
  });
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stdout, 'that of server\n');
});

test('check: a passwd file that K3s cannot read is named with its line, and shows no password', () => {
  const dir = folder();
  put(dir, {
    'server/tls/server-ca.crt': bundle,
    'server/cred/passwd': `${secret},node,node,k3s:agent\n${secret}\n`,
  });
  const run = k3sPki(['token', 'check', '--data-dir', dir, '--token-file', '-'], {
    input: `K10${rootHash}::server:${secret}`,
  });
  assert.is(run.code, 1);
  assert.match(run.stderr, 'server/cred/passwd: line 2: must have at least 2 columns');
  assert.match(run.stderr, 'bootstrap restore');
  assertSilent(run);
});

test("check: K3s's own line first, then what the hash was made from", () => {
  const [leaf = '', , root = ''] = blocks(bundle);
  const der = (pem: string) => sha256(new X509Certificate(pem).raw);
  for (const [label, hash, explanation] of [
    ['another CA', 'f'.repeat(64), 'the token is of other CAs than'],
    ['the file', sha256(bundle), "the token's hash is the SHA-256 of"],
    [
      'the leaf CA',
      der(leaf),
      "the token's hash is that of one certificate of the bundle (number 1, CN=k3s-server-ca@",
    ],
    [
      'the root as PEM',
      sha256(root),
      "the token's hash is that of one certificate of the bundle (number 3, CN=k3s-root-ca@",
    ],
    [
      'capital letters',
      `${rootHash.slice(0, -1).toUpperCase()}${rootHash.at(-1)}`,
      'the token has the right CA hash with capital letters',
    ],
  ] as const) {
    if (hash === rootHash) continue;
    const run = k3sPki(['token', 'check', '--ca', demo, '--token-file', '-', '--output', 'json'], {
      input: `K10${hash}::server:${secret}`,
    });
    assert.is(run.code, 1, label);
    const [first, second] = run.stderr.split('\n');
    assert.is(
      first,
      `k3s-pki: error: token CA hash does not match the Cluster CA certificate hash: ${hash} != ${rootHash}`,
    );
    assert.ok(second?.startsWith(`k3s-pki: error: ${explanation}`), second);
    assert.match(run.stderr, '\nk3s-pki: hint: ');
    assert.is(JSON.parse(run.stdout).ok, false);
    assertSilent(run);
  }
});

test('check: a single certificate that came with other line ends', () => {
  const pem = readFileSync(join(tls, 'server-ca.pem'), 'utf8');
  const input = `K10${sha256(pem)}::server:${secret}`;
  const dir = folder();
  put(dir, { 'server-ca.crt': pem.replaceAll('\n', '\r\n') });
  const run = k3sPki(['token', 'check', '--ca', dir, '--token-file', '-'], { input });
  assert.is(run.code, 1);
  assert.match(run.stderr, 'the same CA certificate with other line ends');
  assert.is(k3sPki(['token', 'check', '--ca', join(tls, 'server-ca.pem'), '--token-file', '-'], { input }).code, 0);
});

test('check: a token without a hash passes, as it does with K3s, with a warning', () => {
  const run = k3sPki(['token', 'check', '--ca', demo, '--token-file', '-'], { input: secret });
  assert.is(run.code, 0);
  assert.match(run.stdout, 'the token names no CAs');
  assert.match(run.stderr, 'warning: no CA hash');
});

test('new: 16 random octets, alone or with the hash of the CAs, in a private file or where it was asked for', () => {
  const cwd = folder();
  const first = k3sPki(['token', 'new', '--out', '-'], { cwd });
  assert.match(first.stdout, /^[0-9a-f]{32}\n$/);
  assert.is.not(k3sPki(['token', 'new', '--reveal'], { cwd }).stdout, first.stdout);
  const run = k3sPki(['token', 'new', '--ca', demo, '--user', 'node', '--out', 'token'], { cwd });
  assert.is(run.code, 0, run.stderr);
  const token = readFileSync(join(cwd, 'token'), 'utf8');
  assert.match(token, new RegExp(`^K10${rootHash}::node:[0-9a-f]{32}\n$`));
  assert.is(statSync(join(cwd, 'token')).mode & 0o777, 0o600);
  assert.is(run.stdout, `✔ K10${rootHash}::node:******** in ${join(cwd, 'token')} (0600)\n`);
  assert.is(k3sPki(['token', 'check', '--ca', demo, '--token-file', 'token'], { cwd }).code, 0);
  const before = tree(cwd);
  const again = k3sPki(['token', 'new', '--out', 'token'], { cwd });
  assert.is(again.code, 1);
  assert.match(again.stderr, `${join(cwd, 'token')}: `);
  const dry = k3sPki(['token', 'new', '--data-dir', demo, '--out', 'other', '--dry-run'], { cwd });
  assert.is(dry.code, 0);
  assert.match(dry.stdout, `K10${rootHash}::server:********\n0600  ${join(cwd, 'other')}; nothing is written\n`);
  assert.equal(tree(cwd), before);
});

test('new: not printed unasked, not printed twice', () => {
  for (const [args, error] of [
    [[], 'a token is printed only when it is asked for'],
    [['--out', 'x', '--reveal'], '--out FILE and --reveal are both given'],
    [['--user', 'root', '--reveal'], 'invalid value for --user: expected one of'],
  ] as const) {
    const cwd = folder();
    const run = k3sPki(['token', 'new', ...args], { cwd });
    assert.is(run.code, 2);
    assert.is(run.stdout, '');
    assert.match(run.stderr, error);
    assert.equal(tree(cwd), {});
  }
});

test('for: the same credentials with the hash of other CAs', () => {
  const old = `K10${'0'.repeat(64)}::`;
  for (const [text, args, expected] of [
    [`${old}node:${secret}`, [], `node:${secret}`],
    [`${old}${bootstrap}`, [], bootstrap],
    [secret, [], `server:${secret}`],
    [secret, ['--user', 'node'], `node:${secret}`],
    ['a:b::geheim', [], 'server:a:b::geheim'],
  ] as const) {
    const shown = k3sPki(['token', 'for', '--ca', demo, '--token-file', '-', ...args], { input: text });
    assert.is(shown.code, 0, shown.stderr);
    assert.ok(shown.stdout.startsWith(`K10${rootHash}::`));
    assertSilent(shown);
    for (const how of [['--reveal'], ['--out', '-']]) {
      const run = k3sPki(['token', 'for', '--ca', demo, '--token-file', '-', ...args, ...how], { input: `${text}\n` });
      assert.is(run.stdout, `K10${rootHash}::${expected}\n`);
    }
  }
});

test('for: a hash with one colon is refused, CAs are needed, a file is private', () => {
  const cwd = folder();
  const oneColon = k3sPki(['token', 'for', '--ca', demo, '--token-file', '-', '--out', 't'], {
    cwd,
    input: `K10${rootHash}:server:${secret}`,
  });
  assert.is(oneColon.code, 1);
  assert.match(oneColon.stderr, 'error: one colon after the CA hash');
  assertSilent(oneColon);
  assert.is(k3sPki(['token', 'for', '--data-dir', demo], { cwd }).code, 2);
  assert.equal(tree(cwd), {});
  const run = k3sPki(['token', 'for', '--ca', demo, '--data-dir', demo, '--out', 't', '--output', 'json'], { cwd });
  assert.is(run.code, 0, run.stderr);
  assertSilent(run);
  assert.is(readFileSync(join(cwd, 't'), 'utf8'), `${whole}\n`);
  assert.is(statSync(join(cwd, 't')).mode & 0o777, 0o600);
});

test('a token on the command line by mistake does not get into an error', () => {
  for (const args of [
    ['token', 'show', whole],
    ['token', 'new', secret],
    ['token', secret],
    ['token', 'show', secret, '--token-file', 'x'],
    [whole],
    ['certificate', whole],
    ['explian', whole],
    ['certificate', 'profiles', whole],
    ['token', 'hash', 'a', secret],
  ]) {
    const run = k3sPki(args);
    assert.is(run.code, 2, args.join(' '));
    assert.match(run.stderr, /^k3s-pki: error: /);
    assertSilent(run);
  }
});

test('waiting for a pipe ends with Ctrl-C', async () => {
  const cwd = folder();
  const pipe = join(cwd, 'pipe');
  assert.is(spawnSync('mkfifo', [pipe]).status, 0);
  const child = startK3sPki(['token', 'show', '--token-file', 'pipe'], { cwd });
  const ended = once(child, 'close');
  // A pipe can be opened for writing like this as soon as the program reads it.
  let writer: number | undefined;
  while (writer === undefined && child.exitCode === null) {
    try {
      writer = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      await sleep(10);
    }
  }
  child.kill('SIGINT');
  const [code] = await ended;
  if (writer !== undefined) closeSync(writer);
  assert.is(code, 130);
});

test('a folder that is not there', () => {
  const cwd = folder();
  const run = k3sPki(['token', 'new', '--out', 'none/token', '--output', 'json'], { cwd });
  assert.is(run.code, 1);
  assert.match(run.stderr, `${join(cwd, 'none')}: there is no such folder`);
  assert.is(JSON.parse(run.stdout).ok, false);
  assert.equal(tree(cwd), {});
});

test('the examples of the help run', () => {
  for (const command of ['show', 'check', 'hash', 'new', 'for']) {
    const { stdout } = k3sPki(['token', command, '--help']);
    const examples = [...stdout.matchAll(/^ {2}k3s-pki (token \w+ .*\.\/.*)$/gm)].map(([, line = '']) => line);
    assert.ok(examples.length > 0, command);
    for (const line of examples.filter((each) => !each.includes('10.0.0.1'))) {
      const cwd = folder();
      put(cwd, {
        'demo/server/tls/server-ca.crt': bundle,
        'demo/server/token': whole,
        'stage/tls/server-ca.crt': bundle,
        'agent-token': whole,
      });
      if (!line.includes('--out ./token')) put(cwd, { token: whole });
      const run = k3sPki(line.split(' '), { cwd });
      assert.is(run.code, 0, `${line}: ${run.stderr}`);
    }
  }
});

// A server as K3s's is: /cacerts for everybody, a certificate of its own CA.
const issued = folder();
writeFileSync(join(issued, 'rows.csv'), 'node,ip\nsrv,127.0.0.1\n');
k3sPki(['certificate', 'issue', '--data-dir', demo, '--profile', 'server', '--from', 'rows.csv', '--out', 'nodes'], {
  cwd: issued,
});
const nodeFile = (name: RegExp) => {
  const path = Object.keys(tree(join(issued, 'nodes'))).find((each) => name.test(each)) ?? '';
  return readFileSync(join(issued, 'nodes', path), 'utf8');
};
const certificate = { cert: nodeFile(/^srv\/.*\.crt$/), key: nodeFile(/^srv\/.*\.key$/) };

/** Runs `work` with the address of a server; answers what the server was asked. */
async function withServer(server: Server, work: (address: string) => Promise<void>): Promise<void> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    await work(`https://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
  }
}

function httpsServer(answer: (request: IncomingMessage, response: ServerResponse) => void, tlsFiles = certificate) {
  return createHttpsServer(tlsFiles, answer);
}

/** The program while this process serves; the token comes by environment, as a service has it. */
async function check(address: string, token: string, ...args: string[]): Promise<Run> {
  const child = startK3sPki(['token', 'check', '--server', address, ...args], { env: { K3S_TOKEN: token } });
  const streams = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (chunk) => {
      streams[name] += chunk;
    });
  }
  const [code] = await once(child, 'close');
  return { code, ...streams };
}

test('check --server: the CAs of a server that runs, no password sent', async () => {
  const asked: string[] = [];
  const server = httpsServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? 'anonymous'}`);
    response.end(request.url === '/cacerts' ? bundle : 'no');
  });
  await withServer(server, async (address) => {
    const run = await check(address, whole);
    assert.is(run.code, 0, run.stderr);
    assert.match(run.stdout, 'the token is of these CAs');
    const other = await check(address, `K10${'f'.repeat(64)}::server:${secret}`);
    assert.is(other.code, 1);
    assert.ok(
      other.stderr.startsWith(
        `k3s-pki: error: token CA hash does not match the Cluster CA certificate hash: ${'f'.repeat(64)} != ${rootHash}\n`,
      ),
    );
    assertSilent(other);
  });
  assert.ok(asked.length >= 3);
  for (const line of asked) assert.is(line, 'GET /cacerts anonymous');
});

test('check --server: a certificate that its CAs did not sign', async () => {
  const stranger = join(folder(), 'demo');
  k3sPki(['generate-custom-ca-certs', '--data-dir', stranger, ...fastKeys]);
  const foreign = readFileSync(join(stranger, 'server/tls/server-ca.crt'));
  const hash = sha256(new X509Certificate(readFileSync(join(stranger, 'server/tls/root-ca.pem'))).raw);
  await withServer(
    httpsServer((_, response) => response.end(foreign)),
    async (address) => {
      const run = await check(address, `K10${hash}::server:${secret}`);
      assert.is(run.code, 1);
      assert.match(run.stderr, 'CA cert validation failed');
      assertSilent(run);
    },
  );
});

for (const [label, answer, error] of [
  ['no certificate', (_: IncomingMessage, response: ServerResponse) => response.end('hello'), 'failed to get CA certs'],
  [
    'not found',
    (_: IncomingMessage, response: ServerResponse) => response.writeHead(404).end(),
    'failed to get CA certs',
  ],
  [
    'a redirect, which is not followed',
    (_: IncomingMessage, response: ServerResponse) =>
      response.writeHead(302, { location: 'https://127.0.0.1:1/' }).end(),
    '302',
  ],
  [
    'an answer without end',
    (_: IncomingMessage, response: ServerResponse) => {
      const piece = Buffer.alloc(1 << 16, 'a');
      const pour = () => {
        while (!response.destroyed && response.write(piece));
      };
      response.on('drain', pour).on('error', () => {});
      pour();
    },
    'answers with more than',
  ],
  ['silence', () => {}, 'within 1 s'],
] as const) {
  test(`check --server: ${label}`, async () => {
    await withServer(httpsServer(answer), async (address) => {
      const run = await check(address, whole, '--timeout', '1');
      assert.is(run.code, 1);
      assert.is(run.stdout, '');
      assert.match(run.stderr, /^k3s-pki: error: failed to get CA certs: /);
      assert.match(run.stderr, error);
      assertSilent(run);
    });
  });
}

test('check --server: no TLS, nobody there, no address', async () => {
  const plain = createTcpServer((socket) => socket.on('error', () => {}).end('hello\r\n'));
  let gone = '';
  await withServer(plain, async (address) => {
    gone = address;
    const run = await check(address, whole);
    assert.is(run.code, 1);
    assert.match(run.stderr, /^k3s-pki: error: failed to get CA certs: /);
    assertSilent(run);
  });
  for (const [address, error] of [
    [gone, 'nothing listens there'],
    ['http://127.0.0.1:6443', 'only https:// URLs are supported, invalid scheme'],
    ['127.0.0.1:6443', '"127.0.0.1:6443" is not a URL'],
  ] as const) {
    const run = await check(address, whole);
    assert.is(run.code, 1);
    assert.match(run.stderr, error);
    assertSilent(run);
  }
  assert.is(k3sPki(['token', 'check', '--server', gone, '--ca', demo], { env: { K3S_TOKEN: whole } }).code, 2);
});

test.run();
