import { distance } from 'fastest-levenshtein';

/** The candidate with the fewest typing mistakes, if they are few for its length. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  return candidates
    .map((candidate) => ({ candidate, mistakes: distance(word, candidate) }))
    .filter(({ candidate, mistakes }) => mistakes <= Math.max(2, candidate.length / 3))
    .sort((a, b) => a.mistakes - b.mistakes)[0]?.candidate;
}
