import type { Graph } from '../src/graph/graph.ts';
import { prunableLayers } from '../src/graph/layers.ts';
import { prune, type PruneOptions } from '../src/prune/index.ts';

/**
 * Nine weights of ten dropped in every layer but the first convolution, which holds little of the work, and the depthwise ones: a filter of
 * nine weights that loses nine tenths is often a dead channel, and what its neighbours save then is no merit of a sparse kernel.
 */
export function prunedZoo(dense: Graph, how: Omit<PruneOptions, 'sparsity'> = {}): Graph {
  const layers = prunableLayers(dense), first = dense.nodes.find(({ op }) => op === 'Conv')!.name;
  const depthwise = layers.filter(({ groups }) => groups > 1).map(({ name }) => name);
  return prune(dense, { sparsity: 0.9, scope: 'layer', exclude: [first, ...depthwise], strict: false, ...how }).graph;
}
