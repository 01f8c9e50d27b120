import { spawnSync } from 'node:child_process';
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blocks, environment, fastKeys, folder, k3sPki, program, put, startK3sPki, tree } from './program.ts';

/** A line of the manifest. */
interface Line {
  readonly node: string;
  readonly profile: string;
  readonly path: string;
  readonly serial: string;
  readonly sha256: string;
  readonly subject: string;
  readonly notAfter: string;
}

const cluster = folder();
k3sPki(['generate-custom-ca-certs', '--data-dir', cluster, ...fastKeys]);
const tls = join(cluster, 'server/tls');
const ca = (name: string) => readFileSync(join(tls, `${name}-ca.crt`), 'utf8');
const day = 86_400_000;

function issue(args: readonly string[], options: Parameters<typeof k3sPki>[1] = {}) {
  return k3sPki(['certificate', 'issue', '--ca-dir', tls, ...args], { cwd: folder(), ...options });
}

function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

function manifestIn(dir: string, name = 'manifest.jsonl'): Line[] {
  return linesOf(readFileSync(join(dir, name), 'utf8'));
}

/** Serial, fingerprint and end of a certificate as the manifest writes them, read by Node's OpenSSL. */
function facts(pem: string) {
  const certificate = new X509Certificate(pem);
  return {
    serial: certificate.serialNumber.toLowerCase(),
    sha256: createHash('sha256').update(certificate.raw).digest('hex'),
    notAfter: new Date(certificate.validTo).toISOString().replace('.000Z', 'Z'),
  };
}

/** Every node of a folder has its files, each certificate its key, and the manifest one line for each. */
function assertWhole(dir: string, nodes: readonly string[], profile = 'client-kubelet'): void {
  assert.equal(
    readdirSync(dir)
      .filter((name) => !name.startsWith('manifest'))
      .sort(),
    [...nodes].sort(),
  );
  const lines = readdirSync(dir)
    .filter((name) => name.startsWith('manifest'))
    .flatMap((name) => manifestIn(dir, name));
  assert.is(lines.length, nodes.length);
  assert.is(new Set(lines.map(({ serial }) => serial)).size, nodes.length);
  const byNode = new Map(lines.map((line) => [line.node, line]));
  for (const node of nodes) {
    const file = join(dir, node, 'agent', profile);
    const pem = readFileSync(`${file}.crt`, 'utf8');
    const path = `${node}/agent/${profile}.crt`;
    const subject = `O=system:nodes,CN=system:node:${node}`;
    assert.equal(byNode.get(node), { node, profile, path, ...facts(pem), subject });
    assert.ok(new X509Certificate(pem).checkPrivateKey(createPrivateKey(readFileSync(`${file}.key`))), node);
  }
}

const numbers = (count: number) =>
  Array.from({ length: count }, (_, index) => `edge-${String(index + 1).padStart(5, '0')}`);

const test = suite('certificate issue');

