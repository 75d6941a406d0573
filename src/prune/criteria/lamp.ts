import { expect } from '../../expect.ts';
import { ascending } from './order.ts';
import type { Scores } from './criteria.ts';

/**
 * What each score is of the sum of itself and all that are not smaller: s_u / Σ_{v ≥ u} s_v, layer-adaptive magnitude scores where s = w²
 * (Lee et al. 2021). Among equals the one with the lower index counts as smaller. Overwrites `scores` where they have 64 bits.
 * @param order indices from the smallest score to the largest
 * @throws BurinError `argument` for a negative score
 */
export function shareOfLarger(scores: Scores, order = ascending(scores)): Float64Array {
  const shares = scores instanceof Float64Array ? scores : new Float64Array(scores.length);
  const least = scores.length ? scores[order[0]] : 0;
  expect(!(least < 0 && least > -Infinity), {
    kind: 'argument', where: 'LAMP', needs: 'scores of zero or more', got: `${least}`, remedy: 'take criterion squared',
  });
  let sum = 0;
  for (let at = order.length - 1; at >= 0; at--) {
    const i = order[at], score = scores[i];
    if (score > -Infinity) sum += score;
    // Nothing but zeros from here on: they go first.
    shares[i] = score > 0 ? score / sum : score;
  }
  return shares;
}
