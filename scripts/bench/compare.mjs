// Runs subjects in turn, A B C A B C, and does the sums.
import { Absent } from './process.mjs';

/**
 * @typedef {object} Turn what one turn of a subject took, for `units` keys, certificates or runs together
 * @property {number} wall seconds
 * @property {number} [cpu] seconds, user and system, all threads and children
 * @property {number} units
 * @property {number[]} [each] seconds of each unit where it was timed alone
 * @property {number} [peak] bytes of the largest process
 *
 * @typedef {object} Subject
 * @property {string} name `ours`, or a rival's
 * @property {string} title
 * @property {() => Promise<Turn>} run throws Absent when it can't run here
 *
 * @typedef {object} Comparison
 * @property {string} name
 * @property {string} title
 * @property {string} unit what is counted: `key`, `certificate`, `run`
 * @property {number} rounds at least 5 in the full form
 * @property {number} turns turns of each subject in a round; a round's figure is their mean
 * @property {number} warmUps turns of each subject before the first round, not counted
 * @property {Subject[]} subjects ours first
 */

/** Runs a comparison. `report` gets a line of progress. Never throws: what failed is in `failures`. */
export async function compare({ subjects, ...comparison }, report) {
  const states = subjects.map(({ name, title, run }) => ({ name, title, run, rounds: [] }));
  const failures = [];
  const turn = async (state) => {
    if (state.absent !== undefined) return undefined;
    try {
      return await state.run();
    } catch (error) {
      state.absent = error.message;
      if (!(error instanceof Absent)) failures.push(`${comparison.name}, ${state.title}: ${error.message}`);
      return undefined;
    }
  };
  for (let count = 0; count < comparison.warmUps; count += 1) for (const state of states) await turn(state);
  for (let round = 0; round < comparison.rounds; round += 1) {
    const taken = new Map(states.map((state) => [state, []]));
    for (let count = 0; count < comparison.turns; count += 1) {
      for (const state of states) {
        report(`${comparison.name}: round ${round + 1} of ${comparison.rounds}, ${state.title}`);
        const samples = await turn(state);
        if (samples !== undefined) taken.get(state).push(samples);
      }
    }
    for (const [state, samples] of taken) if (state.absent === undefined) state.rounds.push(together(samples));
  }
  const [ours] = states;
  return {
    ...comparison,
    subjects: states.map(({ run, rounds, ...state }) => ({
      ...state,
      ...(rounds.length > 0 && state.absent === undefined ? summary(rounds) : {}),
      // A rival's time over ours, round by round: 2 is twice as fast.
      ...(state.absent === undefined && ours.absent === undefined && run !== ours.run
        ? { wallRatio: ratio(rounds, ours.rounds, 'wall'), cpuRatio: ratio(rounds, ours.rounds, 'cpu') }
        : {}),
      rounds,
    })),
    failures,
  };
}

/** Minimum, median and maximum; undefined for none. */
export function spread(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { min: sorted[0], median, max: sorted[sorted.length - 1] };
}

/** Turns of one round as one: seconds a unit. */
function together(turns) {
  const sum = (name) => turns.reduce((total, turn) => total + (turn[name] ?? Number.NaN), 0);
  const units = sum('units');
  return {
    wall: sum('wall') / units,
    cpu: finite(sum('cpu') / units),
    units,
    peak: finite(Math.max(...turns.map(({ peak }) => peak ?? Number.NaN))),
    turns,
  };
}

function summary(rounds) {
  const of = (name) => spread(rounds.map((round) => round[name] ?? Number.NaN));
  return {
    wall: of('wall'),
    cpu: of('cpu'),
    peak: of('peak'),
    units: rounds.reduce((sum, { units }) => sum + units, 0),
  };
}

function ratio(rival, ours, name) {
  return spread(rival.map((round, index) => (round[name] ?? Number.NaN) / (ours[index]?.[name] ?? Number.NaN)));
}

/** JSON has no NaN: undefined leaves the member out. */
function finite(value) {
  return Number.isFinite(value) ? value : undefined;
}