test("folders: K3s's files, modes, subjects, names, lifetime and chain", () => {
  const cwd = folder();
  const args = ['--profile', 'client-kubelet,serving-kubelet', '--profile', 'client-kube-proxy'];
  const run = issue([...args, '--nodes', '3', '--name', 'edge-%05d', '--out', 'nodes'], { cwd });
  assert.is(run.code, 0, run.stderr);
  assert.is(run.stderr, '');
  assert.match(run.stdout, '3 nodes issued (client-kubelet, serving-kubelet, client-kube-proxy)');
  const dir = join(cwd, 'nodes');
  const files = tree(dir);
  const kinds = ['client-kube-proxy', 'client-kubelet', 'serving-kubelet'];
  assert.equal(
    Object.entries(files).map(([path, entry]) => `${entry.slice(0, 4)} ${path}`),
    [
      ...numbers(3).flatMap((node) => [
        `0750 ${node}`,
        `0750 ${node}/agent`,
        ...kinds.flatMap((kind) => [`0644 ${node}/agent/${kind}.crt`, `0600 ${node}/agent/${kind}.key`]),
      ]),
      '0644 manifest.jsonl',
    ],
  );
  const read = (path: string) => readFileSync(join(dir, path), 'utf8');
  const pem = read('edge-00002/agent/client-kubelet.crt');
  assert.is(pem, (blocks(pem)[0] ?? '') + ca('client'), 'leaf, then the CA bundle');
  const client = new X509Certificate(pem);
  assert.is(client.subject, 'O=system:nodes\nCN=system:node:edge-00002');
  assert.equal(client.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  assert.is(client.subjectAltName, undefined);
  assert.not.ok(client.ca);
  assert.ok(client.verify(new X509Certificate(ca('client')).publicKey));
  const key = read('edge-00002/agent/client-kubelet.key');
  assert.match(key, /^-----BEGIN EC PRIVATE KEY-----\n/);
  assert.ok(client.checkPrivateKey(createPrivateKey(key)));
  const serving = new X509Certificate(read('edge-00003/agent/serving-kubelet.crt'));
  assert.is(serving.subject, 'CN=edge-00003');
  assert.equal(serving.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.is(serving.subjectAltName, 'DNS:edge-00003, DNS:localhost, IP Address:127.0.0.1');
  assert.ok(serving.verify(new X509Certificate(ca('server')).publicKey));
  // An hour back, but not before the CA, which is younger; the lifetime counts from there.
  const begin = Date.parse(client.validFrom);
  assert.is(begin, Date.parse(new X509Certificate(ca('client')).validFrom));
  assert.is(Date.parse(client.validTo) - begin, 365 * day);
  const lines = manifestIn(dir);
  assert.is(lines.length, 9);
  assert.is(new Set(lines.map(({ serial }) => serial)).size, 9);
  for (const { path, serial, sha256, notAfter } of lines) assert.equal({ serial, sha256, notAfter }, facts(read(path)));
});

test('every profile issues; "profiles" lists them', () => {
  const listed = JSON.parse(k3sPki(['certificate', 'profiles', '--output', 'json']).stdout) as {
    profiles: { name: string; ca: string; path: string; extendedKeyUsage: string[] }[];
  };
  const names = listed.profiles.map(({ name }) => name);
  assert.ok(names.length >= 20);
  const text = k3sPki(['certificate', 'profiles']).stdout;
  for (const name of names)
    assert.ok(
      text.split('\n').some((line) => line.startsWith(`${name} `)),
      name,
    );
  const cwd = folder();
  const run = issue(['--profile', names.join(), '--nodes', '1', '--name', 'srv-%d', '--out', 'out'], { cwd });
  assert.is(run.code, 0, run.stderr);
  for (const { ca: signer, path, extendedKeyUsage } of listed.profiles) {
    const certificate = new X509Certificate(readFileSync(join(cwd, 'out/srv-1', `${path}.crt`)));
    assert.ok(certificate.verify(new X509Certificate(ca(signer)).publicKey), path);
    const oids = extendedKeyUsage.map((usage) => (usage === 'serverAuth' ? '1.3.6.1.5.5.7.3.1' : '1.3.6.1.5.5.7.3.2'));
    assert.equal(certificate.keyUsage, oids, path);
  }
  const server = new X509Certificate(readFileSync(join(cwd, 'out/srv-1/server/tls/serving-kube-apiserver.crt')));
  assert.ok(server.checkHost('kubernetes.default.svc.cluster.local') && server.checkIP('10.43.0.1'));
});

test('a CSV file: names, addresses, subjects, lifetimes, keys, folders; CRLF, quotes, a byte order mark', () => {
  const cwd = folder();
  put(cwd, {
    'nodes.csv':
      '\ufeffnode,cn,organizations,dns,ip,days,key,out\r\n' +
      'edge-1,,,"a.example;*.b.example",10.0.0.1;fd00::1,,,\r\n' +
      '\r\n' +
      'edge-2,Sensor "7",,,,10,ec:p384,hall/2\n' +
      'edge-3,"Doe, J",ops;Example & Söhne,,,,rsa:2048,hall/3\n' +
      'edge-4,,,,,,ed25519,\n',
  });
  const run = issue(['--profile', 'server,client', '--from', 'nodes.csv', '--out', 'out'], { cwd });
  assert.is(run.code, 0, run.stderr);
  const read = (path: string) => readFileSync(join(cwd, 'out', path), 'utf8');
  const [one, two, three, four] = ['edge-1', 'hall/2', 'hall/3', 'edge-4'].map(
    (out) => new X509Certificate(read(`${out}/server.crt`)),
  ) as [X509Certificate, X509Certificate, X509Certificate, X509Certificate];
  assert.is(
    one.subjectAltName,
    'DNS:edge-1, DNS:a.example, DNS:*.b.example, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1',
  );
  assert.is(two.subject, 'CN=Sensor \\"7\\"', 'as Node escapes it');
  assert.is(Date.parse(two.validTo) - Date.parse(two.validFrom), 10 * day);
  assert.is(two.publicKey.asymmetricKeyDetails?.namedCurve, 'secp384r1');
  assert.equal(three.subject.split(/\n| \+ /).sort(), ['CN=Doe\\, J', 'O=Example & Söhne', 'O=ops']);
  assert.is(three.publicKey.asymmetricKeyDetails?.modulusLength, 2048);
  assert.match(read('hall/3/client.key'), /^-----BEGIN RSA PRIVATE KEY-----\n/);
  assert.is(four.publicKey.asymmetricKeyType, 'ed25519');
  for (const out of ['edge-1', 'hall/2', 'hall/3', 'edge-4']) {
    for (const kind of ['server', 'client']) {
      const key = createPrivateKey(read(`${out}/${kind}.key`));
      assert.ok(new X509Certificate(read(`${out}/${kind}.crt`)).checkPrivateKey(key), `${out}/${kind}`);
    }
  }
  assert.equal(
    manifestIn(join(cwd, 'out'))
      .map(({ path, subject }) => [path, subject])
      .slice(2, 5),
    [
      ['hall/2/server.crt', 'CN=Sensor \\"7\\"'],
      ['hall/2/client.crt', 'CN=Sensor \\"7\\"'],
      ['hall/3/server.crt', 'O=ops+O=Example & Söhne,CN=Doe\\, J'],
    ],
  );
});

test('standard input as JSON Lines, standard output as JSON Lines', () => {
  const cwd = folder();
  const input = '{"node":"edge-1","ip":["10.0.0.1"],"days":5}\n\n{"node":"edge-2","dns":"x.example;y.example"}';
  const run = issue(['--profile', 'serving-kubelet', '--from', '-', '--jsonl', '-', '--manifest', 'm.jsonl'], {
    cwd,
    input,
  });
  assert.is(run.code, 0, run.stderr);
  assert.is(run.stderr, '');
  const lines = linesOf(run.stdout) as (Line & { certificate: string; key: string })[];
  assert.equal(
    lines.map(({ node }) => node),
    ['edge-1', 'edge-2'],
  );
  for (const { certificate, key, serial, sha256, notAfter } of lines) {
    assert.equal({ serial, sha256, notAfter }, facts(certificate));
    assert.ok(new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)));
    assert.is(certificate, (blocks(certificate)[0] ?? '') + ca('server'));
  }
  const manifest = linesOf(readFileSync(join(cwd, 'm.jsonl'), 'utf8'));
  assert.equal(
    manifest,
    lines.map(({ certificate: _, key: __, ...line }) => line),
  );
  assert.not.match(readFileSync(join(cwd, 'm.jsonl'), 'utf8'), 'PRIVATE');
});

