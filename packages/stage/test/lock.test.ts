/** One run at a time, by real processes; and what a signal leaves. */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { commit, lock, recover, StageError, stage, unlock } from '../src/stage.ts';
import { type Entry, lay, notRun, outcome, type Run, start, temporaryFolder, tree } from './sandbox.ts';

const clock = () => 1_700_000_000_000;
const old: readonly Entry[] = [{ path: 'a.key', text: 'old key', mode: 0o600 }];

function runOf(root: string, more: Partial<Run> = {}): Run {
  const writes = [
    { path: 'a.key', text: 'new key', mode: 0o600 },
    { path: 'b.key', text: 'other new key', mode: 0o600 },
  ];
  return { root, directories: [], writes, removes: [], clock: clock(), do: 'commit', ...more };
}

async function lockFailure(root: string): Promise<StageError | undefined> {
  try {
    await unlock(await lock(root, { clock }));
    return undefined;
  } catch (error) {
    if (error instanceof StageError) return error;
    throw error;
  }
}

/** The one private folder under `folder`. */
function privateFolder(folder: string): string {
  const found = fs
    .readdirSync(folder, { recursive: true })
    .filter((path) => /(^|\/)\.k3s-pki-stage[^/]*$/.test(String(path)));
  assert.is(found.length, 1, found.join(' '));
  return join(folder, String(found[0]));
}

const locks = suite('stage: lock');

for (const [what, path] of [
  ['an existing root', 'data'],
  ['a root that does not exist', 'absent/data'],
] as const) {
  locks(`a second run is refused and changes nothing, a killed one's lock is taken over: ${what}`, async () => {
    const folder = temporaryFolder();
    lay(join(folder, 'data'), [], old);
    const root = join(folder, path);
    const before = tree(folder);
    const first = start(runOf(root, { blockAt: 'stage:verified' }));
    await first.blocked;
    const during = tree(folder);
    const second = await outcome(runOf(root));
    assert.is(second.code, 1);
    assert.is(second.result.code, 'locked', JSON.stringify(second));
    assert.is(second.result.pid, first.pid);
    assert.match(String(second.result.message), `process ${first.pid}`);
    assert.is((await lockFailure(root))?.code, 'locked');
    if (path === 'absent/data') {
      // The root appears while its first run holds the parent's folder.
      fs.mkdirSync(root, { recursive: true });
      assert.is((await outcome(runOf(root))).result.code, 'locked');
      assert.is((await lockFailure(join(folder, 'absent')))?.code, undefined, 'another root is another lock');
      fs.rmSync(join(folder, 'absent'), { recursive: true });
    }
    assert.equal(tree(folder), during);
    first.kill();
    assert.is((await first.ended).signal, 'SIGKILL');
    assert.equal(await recover(root, { clock }), { kind: 'clean' });
    assert.equal(tree(folder), before);
    assert.is((await outcome(runOf(root))).code, 0);
    assert.is(fs.readFileSync(join(root, 'a.key'), 'utf8'), 'new key');
    fs.rmSync(folder, { recursive: true });
  });
}

locks('a claim in the root and one in its parent, for a root that was away for a moment, see each other', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'data');
  fs.mkdirSync(root);
  const input = join(temporaryFolder(), 'run.json');
  fs.writeFileSync(input, JSON.stringify(runOf(root, { blockAt: 'stage:verified' })));
  let other: ReturnType<typeof spawn> | undefined;
  // Between this run's claim in the root and its look around, the root moves away, another run locks, and it moves back.
  const meanwhile = () => {
    fs.renameSync(root, `${root}.away`);
    other = spawn(process.execPath, [fileURLToPath(new URL('./child.ts', import.meta.url))], {
      stdio: [fs.openSync(input, 'r'), 'ignore', 'ignore'],
    });
    const isHeld = () =>
      fs.readdirSync(folder, { recursive: true }).some((path) => /^\.k3s-pki-stage-.*held\./.test(String(path)));
    for (let waited = 0; !isHeld(); waited += 10) {
      assert.ok(waited < 20_000, 'the other run did not lock');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
    fs.renameSync(`${root}.away`, root);
  };
  try {
    const held = await lock(root, {
      clock,
      hold: (step) => {
        if (step === 'lock:claim') meanwhile();
      },
    });
    await unlock(held);
    assert.unreachable('both hold the lock');
  } catch (error) {
    assert.instance(error, StageError, String(error));
    assert.is((error as StageError).code, 'locked');
    assert.is((error as StageError).pid, other?.pid);
  } finally {
    other?.kill('SIGKILL');
  }
  fs.rmSync(folder, { recursive: true });
});

