import { expect } from '../expect.ts';
import { Tensor } from '../tensor.ts';
import type { Graph, Node } from './graph.ts';

/** A weight as [O, I/groups, KH, KW]; a linear layer is [O, I, 1, 1]. */
export type Oihw = readonly [number, number, number, number];

/** How a weight lies in its tensor: as OIHW, or with inputs and outputs swapped (inside each group, for ConvTranspose). */
export type Orientation = 'oihw' | 'iohw';

/** A node whose weight can be pruned. */
export interface Layer {
  readonly node: Node;
  /** The node's name. */
  readonly name: string;
  /** Name of the weight among the graph's constants. */
  readonly weight: string;
  readonly dims: Oihw;
  readonly groups: number;
  readonly orientation: Orientation;
}

interface WeightForm {
  readonly ranks: readonly [least: number, most: number];
  readonly orientation: (node: Node) => Orientation;
}

const swapped = (): Orientation => 'iohw';
const straight = (): Orientation => 'oihw';

/** The operators that multiply by a weight, which is their second input. Five dimensions at most: O, I, depth, rows, columns. */
const forms: Readonly<Record<string, WeightForm>> = {
  Conv: { ranks: [3, 5], orientation: straight },
  ConvTranspose: { ranks: [3, 5], orientation: swapped },
  Gemm: { ranks: [2, 2], orientation: (node) => (node.attrs.transB ? 'oihw' : 'iohw') },
  MatMul: { ranks: [2, 2], orientation: swapped },
  Linear: { ranks: [2, 2], orientation: straight },
};

/** The layer of `node`, or undefined where it has no constant float32 weight. */
export function layerOf(graph: Graph, node: Node): Layer | undefined {
  const form = Object.hasOwn(forms, node.op) ? forms[node.op] : undefined;
  const tensor = form && graph.constants.get(node.inputs[1]);
  if (!tensor || tensor.type !== 'float32') return undefined;
  if (tensor.dims.length < form.ranks[0] || tensor.dims.length > form.ranks[1]) return undefined;
  const groups = typeof node.attrs.group === 'number' ? node.attrs.group : 1;
  const orientation = form.orientation(node);
  return { node, name: node.name, weight: node.inputs[1], dims: oihw(tensor.dims, orientation, groups), groups, orientation };
}

/** Whether a layer is a product of vectors, without a window: fully connected. */
export const isLinear = ({ node }: Layer): boolean => !node.op.startsWith('Conv');

/** The layers of a graph in execution order. A weight that several nodes share is listed once, at the first of them. */
export function prunableLayers(graph: Graph): Layer[] {
  const seen = new Set<string>();
  return graph.nodes.flatMap((node) => {
    const layer = layerOf(graph, node);
    if (!layer || seen.has(layer.weight)) return [];
    seen.add(layer.weight);
    return [layer];
  });
}

/** One-dimensional windows are rows; the depth of three-dimensional ones is counted among the rows. */
function oihw(dims: readonly number[], orientation: Orientation, groups: number): Oihw {
  const window = dims.slice(2);
  const width = window.pop() ?? 1;
  const height = window.reduce((product, dim) => product * dim, 1);
  return orientation === 'oihw' ? [dims[0], dims[1], height, width] : [dims[1] * groups, dims[0] / groups, height, width];
}

/** The weight as OIHW. It may be the graph's own array: read it, do not write to it. */
export function readWeight(graph: Graph, layer: Layer): Float32Array {
  const tensor = graph.constants.get(layer.weight);
  const got = tensor?.type ?? 'nothing';
  expect(tensor?.data instanceof Float32Array, { kind: 'dtype', where: layer.weight, needs: 'a float32 constant', got });
  return layer.orientation === 'oihw' ? tensor.data : toOihw(tensor.data, layer);
}

/** A tensor shaped as the graph's own weight, from values in OIHW. Keeps the array where the orders agree. */
export function writeWeight(graph: Graph, layer: Layer, values: Float32Array): Tensor<Float32Array> {
  const dims = graph.constants.get(layer.weight)!.dims;
  return new Tensor('float32', fromOihw(values, layer), dims);
}

type Elements = Float32Array | Float64Array | Uint8Array;

/** OIHW order to the order of the stored tensor. */
export function fromOihw<T extends Elements>(values: T, layer: Layer): T {
  return layer.orientation === 'oihw' ? values : swapOrder(values, layer, false);
}

/** The order of the stored tensor to OIHW. */
export function toOihw<T extends Elements>(values: T, layer: Layer): T {
  return layer.orientation === 'oihw' ? values : swapOrder(values, layer, true);
}

/** Exchanges o and i inside each group: [O, I/g, window] and [I, O/g, window]. */
function swapOrder<T extends Elements>(values: T, { dims, groups }: Layer, intoOihw: boolean): T {
  const [O, I, height, width] = dims;
  const window = height * width;
  const perGroup = O / groups;
  const out = new (values.constructor as new (length: number) => T)(values.length);
  for (let o = 0; o < O; o++) {
    const firstInput = Math.floor(o / perGroup) * I;
    for (let i = 0; i < I; i++) {
      const a = (o * I + i) * window;
      const b = ((firstInput + i) * perGroup + (o % perGroup)) * window;
      for (let k = 0; k < window; k++) out[intoOihw ? a + k : b + k] = values[intoOihw ? b + k : a + k];
    }
  }
  return out;
}