test('an archive: a file is whole or absent, mode 0600, and never replaces another', () => {
  const cwd = folder();
  const args = ['--profile', 'client-kubelet', '--nodes', '40', '--tar', 'nodes.tar'];
  const run = issue(args, { cwd });
  assert.is(run.code, 0, run.stderr);
  assert.equal(Object.keys(tree(cwd)), ['nodes.tar', 'nodes.tar.manifest.jsonl']);
  assert.match(tree(cwd)['nodes.tar'] ?? '', /^0600 /);
  const before = tree(cwd);
  const again = issue(args, { cwd });
  assert.is(again.code, 1);
  assert.match(again.stderr, 'it exists already');
  assert.equal(tree(cwd), before);
});

test('bad rows: each with its line and reason, nothing issued', () => {
  const cwd = folder();
  const rows = [
    'node,cn,organizations,dns,ip,days,key,out',
    'good-1,,,,,,,',
    ',,,,,,,',
    'Edge,,,,,,,',
    'a,,,bad_name,,,,',
    'b,,,,10.0.0.256,,,',
    'c,,,,fe80::1%eth0,,,',
    `d,${'x'.repeat(65)},,,,,,`,
    'e,,,,,0,,',
    'f,,,,,4000,,',
    'g,,,,,,rsa:1024,',
    'h,,,,,,,../h',
    'i,,,,,,,/etc/i',
    'good-1,,,,,,,',
    'j,,,,,,,good-1/j',
    'k,,,,,,,manifest.jsonl',
    'l,,,',
    '"m,,,,,,,"x',
  ];
  put(cwd, { 'nodes.csv': `${rows.join('\n')}\n` });
  const before = tree(cwd);
  const run = issue(['--profile', 'server', '--from', 'nodes.csv', '--out', 'out'], { cwd });
  assert.is(run.code, 1);
  assert.is(run.stdout, '');
  assert.equal(tree(cwd), before);
  for (const [line, reason] of [
    [3, 'no node is named'],
    [4, '"Edge" is not a node name'],
    [5, '"bad_name" is not a DNS name'],
    [6, '"10.0.0.256" is not an IP address'],
    [7, '"fe80::1%eth0" is not an IP address'],
    [8, 'is longer than 64 characters'],
    [9, '"0" is not a lifetime in days'],
    [10, '4000 days are longer than the server CA is valid; at most 3700 are possible'],
    [11, '"rsa:1024" is not a key type'],
    [12, '".." leads out of it'],
    [13, 'it must be a relative path'],
    [14, '"good-1" is written by an earlier row too'],
    [15, '"good-1/j" is written by an earlier row too, or lies inside or around its folder'],
    [16, 'the name is taken by a file of this program'],
    [17, '4 fields, but the header has 8'],
    [18, 'a quote inside a quoted field must be doubled'],
  ] as const) {
    const found = run.stderr.split('\n').filter((text) => text.startsWith(`k3s-pki: error: nodes.csv: line ${line}: `));
    assert.ok(found.length >= 1 && found.some((text) => text.includes(reason)), `${line} ${reason}\n${run.stderr}`);
  }
  assert.match(
    run.stderr,
    '16 bad rows, nothing was issued\nk3s-pki: hint: correct them, or leave them out with --skip-bad\n',
  );
  const skipped = issue(['--profile', 'server', '--from', 'nodes.csv', '--out', 'out', '--skip-bad'], { cwd });
  assert.is(skipped.code, 0, skipped.stderr);
  assert.match(skipped.stderr, 'k3s-pki: warning: nodes.csv: line 3: no node is named\n');
  assert.match(skipped.stdout, '16 bad rows left out');
  assert.equal(
    manifestIn(join(cwd, 'out')).map(({ path }) => path),
    ['good-1/server.crt'],
  );
});

