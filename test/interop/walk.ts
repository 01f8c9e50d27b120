import { randomBytes, X509Certificate } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { createCore } from '@k3s-pki/core';
import * as assert from 'uvu/assert';
import { run } from '../../packages/cli/src/run.ts';
import { quiet } from '../cli/leaf-data-dir.ts';
import { fastKeys, tree } from '../cli/program.ts';
import type { WalkJudge, WalkVerdict } from './walk-judge.ts';
import {
  afterRestore,
  afterRotation,
  areCustom,
  caNames,
  differingCas,
  leavesOf,
  restoreObstacles,
  savedAs,
  services,
  type Tree,
  unfit,
} from './walk-model.ts';

/** Seconds since 1970 when every walk begins; a day of its own for each. */
const epoch = 1_800_000_000;
const day = 86_400;

interface Outcome {
  readonly code: number;
  readonly report: {
    readonly backup?: string | null;
    readonly problems?: ReadonlyArray<{ readonly code: string; readonly severity: string }>;
  };
  readonly stderr: string;
}

const core = createCore();

/** A random sequence of steps over one data dir. What is random follows from the seed; keys and serials do not. */
export class Walk {
  readonly taken: string[] = [];
  readonly tally = new Map<string, number>();
  readonly #judge: WalkJudge;
  readonly #dir: string;
  readonly #scratch: string;
  readonly #random: () => number;
  readonly #isDefault: boolean;
  #now: number;
  #next: [string, () => Promise<string>] | undefined;

  private constructor(judge: WalkJudge, folder: string, seed: number) {
    this.#judge = judge;
    this.#dir = join(folder, 'k3s');
    this.#scratch = join(folder, 'staged');
    this.#random = mulberry32(seed);
    this.#isDefault = seed % 2 === 0;
    this.#now = epoch + seed * day;
  }

