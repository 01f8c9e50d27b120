import { spawn, spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { putLeaf, serverDataDir } from './data-dir.ts';
import { blocks, fastKeys, folder, k3sPki, put, startK3sPki, tree } from './program.ts';

const day = 86_400;
const now = Math.floor(Date.now() / 1000);
const isRoot = process.getuid?.() === 0;
const renew = (dir: string, ...args: readonly string[]) => k3sPki(['certificate', 'renew', '--data-dir', dir, ...args]);
const read = (dir: string, path: string) => readFileSync(join(dir, path), 'utf8');
const leafOf = (dir: string, path: string) => new X509Certificate(read(dir, `${path}.crt`));
const names = (certificate: X509Certificate) => certificate.subjectAltName?.split(', ') ?? [];
/** What `certificate check` says of every leaf. */
const outlooks = (dir: string, ...args: readonly string[]) => {
  const { stdout } = k3sPki(['certificate', 'check', '--data-dir', dir, '--output', 'json', ...args]);
  const { certificates } = JSON.parse(stdout) as {
    certificates: { path: string; nextStart?: { action: string; overlooked?: string[] } }[];
  };
  return certificates.flatMap(({ path, nextStart }) =>
    nextStart === undefined || ['never', 'fetch', 'rewrite'].includes(nextStart.action)
      ? []
      : [[path.slice(dir.length + 1), nextStart.action, ...(nextStart.overlooked ?? [])].join(' ')],
  );
};
/** Paths whose entries differ. */
const changed = (before: Record<string, string>, after: Record<string, string>) =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((path) => before[path] !== after[path]).sort();
const test = suite('certificate-renew');

test('nothing is due: nothing is written', () => {
  const dir = serverDataDir();
  const before = tree(dir);
  const run = renew(dir);
  assert.is(run.code, 0, run.stderr);
  assert.match(run.stdout, /^✔ nothing to renew in .*: 19 certificates stay as they are, the first until \d{4}-/);
  assert.equal(tree(dir), before);
  assert.equal((JSON.parse(renew(dir, '--output', 'json').stdout) as { renewed: unknown }).renewed, []);
});

test('what is due is signed anew: K3s’s fields, the same names, modes and owners; the rest stays', async () => {
  const dir = serverDataDir();
  await putLeaf(dir, 'server/tls/client-admin', 'client', {
    subject: [
      ['O', 'system:masters'],
      ['CN', 'system:admin'],
    ],
    notAfter: now + 100 * day,
  });
  await putLeaf(dir, 'server/tls/serving-kube-apiserver', 'server', {
    subject: [['CN', 'kube-apiserver']],
    extendedKeyUsage: ['serverAuth'],
    subjectAltNames: { dns: ['kubernetes', 'my.name', 'localhost'], ip: ['192.0.2.7', '127.0.0.1'] },
    notBefore: now - 9 * day,
    notAfter: now - day,
  });
  const admin = join(dir, 'server/tls/client-admin');
  chmodSync(`${admin}.crt`, 0o600);
  if (isRoot) for (const end of ['crt', 'key']) chownSync(`${admin}.${end}`, 1234, 2345);
  const old = leafOf(dir, 'server/tls/client-admin');
  const before = tree(dir);
  const run = renew(dir);
  assert.is(run.code, 0, run.stderr);
  assert.is(run.stderr, '');
  assert.match(run.stdout, '2 certificates renewed');
  assert.match(run.stdout, /client-admin\.crt .* new +within 120 days of its end/);
  const paths = ['client-admin', 'serving-kube-apiserver'].flatMap((name) => [`${name}.crt`, `${name}.key`]);
  assert.equal(
    changed(before, tree(dir)),
    paths.map((path) => `server/tls/${path}`),
  );
  for (const [name, ca, subject, usages] of [
    ['client-admin', 'client', 'O=system:masters\nCN=system:admin', ['1.3.6.1.5.5.7.3.2']],
    ['serving-kube-apiserver', 'server', 'CN=kube-apiserver', ['1.3.6.1.5.5.7.3.1']],
  ] as const) {
    const file = read(dir, `server/tls/${name}.crt`);
    const certificate = leafOf(dir, `server/tls/${name}`);
    const issuer = leafOf(dir, `server/tls/${ca}-ca`);
    assert.is(certificate.subject, subject);
    assert.equal(certificate.keyUsage, usages);
    assert.ok(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey), name);
    const key = createPrivateKey(read(dir, `server/tls/${name}.key`));
    assert.ok(certificate.checkPrivateKey(key));
    assert.is(key.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.match(read(dir, `server/tls/${name}.key`), /^-----BEGIN EC PRIVATE KEY-----\n/);
    assert.is(
      file.slice((blocks(file)[0] ?? '').length),
      read(dir, `server/tls/${ca}-ca.crt`),
      'the whole bundle after it',
    );
    const [from, to] = [certificate.validFromDate, certificate.validToDate].map((date) => date.getTime() / 1000);
    assert.is((to ?? 0) - (from ?? 0), 365 * day);
    const ago = now - (from ?? 0);
    const caFrom = issuer.validFromDate.getTime() / 1000;
    assert.ok(from === caFrom || Math.abs(ago - 3600) < 300, `${ago} s ago`);
    assert.ok(BigInt(`0x${certificate.serialNumber}`) < 1n << 63n);
    assert.is(statSync(join(dir, `server/tls/${name}.key`)).mode & 0o777, 0o600);
  }
  assert.equal(names(leafOf(dir, 'server/tls/serving-kube-apiserver')), [
    ...['kubernetes', 'my.name', 'localhost', 'kubernetes.default', 'kubernetes.default.svc'].map(
      (name) => `DNS:${name}`,
    ),
    ...['192.0.2.7', '127.0.0.1', '0:0:0:0:0:0:0:1'].map((address) => `IP Address:${address}`),
  ]);
  assert.is.not(leafOf(dir, 'server/tls/client-admin').serialNumber, old.serialNumber);
  assert.not.ok(leafOf(dir, 'server/tls/client-admin').publicKey.equals(old.publicKey), 'a new key');
  const stat = statSync(`${admin}.crt`);
  assert.is(stat.mode & 0o777, 0o600);
  if (isRoot) assert.equal([stat.uid, stat.gid, statSync(`${admin}.key`).uid], [1234, 2345, 1234]);
  assert.ok(
    outlooks(dir).every((line) => / keep$/.test(line)),
    outlooks(dir).join('\n'),
  );
});

test('--within: later than K3s, or earlier', async () => {
  const dir = serverDataDir();
  const subject = [['CN', 'system:kube-scheduler']] as const;
  await putLeaf(dir, 'server/tls/client-scheduler', 'client', { subject, notAfter: now + 100 * day });
  const count = (...args: string[]) => {
    const run = renew(dir, '--dry-run', '--output', 'json', ...args);
    return (JSON.parse(run.stdout) as { renewed: unknown[] }).renewed.length;
  };
  assert.equal([count('--within', '90d'), count('--within', '101'), count(), count('--within', '400d')], [0, 1, 1, 19]);
});

test('what K3s overlooks is mended', async () => {
  const dir = serverDataDir();
  const tls = (name: string) => join(dir, 'server/tls', name);
  writeFileSync(tls('client-admin.crt'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  writeFileSync(tls('serving-kube-apiserver.crt'), 'gone');
  writeFileSync(tls('etcd/peer-server-client.crt'), '');
  copyFileSync(tls('client-scheduler.key'), tls('client-controller.key'));
  writeFileSync(tls('client-supervisor.key'), 'no key');
  const [leaf = ''] = blocks(read(dir, 'server/tls/etcd/client.crt'));
  writeFileSync(tls('etcd/client.crt'), leaf);
  await putLeaf(dir, 'server/tls/client-scheduler', 'client', {
    subject: [['CN', 'system:kube-scheduler']],
    notBefore: now + day,
  });
  await putLeaf(dir, 'server/tls/client-auth-proxy', 'request-header', {
    subject: [['CN', 'system:auth-proxy']],
    extendedKeyUsage: ['serverAuth'],
  });
  rmSync(tls('client-kube-apiserver.crt'));
  rmSync(tls('kube-scheduler/kube-scheduler.key'));
  const peer = names(leafOf(serverDataDir(), 'server/tls/etcd/peer-server-client'));
  const apiServer = names(leafOf(serverDataDir(), 'server/tls/serving-kube-apiserver'));
  const oldKey = createPublicKey(read(dir, 'server/tls/client-kube-apiserver.key'));
  const before = outlooks(dir).filter((line) => !/ keep$/.test(line));
  assert.is(before.length, 10, before.join('\n'));
  const run = renew(dir, '--output', 'json');
  assert.is(run.code, 0, run.stderr);
  const { renewed } = JSON.parse(run.stdout) as {
    renewed: { path: string; causes: string[]; key: { kind: string } }[];
  };
  assert.equal(
    Object.fromEntries(
      renewed.map(({ path, causes, key }) => [path.slice(dir.length + 12), [...causes, key.kind].join()]),
    ),
    {
      'client-admin.crt': 'unparsable,new',
      'serving-kube-apiserver.crt': 'unparsable,new',
      'etcd/peer-server-client.crt': 'unparsable,new',
      'client-controller.crt': 'key-mismatch,new',
      'client-supervisor.crt': 'key-unusable,new',
      'etcd/client.crt': 'old-chain,new',
      'client-scheduler.crt': 'not-yet-valid,new',
      'client-auth-proxy.crt': 'usages,new',
      'client-kube-apiserver.crt': 'certificate-missing,kept',
      'kube-scheduler/kube-scheduler.crt': 'key-missing,new',
    },
  );
  assert.ok(
    outlooks(dir).every((line) => / keep$/.test(line)),
    outlooks(dir).join('\n'),
  );
  assert.ok(leafOf(dir, 'server/tls/client-kube-apiserver').publicKey.equals(oldKey));
  assert.equal(names(leafOf(dir, 'server/tls/etcd/peer-server-client')), peer);
  assert.equal(names(leafOf(dir, 'server/tls/serving-kube-apiserver')).sort(), apiServer.sort());
  assert.is(renew(dir).stdout.includes('nothing to renew'), true);
});

test('another CA: every leaf of it; --service and --all choose', () => {
  const dir = serverDataDir();
  const other = folder();
  assert.is(k3sPki(['generate-custom-ca-certs', '--data-dir', other, ...fastKeys]).code, 0);
  for (const name of ['request-header-ca', 'etcd/peer-ca']) {
    for (const end of ['crt', 'key'])
      cpSync(join(other, `server/tls/${name}.${end}`), join(dir, `server/tls/${name}.${end}`));
  }
  const before = tree(dir);
  const one = renew(dir, '--service', 'auth-proxy');
  assert.is(one.code, 0, one.stderr);
  assert.equal(changed(before, tree(dir)), ['server/tls/client-auth-proxy.crt', 'server/tls/client-auth-proxy.key']);
  const between = tree(dir);
  assert.is(renew(dir, '-s', 'etcd,scheduler', '--all').code, 0);
  assert.equal(
    changed(between, tree(dir)),
    [
      'client-scheduler',
      'kube-scheduler/kube-scheduler',
      ...['client', 'server-client', 'peer-server-client'].map((name) => `etcd/${name}`),
    ]
      .flatMap((name) => [`server/tls/${name}.crt`, `server/tls/${name}.key`])
      .sort(),
  );
  assert.ok(outlooks(dir).every((line) => / keep$/.test(line)));
});

test('--exit-code tells whether something was renewed', () => {
  const dir = serverDataDir();
  assert.is(renew(dir, '--exit-code').code, 0);
  assert.is(renew(dir, '--exit-code', '--all', '--dry-run').code, 3);
  assert.is(renew(dir, '--exit-code', '--all').code, 3);
  rmSync(join(dir, 'server/tls/client-ca.key'));
  assert.is(renew(dir, '--exit-code', '--all').code, 1);
});

test('rke2 has its own names', async () => {
  const dir = serverDataDir();
  await putLeaf(dir, 'server/tls/client-rke2-controller', 'client', {
    subject: [['CN', 'system:rke2-controller']],
    notAfter: now + day,
  });
  const run = renew(dir, '--product', 'rke2', '--service', 'rke2-controller');
  assert.is(run.code, 0, run.stderr);
  assert.is(leafOf(dir, 'server/tls/client-rke2-controller').subject, 'CN=system:rke2-controller');
  assert.is(leafOf(dir, 'server/tls/client-rke2-controller').validToDate.getTime() > (now + 300 * day) * 1000, true);
});

test('an agent has no CA keys: it says what to do, and only if something is due', () => {
  const dir = folder();
  cpSync(join(serverDataDir(), 'agent'), join(dir, 'agent'), { recursive: true });
  assert.is(renew(dir).code, 0);
  const before = tree(dir);
  const run = renew(dir, '--all');
  assert.is(run.code, 1);
  assert.match(run.stderr, /error: .*4 certificates to be renewed .*an agent has no CA keys/);
  assert.match(
    run.stderr,
    'hint: an agent fetches its certificates from the server at every start: systemctl restart k3s-agent',
  );
  assert.equal(tree(dir), before);
  assert.match(renew(dir, '--service', 'etcd').stderr, 'service etcd belongs to servers');
});

test('CAs that cannot sign: every one is named with its leaves, nothing is written', () => {
  const dir = serverDataDir();
  const tls = (name: string) => join(dir, 'server/tls', name);
  rmSync(tls('client-ca.key'));
  copyFileSync(tls('etcd/peer-ca.key'), tls('server-ca.key'));
  writeFileSync(tls('request-header-ca.crt'), 'nothing');
  const before = tree(dir);
  const run = renew(dir, '--all', '--output', 'json');
  assert.is(run.code, 1);
  assert.is(run.stderr.match(/error:/g)?.length, 3, run.stderr);
  assert.match(run.stderr, /client-ca\.key: .*; it signs server\/tls\/client-admin\.crt, .* and \d more/);
  assert.match(run.stderr, /server-ca\.key: .*doesn't match/);
  assert.match(run.stderr, /request-header-ca\.crt: .*client-auth-proxy\.crt/);
  const { ok, problems } = JSON.parse(run.stdout) as { ok: boolean; problems: { code: string }[] };
  assert.is(ok, false);
  assert.equal(new Set(problems.map(({ code }) => code)), new Set(['ca-unusable']));
  assert.equal(tree(dir), before);
  assert.is(renew(dir, '--all', '--service', 'etcd').code, 0, 'other services are not held up');
});

test('what is no regular file is named, and nothing is written', () => {
  const dir = serverDataDir();
  rmSync(join(dir, 'server/tls/client-admin.key'));
  mkdirSync(join(dir, 'server/tls/client-admin.key'));
  const before = tree(dir);
  const run = renew(dir);
  assert.is(run.code, 1);
  assert.match(run.stderr, /error: .*client-admin\.key: not a regular file\n.*hint: move it away/);
  assert.equal(tree(dir), before);
});

test('names that nothing tells are not made up', () => {
  const dir = serverDataDir();
  for (const name of ['serving-kube-apiserver', 'etcd/server-client', 'etcd/peer-server-client']) {
    writeFileSync(join(dir, `server/tls/${name}.crt`), 'x');
  }
  writeFileSync(join(dir, 'agent/serving-kubelet.crt'), 'x');
  const before = tree(dir);
  const run = renew(dir);
  assert.is(run.code, 1);
  assert.is(run.stderr.match(/error:/g)?.length, 3, run.stderr);
  assert.match(run.stderr, 'hint: K3s knows them: k3s-pki certificate rotate --service api-server, then start it');
  assert.equal(tree(dir), before);
  const agent = renew(dir, '--service', 'kubelet');
  assert.is(agent.code, 0, agent.stderr);
  assert.match(agent.stderr, /warning: .*serving-kubelet\.crt: left as it is/);
});

test('the lifetime comes from K3s’s variable', async () => {
  const dir = serverDataDir();
  const args = ['certificate', 'renew', '--data-dir', dir, '--all', '--service', 'admin'];
  const days = () => {
    const { validFromDate, validToDate } = leafOf(dir, 'server/tls/client-admin');
    return (validToDate.getTime() - validFromDate.getTime()) / 1000 / day;
  };
  const under = (value: string) => k3sPki(args, { env: { CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS: value } });
  assert.equal([under('500').code, days()], [0, 500]);
  const short = under('30');
  assert.equal([short.code, days()], [0, 30]);
  assert.match(short.stderr, 'warning: leaves of 30 days are within the 120 days in which K3s renews');
  assert.match(under('many').stderr, /warning: CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS is no number/);
  assert.is(days(), 365);
  const before = tree(dir);
  assert.is(under('0').code, 2);
  const longer = k3sPki([...args, '--service', 'scheduler'], {
    env: { CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS: '5000' },
  });
  assert.is(longer.code, 0);
  assert.is(longer.stderr.match(/client-ca\.crt: /g)?.length, 1, 'a CA is warned of once');
  assert.match(longer.stderr, /warning: .*client-ca\.crt: .* expires on .*, before a new leaf does/);
  assert.is.not(tree(dir)['server/tls/client-admin.crt'], before['server/tls/client-admin.crt']);
});

test('--dry-run shows the same and writes nothing; wrong words are refused', () => {
  const dir = serverDataDir();
  const before = tree(dir);
  const run = renew(dir, '--all', '--dry-run');
  assert.is(run.code, 0);
  assert.match(run.stdout, /^Plan: renew 19 certificates in /);
  for (const [args, code, error] of [
    [['--within', 'soon'], 2, 'invalid value for --within: expected days, such as 90d'],
    [['--service', 'ectd'], 2, 'service ectd is not recognized'],
    [['--product', 'k8s'], 2, 'invalid value for --product'],
  ] as const) {
    const refused = renew(dir, ...args);
    assert.is(refused.code, code, refused.stderr);
    assert.match(refused.stderr, error);
  }
  assert.equal(tree(dir), before);
  const fresh = folder();
  put(fresh, { 'server/tls/etcd/note': '' });
  assert.match(renew(fresh).stdout, 'no certificate is there, a start makes them');
  assert.match(renew(dir, '--service', 'admin').stdout, /: 1 certificate stays as it is, until \d{4}-/);
  const nowhere = folder();
  const missing = renew(join(nowhere, 'k3s'));
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /error: .*neither server nor agent/);
  assert.equal(tree(nowhere), {});
});

if (process.platform === 'linux') {
  test('a K3s that runs is told of: it has the old ones in memory', async () => {
    const dir = serverDataDir();
    const argv0 = `k3s server --data-dir ${dir}`;
    const k3s = spawn(process.execPath, ['-e', 'console.log(1); setTimeout(() => {}, 60_000)'], { argv0 });
    try {
      await new Promise((resolve) => k3s.stdout.once('data', resolve));
      const run = renew(dir, '--all', '--service', 'admin');
      assert.is(run.code, 0, run.stderr);
      assert.match(
        run.stdout,
        new RegExp(`process ${k3s.pid} .* uses this data dir, with the old certificates in memory`),
      );
      assert.match(run.stdout, 'systemctl restart k3s');
    } finally {
      k3s.kill();
    }
  });
} else process.stdout.write('not run: cli/renew beside K3s, no /proc\n');

test('damaged at random: renewed at once, and nothing is left for a second run', () => {
  // xorshift32: the same damage at every run.
  let state = 20_261_124;
  const below = (bound: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
  for (let round = 0; round < 3; round++) {
    const dir = serverDataDir();
    // The names of the others can be told from this one.
    const leaves = Object.keys(tree(dir)).filter(
      (path) => /\.(crt|key)$/.test(path) && !/-ca\.|serving-kube/.test(path),
    );
    for (const path of leaves.filter(() => below(3) > 0)) {
      const bytes = readFileSync(join(dir, path));
      const [at, from] = [below(bytes.length), below(bytes.length)];
      const cut = [
        bytes.subarray(0, at),
        Buffer.concat([bytes, bytes.subarray(from)]),
        Buffer.from(bytes).fill(below(256), at, at + 3),
      ];
      writeFileSync(join(dir, path), cut[below(3)] ?? bytes);
    }
    const run = renew(dir, '--output', 'json');
    assert.is(run.code, 0, run.stderr);
    assert.ok((JSON.parse(run.stdout) as { renewed: unknown[] }).renewed.length > 3);
    assert.match(renew(dir).stdout, 'nothing to renew');
    const left = outlooks(dir).filter((line) => line.startsWith('server') && !/ keep$/.test(line));
    assert.equal(left, []);
  }
});

test('kill -9 at any moment: each certificate has its key, then or after the next run', async () => {
  const dir = serverDataDir();
  const ended = new Set<string>();
  for (let round = 0; round < 12; round++) {
    const child = startK3sPki(['certificate', 'renew', '--data-dir', dir, '--all']);
    const exit = new Promise<string>((resolve) => child.on('exit', (code, signal) => resolve(signal ?? String(code))));
    if (round % 2 === 0) await sleep(100 + round * 30);
    else await Promise.race([exit, appears(dir, round)]);
    child.kill('SIGKILL');
    ended.add(await exit);
    const run = renew(dir, '--output', 'json');
    assert.is(run.code, 0, run.stderr);
    assert.equal((JSON.parse(run.stdout) as { renewed: unknown }).renewed, [], 'one set or the other');
    assert.ok(
      outlooks(dir).every((line) => / keep$/.test(line)),
      outlooks(dir).join('\n'),
    );
  }
  assert.ok(ended.has('SIGKILL'), [...ended].join());
});

if (isRoot && process.platform === 'linux') {
  for (const pages of [1, 8, 20, 30]) {
    test(`disk full (${pages * 4} KiB free): one error, nothing changed`, () => {
      const dir = folder();
      const source = serverDataDir();
      assert.is(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dir]).status, 0);
      try {
        cpSync(source, dir, { recursive: true });
        fill(dir, pages);
        const before = tree(dir);
        const run = renew(dir, '--all');
        assert.is(run.code, 1, run.stdout);
        assert.match(run.stderr, /error: .*no space/);
        assert.is(run.stderr.match(/error:/g)?.length, 1, run.stderr);
        assert.equal(tree(dir), before);
      } finally {
        spawnSync('umount', [dir]);
      }
    });
  }
} else process.stdout.write('not run: cli/renew on a full disk, not root on Linux\n');

test.run();

/** Resolves some milliseconds after the new files begin to be there. */
async function appears(dir: string, later: number): Promise<void> {
  for (let tries = 0; tries < 4000; tries++) {
    if (Object.keys(tree(dir)).some((path) => /\.k3s-pki-stage\/(new\/|journal)/.test(path))) break;
    await sleep(1);
  }
  await sleep(later / 3);
}

/** Fills a small file system but for some pages. */
function fill(dir: string, pages: number): void {
  const { stdout } = spawnSync('df', ['-B4096', '--output=avail', dir], { encoding: 'utf8' });
  const free = Number(stdout.trim().split('\n').at(-1));
  put(dir, { 'agent/ballast': Buffer.alloc(Math.max(0, free - pages) * 4096) });
}
