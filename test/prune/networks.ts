import type { Graph, Node } from '../../src/graph/graph.ts';
import { sizeOf, Tensor, type Shape } from '../../src/tensor.ts';

/** A layer that reads x: enough for pruning, which looks at nodes and constants only. */
export interface Sketch {
  readonly op?: string;
  readonly dims: Shape;
  readonly values: ArrayLike<number>;
  readonly attrs?: Node['attrs'];
}

/** A graph of one node for each sketch, named by its key, with the weight `key.weight`. */
export function sketch(layers: Readonly<Record<string, Sketch>>): Graph {
  const entries = Object.entries(layers);
  return {
    name: 'sketch',
    inputs: [{ name: 'x', type: 'float32', dims: ['N'] }],
    outputs: [],
    nodes: entries.map(([name, { op = 'Conv', attrs = {} }]) => ({
      name, op, inputs: ['x', `${name}.weight`], outputs: [`${name}.out`], attrs,
    })),
    constants: new Map(entries.map(([name, { dims, values }]) => {
      return [`${name}.weight`, new Tensor('float32', Float32Array.from(values), dims)];
    })),
  };
}

/** 1, 2, 3, … */
export const counting = (dims: Shape): number[] => Array.from({ length: sizeOf(dims) }, (_, i) => i + 1);

export const weightsOf = (graph: Graph, name: string): number[] => Array.from(graph.constants.get(`${name}.weight`)!.data as Float32Array);