test('a wrong header is not mended by --skip-bad', () => {
  const cwd = folder();
  put(cwd, { 'nodes.csv': 'node;ip,colour\nedge-1,10.0.0.1\n', 'open.csv': 'node\n"edge-1\nedge-2\n' });
  const run = issue(['--profile', 'client', '--from', 'nodes.csv', '--out', 'out', '--skip-bad'], { cwd });
  assert.is(run.code, 1);
  assert.match(run.stderr, 'line 1: unknown column "node;ip"');
  assert.match(run.stderr, 'line 1: unknown column "colour"');
  const open = issue(['--profile', 'client', '--from', 'open.csv', '--out', 'out'], { cwd });
  assert.is(open.code, 1);
  assert.match(open.stderr, 'line 2: a quoted field has no closing quote');
  assert.not.ok(existsSync(join(cwd, 'out')));
});

test("a subject that K3s fixes is not the row's to choose", () => {
  const input = 'node,organizations\nedge-1,system:masters\n';
  const run = issue(['--profile', 'client-kubelet', '--from', '-', '--jsonl', '-'], { input });
  assert.is(run.code, 1);
  assert.match(run.stderr, 'standard input: line 2: organizations is given, but K3s fixes the subject');
});

test("shards together are the whole, and a Job's index counts from 0", () => {
  const cwd = folder();
  const args = ['--profile', 'client-kubelet', '--nodes', '20', '--name', 'edge-%05d', '--out', 'out'];
  for (const shard of ['1/3', '3/3']) assert.is(issue([...args, '--shard', shard], { cwd }).code, 0);
  const second = issue(args, { cwd, env: { JOB_COMPLETION_INDEX: '1', JOB_COMPLETIONS: '3' } });
  assert.is(second.code, 0, second.stderr);
  const parts = [1, 2, 3].map((part) => manifestIn(join(cwd, 'out'), `manifest-${part}-of-3.jsonl`));
  assert.equal(
    parts.map(({ length }) => length),
    [7, 7, 6],
  );
  assertWhole(join(cwd, 'out'), numbers(20));
  const input = `node\n${numbers(10).join('\n')}\n`;
  const lines = [1, 2, 3].flatMap((part) => {
    const run = issue(['--profile', 'client', '--from', '-', '--jsonl', '-', '--shard', `${part}/3`], { input });
    assert.is(run.code, 0, run.stderr);
    return linesOf(run.stdout).map(({ node }) => node);
  });
  assert.equal(lines.sort(), numbers(10));
});

