/** Stops a real process by SIGKILL at every step of staging, commit, undo and recovery. The judge is the tree on the disk,
 *  read by node:fs alone and compared with the two sets that the test itself wrote down. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { recover } from '../src/stage.ts';
import {
  type Entry,
  eachTwo,
  files,
  isRoot,
  lay,
  memory,
  outcome,
  type Run,
  temporaryFolder,
  tree,
} from './sandbox.ts';

interface Scenario {
  readonly name: string;
  readonly root: string;
  readonly before: readonly Entry[] | undefined;
  readonly run: Omit<Run, 'root' | 'do' | 'clock'>;
  /** Directories and files after the run, the ones from before included. */
  readonly after: { readonly directories: Run['directories']; readonly entries: readonly Entry[] };
}

// As in the child: a step of this process and one of the child leave the same modes.
process.umask(0o027);

// K3S_PKI_FULL_MATRIX=1: on the disk, and every kill of the recovery behind every kill; takes ten minutes.
const full = process.env.K3S_PKI_FULL_MATRIX === '1';
const place = full ? undefined : memory;

const committedAt = 1_700_000_000_000;
const recoveredAt = 1_700_000_500_000;

const before: readonly Entry[] = [
  { path: 'server/tls/client-ca.key', text: 'OLD-SECRET-client', mode: 0o600 },
  { path: 'server/tls/client-ca.crt', text: 'old certificate', mode: 0o644 },
  { path: 'root-ca.key', text: 'OLD-SECRET-root', mode: 0o600 },
];
const after: readonly Entry[] = [
  { path: 'server/tls/client-ca.key', text: 'NEW-SECRET-client', mode: 0o600 },
  { path: 'server/tls/client-ca.crt', text: 'new certificate', mode: 0o640 },
  { path: 'server/tls/etcd/peer-ca.key', text: 'NEW-SECRET-peer', mode: 0o600 },
  { path: 'server/tls/root-ca.key', text: 'OLD-SECRET-root', mode: 0o600 },
];
const directories: Run['directories'] = [
  ['.', 0o751],
  ['server', 0o750],
  ['server/tls', 0o700],
  ['server/tls/etcd', 0o770],
];

// The modes that stay, because these directories exist.
const directoriesBefore: Run['directories'] = [
  ['.', 0o755],
  ['server', 0o711],
  ['server/tls', 0o755],
];

const rotation: Scenario = {
  name: 'a rotation with a moved input',
  root: 'data',
  before,
  run: { directories, writes: after, removes: ['root-ca.key'] },
  after: { directories: [...directoriesBefore, ['server/tls/etcd', 0o770]], entries: after },
};
const creation: Scenario = {
  name: 'a first creation, root and its parent absent',
  root: 'parent/data',
  before: undefined,
  run: { directories, writes: after.slice(0, 3), removes: [] },
  after: { directories: [['..', 0o751], ...directories], entries: after.slice(0, 3) },
};

/** A fresh folder in the state before the run. */
function fresh(scenario: Scenario): { folder: string; root: string } {
  const folder = temporaryFolder(place);
  const root = join(folder, scenario.root);
  if (scenario.before !== undefined) lay(root, directoriesBefore, scenario.before);
  return { folder, root };
}

/** The tree after the run, laid by plain node:fs. */
function wanted(scenario: Scenario): string[] {
  const folder = temporaryFolder(place);
  const root = join(folder, scenario.root);
  lay(root, scenario.after.directories, scenario.after.entries);
  const lines = tree(folder);
  fs.rmSync(folder, { recursive: true });
  return lines;
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.join('\n') === b.join('\n');
}

/** What must hold at every moment, in the middle of a commit too. */
function judgeMoment(
  folder: string,
  scenario: Scenario,
  oldTree: readonly string[],
  newTree: readonly string[],
  at: string,
): void {
  const now = tree(folder, { withoutPrivate: true });
  const found = files(folder);
  if (!same(now, newTree)) {
    for (const { path, text } of scenario.before ?? []) {
      if (path.endsWith('.key'))
        assert.ok(
          found.some((file) => file.text === text),
          `${at}: the old ${path} is nowhere`,
        );
    }
  }
  for (const { path, mode, text } of found) {
    if (text.includes('SECRET')) assert.is(mode, 0o600, `${at}: ${path} holds a key and has mode ${mode.toString(8)}`);
    const name = path.split('/').at(-1) ?? '';
    if (!name.startsWith('journal')) continue;
    assert.not.match(text, 'SECRET', `${at}: the journal holds a secret`);
    assert.is(mode, 0o600, `${at}: the journal's mode`);
  }
  for (const line of tree(folder)) {
    if (line.includes('.k3s-pki-stage') && line.includes('/ ')) assert.match(line, / 700$/, `${at}: ${line}`);
  }
  if (!found.some(({ path }) => /journal\.(commit|undo)$/.test(path))) {
    assert.ok(same(now, oldTree) || same(now, newTree), `${at}: no journal and neither set:\n${now.join('\n')}`);
  }
}