locks('two in one process', async () => {
  const folder = temporaryFolder();
  const held = await lock(folder, { clock });
  const failure = await lockFailure(folder);
  assert.is(failure?.code, 'locked');
  assert.is(failure?.pid, process.pid);
  const both = await Promise.allSettled([lock(join(folder, 'x'), { clock }), lock(join(folder, 'y'), { clock })]);
  for (const each of both) if (each.status === 'fulfilled') await unlock(each.value);
  assert.equal(
    both.map(({ status }) => status),
    ['fulfilled', 'fulfilled'],
    'two roots to be made in one folder',
  );
  await unlock(held);
  await unlock(held);
  assert.equal(tree(folder), []);
  fs.rmSync(folder, { recursive: true });
});

locks('a lock held from before the plan serves several sets', async () => {
  const folder = temporaryFolder();
  const held = await lock(folder, { clock });
  const changes = {
    root: folder,
    directories: [],
    writes: [{ path: 'a.key', content: Buffer.from('1'), mode: 0o600, secret: true }],
  };
  const options = { clock, verify: () => {}, lock: held };
  const staged = await stage(changes, options);
  await stage(changes, options).then(
    () => assert.unreachable(),
    (error) => assert.instance(error, TypeError),
  );
  assert.equal((await commit(staged)).written, ['a.key']);
  assert.is((await outcome(runOf(folder))).result.code, 'locked');
  assert.equal((await commit(await stage(changes, options))).replaced, ['a.key']);
  await stage(changes, options);
  await unlock(held);
  assert.equal(fs.readdirSync(folder), ['a.key']);
  fs.rmSync(folder, { recursive: true });
});

locks('many processes at once: never two inside, stale claims or not, the root there or not', async () => {
  const folder = temporaryFolder();
  const root = join(folder, 'data');
  const killed = await outcome(runOf(root, { killAt: 6 }));
  assert.is(killed.signal, 'SIGKILL');
  const children = Array.from({ length: 6 }, () => outcome(runOf(root, { do: 'contend', rounds: 40 })));
  let running = true;
  const all = Promise.all(children).finally(() => {
    running = false;
  });
  // The root comes and goes under them, so that they claim in its folder and in its parent's.
  while (running) {
    try {
      if (fs.existsSync(root)) fs.rmdirSync(root);
      else fs.mkdirSync(root);
    } catch {}
    await new Promise((done) => setTimeout(done, 3));
  }
  let entered = 0;
  for (const { code, result, stderr } of await all) {
    assert.is(code, 0, JSON.stringify(result) + stderr);
    entered += Number(result.entered);
  }
  assert.ok(entered >= 6, `entered ${entered} times`);
  console.log(`six processes, 240 tries: entered ${entered} times, never two at once`);
  await recover(root, { clock });
  fs.rmSync(root, { recursive: true, force: true });
  assert.equal(tree(folder), []);
  fs.rmSync(folder, { recursive: true });
});