test('kill -9 among thousands of nodes: complete nodes only, and --resume issues the others once', async () => {
  const cwd = folder();
  const out = join(cwd, 'out');
  const count = 10_000;
  const args = ['certificate', 'issue', '--ca-dir', tls, '--profile', 'client-kubelet'];
  args.push('--nodes', String(count), '--name', 'edge-%05d', '--out', out);
  const nodesIn = () => (existsSync(out) ? readdirSync(out).filter((name) => name.startsWith('edge-')) : []);
  let killed = 0;
  for (const least of [500, 3000, 6000]) {
    const run = startK3sPki(nodesIn().length === 0 ? args : [...args, '--resume'], { cwd });
    const ended = once(run, 'exit');
    while (nodesIn().length < least && run.exitCode === null) await sleep(2);
    run.kill('SIGKILL');
    const [, signal] = await ended;
    if (signal === 'SIGKILL') killed += 1;
    for (const node of nodesIn()) {
      assert.equal(readdirSync(join(out, node, 'agent')).sort(), ['client-kubelet.crt', 'client-kubelet.key'], node);
    }
  }
  assert.ok(killed >= 1 && nodesIn().length < count, 'a kill met a run in its middle');
  const kept = tree(join(out, 'edge-00001'));
  const unasked = k3sPki(args, { cwd });
  assert.is(unasked.code, 1);
  assert.match(unasked.stderr, 'hint: go on with --resume');
  const last = k3sPki([...args, '--resume'], { cwd });
  assert.is(last.code, 0, last.stderr);
  assert.equal(tree(join(out, 'edge-00001')), kept);
  assertWhole(out, numbers(count));
  assert.not.ok(
    readdirSync(out).some((name) => name.startsWith('.')),
    'the private folder is gone',
  );
  const idle = k3sPki([...args, '--resume'], { cwd });
  assert.is(idle.code, 0, idle.stderr);
  assert.match(idle.stdout, `0 nodes issued`);
  assertWhole(out, numbers(count));
});

