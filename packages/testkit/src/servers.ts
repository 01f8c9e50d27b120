import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A server that this machine lacks. */
export interface AbsentServer {
  readonly absent: string;
}

/** A server that a test has started on a free port of the loopback address. It dies with the test's process. */
export interface TestServer {
  readonly port: number;
  /** Its private folder. */
  readonly folder: string;
  /** What it has printed. */
  log(): string;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port after `kill`. */
  restart(): Promise<void>;
  /** Suspends and resumes it: the port stays open and nobody answers. */
  pause(): void;
  resume(): void;
}

/** PEM files of a server; with `ca` clients need a certificate. */
export interface ServerTls {
  readonly certificate: string;
  readonly key: string;
  readonly ca?: string;
}

/** The password of every user that these servers are given. It needs escaping in a URL and is a trap for parsers. */
export const serverPassword = 'p@ss:w/o%rd?#1';

export interface EtcdOptions {
  readonly tls?: ServerTls;
  readonly flags?: readonly string[];
  /** Absent: any that is free. */
  readonly port?: number;
}

/** etcd of one member. */
export async function startEtcd(options: EtcdOptions = {}): Promise<TestServer | AbsentServer> {
  const program = find('etcd');
  return program === undefined ? { absent: 'no etcd' } : etcdMember(program, await freePort(), options);
}

/** An etcd cluster of so many members, without TLS. */
export async function startEtcdCluster(count: number): Promise<TestServer[] | AbsentServer> {
  const program = find('etcd');
  if (program === undefined) return { absent: 'no etcd' };
  const peers = await Promise.all(Array.from({ length: count }, freePort));
  const all = peers.map((peer, index) => `m${index}=http://127.0.0.1:${peer}`).join(',');
  return Promise.all(
    peers.map((peer, index) => etcdMember(program, peer, { flags: [`--name=m${index}`, `--initial-cluster=${all}`] })),
  );
}

async function etcdMember(program: string, peer: number, { tls, flags, port: wanted }: EtcdOptions) {
  const folder = privateFolder();
  const port = wanted ?? (await freePort());
  const scheme = tls ? 'https' : 'http';
  const client = `${scheme}://127.0.0.1:${port}`;
  const args = [
    `--data-dir=${join(folder, 'data')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    ...(flags?.some((flag) => flag.startsWith('--initial-cluster='))
      ? []
      : [`--initial-cluster=default=http://127.0.0.1:${peer}`]),
    '--logger=zap',
    ...(tls ? [`--cert-file=${tls.certificate}`, `--key-file=${tls.key}`] : []),
    ...(tls?.ca ? [`--trusted-ca-file=${tls.ca}`, '--client-cert-auth'] : []),
    ...(flags ?? []),
  ];
  return started({ program, args, folder, port, ready: /serving (insecure )?client|ready to serve client requests/ });
}

/** PostgreSQL with a user `kine` and the database `kubernetes`. */
export async function startPostgres(
  options: { tls?: ServerTls; flags?: readonly string[] } = {},
): Promise<TestServer | AbsentServer> {
  const program = find('postgres', ...versions('/usr/lib/postgresql', 'bin/postgres'));
  const initdb = find('initdb', ...versions('/usr/lib/postgresql', 'bin/initdb'));
  if (program === undefined || initdb === undefined) return { absent: 'no postgres' };
  const folder = privateFolder('postgres');
  const data = join(folder, 'data');
  const secret = join(folder, 'password');
  writeFileSync(secret, serverPassword, { mode: 0o644 });
  must(
    as('postgres', initdb, [
      '-D',
      data,
      '-U',
      'kine',
      `--pwfile=${secret}`,
      '-A',
      'scram-sha-256',
      '-E',
      'UTF8',
      '--no-sync',
    ]),
  );
  const port = await freePort();
  const { tls } = options;
  const args = [
    '-D',
    data,
    '-p',
    String(port),
    '-k',
    folder,
    '-h',
    '127.0.0.1',
    '-c',
    'fsync=off',
    ...(tls ? ['-c', 'ssl=on', '-c', `ssl_cert_file=${tls.certificate}`, '-c', `ssl_key_file=${tls.key}`] : []),
    ...(tls?.ca ? ['-c', `ssl_ca_file=${tls.ca}`] : []),
    ...(options.flags ?? []),
  ]; // prettier-ignore
  if (tls?.ca) {
    writeFileSync(
      join(data, 'pg_hba.conf'),
      'local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n',
    );
  } else if (tls) {
    writeFileSync(join(data, 'pg_hba.conf'), 'local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n');
  }
  return started({ program, args, folder, port, user: 'postgres', ready: /ready to accept connections/ });
}