if (process.platform !== 'linux') notRun('stage/stale-claims', 'no /proc');
else {
  locks('whose claim is dead and whose may not be', async () => {
    const folder = temporaryFolder();
    const held = await lock(folder, { clock });
    const claims = fs.readdirSync(privateFolder(folder));
    const name = claims.find((each) => each.startsWith('lock.')) as string;
    await unlock(held);
    const parts = name.split('.');
    const replaced = (changes: Readonly<Record<number, string>>) =>
      parts.map((part, index) => changes[index] ?? part).join('.');
    // A process that has ended and whose parent does not ask: a zombie keeps its pid and its start time. It must not end
    // before the shell, which would ask, has become sleep, which does not.
    const shell = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const zombie = await new Promise<string>((done) => shell.stdout.once('data', (text) => done(String(text).trim())));
    const until = async (holds: () => boolean) => {
      while (!holds()) await new Promise((done) => setTimeout(done, 5));
    };
    const stat = () => fs.readFileSync(`/proc/${zombie}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    await until(() => fs.readFileSync(`/proc/${shell.pid}/comm`, 'latin1') === 'sleep\n');
    process.kill(Number(zombie), 'SIGKILL');
    await until(() => stat()[0] === 'Z');

    const put = (claim: string) => {
      const inside = join(folder, '.k3s-pki-stage');
      fs.mkdirSync(inside, { mode: 0o700 });
      fs.writeFileSync(join(inside, claim), '');
      fs.writeFileSync(join(inside, `held.${claim}`), '');
      return join(inside, claim);
    };
    try {
      for (const [what, claim] of [
        ['a pid used again', replaced({ 2: String(Number(parts[2]) - 1) })],
        ['before a restart of the machine', replaced({ 3: '0'.repeat(32) })],
        ['a zombie', replaced({ 1: zombie, 2: stat()[19] as string })],
        ['no such process', replaced({ 1: String(2 ** 22 + 1) })],
      ] as const) {
        put(claim);
        assert.is(await lockFailure(folder), undefined, what);
        assert.equal(tree(folder), [], what);
      }
      for (const [what, claim, judged] of [
        ['this process', replaced({ 6: '0-999' }), true],
        ['another container', replaced({ 1: '1', 4: '1' }), false],
        ['another machine', replaced({ 1: '1', 3: '0'.repeat(32), 5: '0'.repeat(12) }), false],
        ['a name of a later version', 'lock.1', false],
      ] as const) {
        const at = put(claim);
        const failure = await lockFailure(folder);
        assert.is(failure?.code, 'locked', what);
        if (!judged) assert.match(failure?.mend ?? '', at, what);
        assert.ok(fs.existsSync(at), what);
        fs.rmSync(join(folder, '.k3s-pki-stage'), { recursive: true });
      }
    } finally {
      shell.kill('SIGKILL');
    }
    assert.not.match(name, os.hostname());
    fs.rmSync(folder, { recursive: true });
  });
}

locks.run();

const signals = suite('stage: signals');

for (const onSignal of ['abort', 'exit'] as const) {
  signals(`SIGTERM while staging, answered by ${onSignal}: nothing is left behind`, async () => {
    for (const path of ['data', 'absent/data']) {
      for (const step of ['stage:write:0', 'stage:sync:1', 'stage:read-back']) {
        const folder = temporaryFolder();
        lay(join(folder, 'data'), [], old);
        const before = tree(folder);
        const stopped = await outcome(runOf(join(folder, path), { signalAt: [step, 'SIGTERM'], onSignal }));
        assert.is(stopped.code, onSignal === 'exit' ? 7 : 1, JSON.stringify(stopped));
        if (onSignal === 'abort') assert.match(String(stopped.result.error), 'stopped by SIGTERM');
        assert.equal(tree(folder), before);
        fs.rmSync(folder, { recursive: true });
      }
    }
  });
}

signals('SIGTERM and SIGINT in the middle of a commit wait for its end and then act', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    for (const onSignal of [undefined, 'exit'] as const) {
      if (signal === 'SIGINT' && onSignal !== undefined) continue;
      const folder = temporaryFolder();
      lay(folder, [], old);
      const stopped = await outcome(
        runOf(folder, { signalAt: ['finish:rename:0', signal], ...(onSignal === undefined ? {} : { onSignal }) }),
      );
      if (onSignal === undefined) assert.is(stopped.signal, signal, JSON.stringify(stopped));
      else assert.is(stopped.code, 7, JSON.stringify(stopped));
      assert.equal(fs.readdirSync(folder).sort(), ['a.key', 'b.key']);
      assert.is(fs.readFileSync(join(folder, 'a.key'), 'utf8'), 'new key');
      fs.rmSync(folder, { recursive: true });
    }
  }
});

signals('SIGTERM that nobody answers while staging: the next run removes what is left', async () => {
  const folder = temporaryFolder();
  lay(folder, [], old);
  const before = tree(folder);
  const stopped = await outcome(runOf(folder, { signalAt: ['stage:write:1', 'SIGTERM'] }));
  assert.is(stopped.signal, 'SIGTERM');
  assert.equal(await recover(folder, { clock }), { kind: 'clean' });
  assert.equal(tree(folder), before);
  fs.rmSync(folder, { recursive: true });
});

signals.run();