test('--resume mends what a power failure cut off, and refuses what is not its own', () => {
  const cwd = folder();
  const args = ['--profile', 'client-kubelet', '--nodes', '4', '--name', 'edge-%05d', '--out', 'out'];
  assert.is(issue(args, { cwd }).code, 0);
  writeFileSync(join(cwd, 'out/edge-00002/agent/client-kubelet.key'), '');
  const manifest = join(cwd, 'out/manifest.jsonl');
  const text = readFileSync(manifest, 'utf8');
  const cut = text
    .split('\n')
    .filter((line) => !line.includes('edge-00002'))
    .join('\n')
    .slice(0, -40);
  writeFileSync(manifest, cut);
  const run = issue([...args, '--resume'], { cwd });
  assert.is(run.code, 0, run.stderr);
  assertWhole(join(cwd, 'out'), numbers(4));
  writeFileSync(join(cwd, 'out/edge-00003/agent/note.txt'), 'mine');
  writeFileSync(join(cwd, 'out/edge-00003/agent/client-kubelet.crt'), '');
  const refused = issue([...args, '--resume'], { cwd });
  assert.is(refused.code, 1);
  assert.match(refused.stderr, 'out/edge-00003: it exists, and does not hold exactly what this run makes');
});

test('Ctrl-C: complete nodes, exit 130, and the way on', async () => {
  const cwd = folder();
  const out = join(cwd, 'out');
  const args = ['certificate', 'issue', '--ca-dir', tls, '--profile', 'client-kubelet', '--nodes', '200000'];
  const run = startK3sPki([...args, '--name', 'edge-%05d', '--out', out], { cwd });
  let stderr = '';
  run.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = once(run, 'close');
  while (!(existsSync(out) && readdirSync(out).length > 20) && run.exitCode === null) await sleep(2);
  run.kill('SIGINT');
  const [code] = await ended;
  assert.is(code, 130);
  assert.match(
    stderr,
    /^k3s-pki: error: interrupted: [\d,]+ of 200,000 nodes were issued in this run, each complete\n/,
  );
  assertWhole(
    out,
    readdirSync(out).filter((name) => name.startsWith('edge-')),
  );
});

test('a reader that leaves early is no error', () => {
  const cwd = folder();
  const args = [
    'certificate',
    'issue',
    '--ca-dir',
    tls,
    '--profile',
    'client-kubelet',
    '--nodes',
    '3000',
    '--tar',
    '-',
  ];
  const { status, stdout, stderr } = spawnSync(
    'bash',
    ['-c', 'set -o pipefail; "$@" | head -c 100 | wc -c', 'bash', process.execPath, program(), ...args],
    { cwd, env: environment(), encoding: 'utf8' },
  );
  assert.is(status, 0, stderr);
  assert.is(stdout.trim(), '100');
  assert.is(stderr, '');
});

const mounts = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;
if (mounts) {
  test('a file system that is full: one error, exit 1, complete nodes, and --resume', () => {
    const cwd = folder();
    mkdirSync(join(cwd, 'small'));
    const args = ['certificate', 'issue', '--ca-dir', tls, '--profile', 'client-kubelet', '--nodes', '400'];
    const command = [process.execPath, program(), ...args, '--name', 'edge-%05d'];
    // A mount in a namespace of its own, which goes with the shell.
    const script = `
    mount -t tmpfs -o size=1m tmpfs small || exit 99
    "$@" --out small/out; echo "code $?"
    find small/out -name '*.key' -size 0; ls small/out | grep -c edge; ls -A small/out/* | grep -c 'client' || true
    "$@" --tar small/nodes.tar --manifest /dev/null; echo "code $?"; ls -A small
    mount -o remount,size=100m small && "$@" --out small/out --resume; echo "code $?"; cp -r small/out kept`;
    const { status, stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', script, 'sh', ...command], {
      cwd,
      env: environment(),
      encoding: 'utf8',
    });
    assert.is(status, 0, stderr);
    assert.match(stdout, /^code 1\n/);
    const errors = stderr.split('\n').filter((line) => line.startsWith('k3s-pki: error: '));
    assert.is(errors.length, 2, stderr);
    for (const line of errors) assert.match(line, 'no space or no inode is left on the file system');
    assert.match(stderr, 'the nodes that are there are complete, --resume goes on');
    assert.match(stdout, /code 1\nout\n/, 'no half archive is left');
    assert.match(stdout, /400 nodes issued|nodes complete from an earlier run/);
    assertWhole(join(cwd, 'kept'), numbers(400));
  });
} else process.stdout.write('not run: cli/issue on a full file system, no permission to mount one\n');