/** MariaDB with a user `kine`. */
export async function startMariadb(
  options: { tls?: ServerTls; flags?: readonly string[] } = {},
): Promise<TestServer | AbsentServer> {
  const program = find('mariadbd', '/usr/sbin/mariadbd');
  const install = find('mariadb-install-db', '/usr/bin/mariadb-install-db');
  if (program === undefined || install === undefined) return { absent: 'no mariadbd' };
  const folder = privateFolder('mysql');
  const data = join(folder, 'data');
  must(
    as('mysql', install, [
      '--no-defaults',
      `--datadir=${data}`,
      '--skip-test-db',
      '--auth-root-authentication-method=normal',
    ]),
  );
  const users = join(folder, 'users.sql');
  const identified = `IDENTIFIED BY '${serverPassword}'`;
  writeFileSync(
    users,
    // It reads a statement a line.
    ['%', 'localhost']
      .flatMap((host) => [
        `CREATE USER IF NOT EXISTS 'kine'@'${host}' ${identified};`,
        `GRANT ALL ON *.* TO 'kine'@'${host}' WITH GRANT OPTION;\n`,
      ])
      .join('\n'),
    { mode: 0o644 },
  );
  const port = await freePort();
  const { tls } = options;
  const args = [
    '--no-defaults',
    `--datadir=${data}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--socket=${join(folder, 'mysqld.sock')}`,
    `--init-file=${users}`,
    '--skip-name-resolve',
    // Enough for a server that is killed, not for a power cut.
    '--innodb-flush-log-at-trx-commit=2',
    ...(tls ? [`--ssl-cert=${tls.certificate}`, `--ssl-key=${tls.key}`] : []),
    ...(tls?.ca ? [`--ssl-ca=${tls.ca}`] : []),
    ...(options.flags ?? []),
  ];
  return started({ program, args, folder, port, user: 'mysql', ready: /ready for connections/ });
}

/** A port on which nothing listens now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.on('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
  });
  return promise;
}

interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly port: number;
  readonly user?: string;
  readonly ready: RegExp;
}

async function started({ program, args, folder, port, user, ready }: Launch): Promise<TestServer> {
  let child: ChildProcess;
  let output = '';
  const launch = async () => {
    output = '';
    const [command = '', ...rest] = commandAs(user, program, args);
    child = spawn(command, rest, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const up = Promise.withResolvers<void>();
    const timer = setTimeout(() => up.reject(new Error(`${program} is not ready after 60 s:\n${output}`)), 60_000);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (ready.test(output)) up.resolve();
      });
    }
    child.on('exit', (code) => up.reject(new Error(`${program} ended with ${code}:\n${output}`)));
    try {
      await up.promise;
    } finally {
      clearTimeout(timer);
    }
  };
  await launch();
  const server: TestServer = {
    port,
    folder,
    log: () => output,
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGCONT');
      // PostgreSQL's connections are processes that would answer a little longer.
      const all = [child.pid ?? 0, ...children(child.pid ?? 0)];
      for (const pid of all) attempt(() => process.kill(pid, 'SIGKILL'));
      await gone;
    },
    restart: launch,
    pause: () => {
      for (const pid of [child.pid ?? 0, ...children(child.pid ?? 0)]) process.kill(pid, 'SIGSTOP');
    },
    resume: () => {
      for (const pid of [...children(child.pid ?? 0), child.pid ?? 0]) attempt(() => process.kill(pid, 'SIGCONT'));
    },
  };
  if (running.length === 0) process.on('exit', killAll);
  running.push(() => child.kill('SIGKILL'));
  return server;
}

/** Ids of a process's own children. */
function children(pid: number): number[] {
  const { stdout } = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' });
  return stdout.split('\n').filter(Boolean).map(Number);
}

/** A process may have ended by itself. */
function attempt(step: () => void): void {
  try {
    step();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const running: Array<() => void> = [];
const folders: string[] = [];

function killAll(): void {
  for (const kill of running) kill();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** A folder that is gone when the process ends; it belongs to `user`, for a server that refuses root. */
function privateFolder(user?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'k3s-pki-server-'));
  if (folders.length === 0 && running.length === 0) process.on('exit', killAll);
  folders.push(folder);
  if (user !== undefined && process.getuid?.() === 0) {
    chmodSync(folder, 0o755);
    must(spawnSync('chown', [user, folder], { encoding: 'utf8' }));
  }
  mkdirSync(join(folder, 'tmp'));
  return folder;
}

function as(user: string, program: string, args: readonly string[]) {
  const [command = '', ...rest] = commandAs(user, program, args);
  return spawnSync(command, rest, { encoding: 'utf8', cwd: '/' });
}

/** Under `setpriv` a server dies with this process, however that ends, and runs as its own user when we are root. */
function commandAs(user: string | undefined, program: string, args: readonly string[]): string[] {
  if (process.platform !== 'linux') return [program, ...args];
  const other = user !== undefined && process.getuid?.() === 0;
  const identity = other ? [`--reuid=${user}`, `--regid=${user}`, '--init-groups'] : [];
  return ['setpriv', '--pdeathsig', 'KILL', ...identity, '--', program, ...args];
}

function must({ status, stderr, error }: { status: number | null; stderr: string; error?: Error | undefined }): void {
  if (error) throw error;
  if (status !== 0) throw new Error(stderr);
}

function find(name: string, ...places: string[]): string | undefined {
  return [name, ...places].find((program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0);
}

/** Programs that Debian keeps out of the PATH, the newest version first. */
function versions(folder: string, program: string): string[] {
  try {
    return readdirSync(folder)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(folder, version, program));
  } catch {
    return [];
  }
}
