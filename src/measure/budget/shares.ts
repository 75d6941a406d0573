import { expect } from '../../expect.ts';
import type { Graph } from '../../graph/graph.ts';
import { fromOihw, readWeight, type Layer } from '../../graph/layers.ts';
import { gridFor, scoreGroups } from '../../prune/groups.ts';
import { isKept, prune, type Mask, type Masks, type Scores } from '../../prune/index.ts';
import { pruneIn, type Pruning, type Structure } from './structures.ts';

/** A layer with what the criterion says of its weights. */
export interface Scored {
  readonly layer: Layer;
  /**
   * One a weight in OIHW order, 0 or more: where a criterion gives negative scores, they count from the layer's lowest; a weight that is
   * zero already scores 0.
   */
  readonly scores: Float32Array;
  readonly total: number;
}

/** Scores of all layers that `pruning` chooses, in execution order, by weight name. Memory: four bytes a weight. */
export function scoresOf(graph: Graph, pruning: Pruning): Map<string, Scored> {
  const found = new Map<string, Scored>(), { criterion } = pruning;
  // The criterion is asked the way `prune` asks it, with whatever it needs.
  const listening = {
    ...criterion, compensate: undefined,
    score: (weights: Float32Array, context: Parameters<typeof criterion.score>[1]): Scores => {
      const scores = criterion.score(weights, context);
      found.set(context.layer.weight, scored(context.layer, weights, scores));
      return scores;
    },
  };
  const { report } = prune(graph, { ...pruning, criterion: listening, sparsity: 0 });
  return new Map(report.flatMap(({ weight }) => (found.has(weight) ? [[weight, found.get(weight)!] as const] : [])));
}

/** The same ranking by scores that are known already, and without making up for what goes: enough for masks that are only timed. */
export function repeating(pruning: Pruning, scored: ReadonlyMap<string, Scored>): Pruning {
  const { formula } = pruning.criterion;
  return { ...pruning, criterion: { formula, score: (_, { layer }) => scored.get(layer.weight)!.scores.slice() } };
}

function scored(layer: Layer, weights: Float32Array, given: Scores): Scored {
  const scores = new Float32Array(given.length);
  let lowest = 0, total = 0;
  for (let i = 0; i < given.length; i++) if (given[i] < lowest && given[i] > -Infinity) lowest = given[i];
  for (let i = 0; i < scores.length; i++) {
    if (weights[i] !== 0) scores[i] = Math.max(0, given[i] - lowest);
    total += scores[i];
  }
  expect(Number.isFinite(total), {
    kind: 'model', where: layer.weight, needs: 'scores whose sum is a number', got: `${total}`, remedy: 'take another criterion',
  });
  return { layer, scores, total };
}

/** The share of a layer's score that a mask keeps, 0 … 1; 1 where there is nothing to lose. */
export function keptBy({ layer, scores, total }: Scored, mask: Mask): number {
  if (total === 0) return 1;
  const stored = fromOihw(scores, layer);
  let kept = 0;
  for (let i = 0; i < stored.length; i++) if (isKept(mask, i)) kept += stored[i];
  return kept / total;
}

/** What a layer keeps of its score at a density, both fractions. */
export interface Share {
  /** Fraction of the groups that stay. */
  readonly density: number;
  readonly share: number;
}

/** Steps of density that layers may be pruned to: finer where few groups are left. */
const STEPS = 128;

/**
 * What a layer keeps in a structure other than N:M, from few groups to nearly all, without masks: groups are counted by the leading bits
 * of their scores, which tells scores apart that differ by 0.4 %. Time and memory linear.
 */
function sharesIn(one: Scored, weights: Float32Array, granularity: string, { reduction }: Pruning): Share[] {
  const { layer, scores, total } = one, grid = gridFor(layer, granularity), alike = reduction === 'sum' || grid.groups === weights.length;
  const sums = scoreGroups(grid, weights, scores.slice(), 'sum'), ranks = alike ? sums : scoreGroups(grid, weights, scores, 'mean');
  const steps = Array.from({ length: STEPS }, (_, j) => Math.round(((j + 1) / STEPS) ** 2 * grid.groups));
  const counts = [...new Set(steps)].filter((count) => count > 0 && count < grid.groups);
  const kept = accumulate(histogram(ranks, sums), counts);
  return counts.map((count, i) => ({ density: count / grid.groups, share: total > 0 ? Math.min(1, kept[i] / total) : 1 }));
}

interface Histogram {
  readonly counts: Uint32Array;
  readonly sums: Float64Array;
}