test('CAs that must not sign: refused before anything is written', () => {
  const cwd = folder();
  const files = (names: Record<string, string>) =>
    Object.fromEntries(Object.entries(names).map(([to, from]) => [to, readFileSync(join(tls, from))]));
  put(join(cwd, 'swapped'), files({ 'client-ca.crt': 'client-ca.crt', 'client-ca.key': 'server-ca.key' }));
  put(join(cwd, 'half'), files({ 'client-ca.crt': 'client-ca.crt' }));
  const before = tree(cwd);
  const run = (dir: string, ...args: string[]) =>
    k3sPki(
      ['certificate', 'issue', '--ca-dir', dir, '--profile', 'client-kubelet', '--nodes', '1', '--out', 'out', ...args],
      { cwd },
    );
  assert.match(run('swapped').stderr, 'client-ca.key is not the key of this certificate');
  assert.match(run('half').stderr, 'half/client-ca.key: there is no such file; the client CA signs');
  const long = run(tls, '--days', '4000');
  assert.is(long.code, 1);
  assert.match(long.stderr, 'client-ca.crt: CN=k3s-client-ca@');
  assert.match(long.stderr, 'hint: give at most --days 3700, or renew this CA first');
  assert.equal(tree(cwd), before);
  assert.match(
    k3sPki(
      ['certificate', 'issue', '--data-dir', cluster, '--profile', 'client-kubelet', '--nodes', '2', '--out', 'out'],
      { cwd },
    ).stdout,
    '2 nodes issued',
  );
});

test('the lifetime from the environment, as K3s reads it', () => {
  const args = ['--profile', 'client-kubelet', '--nodes', '1', '--jsonl', '-'];
  const lifetime = (value: string) => {
    const run = issue(args, { env: { CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS: value } });
    assert.is(run.code, 0, run.stderr);
    const { certificate } = JSON.parse(run.stdout) as { certificate: string };
    const { validFrom, validTo } = new X509Certificate(certificate);
    return { days: (Date.parse(validTo) - Date.parse(validFrom)) / day, stderr: run.stderr };
  };
  assert.equal(lifetime('30'), { days: 30, stderr: '' });
  const ignored = lifetime('a year');
  assert.is(ignored.days, 365);
  assert.match(ignored.stderr, 'warning: CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS is no number and is ignored');
});

test('--dry-run checks everything and issues nothing', () => {
  const cwd = folder();
  const args = ['--profile', 'client-kubelet,serving-kubelet', '--nodes', '12', '--out', 'out', '--dry-run'];
  const run = issue(args, { cwd });
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stdout, 'Plan: 12 nodes, 2 certificates each; nothing is written');
  const json = JSON.parse(issue([...args, '--output', 'json', '--shard', '1/5'], { cwd }).stdout);
  assert.is(json.nodes, 3);
  assert.is(json.shard, '1/5');
  assert.equal(tree(cwd), {});
});

test('the report as one JSON object', () => {
  const cwd = folder();
  const { stdout } = issue(['--profile', 'client-kubelet', '--nodes', '2', '--out', 'out', '--output', 'json'], {
    cwd,
  });
  const { nodes, certificates, out, manifest, ok } = JSON.parse(stdout);
  assert.equal(
    { nodes, certificates, out, manifest, ok },
    { nodes: 2, certificates: 2, out: join(cwd, 'out'), manifest: join(cwd, 'out/manifest.jsonl'), ok: true },
  );
});

