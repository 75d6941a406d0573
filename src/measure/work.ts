import { expect, lookUp, show } from '../expect.ts';
import { specialize } from '../graph/evaluate.ts';
import type { Graph, Node } from '../graph/graph.ts';
import { layerOf, readWeight, type Layer } from '../graph/layers.ts';
import { inputChannel, livenessOf, type Liveness, type Types } from '../graph/liveness.ts';
import { opOf } from '../graph/ops/index.ts';
import type { Call, Work } from '../graph/ops/op.ts';
import { convGeometry, convTransposeGeometry, spans, transposed, type ConvWindow } from '../graph/ops/window.ts';
import { sizeOf, type Shape, type Tensor } from '../tensor.ts';
import { ratio, type Macs, type Ratio, type Speedups } from './record.ts';

/** Counting multiply-adds and parameters: formulas only, no clock. */

type Shapes = Readonly<Record<string, Shape>>;

/** A node whose inputs' types are known, with its dense work. */
interface Counted {
  readonly node: Node;
  readonly call: Call;
  readonly work: Work;
  readonly shape: Shape;
  /** Names of its trained constants. */
  readonly params: readonly string[];
}

/** What is counted as work. One network has many published numbers: always say which convention a number follows. */
export const conventions = {
  /** Multiply-adds with weights. */
  'macs': ({ work }) => work.macs,
  'macs+bias': ({ work, shape, call }) => work.macs + (work.macs > 0 && call.inputs[2] ? sizeOf(shape) : 0),
  /** As the tool ptflops: with bias, 2N for batch normalisation, N for activations, the inputs of pools. */
  'ptflops': ({ work }) => work.ptflops,
  /** 2 · multiply-adds. */
  'flops2': ({ work }) => 2 * work.macs,
  /** Multiply-adds whose input is in the image, not padding. */
  'inBounds': ({ work }) => work.inBounds,
} satisfies Record<string, (counted: Counted) => number>;

export type Convention = keyof typeof conventions;

export interface Inspection {
  readonly model: string;
  readonly convention: Convention;
  readonly totals: { readonly params: number; readonly nonzeroParams: number; readonly macs: number };
  readonly layers: readonly (Omit<LayerWork, 'macs'> & { readonly macs: number })[];
}

export interface LayerWork {
  readonly name: string;
  readonly op: string;
  /** Of the output. */
  readonly shape: Shape;
  readonly params: number;
  readonly nonzero: number;
  readonly macs: Macs;
}

export interface NetworkWork {
  readonly totals: {
    readonly params: number;
    readonly nonzeroParams: number;
    /** Nonzero parameters that are left when dead channels are taken out. */
    readonly effectiveParams: number;
    readonly compressionRatio: Ratio;
    readonly macs: Macs;
    /** Multiply-adds of the dense network whose input is in the image. */
    readonly denseInBounds: number;
    readonly theoreticalSpeedup: Speedups;
  };
  readonly layers: readonly LayerWork[];
}

/** Inputs that hold trained parameters, as torch counts them: of batch normalisation γ and β, not mean and variance. */
const trained: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2], ConvTranspose: [1, 2], Linear: [1, 2], Gemm: [0, 1, 2], MatMul: [0, 1],
  BatchNormalization: [1, 2], InstanceNormalization: [1, 2], LayerNormalization: [1, 2], PRelu: [1],
  Add: [0, 1], Sub: [0, 1], Mul: [0, 1], Div: [0, 1],
};

/** Arithmetic with a single number is a formula (x + 3 in hard-swish), not a parameter. */
const arithmetic = new Set(['Add', 'Sub', 'Mul', 'Div']);

function paramsOf(graph: Graph, node: Node): string[] {
  return (trained[node.op] ?? []).map((i) => node.inputs[i]).filter((name, i, names) => {
    const tensor = graph.constants.get(name);
    if (!tensor || names.indexOf(name) !== i) return false;
    return (tensor.type === 'float32' || tensor.type === 'float64') && !(arithmetic.has(node.op) && tensor.size === 1);
  });
}