/** Brings a stopped run to its end and judges the tree. Returns the kind of recovery. */
async function judgeRecovery(
  folder: string,
  root: string,
  oldTree: readonly string[],
  newTree: readonly string[],
  at: string,
): Promise<string> {
  const { kind } = await recover(root, { clock: () => recoveredAt });
  const end = tree(folder);
  if (kind === 'finished') assert.equal(end, newTree, `${at}: finished, but not the new set`);
  else if (kind === 'undone') assert.equal(end, oldTree, `${at}: undone, but not the old set`);
  else assert.ok(same(end, oldTree) || same(end, newTree), `${at}: neither set:\n${end.join('\n')}`);
  return kind;
}

/** All that recovery can see but for the names of dead claims: paths, modes, content, and which names share a file. */
function state(folder: string): string {
  const inodes = new Map<number, number>();
  const links = files(folder).map(({ path }) => {
    const { ino } = fs.lstatSync(path);
    if (!inodes.has(ino)) inodes.set(ino, inodes.size);
    return inodes.get(ino);
  });
  const claims = /\/(lock|held)\./;
  const lines = tree(folder).filter((line) => !claims.test(line));
  return [
    ...lines,
    ...files(folder)
      .map(({ path }, index) => (claims.test(path) ? '' : `${path.slice(folder.length)} ${links[index]}`))
      .sort(),
  ].join('\n');
}

function judgeTimes(root: string, scenario: Scenario, at: string): void {
  const times = new Set(scenario.run.writes.map(({ path }) => fs.statSync(join(root, path)).mtimeMs));
  assert.is(times.size, 1, `${at}: modification times differ: ${[...times]}`);
  assert.ok(times.has(committedAt) || times.has(recoveredAt), `${at}: ${[...times]}`);
}

async function stepsOf(run: Run): Promise<readonly string[]> {
  const recorded = await outcome({ ...run, record: true });
  assert.ok(recorded.steps.length > 0, `no steps: ${recorded.stderr}`);
  return recorded.steps;
}

async function matrix(
  scenario: Scenario,
  options: { extra?: Partial<Run>; undone?: readonly string[] } = {},
): Promise<void> {
  const dry = fresh(scenario);
  const oldTree = options.undone ?? tree(dry.folder);
  const newTree = wanted(scenario);
  const run = { ...scenario.run, ...options.extra, clock: committedAt, do: 'commit' } as const;
  const steps = await stepsOf({ ...run, root: dry.root });
  if (options.undone === undefined) {
    assert.equal(tree(dry.folder), newTree, 'an undisturbed run');
    judgeTimes(dry.root, scenario, 'an undisturbed run');
  } else {
    assert.equal(tree(dry.folder), oldTree, 'an undone run');
  }
  assert.is(new Set(steps).size, steps.length, 'a step has a name of its own');
  fs.rmSync(dry.folder, { recursive: true });

  let deep = 0;
  const seen = new Set<string>();
  const kinds = new Map<string, number>();
  await eachTwo([-1, ...steps.keys()], async (killAt) => {
    const at = `killed at ${steps[killAt] ?? 'the start'}`;
    const { folder, root } = fresh(scenario);
    const killed = await outcome({ ...run, root, killAt });
    assert.is(killed.signal, 'SIGKILL', `${at}: ${JSON.stringify(killed.result)} ${killed.stderr}`);
    const ownOld =
      options.undone !== undefined && !fs.existsSync(join(root, options.extra?.obstruct?.[1] ?? ''))
        ? tree(fresh(scenario).folder)
        : oldTree;
    judgeMoment(folder, scenario, ownOld, newTree, at);

    // The steps of the recovery from here, found on a copy, since the recovery itself changes the state.
    const copy = `${folder}.copy`;
    const clone = () => {
      fs.rmSync(copy, { recursive: true, force: true });
      // Of node:fs nothing keeps hard links, which the undo has to tell from copies.
      execFileSync('cp', ['-a', folder, copy]);
    };
    const recovery = { directories: [], writes: [], removes: [], clock: recoveredAt, do: 'recover' } as const;
    const copiedRoot = join(copy, scenario.root);
    seen.add(state(folder));
    if (files(folder).some(({ path }) => /journal\.(commit|undo)$/.test(path))) {
      clone();
      const inner: Array<{ step: string; state: string }> = [];
      await recover(copiedRoot, { clock: () => recoveredAt, hold: (step) => inner.push({ step, state: state(copy) }) });
      // From the first moment of finishing and of undoing every step; else the steps that lead to a state which no
      // kill has left yet.
      const first = options.undone === undefined ? 'journal:folder' : 'journal:undo';
      const every = steps[killAt] === first || full;
      for (const [innerKill, { step, state: reached }] of inner.entries()) {
        if (seen.has(reached) && !every) continue;
        seen.add(reached);
        const both = `${at}, then recovery at ${step}`;
        clone();
        const again = await outcome({ ...recovery, root: copiedRoot, killAt: innerKill });
        assert.is(again.signal, 'SIGKILL', `${both}: ${again.stderr}`);
        assert.is(state(copy), reached, both);
        judgeMoment(copy, scenario, ownOld, newTree, both);
        await judgeRecovery(copy, copiedRoot, ownOld, newTree, both);
        deep += 1;
      }
      fs.rmSync(copy, { recursive: true, force: true });
    }

    const kind = await judgeRecovery(folder, root, ownOld, newTree, at);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    if (same(tree(folder), newTree)) judgeTimes(root, scenario, at);
    fs.rmSync(folder, { recursive: true });
  });
  console.log(
    `${scenario.name}${options.undone === undefined ? '' : ', obstructed'}: ${steps.length + 1} kills, ${deep} kills of the recovery after one, ${[...kinds].map(([kind, times]) => `${kind} ${times}`).join(', ')}`,
  );
}