/** Leading bits of a positive 32-bit float: eight of the exponent and eight of the mantissa, after the sign. */
const SHIFT = 15;

function histogram(ranks: Scores, sums: Scores): Histogram {
  const counts = new Uint32Array(1 << (31 - SHIFT)), totals = new Float64Array(counts.length);
  const float = new Float32Array(1), bits = new Uint32Array(float.buffer);
  for (let group = 0; group < ranks.length; group++) {
    // Groups that were pruned before score −Infinity.
    float[0] = Math.max(0, ranks[group]);
    const bucket = bits[0] >>> SHIFT;
    counts[bucket]++;
    totals[bucket] += Math.max(0, sums[group]);
  }
  return { counts, sums: totals };
}

/** What so many of the highest scores sum up to, ascending counts; inside a bucket groups are taken to be alike. */
function accumulate({ counts, sums }: Histogram, wanted: readonly number[]): number[] {
  let bucket = counts.length, seen = 0, sum = 0;
  return wanted.map((count) => {
    while (bucket > 0 && seen + counts[bucket - 1] <= count) {
      bucket--;
      seen += counts[bucket];
      sum += sums[bucket];
    }
    return bucket > 0 && count > seen ? sum + ((count - seen) / counts[bucket - 1]) * sums[bucket - 1] : sum;
  });
}

/** What layers keep, by weight name and structure. */
export type ShareTable = ReadonlyMap<string, ReadonlyMap<string, readonly Share[]>>;

/** What every layer keeps in every structure that fits it. */
export function shareTable(
  graph: Graph, scored: ReadonlyMap<string, Scored>, structures: readonly Structure[], pruning: Pruning,
): ShareTable {
  const table = new Map([...scored.keys()].map((weight) => [weight, new Map<string, readonly Share[]>()]));
  for (const { name, extents, fixed } of structures) {
    if (extents) {
      for (const [weight, one] of scored) table.get(weight)!.set(name, sharesIn(one, readWeight(graph, one.layer), name, pruning));
      continue;
    }
    // N:M is decided weight by weight: the mask itself is the shortest way.
    const all = new Map([...scored.keys()].map((weight) => [weight, fixed!]));
    const { masks } = pruneIn(graph, { name, fixed, killsChannels: false }, all, pruning);
    for (const [weight, mask] of masks) table.get(weight)!.set(name, [{ density: fixed!, share: keptBy(scored.get(weight)!, mask) }]);
  }
  return table;
}

/** How the shares of the layers become one number. */
export interface Average {
  readonly about: string;
  /** What a layer that keeps `share` of its score `total` adds. */
  readonly value: (share: number, total: number) => number;
  /** The score kept, 0 … 1, from the sum of what the layers add. */
  readonly kept: (sum: number, layers: { readonly count: number; readonly total: number }) => number;
}

/**
 * `geometric` because layers work one after the other: what one loses is lost to all, and a network of which one layer keeps nothing keeps
 * nothing. The square root of the share of w² is the norm of the kept part of a weight: the relative norm of what the layer still says
 * of white inputs.
 */
export const averages = {
  geometric: {
    about: 'the geometric mean of the shares that the layers keep',
    value: (share) => Math.log(share), kept: (sum, { count }) => Math.exp(sum / count),
  },
  arithmetic: { about: 'the mean of the shares that the layers keep', value: (share) => share, kept: (sum, { count }) => sum / count },
  total: {
    about: 'the share of the score of all layers together',
    value: (share, total) => share * total, kept: (sum, { total }) => (total > 0 ? sum / total : 1),
  },
} satisfies Record<string, Average>;

/** A row of {@link averages}. */
export type AverageName = keyof typeof averages;

/** The score kept under every average, from the share of each layer. */
export function keptTogether(shares: readonly { readonly share: number; readonly total: number }[]): Record<AverageName, number> {
  const layers = { count: shares.length, total: shares.reduce((sum, { total }) => sum + total, 0) };
  const kept = ({ value, kept: of }: Average): number => of(shares.reduce((sum, { share, total }) => sum + value(share, total), 0), layers);
  const all = Object.entries<Average>(averages).map(([name, average]) => [name, kept(average)]);
  return Object.fromEntries(all) as Record<AverageName, number>;
}

/** The share of each layer's score that masks, by weight name, keep; a layer without one keeps all. */
export function sharesOf(scored: ReadonlyMap<string, Scored>, masks: Masks): { share: number; total: number }[] {
  return [...scored].map(([weight, one]) => ({ share: masks.has(weight) ? keptBy(one, masks.get(weight)!) : 1, total: one.total }));
}