for (const [label, args, error] of [
  ['no sink', ['--profile', 'client', '--nodes', '1'], 'give exactly one of --out DIR, --tar FILE and --jsonl FILE'],
  ['two sinks', ['--profile', 'client', '--nodes', '1', '--out', 'a', '--tar', 'b'], 'give exactly one of --out'],
  ['no rows', ['--profile', 'client', '--out', 'a'], 'give exactly one of --from FILE, --nodes N and --csr FILE'],
  ['no profile', ['--nodes', '1', '--out', 'a'], 'no --profile is given'],
  ['unknown profile', ['--profile', 'kubelet', '--nodes', '1', '--out', 'a'], 'unknown profile "kubelet"'],
  [
    'resume without a folder',
    ['--profile', 'client', '--nodes', '1', '--tar', 'a', '--resume'],
    '--resume goes on in a folder',
  ],
  [
    'a name without a number',
    ['--profile', 'client', '--nodes', '2', '--name', 'x', '--out', 'a'],
    '--name "x" has no place for the number',
  ],
  [
    'a wrong part',
    ['--profile', 'client', '--nodes', '2', '--out', 'a', '--shard', '4/3'],
    '--shard 4/3 is not a part',
  ],
] as const) {
  test(`wrong usage: ${label}`, () => {
    const cwd = folder();
    const run = issue(args, { cwd });
    assert.is(run.code, 2, run.stderr);
    assert.ok(run.stderr.startsWith(`k3s-pki: error: ${error}`), run.stderr);
    assert.is(run.stdout, '');
    assert.equal(tree(cwd), {});
  });
}

test('an Indexed Job without the number of parts is refused', () => {
  const run = issue(['--profile', 'client', '--nodes', '2', '--out', 'a'], { env: { JOB_COMPLETION_INDEX: '0' } });
  assert.is(run.code, 2);
  assert.match(run.stderr, 'the number of parts is not known');
});

test('the examples of the help run', () => {
  const { stdout } = k3sPki(['certificate', 'issue', '--help']);
  const prose = stdout.split('Examples')[0] ?? '';
  for (const line of prose.split('\n')) assert.ok(line.length <= 80, line);
  const examples = [...stdout.matchAll(/^ {2}(k3s-pki certificate issue --.*)$/gm)].map(([, line = '']) => line);
  assert.is(examples.length, 5, examples.join('\n'));
  for (const example of examples) {
    const cwd = folder();
    put(cwd, { 'nodes.csv': 'node\nedge-1\nEDGE\n' });
    spawnSync('cp', ['-r', cluster, join(cwd, 'demo')]);
    if (example.includes('--csr')) {
      mkdirSync(join(cwd, 'requests'));
      const args = [
        'req',
        '-new',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-keyout',
        'k',
        '-subj',
        '/',
        '-out',
        'requests/edge-1.csr',
      ];
      if (spawnSync('openssl', args, { cwd }).status !== 0) continue;
    }
    if (example.includes('--resume')) put(cwd, { 'nodes.csv': 'node\nedge-1\n' });
    // The stream's example goes to another machine; here it goes nowhere, and a hundred nodes are enough.
    const line = example.replace('| ssh fleet tar x -C /srv/nodes', '| wc -c').replace('100000', '100');
    const script = `set -eo pipefail; k3s-pki() { "$NODE" "$PROGRAM" "$@"; }; ${line}`;
    const env = { ...environment(), NODE: process.execPath, PROGRAM: program() };
    const run = spawnSync('bash', ['-c', script], { cwd, env, encoding: 'utf8' });
    assert.is(run.status, 0, `${example}\n${run.stderr}`);
    assert.ok(
      Object.keys(tree(cwd)).some((path) => path.endsWith('manifest.jsonl') || /manifest-\w+\.jsonl$/.test(path)),
    );
  }
  for (const [, line = ''] of k3sPki(['certificate', 'profiles', '--help']).stdout.matchAll(
    /^ {2}k3s-pki (certificate .*)$/gm,
  )) {
    if (!line.includes('[')) assert.is(k3sPki(line.split(' ')).code, 0, line);
  }
});

test.run();
