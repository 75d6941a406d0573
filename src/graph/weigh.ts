import { countNonzero } from '../formats/index.ts';
import type { Shape } from '../tensor.ts';
import type { Graph, Node, Typed } from './graph.ts';
import { layerOf } from './layers.ts';
import { opOf } from './ops/index.ts';

/** What a node is and costs, counted. */
export interface Weighed {
  /** Of the output. */
  readonly shape: Shape;
  /** Nonzero weights and weights in all; 0 for an operator without. */
  readonly nnz: number;
  readonly size: number;
  /** Multiply-adds of the dense operation. */
  readonly macs: number;
}

/** Counts one node of a graph whose types are known. */
export function weigh(graph: Graph, types: ReadonlyMap<string, Typed>, node: Node): Weighed {
  const inputs = node.inputs.map((name) => (name === '' ? undefined : { ...types.get(name)!, value: graph.constants.get(name) }));
  const layer = layerOf(graph, node), weight = layer && graph.constants.get(layer.weight);
  return {
    shape: types.get(node.outputs[0])!.shape,
    nnz: weight ? countNonzero(weight.data as Float32Array) : 0,
    size: weight?.size ?? 0,
    macs: opOf(node).work?.({ node, inputs }).macs ?? 0,
  };
}