const free: Work = { macs: 0, inBounds: 0, ptflops: 0 };

function countedNodes(graph: Graph, types: Types): Counted[] {
  return graph.nodes.map((node) => {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : { ...types.get(name)!, value: graph.constants.get(name) }));
    const call = { node, inputs };
    const shape = types.get(node.outputs[0])?.shape ?? [];
    return { node, call, work: opOf(node).work?.(call) ?? free, shape, params: paramsOf(graph, node) };
  });
}

/** Nonzero elements of constants, by name. */
type Zeros = ReadonlyMap<string, number>;

function nonzerosOf(graph: Graph, nodes: readonly Counted[]): Zeros {
  const names = new Set(nodes.flatMap(({ node, params }) => [...params, layerOf(graph, node)?.weight ?? '']));
  names.delete('');
  return new Map([...names].map((name) => [name, countNonzero(graph.constants.get(name)!)]));
}

/** Elements and nonzero elements of constants, each taken once however many nodes use it. */
function countParams(graph: Graph, names: Iterable<string>, nonzeros: Zeros): { params: number; nonzero: number } {
  const once = [...new Set(names)];
  return { params: sum(once, (name) => graph.constants.get(name)!.size), nonzero: sum(once, (name) => nonzeros.get(name)!) };
}

function countNonzero({ data }: Tensor): number {
  let nonzero = 0;
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) nonzero++;
  return nonzero;
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number => items.reduce((total, item) => total + of(item), 0);

/**
 * Parameters, zeros and work of a graph, layer by layer, under a named convention (default `macs`). Layers that neither
 * have parameters nor count as work are left out. `shapes` are needed for inputs with free dimensions.
 * @throws BurinError `argument` for what is no graph and for an unknown convention; as `specialize` for a graph that does not fit together.
 */
export function inspect(graph: Graph, options: { convention?: Convention | (string & {}); shapes?: Shapes } = {}): Inspection {
  expect(typeof options === 'object' && options !== null, {
    kind: 'argument', where: 'inspect options', needs: 'an object', got: show(options),
  });
  const convention = (options.convention ?? 'macs') as Convention;
  const count: (counted: Counted) => number = lookUp(conventions, convention, 'convention');
  const fixed = specialize(graph, options.shapes);
  const nodes = countedNodes(fixed.graph, fixed.types);
  const nonzeros = nonzerosOf(fixed.graph, nodes);
  const layers = nodes.map((counted) => ({
    name: counted.node.name, op: counted.node.op, shape: counted.shape, ...countParams(fixed.graph, counted.params, nonzeros),
    macs: count(counted),
  })).filter(({ params, macs }) => params > 0 || macs > 0);
  const { params, nonzero } = countParams(fixed.graph, nodes.flatMap((counted) => counted.params), nonzeros);
  return { model: graph.name, convention, totals: { params, nonzeroParams: nonzero, macs: sum(layers, ({ macs }) => macs) }, layers };
}

/**
 * What the zeros of a graph promise. Multiply-adds per layer: `dense`; `masked`, of its nonzero weights; `effective`, also
 * without the weights that read a dead channel or make one nobody reads; `inBounds`, of its nonzero weights without the
 * taps on padding (its speedup is against the dense count of the same kind). A channel whose weights are all zero is a
 * constant that folds into the biases after it; where a padded convolution follows, that takes a bias for each border position.
 * @throws BurinError as `specialize` for a graph that does not fit together.
 */
