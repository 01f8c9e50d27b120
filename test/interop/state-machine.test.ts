/** Walks random sequences of the verbs over data dirs whose clocks move. Before and after every step Go's crypto/x509 and
 *  rancher/dynamiclistener say what K3s's start would meet there; the model of walk-model.ts says what the step must do. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goJudge, present } from './judge.ts';
import { Walk } from './walk.ts';
import { WalkJudge } from './walk-judge.ts';

const go = present('interop/state-machine', goJudge());

/** K3S_PKI_WALK_SEED replays one walk; K3S_PKI_WALK_STEPS is the number of steps of all walks together. */
const replay = process.env.K3S_PKI_WALK_SEED;
const total = Number(process.env.K3S_PKI_WALK_STEPS ?? 2000);
const stepsOfAWalk = 50;
const firstSeed = 1;

if (go) {
  const test = suite('interop/state-machine');
  // In memory where there is some: a commit syncs every file.
  const place = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const folder = mkdtempSync(join(place, 'k3s-pki-walks-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const seeds =
    replay === undefined
      ? Array.from({ length: Math.ceil(total / stepsOfAWalk) }, (_, index) => firstSeed + index)
      : [Number(replay)];
  const tally = new Map<string, number>();

  for (const seed of seeds) {
    test(`seed ${seed}`, async () => {
      const walk = await Walk.begin(new WalkJudge(go), join(folder, String(seed)), seed);
      try {
        for (let step = 0; step < stepsOfAWalk; step++) await walk.step();
      } catch (error) {
        process.stdout.write(
          `seed ${seed}, again with K3S_PKI_WALK_SEED=${seed}:\n${walk.taken.map((line) => `  ${line}\n`).join('')}`,
        );
        throw error;
      } finally {
        await walk.end();
        for (const [what, times] of walk.tally) tally.set(what, (tally.get(what) ?? 0) + times);
        rmSync(join(folder, String(seed)), { recursive: true, force: true });
      }
    });
  }

  test('every verb was done and, where it can be, refused', () => {
    const all = [...tally].sort().map(([what, times]) => `${what} ${times}`);
    const steps = [...tally.values()].reduce((sum, times) => sum + times, 0);
    process.stdout.write(`seeds ${seeds[0]} to ${seeds.at(-1)}, ${steps} steps: ${all.join(', ')}\n`);
    if (seeds.length < 20) return;
    for (const what of ['rotate', 'restore', 'renew', 'custom CAs', 'default CAs', 'service account']) {
      for (const end of ['done', 'refused']) {
        const never = end === 'refused' && what === 'service account';
        assert.ok(never || (tally.get(`${what} ${end}`) ?? 0) > 0, `${what} was never ${end}`);
      }
    }
  });

  test.run();
}
