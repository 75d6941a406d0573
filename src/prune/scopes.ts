import { expect, fail, show } from '../expect.ts';
import type { Layer } from '../graph/layers.ts';
import { roundHalfEven } from '../graph/ops/unary.ts';
import type { Scores } from './criteria.ts';
import type { Grid } from './groups.ts';
import { smallest } from './select.ts';

/** A layer's groups with their scores, ready to be ranked. */
export interface Candidate {
  readonly layer: Layer;
  readonly grid: Grid;
  readonly scores: Scores;
  /** Fraction of the groups to drop. */
  readonly sparsity: number;
}

/** What is ranked together. */
export interface ScopeRule {
  readonly about: string;
  /** Whether `choose` needs all layers at once, or is called for each alone. */
  readonly together: boolean;
  /** Marks (1) the groups to drop, an array for each of one or more candidates. */
  readonly choose: (candidates: readonly Candidate[]) => Uint8Array[];
  /** Why a layer cannot be pruned this way. @throws BurinError */
  readonly check: (layer: Layer, grid: Grid) => void;
  /** The scope decides the sparsity by itself. */
  readonly fixed?: number;
}

export const scopes = {
  layer: { about: 'each layer loses the same fraction of its groups', together: false, choose: smallestTogether, check: () => {} },
  model: { about: 'the groups of all layers are ranked together', together: true, choose: smallestTogether, check: () => {} },
} satisfies Record<string, ScopeRule>;

/** N:M keeps `keep` of every `of` consecutive groups along the input channels; '2:4' is short for { keep: 2, of: 4 }. */
export interface KeepOf {
  readonly keep: number;
  readonly of: number;
}

export type Scope = keyof typeof scopes | `${number}:${number}` | KeepOf;

/** The rule of a scope. @throws BurinError `argument` for an unknown one. */
export function scopeRule(scope: Scope): ScopeRule {
  if (typeof scope === 'object' && scope !== null) return keepOf(scope);
  if (Object.hasOwn(scopes, scope)) return scopes[scope as keyof typeof scopes];
  const pattern = /^(\d+):(\d+)$/.exec(scope);
  if (pattern) return keepOf({ keep: Number(pattern[1]), of: Number(pattern[2]) });
  const needs = `one of ${Object.keys(scopes).join(', ')}, or keep:of as in 2:4`;
  return fail({ kind: 'argument', where: 'scope', needs, got: show(scope) });
}

/** Exactly round-half-even(s · n) of the n groups of the candidates, which all ask for the same s. */
function smallestTogether(candidates: readonly Candidate[]): Uint8Array[] {
  const groups = candidates.reduce((sum, { scores }) => sum + scores.length, 0);
  return smallest(candidates.map(({ scores }) => scores), roundHalfEven(candidates[0].sparsity * groups));
}

function keepOf({ keep, of }: KeepOf): ScopeRule {
  const whole = Number.isInteger(keep) && Number.isInteger(of);
  const got = `keep ${keep}, of ${of}`;
  expect(whole && keep >= 1 && keep < of, { kind: 'argument', where: 'scope', needs: 'whole numbers 1 <= keep < of', got });
  return {
    about: `${keep} of every ${of} consecutive groups along the input channels are kept`,
    together: false,
    choose: (candidates) => candidates.map(({ grid, scores }) => keepLargest(grid, scores, { keep, of })),
    check: (layer, grid) => checkRuns(layer, grid, { keep, of }),
    fixed: 1 - keep / of,
  };
}

const plurals: Readonly<Record<number, string>> = { 2: 'twos', 3: 'threes', 4: 'fours', 8: 'eights', 16: 'sixteens' };

function checkRuns({ weight, dims }: Layer, grid: Grid, { keep, of }: KeepOf): void {
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

/** Drops all but the `keep` largest of every `of` groups along I; among equals the first are kept, as [4, 4, 4, 4] → 1100. */
function keepLargest({ counts }: Grid, scores: Scores, { keep, of }: KeepOf): Uint8Array {
  const [O, I, H, W] = counts;
  const step = H * W;
  const drop = new Uint8Array(scores.length);
  for (let run = 0; run < (O * I) / of; run++) {
    for (let position = 0; position < step; position++) dropSmallest(scores, drop, { first: run * of * step + position, step, keep, of });
  }
  return drop;
}

function dropSmallest(scores: Scores, drop: Uint8Array, { first, step, keep, of }: KeepOf & { first: number; step: number }): void {
  const last = first + of * step;
  for (let i = first; i < last; i += step) {
    let ahead = 0;
    for (let j = first; j < last; j += step) if (scores[j] > scores[i] || (scores[j] === scores[i] && j < i)) ahead++;
    if (ahead >= keep) drop[i] = 1;
  }
}
