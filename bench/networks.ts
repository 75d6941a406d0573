import type { Graph } from '../src/graph/graph.ts';
import { prune, type PruneOptions } from '../src/prune/index.ts';

/** Nine weights of ten dropped; the first convolution, which holds little of the work, stays whole. */
export function prunedZoo(dense: Graph, how: Omit<PruneOptions, 'sparsity'>): Graph {
  const first = dense.nodes.find(({ op }) => op === 'Conv')!.name;
  return prune(dense, { sparsity: 0.9, exclude: [first], strict: false, ...how }).graph;
}