  /** A data dir with custom or, of every other seed, default CAs on which K3s has started. */
  static async begin(judge: WalkJudge, folder: string, seed: number): Promise<Walk> {
    const walk = new Walk(judge, folder, seed);
    mkdirSync(folder, { recursive: true });
    // RSA keys take longer than a walk does, and one set of CAs is as good as another to begin with.
    const first = join(folder, '..', walk.#isDefault ? 'default-cas' : 'custom-cas');
    if (!existsSync(first)) {
      const verb = walk.#isDefault ? ['generate-default-ca-certs'] : ['generate-custom-ca-certs', ...fastKeys];
      const made = await walk.#program(verb, first);
      assert.is(made.code, 0, made.stderr);
    }
    cpSync(first, walk.#dir, { recursive: true });
    mkdirSync(join(walk.#dir, 'agent'), { mode: 0o755 });
    writeFileSync(join(walk.#dir, 'server/token'), 'secret\n', { mode: 0o600 });
    const started = await judge.start(walk.#dir, walk.#now);
    assert.ok(started.ok, JSON.stringify(started));
    return walk;
  }

  async end(): Promise<void> {
    await this.#judge.close();
  }

  async step(): Promise<void> {
    const [name, act] = this.#next ?? this.#choose();
    this.#next = undefined;
    const end = await act();
    const what = end === '' ? name : `${name} ${end}`;
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1);
  }

  #choose(): [string, () => Promise<string>] {
    return this.#weighted([
      [20, 'start', () => this.#start()],
      [22, 'rotate', () => this.#rotate()],
      [22, 'restore', () => this.#restore()],
      [14, 'clock', () => this.#clock()],
      [1, 'custom CAs', () => this.#overwrite()],
      [2, 'custom CAs', () => this.#stageCustom()],
      [this.#isDefault ? 5 : 1, 'default CAs', () => this.#rotateDefault()],
      [8, 'renew', () => this.#renew()],
      [3, 'service account', () => this.#serviceAccount()],
      [20, 'fault', () => this.#fault()],
      [6, 'prune', () => this.#prune()],
    ]);
  }

  async #start(): Promise<string> {
    this.#note('start');
    const marker = join(this.#dir, 'server/tls/dynamic-cert-regenerate');
    const ordered = existsSync(marker);
    const before = await this.#judge.judge(this.#dir, this.#now);
    const after = await this.#judge.start(this.#dir, this.#now);
    // What the judge foretells is what its start meets.
    assert.equal(after.cas, before.cas);
    const action = ({ leaves }: WalkVerdict) => leaves.map((leaf) => [leaf.name, leaf.action]);
    assert.equal(action(after), action(before));
    if (ordered && after.cas.some(({ name, ok }) => name === 'server' && ok)) {
      assert.ok(after.listener.ok, "the supervisor's certificate was ordered anew");
      assert.not.ok(existsSync(marker), 'the order was carried out');
    }
    return '';
  }

  async #rotate(): Promise<string> {
    const chosen = this.#services();
    const force = this.#chance(0.25);
    this.#note('rotate', ...chosen, force ? '--force' : '');
    const before = tree(this.#dir);
    const met = await this.#judge.judge(this.#dir, this.#now);
    const { code, report, stderr } = await this.#program([...certificate('rotate', chosen), ...forced(force)]);
    const after = tree(this.#dir);
    const obstacles = force ? [] : unfit(met);
    if (obstacles.length > 0) {
      this.#refused(code, before, after, stderr);
      assert.equal([...new Set(errorsOf(report))], ['cas-unfit'], obstacles.join());
      return 'refused';
    }
    assert.is(code, 0, stderr);
    assert.equal(after, afterRotation(before, chosen, this.#now));
    await this.#sound(met, before, after, false);
    return 'done';
  }

  async #restore(preferred?: string): Promise<string> {
    const before = tree(this.#dir);
    const backups = Object.keys(before).filter((path) => /^server\/tls-\d+$/.test(path));
    const chosen = this.#services();
    const force = this.#chance(0.25);
    const other = this.#chance(0.1) ? 'server/tls-17' : (this.#one(backups) ?? 'server/tls-18');
    const backup = preferred ?? other;
    this.#note('restore', backup, ...chosen, force ? '--force' : '');
    const met = await this.#judge.judge(this.#dir, this.#now);
    const obstacles = restoreObstacles(this.#dir, before, backup, chosen, force, met);
    const replaced = force && backup in before ? differingCas(this.#dir, before, backup) : [];
    if (this.#chance(0.2)) {
      const list = await this.#program(['certificate', 'restore']);
      assert.is(list.code, 0, list.stderr);
      assert.equal(tree(this.#dir), before, 'a list writes nothing');
    }
    const name = backup.slice('server/'.length);
    const { code, report, stderr } = await this.#program([...certificate('restore', chosen), name, ...forced(force)]);
    const after = tree(this.#dir);
    if (obstacles.size > 0) {
      this.#refused(code, before, after, stderr);
      assert.equal([...new Set(errorsOf(report))].sort(), [...obstacles].sort(), stderr);
      return 'refused';
    }
    assert.is(code, 0, stderr);
    assert.equal(after, afterRestore(before, backup, chosen, replaced, this.#now));
    await this.#sound(met, before, after, force);
    return 'done';
  }

  async #clock(): Promise<string> {
    const days = this.#one([1 / 24, 1, 1, 30, 30, 100, 100, 245, 245, 365, 365, 1500]) ?? 1;
    this.#note('clock', `+${days} days`);
    this.#now += Math.round(days * day);
    return '';
  }

  /** Over the CAs in use: refused, and with --force done. */
  async #overwrite(): Promise<string> {
    const force = this.#chance(0.5);
    this.#note('generate-custom-ca-certs', force ? '--force' : '');
    return this.#generate(this.#dir, force);
  }

  /** As the page says: root, intermediate and service.key elsewhere, then rotate-ca. */
  async #stageCustom(): Promise<string> {
    this.#note('generate-custom-ca-certs, staged, rotate-ca');
    rmSync(this.#scratch, { recursive: true, force: true });
    const names = ['root-ca.pem', 'root-ca.key', 'intermediate-ca.pem', 'intermediate-ca.key', 'service.key'];
    for (const name of names) {
      const from = join(this.#dir, 'server/tls', name);
      if (existsSync(from)) cpSync(from, join(this.#scratch, 'server/tls', name));
    }
    const end = await this.#generate(this.#scratch, false);
    // Under another root than the cluster's own rotate-ca refuses it.
    const sameRoot = existsSync(join(this.#dir, 'server/tls/root-ca.pem')) && areCustom(this.#dir);
    if (end === 'done') await this.#load(join(this.#scratch, 'server'), sameRoot);
    return end;
  }

  async #generate(dataDir: string, force: boolean): Promise<string> {
    const before = tree(this.#dir);
    const staged = tree(dataDir);
    const met = await this.#judge.judge(this.#dir, this.#now);
    const args = ['generate-custom-ca-certs', ...fastKeys, ...forced(force)];
    const { code, report, stderr } = await this.#program(args, dataDir);
    const after = tree(this.#dir);
    if (code !== 0) {
      this.#refused(code, staged, tree(dataDir), stderr);
      for (const problem of errorsOf(report))
        assert.ok(this.#agrees(problem, dataDir, met, force), `${problem}: ${stderr}`);
      return 'refused';
    }
    assert.ok(dataDir !== this.#dir || force, 'CAs in use were overwritten');
    const now = await this.#judge.judge(dataDir, this.#now);
    assert.equal(unfit(now), [], 'the new CAs');
    this.#keepsServiceKeys(met, now);
    if (dataDir !== this.#dir) assert.equal(after, before);
    else this.#privateFiles(before, after);
    return 'done';
  }

  /** Whether what generate-custom-ca-certs says of its inputs is so. */
  #agrees(problem: string, dataDir: string, met: WalkVerdict, force: boolean): boolean {
    if (problem === 'in-use') return dataDir === this.#dir && !force;
    if (problem === 'expired') {
      const [root, intermediate] = ['root-ca', 'intermediate-ca'].map((name) =>
        endOf(join(dataDir, 'server/tls', `${name}.pem`)),
      );
      return Math.min(root ?? 0, intermediate ?? 0) < this.#now;
    }
    return problem === 'service-key' && !met.serviceKey.ok;
  }

  async #rotateDefault(): Promise<string> {
    this.#note('rotate-default-ca-certs, rotate-ca');
    const staged = join(this.#dir, 'server/rotate-ca');
    const before = tree(this.#dir);
    const met = await this.#judge.judge(this.#dir, this.#now);
    const { code, stderr } = await this.#program(['rotate-default-ca-certs']);
    const after = tree(this.#dir);
    if (areCustom(this.#dir) || !met.serviceKey.ok || met.cas.some(({ ok }) => !ok)) {
      this.#refused(code, before, after, stderr);
      return 'refused';
    }
    assert.is(code, 0, stderr);
    const inPlace = Object.entries(after).filter(([path]) => !path.startsWith('server/rotate-ca'));
    assert.equal(Object.fromEntries(inPlace), before, 'only the stage is written');
    this.#privateFiles(before, after);
    const loaded = await this.#load(staged, true);
    assert.equal(unfit(loaded), []);
    rmSync(staged, { recursive: true });
    return 'done';
  }

  /** What a start would renew, without the start. */
  async #renew(): Promise<string> {
    const all = this.#chance(0.2);
    this.#note('renew', all ? '--all' : '');
    const before = tree(this.#dir);
    const met = await this.#judge.judge(this.#dir, this.#now);
    const { code, stderr } = await this.#program(['certificate', 'renew', ...(all ? ['--all'] : [])]);
    const after = tree(this.#dir);
    if (code !== 0) {
      this.#refused(code, before, after, stderr);
      assert.ok(
        met.cas.some(({ ok }) => !ok) || met.leaves.some(({ ok }) => !ok),
        `nothing is wrong, and yet: ${stderr}`,
      );
      return 'refused';
    }
    const now = await this.#judge.judge(this.#dir, this.#now);
    // What is not there at all is left to a start.
    const there = now.leaves.filter(({ name }) => ['crt', 'key'].some((end) => `server/tls/${name}.${end}` in before));
    for (const { name, ok, action, reason } of there) {
      assert.ok(ok && action === 'keep', `${name}: ${action} ${reason}`);
    }
    const changed = Object.keys({ ...before, ...after }).filter((path) => before[path] !== after[path]);
    assert.equal(
      changed.filter((path) => !leavesOf([]).includes(path)),
      [],
      'and nothing else',
    );
    if (all) assert.ok(there.every(({ name }) => changed.includes(`server/tls/${name}.crt`)));
    this.#privateFiles(before, after);
    return 'done';
  }

  async #serviceAccount(): Promise<string> {
    this.#note('service-account rotate, rotate-ca');
    rmSync(this.#scratch, { recursive: true, force: true });
    const before = tree(this.#dir);
    const met = await this.#judge.judge(this.#dir, this.#now);
    const args = ['service-account', 'rotate', '--key-type', 'ec:p256', '--out', this.#scratch];
    const { code, stderr } = await this.#program(args);
    assert.equal(tree(this.#dir), before, 'only the stage is written');
    if (!met.serviceKey.ok) {
      assert.is(code, 1, stderr);
      return 'refused';
    }
    assert.is(code, 0, stderr);
    const loaded = await this.#load(this.#scratch, true);
    if (loaded.refused !== null) return 'done';
    assert.is(loaded.serviceKeys.length, met.serviceKeys.length + 1);
    assert.equal(loaded.serviceKeys.slice(1), met.serviceKeys, 'the new key first, the others after it');
    return 'done';
  }

  /** rotate-ca by K3s's own checks: what was staged with the old root and keys must need no --force. */
  async #load(staged: string, continuous: boolean): Promise<WalkVerdict> {
    const met = await this.#judge.judge(this.#dir, this.#now);
    const after = await this.#judge.load(this.#dir, staged, this.#now);
    const sound = met.serviceKey.ok && met.cas.every(({ ok }) => ok);
    if (sound && continuous) assert.equal(after.refused, null, 'rotate-ca refuses what was staged');
    if (after.refused === null) this.#keepsServiceKeys(met, after);
    return after;
  }

  /** What happens to files in the field, in place or in a backup. */
  async #fault(): Promise<string> {
    const files = new Set(Object.keys(tree(this.#dir)));
    const backup = this.#one([...files].filter((path) => /^server\/tls-\d+$/.test(path)));
    const placed = (path: string) => (backup === undefined || inPlace ? path : savedAs(backup, path));
    const inPlace = this.#chance(0.4);
    const leaves = leavesOf([])
      .map(placed)
      .filter((path) => files.has(path));
    const keys = leaves.filter((path) => path.endsWith('.key'));
    const [leaf, key, other] = [this.#one(leaves), this.#one(keys), this.#one(keys)];
    const halves = caNames.flatMap((ca) => [`server/tls/${ca}-ca.crt`, `server/tls/${ca}-ca.key`]);
    const ca = this.#one(halves.map(placed).filter((path) => files.has(path)));
    const at = (path = 'nothing') => join(this.#dir, path);
    const [kind, [path, act]] = this.#weighted<[string | undefined, () => void]>([
      [6, 'a leaf file is gone', [leaf, () => rmSync(at(leaf))]],
      [2, 'a leaf file is cut off', [leaf, () => writeFileSync(at(leaf), 'cut off\n')]],
      [5, 'a key is open to all', [key, () => chmodSync(at(key), 0o644)]],
      [3, "a key is another leaf's", [key, () => writeFileSync(at(key), readFileSync(at(other)))]],
      [2, 'half a CA is gone', [ca, () => rmSync(at(ca))]],
      [2, 'half a CA is cut off', [ca, () => writeFileSync(at(ca), 'cut off\n')]],
      [
        1,
        'service.key is gone',
        ['server/tls/service.key', () => rmSync(at('server/tls/service.key'), { force: true })],
      ],
    ]);
    this.#note('fault:', kind, path ?? 'none');
    if (path !== undefined) act();
    // What was done to a file matters where it is used next.
    if (path !== undefined && this.#chance(0.5)) {
      this.#next =
        inPlace || backup === undefined ? ['rotate', () => this.#rotate()] : ['restore', () => this.#restore(backup)];
    }
    return path === undefined ? 'nowhere' : kind;
  }

  async #prune(): Promise<string> {
    const backups = Object.keys(tree(this.#dir)).filter((path) => /^server\/tls-\d+$/.test(path));
    const old = backups.sort().slice(0, -2);
    this.#note('prune', ...old);
    for (const path of old) rmSync(join(this.#dir, path), { recursive: true });
    return '';
  }

  /** What holds after every rotation and restore. */
  async #sound(met: WalkVerdict, before: Tree, after: Tree, force: boolean): Promise<void> {
    const now = await this.#judge.judge(this.#dir, this.#now);
    this.#keepsServiceKeys(met, now);
    const changed = new Set(Object.keys({ ...before, ...after }).filter((path) => before[path] !== after[path]));
    const sameCas = caNames.every((ca) => ['crt', 'key'].every((end) => !changed.has(`server/tls/${ca}-ca.${end}`)));
    if (sameCas) assert.equal(now.cas, met.cas);
    for (const leaf of now.leaves) {
      if (['crt', 'key'].some((end) => changed.has(`server/tls/${leaf.name}.${end}`))) {
        assert.ok(leaf.ok || force, `${leaf.name}: ${leaf.failure} ${leaf.reason}`);
      } else if (sameCas) {
        const earlier = met.leaves.find(({ name }) => name === leaf.name);
        assert.equal(leaf, earlier, 'a leaf that was not touched');
      }
    }
    // Content counts, wherever it is: a key in place may now be in the backup.
    const digests = new Set(Object.values(after).map((entry) => entry.slice(5)));
    for (const [path, entry] of Object.entries(before)) {
      if (path.endsWith('.key')) assert.ok(digests.has(entry.slice(5)), `${path} is nowhere`);
    }
    this.#privateFiles(before, after);
  }

  #privateFiles(before: Tree, after: Tree): void {
    for (const [path, entry] of Object.entries(after)) {
      assert.not.ok(path.startsWith('.k3s-pki'), path);
      if (before[path] === entry || entry.endsWith('/')) continue;
      if (readFileSync(join(this.#dir, path), 'latin1').includes('PRIVATE KEY')) assert.match(entry, /^0600 /, path);
    }
  }

  #keepsServiceKeys(before: WalkVerdict, after: WalkVerdict): void {
    for (const key of before.serviceKeys) {
      assert.ok(after.serviceKeys.includes(key), 'a service account key is lost');
    }
  }

  #refused(code: number, before: Tree, after: Tree, stderr: string): void {
    assert.is(code, 1, stderr);
    assert.match(stderr, 'error: ');
    assert.equal(after, before, 'a refusal changed something');
  }

  /** Runs the program in this process: two thousand processes would take ten minutes. */
  async #program(args: readonly string[], dataDir = this.#dir): Promise<Outcome> {
    let [stdout, stderr] = ['', ''];
    const into = (take: (text: string) => void) =>
      new Writable({
        write(chunk, _, done) {
          take(String(chunk));
          done();
        },
      });
    const code = await run([...args, '--data-dir', dataDir, '--output', 'json'], {
      stdin: Readable.from([]),
      stdout: into((text) => {
        stdout += text;
      }),
      stderr: into((text) => {
        stderr += text;
      }),
      env: quiet,
      colorDepth: 1,
      programName: 'k3s-pki',
      cwd: this.#dir,
      clock: () => this.#now * 1000,
      random: (bytes) => randomBytes(bytes),
      core: () => core,
      signal: new AbortController().signal,
    });
    assert.not.match(stderr, 'this is a defect');
    assert.not.match(stdout + stderr, /BEGIN [A-Z ]*PRIVATE KEY/);
    return { code, report: stdout === '' ? {} : JSON.parse(stdout), stderr };
  }

  #services(): string[] {
    if (this.#chance(0.4)) return [];
    const count = 1 + Math.floor(this.#random() * 3);
    return [...new Set(Array.from({ length: count }, () => this.#one(services) ?? ''))];
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #one<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }

  #weighted<T>(rows: ReadonlyArray<readonly [weight: number, name: string, act: T]>): [string, T] {
    let left = this.#random() * rows.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, name, act] of rows) {
      left -= weight;
      if (left < 0) return [name, act];
    }
    throw new Error('no row');
  }

  #note(...words: readonly string[]): void {
    const at = new Date(this.#now * 1000).toISOString().slice(0, 19);
    this.taken.push([`${this.taken.length + 1}.`.padStart(3), at, ...words.filter((word) => word !== '')].join(' '));
  }
}

function certificate(verb: string, chosen: readonly string[]): string[] {
  return ['certificate', verb, ...(chosen.length === 0 ? [] : ['--service', chosen.join()])];
}

function forced(force: boolean): string[] {
  return force ? ['--force'] : [];
}

function errorsOf({ problems = [] }: Outcome['report']): string[] {
  return problems.filter(({ severity }) => severity === 'error').map(({ code }) => code);
}

/** Seconds since 1970. */
function endOf(file: string): number | undefined {
  return existsSync(file) ? new X509Certificate(readFileSync(file)).validToDate.getTime() / 1000 : undefined;
}

/** Source: Tommy Ettinger, Mulberry32. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