const crash = suite('stage: SIGKILL');

const obstacle = 'server/tls/etcd/peer-ca.key';
for (const scenario of [rotation, creation]) {
  crash(`at every step of ${scenario.name}`, () => matrix(scenario));

  crash(`at every step of the undo of ${scenario.name}`, async () => {
    // A directory appears in the place of a file while the commit runs: it fails half-way and is undone.
    const folder = temporaryFolder(place);
    const root = join(folder, scenario.root);
    lay(root, scenario.after.directories, scenario.before ?? []);
    fs.mkdirSync(join(root, obstacle));
    fs.chmodSync(join(root, obstacle), 0o750);
    const undone = tree(folder);
    fs.rmSync(folder, { recursive: true });
    await matrix(scenario, { extra: { obstruct: ['finish:rename:1', obstacle] }, undone });
  });
}

crash('again and again during recovery', async () => {
  const { folder, root } = fresh(rotation);
  const oldTree = tree(folder);
  const newTree = wanted(rotation);
  const run = { ...rotation.run, root, clock: committedAt, do: 'commit' } as const;
  const scratch = fresh(rotation);
  const steps = await stepsOf({ ...run, root: scratch.root });
  fs.rmSync(scratch.folder, { recursive: true });
  await outcome({ ...run, killAt: steps.indexOf('finish:rename:0') });
  for (const killAt of [2, 3, 4, 5, 6, 7, 8]) {
    const again = await outcome({ ...run, do: 'recover', clock: recoveredAt, killAt });
    assert.is(again.signal, 'SIGKILL');
    judgeMoment(folder, rotation, oldTree, newTree, `recovery killed at step ${killAt}`);
  }
  assert.is(await judgeRecovery(folder, root, oldTree, newTree, 'after seven kills'), 'finished');
  fs.rmSync(folder, { recursive: true });
});

crash('staged under an interrupted run: that one is recovered, and the stale plan is refused', async () => {
  const { folder, root } = fresh(rotation);
  const newTree = wanted(rotation);
  const run = { ...rotation.run, root, clock: committedAt, do: 'commit' } as const;
  const scratch = fresh(rotation);
  const steps = await stepsOf({ ...run, root: scratch.root });
  fs.rmSync(scratch.folder, { recursive: true });
  await outcome({ ...run, killAt: steps.indexOf('finish:rename:0') });
  const next = await outcome(run);
  assert.is(next.result.code, 'changed');
  assert.match(String(next.result.message), 'finished');
  assert.equal(tree(folder), newTree);
  fs.rmSync(folder, { recursive: true });
});

if (!isRoot) console.log('the matrix ran as an ordinary user');
crash.run();