export function workOf(graph: Graph, shapes: Shapes = {}): NetworkWork {
  const fixed = specialize(graph, shapes);
  const live = livenessOf(fixed.graph, fixed.types);
  const nodes = countedNodes(fixed.graph, fixed.types).filter(({ work, params }) => work.macs > 0 || params.length > 0);
  const nonzeros = nonzerosOf(fixed.graph, nodes);
  const layers = nodes.map((counted): LayerWork => ({
    name: counted.node.name, op: counted.node.op, shape: counted.shape, ...countParams(fixed.graph, counted.params, nonzeros),
    macs: macsOf(fixed.graph, counted, { live, nonzeros }),
  }));
  const macs: Macs = {
    dense: sum(layers, (layer) => layer.macs.dense), masked: sum(layers, (layer) => layer.macs.masked),
    effective: sum(layers, (layer) => layer.macs.effective), inBounds: sum(layers, (layer) => layer.macs.inBounds),
  };
  const { params, nonzero } = countParams(fixed.graph, nodes.flatMap((counted) => counted.params), nonzeros);
  const denseInBounds = sum(nodes, ({ work }) => work.inBounds);
  return {
    totals: {
      params, nonzeroParams: nonzero, effectiveParams: liveParams(fixed.graph, nodes, { live, nonzeros }),
      compressionRatio: ratio(params, nonzero), macs, denseInBounds,
      theoreticalSpeedup: {
        masked: ratio(macs.dense, macs.masked), effective: ratio(macs.dense, macs.effective), inBounds: ratio(denseInBounds, macs.inBounds),
      },
    },
    layers,
  };
}

/** Every weight takes part in the same number of multiply-adds, so that they go with the number of weights. */
function macsOf(graph: Graph, { node, call, work }: Counted, { live, nonzeros }: { live: Liveness; nonzeros: Zeros }): Macs {
  const layer = layerOf(graph, node);
  if (!layer || work.macs === 0) return { dense: work.macs, masked: work.macs, effective: work.macs, inBounds: work.inBounds };
  const weight = graph.constants.get(layer.weight)!;
  const uses = work.macs / weight.size;
  const masked = nonzeros.get(layer.weight)! * uses;
  const window = windowOf(call);
  return {
    dense: work.macs,
    masked,
    effective: liveWeights(graph, layer, live) * uses,
    inBounds: window ? nonzeroInside(weight, window) : masked,
  };
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

/** Nonzero weights between an input channel that varies and an output channel that is needed. */
function liveWeights(graph: Graph, layer: Layer, live: Liveness): number {
  const varies = live.varies.get(layer.node.inputs[0]);
  const needed = live.needed.get(layer.node.outputs[0]);
  const weights = readWeight(graph, layer);
  const followed = varies?.length === layer.dims[1] * layer.groups && needed?.length === layer.dims[0];
  const window = layer.dims[2] * layer.dims[3];
  let count = 0;
  for (let pair = 0; pair < layer.dims[0] * layer.dims[1]; pair++) {
    if (followed && !(varies[inputChannel(layer, pair)] && needed[Math.floor(pair / layer.dims[1])])) continue;
    for (let k = pair * window; k < (pair + 1) * window; k++) if (weights[k] !== 0) count++;
  }
  return count;
}

/** Nonzero parameters without those of dead channels; a weight that several nodes share counts where it is most alive. */
function liveParams(graph: Graph, nodes: readonly Counted[], { live, nonzeros }: { live: Liveness; nonzeros: Zeros }): number {
  const counts = new Map<string, number>();
  for (const { node, params } of nodes) {
    const layer = layerOf(graph, node);
    const flags = aliveChannels(live, node.outputs[0]);
    for (const name of params) {
      const count = name === layer?.weight
        ? liveWeights(graph, layer, live)
        : liveElements(graph.constants.get(name)!, flags, nonzeros.get(name)!);
      counts.set(name, Math.max(count, counts.get(name) ?? 0));
    }
  }
  return sum([...counts.values()], (count) => count);
}

function aliveChannels({ varies, needed }: Liveness, value: string): Uint8Array {
  const read = needed.get(value);
  return (varies.get(value) ?? new Uint8Array()).map((flag, c) => flag & (read?.[c] ?? 0));
}

/** Nonzero elements of a parameter with one value a channel, where the channel is alive; of any other, all its nonzero elements. */
function liveElements({ data }: Tensor, alive: Uint8Array, nonzero: number): number {
  if (data.length !== alive.length) return nonzero;
  return alive.reduce((count, flag, c) => count + (flag && data[c] !== 0 ? 1 : 0), 0);
}
