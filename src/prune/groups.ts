import { isLinear, type Layer, type Oihw } from '../graph/layers.ts';
import type { Scores } from './criteria/criteria.ts';
import { extentsOf, type Extents, type Granularity } from './granularities.ts';

/** The groups of one weight, a lattice over O, I, H, W; the last group along an axis may be smaller. Groups are numbered row-major. */
export interface Grid {
  readonly dims: Oihw;
  readonly extents: Oihw;
  /** Groups along each axis. */
  readonly counts: Oihw;
  readonly groups: number;
}

export function gridOf(dims: Oihw, extents: Extents): Grid {
  const clamped = dims.map((dim, axis) => Math.max(1, Math.min(dim, extents[axis]))) as unknown as Oihw;
  const counts = dims.map((dim, axis) => Math.ceil(dim / clamped[axis])) as unknown as Oihw;
  return { dims, extents: clamped, counts, groups: counts.reduce((product, count) => product * count, 1) };
}

/** The groups of a layer. @throws BurinError `argument` for a granularity there is not */
export const gridFor = (layer: Layer, granularity: Granularity): Grid => gridOf(layer.dims, extentsOf(granularity, isLinear(layer)));

/** Every weight is a group of its own, so that group numbers are weight numbers. */
function single(grid: Grid): boolean {
  return grid.extents.every((extent) => extent === 1);
}

/** Calls `visit` for every weight in flat order with the number of its group. */
function forEachWeight({ dims, extents, counts }: Grid, visit: (weight: number, group: number) => void): void {
  const [O, I, H, W] = dims;
  let weight = 0;
  for (let o = 0; o < O; o++) {
    const groupO = Math.floor(o / extents[0]) * counts[1];
    for (let i = 0; i < I; i++) {
      const groupI = (groupO + Math.floor(i / extents[1])) * counts[2];
      for (let h = 0; h < H; h++) {
        const groupH = (groupI + Math.floor(h / extents[2])) * counts[3];
        for (let w = 0; w < W; w++) visit(weight++, groupH + Math.floor(w / extents[3]));
      }
    }
  }
}

/** How the scores of a group's members become one. */
export const reductions = {
  mean: (sum: number, members: number): number => sum / members,
  sum: (sum: number): number => sum,
} as const;

/** A row of {@link reductions}. */
export type Reduction = keyof typeof reductions;

/**
 * Scores of the groups. A group without a nonzero weight scores −Infinity: what is pruned already goes first and stays pruned.
 * `scores` may be written to and returned.
 */
export function scoreGroups(grid: Grid, weights: Float32Array, scores: Scores, reduction: Reduction): Scores {
  if (single(grid)) {
    for (let i = 0; i < weights.length; i++) if (weights[i] === 0) scores[i] = -Infinity;
    return scores;
  }
  const sums = new Float64Array(grid.groups);
  const members = new Uint32Array(grid.groups);
  const alive = new Uint8Array(grid.groups);
  forEachWeight(grid, (weight, group) => {
    sums[group] += scores[weight];
    members[group]++;
    if (weights[weight] !== 0) alive[group] = 1;
  });
  const reduce = reductions[reduction];
  for (let group = 0; group < sums.length; group++) sums[group] = alive[group] ? reduce(sums[group], members[group]) : -Infinity;
  return sums;
}

/** One byte a weight, 1 = kept, from one byte a group, 1 = dropped. */
export function keptWeights(grid: Grid, dropped: Uint8Array): Uint8Array {
  if (single(grid)) {
    const kept = dropped.slice();
    for (let i = 0; i < kept.length; i++) kept[i] ^= 1;
    return kept;
  }
  const kept = new Uint8Array(grid.dims.reduce((product, dim) => product * dim, 1));
  forEachWeight(grid, (weight, group) => {
    kept[weight] = dropped[group] ^ 1;
  });
  return kept;
}
