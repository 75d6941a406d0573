import type { Graph, Node } from '../graph/graph.ts';
import { layerOf, type Layer } from '../graph/layers.ts';
import type { Types } from '../graph/liveness.ts';
import { opOf } from '../graph/ops/index.ts';
import { paramsOf } from '../graph/params.ts';
import type { Call, Work } from '../graph/ops/op.ts';
import { convGeometry, convTransposeGeometry, spans, transposed, type ConvWindow } from '../graph/ops/window.ts';
import { sizeOf, type Shape, type Tensor } from '../tensor.ts';

// What every count of a network starts from: its nodes with their work, their trained constants, and the zeros of those.

/** A node whose inputs' types are known, with its work. */
export interface Counted {
  readonly node: Node;
  readonly call: Call;
  /** Where it multiplies by a constant weight. */
  readonly layer?: Layer;
  /** Dense work, or (see `masked`) what its nonzero weights leave of it. */
  readonly work: Work;
  /** Additions of a bias: one a result. */
  readonly biases: number;
  /** The share of its weights that is counted: 1 for the dense work. */
  readonly kept: number;
  readonly shape: Shape;
  /** Names of its trained constants. */
  readonly params: readonly string[];
}

const free: Work = { macs: 0, inBounds: 0, ptflops: 0 };

/** The nodes of a graph whose types are known, in execution order. */
export function countedNodes(graph: Graph, types: Types): Counted[] {
  return graph.nodes.map((node) => {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : { ...types.get(name)!, value: graph.constants.get(name) }));
    const call = { node, inputs }, work = opOf(node).work?.(call) ?? free;
    const shape = types.get(node.outputs[0])?.shape ?? [];
    const biases = work.macs > 0 && call.inputs[2] ? sizeOf(shape) : 0;
    return { node, call, layer: layerOf(graph, node), work, biases, kept: 1, shape, params: paramsOf(graph, node) };
  });
}

/** Nonzero elements of constants, by name. */
export type Nonzeros = ReadonlyMap<string, number>;

export function nonzerosOf(graph: Graph, nodes: readonly Counted[]): Nonzeros {
  const names = new Set(nodes.flatMap(({ layer, params }) => [...params, layer?.weight ?? '']));
  names.delete('');
  return new Map([...names].map((name) => [name, countNonzero(graph.constants.get(name)!)]));
}

/** Elements and nonzero elements of constants, each taken once however many nodes use it. */
export function countParams(graph: Graph, names: Iterable<string>, nonzeros: Nonzeros): { params: number; nonzero: number } {
  const once = [...new Set(names)];
  return { params: sum(once, (name) => graph.constants.get(name)!.size), nonzero: sum(once, (name) => nonzeros.get(name)!) };
}

function countNonzero({ data }: Tensor): number {
  let nonzero = 0;
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) nonzero++;
  return nonzero;
}

export const sum = <T>(items: readonly T[], of: (item: T) => number): number => items.reduce((total, item) => total + of(item), 0);

/**
 * What the nonzero weights of a layer leave of its work; a node without weights keeps all of it. Every weight takes part in the
 * same number of multiply-adds, so that they go with the number of weights; those on padding depend on the place in the window.
 */
export function masked(graph: Graph, counted: Counted, nonzeros: Nonzeros): Counted {
  const { call, layer, work } = counted;
  if (!layer || work.macs === 0) return counted;
  const weight = graph.constants.get(layer.weight)!;
  const nonzero = nonzeros.get(layer.weight)!, macs = nonzero * (work.macs / weight.size);
  if (nonzero === weight.size) return counted;
  const window = windowOf(call), inBounds = window ? nonzeroInside(weight, window) : macs;
  return { ...counted, kept: nonzero / weight.size, work: { macs, inBounds, ptflops: work.ptflops - (work.macs - macs) } };
}

function windowOf(call: Call): ConvWindow | undefined {
  if (call.node.op === 'Conv') return convGeometry(call);
  return call.node.op === 'ConvTranspose' ? transposed(convTransposeGeometry(call)) : undefined;
}

/** Multiply-adds of the nonzero weights at positions where their tap is on the image. The window is the last axis of a weight. */
function nonzeroInside({ data }: Tensor, window: ConvWindow): number {
  const [rows, columns] = [spans(window, 0), spans(window, 1)];
  const positions = rows.flatMap(([top, bottom]) => columns.map(([left, right]) => (bottom - top) * (right - left)));
  let total = 0;
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) total += positions[i % positions.length];
  return total * window.batch;
}
