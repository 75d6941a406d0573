import { expect, lookUp } from '../../expect.ts';
import type { Graph } from '../../graph/graph.ts';
import { readWeight, type Layer } from '../../graph/layers.ts';
import { randomFrom } from '../../random.ts';
import { criterionFrom, scored } from '../criteria/ask.ts';
import { evidenceFor } from '../criteria/evidence.ts';
import { reductions } from '../groups.ts';
import type { PruneOptions } from '../options.ts';
import type { ChannelGroup } from './groups.ts';

/** One score a filter of a layer; −Infinity for one whose weights are all zero. */
export type FilterScores = ReadonlyMap<string, Float64Array>;

/** Scores of a layer's filters, over the mean of those that are alive where that is a number above 0. */
export function filterScores(graph: Graph, layer: Layer, options: PruneOptions): Float64Array {
  const { criterion = 'magnitude', reduction = 'mean', seed = 0, evidence } = options, weights = readWeight(graph, layer);
  const asked = criterionFrom(criterion), { needs = [] } = asked;
  const reduce = lookUp(reductions, reduction, 'reduction'), filters = layer.dims[0], row = weights.length / Math.max(1, filters);
  const scores = scored(asked, weights, { layer, random: randomFrom(seed, layer.weight), evidence: evidenceFor(layer, needs, evidence) });
  const sums = new Float64Array(filters).fill(-Infinity);
  for (let o = 0, i = 0; o < filters; o++) {
    let sum = 0, alive = false;
    for (const end = (o + 1) * row; i < end; i++) {
      sum += scores[i];
      if (weights[i] !== 0) alive = true;
    }
    expect(!Number.isNaN(sum), {
      kind: 'model', where: `${layer.weight} [${layer.dims.join(', ')}]`, needs: 'scores that are numbers', got: `NaN in filter ${o}`,
      remedy: 'look for NaN among the weights',
    });
    if (alive) sums[o] = reduce(sum, row);
  }
  const living = sums.filter(Number.isFinite), mean = living.reduce((a, b) => a + b, 0) / living.length;
  return mean > 0 && Number.isFinite(mean) ? sums.map((sum) => sum / mean) : sums;
}

/** Scores of a group's sets: the mean over the filters of a set that are alive; −Infinity where none is. */
export function setScores({ sets, items }: ChannelGroup, filters: FilterScores): Float64Array {
  const sums = new Float64Array(sets), counts = new Float64Array(sets);
  for (const { node, side, setOf } of items) {
    const scores = side === 'out' ? filters.get(node) : undefined;
    if (!scores) continue;
    setOf.forEach((set, o) => {
      if (set < 0 || scores[o] === -Infinity) return;
      sums[set] += scores[o];
      counts[set]++;
    });
  }
  return sums.map((sum, set) => (counts[set] > 0 ? sum / counts[set] : -Infinity));
}
