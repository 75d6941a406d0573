import { expect } from '../expect.ts';
import type { Layer } from '../graph/layers.ts';
import type { Scores } from './criteria/criteria.ts';
import type { Grid } from './groups.ts';

/** N:M keeps `keep` of every `of` consecutive groups along the input channels; '2:4' is short for { keep: 2, of: 4 }. */
export interface KeepOf {
  readonly keep: number;
  readonly of: number;
}

const plurals: Readonly<Record<number, string>> = { 2: 'twos', 3: 'threes', 4: 'fours', 8: 'eights', 16: 'sixteens' };

/** Why a layer cannot be pruned in windows. @throws BurinError `argument` for its granularity, `shape` for its channels */
export function checkWindows({ weight, dims }: Layer, grid: Grid, { keep, of }: KeepOf): void {
  const where = `${weight} [${dims.join(', ')}]`;
  expect(grid.extents[1] === 1, {
    kind: 'argument', where: `${where}, ${keep}:${of}`, needs: 'a granularity of one input channel', got: `groups of ${grid.extents[1]}`,
    remedy: 'use weight or block_rows(R)',
  });
  expect(dims[1] % of === 0, {
    kind: 'shape', where, needs: `input channels in ${plurals[of] ?? `groups of ${of}`} for ${keep}:${of}`, got: `${dims[1]}`,
    remedy: 'leave this layer dense',
  });
}

/**
 * Marks all but the `keep` largest of every `of` groups along I; among equals the first are kept, as [4, 4, 4, 4] → 1100. Each window
 * keeps exactly `keep`, so one with fewer nonzeros keeps zeros: [0, 0, 0, 7] → 1001. `ties` counts the groups that stay though they score
 * like one of their window that goes, zeros not counted.
 */
export function dropOfWindows({ counts }: Grid, scores: Scores, { keep, of }: KeepOf): { marks: Uint8Array; ties: number } {
  const [O, I, H, W] = counts;
  const step = H * W;
  const marks = new Uint8Array(scores.length);
  let ties = 0;
  for (let run = 0; run < (O * I) / of; run++) {
    for (let position = 0; position < step; position++) {
      const window = { first: run * of * step + position, step, keep, of };
      dropSmallest(scores, marks, window);
      ties += tiesIn(scores, marks, window);
    }
  }
  return { marks, ties };
}

interface Window extends KeepOf { readonly first: number; readonly step: number }

function tiesIn(scores: Scores, marks: Uint8Array, { first, step, of }: Window): number {
  const last = first + of * step;
  let edge = -Infinity, ties = 0;
  for (let i = first; i < last; i += step) if (marks[i] && scores[i] > edge) edge = scores[i];
  if (edge > -Infinity) for (let i = first; i < last; i += step) if (!marks[i] && scores[i] === edge) ties++;
  return ties;
}

function dropSmallest(scores: Scores, drop: Uint8Array, { first, step, keep, of }: Window): void {
  const last = first + of * step;
  for (let i = first; i < last; i += step) {
    let ahead = 0;
    for (let j = first; j < last; j += step) if (scores[j] > scores[i] || (scores[j] === scores[i] && j < i)) ahead++;
    if (ahead >= keep) drop[i] = 1;
  }
}
