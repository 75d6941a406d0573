import type { Graph } from '../src/graph/graph.ts';
import { layerGraph, type BenchLayer } from '../src/measure/layers.ts';

/** A layer of the bench list as a model file would hold it: no fused activation. */
export function plainGraph(layer: BenchLayer): Graph {
  const graph = layerGraph(layer), [{ op, attrs: { min: _, ...attrs }, ...node }] = graph.nodes;
  const product = op === 'Linear' ? { ...node, op: 'Gemm', attrs: { transB: 1 } } : { ...node, op, attrs };
  return { ...graph, nodes: [{ ...product, outputs: ['sum'] }, { name: 'relu', op: 'Relu', inputs: ['sum'], outputs: ['y'], attrs: {} }] };
}
