import type { Graph, Node } from '../../src/graph/graph.ts';
import { prunableLayers } from '../../src/graph/layers.ts';
import { evidences, type Evidence } from '../../src/prune/index.ts';
import { randomFrom } from '../../src/random.ts';
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

/** Evidence of every kind for every layer: seeded, positive, the Hessians positive definite. */
export function evidenceOf(graph: Graph, seed = 1): Evidence {
  return Object.fromEntries(prunableLayers(graph).map((layer) => {
    const random = randomFrom(seed, layer.name), columns = layer.dims[1] * layer.dims[2] * layer.dims[3];
    const numbers = (length: number): Float64Array => Float64Array.from({ length }, () => 0.1 + random.next());
    const kinds = Object.entries(evidences).filter(([name]) => name !== 'hessian')
      .map(([name, { lengths }]) => [name, numbers(lengths(layer)[0])]);
    const hessian = Float64Array.from({ length: columns ** 2 * layer.groups }, (_, i) => {
      return Math.floor(i / columns) % columns === i % columns ? columns + 1 : 0.5;
    });
    return [layer.name, { ...Object.fromEntries(kinds), hessian }];
  }));
}
