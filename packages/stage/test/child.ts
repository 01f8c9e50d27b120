/** The process that the tests stop. Reads a Run from stdin; prints its steps and its result. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { commit, discard, lock, recover, StageError, stage, unlock } from '../src/stage.ts';
import type { Run } from './sandbox.ts';

const run = JSON.parse(fs.readFileSync(0, 'utf8')) as Run;
const abort = new AbortController();
if (run.onSignal === 'abort') process.on('SIGTERM', () => abort.abort(new Error('stopped by SIGTERM')));
if (run.onSignal === 'exit') process.on('SIGTERM', () => process.exit(7));
// Wider than any umask in use, and narrower than it in other bits: modes must not depend on it.
process.umask(0o027);

let count = 0;
let obstructed = false;
let signalled = false;
function kill(): void {
  process.kill(process.pid, 'SIGKILL');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
const hold = (step: string) => {
  if (run.record === true) fs.writeSync(1, `step ${step}\n`);
  if (run.obstruct?.[0] === step && !obstructed) {
    obstructed = true;
    fs.mkdirSync(join(run.root, run.obstruct[1]));
  }
  if (run.signalAt?.[0] === step && !signalled) {
    signalled = true;
    process.kill(process.pid, run.signalAt[1]);
  }
  if (run.blockAt === step) {
    fs.writeSync(1, 'blocked\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
  if (run.killAt === count) kill();
  count += 1;
};
if (run.killAt === -1) kill();

const clock = () => run.clock;
const owner = run.owner === undefined ? {} : { owner: run.owner };
const print = (value: object) => void fs.writeSync(1, `${JSON.stringify(value)}\n`);
try {
  if (run.openFiles === true) {
    try {
      for (;;) fs.openSync('/dev/null', 'r');
    } catch {}
  }
  if (run.do === 'recover') {
    print(await recover(run.root, { clock, hold }));
  } else if (run.do === 'contend') {
    let entered = 0;
    for (let round = 0; round < (run.rounds ?? 1); round++) {
      try {
        const held = await lock(run.root, { clock });
        // Exclusive create is the judge: the kernel lets only one in.
        const inside = join(run.root, '..', 'inside');
        fs.closeSync(fs.openSync(inside, 'wx'));
        await new Promise((done) => setTimeout(done, 1));
        fs.unlinkSync(inside);
        await unlock(held);
        entered += 1;
      } catch (error) {
        if (!(error instanceof StageError)) throw error;
        // The test takes the root away and makes it again meanwhile.
        if (error.code !== 'locked' && error.code !== 'changed') throw error;
        await new Promise((done) => setTimeout(done, 1));
      }
    }
    print({ entered });
  } else {
    const staged = await stage(
      {
        root: run.root,
        directories: run.directories.map(([path, mode]) => ({ path, mode, ...owner })),
        writes: run.writes.map(({ path, text, mode }) => ({
          path,
          content: Buffer.from(text),
          mode,
          secret: path.endsWith('.key'),
          ...owner,
        })),
        removes: run.removes.map((path) => ({ path })),
      },
      {
        clock,
        hold,
        signal: abort.signal,
        verify: (read) => {
          for (const { path, text } of run.writes) {
            if (Buffer.from(read(path)).toString() !== text) throw new Error('not what was staged');
          }
        },
      },
    );
    if (run.do === 'stage') {
      await discard(staged);
      print({ discarded: true });
    } else {
      print(await commit(staged));
    }
  }
} catch (error) {
  if (error instanceof StageError)
    print({ code: error.code, path: error.path, message: error.message, mend: error.mend, pid: error.pid });
  else print({ error: String(error) });
  process.exitCode = 1;
}
