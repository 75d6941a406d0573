import { numbersOf, Tensor, type Shape } from '../../tensor.ts';
import type { Graph, Node } from '../graph.ts';
import { fromOihw, layerOf, readWeight, type Layer, type Oihw } from '../layers.ts';
import { inputChannel, passageOf, shapeOf, type Context, type Passage, type Place } from '../liveness.ts';
import { freshNames } from '../names.ts';
import { carrierOf, deadIn, isGroupGone, isOwed, mayBeDead, type Dead } from './dead.ts';
import { trimmed, type Pass } from './rewrite.ts';
import { seesBorder } from './uniform.ts';

/** A graph that loses channels. */
interface Cut {
  readonly dead: Dead;
  readonly constants: Map<string, Tensor>;
  /** How many nodes and outputs read a name. */
  readonly readers: ReadonlyMap<string, number>;
  readonly fresh: (name: string) => string;
}

type Rule = (cut: Cut, place: Place) => Node;

/** The channels of a value that stay, undefined where all do. */
function staying({ drop }: Dead, name: string): number[] | undefined {
  const flags = drop.get(name);
  return flags?.includes(1) ? [...flags.keys()].filter((c) => !flags[c]) : undefined;
}

/** The places `list` along an axis. */
function taken(tensor: Tensor, axis: number, list: readonly number[]): Tensor {
  const inner = tensor.dims.slice(axis + 1).reduce((n, dim) => n * dim, 1), length = tensor.dims[axis];
  const outer = tensor.size / inner / length, source = tensor.data as Float32Array;
  const data = new (source.constructor as Float32ArrayConstructor)(outer * list.length * inner);
  for (let o = 0, at = 0; o < outer; o++) {
    for (const c of list) for (let i = (o * length + c) * inner, end = i + inner; i < end; i++) data[at++] = source[i];
  }
  return new Tensor(tensor.type, data, tensor.dims.map((dim, d) => (d === axis ? list.length : dim)));
}

/** The constant with another content: under its own name where nobody else reads it. */
function put({ constants, readers, fresh }: Cut, name: string, tensor: Tensor): string {
  const own = readers.get(name) === 1 ? name : fresh(name);
  constants.set(own, tensor);
  return own;
}

/** Constant operands lose the channels that the result loses. */
const elementwise: Rule = (cut, { graph, types, node }) => {
  const [out] = node.outputs, list = staying(cut.dead, out), shape = types.get(out)!.shape;
  if (!list) return node;
  return {
    ...node,
    inputs: node.inputs.map((name) => {
      const tensor = graph.constants.get(name), axis = tensor ? 1 - (shape.length - tensor.dims.length) : -1;
      return tensor && axis >= 0 && tensor.dims[axis] === shape[1] && shape[1] > 1 ? put(cut, name, taken(tensor, axis, list)) : name;
    }),
  };
};

/** Which inputs have one element a channel. */
const perChannel: Readonly<Record<string, readonly number[]>> = { BatchNormalization: [1, 2, 3, 4], InstanceNormalization: [1, 2] };

const channelwise: Rule = (cut, place) => {
  const { graph, node } = place, list = staying(cut.dead, node.outputs[0]);
  if (!list) return node;
  const constant = (name: string): Tensor => graph.constants.get(name)!;
  if (node.op === 'Resize' && node.inputs[3]) {
    const sizes = shapeOf(place, node.outputs[0]).map((dim, d) => (d === 1 ? list.length : dim));
    return { ...node, inputs: [...node.inputs.slice(0, 3), put(cut, node.inputs[3], new Tensor('int64', sizes))] };
  }
  const own = perChannel[node.op] ?? [];
  return { ...node, inputs: node.inputs.map((name, i) => (own.includes(i) ? put(cut, name, taken(constant(name), 0, list)) : name)) };
};

const regroup: Rule = (cut, place) => {
  const { node } = place, list = staying(cut.dead, node.outputs[0]) ?? (staying(cut.dead, node.inputs[0]) && []);
  if (!list || node.op !== 'Reshape') return node;
  const shape = shapeOf(place, node.outputs[0]).map((dim, d) => (d === 1 && list.length ? list.length : dim));
  const target = put(cut, node.inputs[1], new Tensor('int64', shape, [shape.length]));
  return { ...node, inputs: [node.inputs[0], target], attrs: { allowzero: 1 } };
};

/** What stays of a layer: its groups, and of each the channels on both sides, counted over all groups. */
interface Rest { readonly groups: number; readonly filters: readonly number[]; readonly inputs: readonly number[] }

function restOf(dead: Dead, layer: Layer): Rest {
  const { dims, groups, node } = layer, count = (length: number): number[] => Array.from({ length }, (_, c) => c);
  const lives = count(groups).map((group) => groups === 1 || !isGroupGone(dead, layer, group));
  return {
    groups: lives.filter((alive) => alive).length,
    filters: staying(dead, node.outputs[0]) ?? count(dims[0]),
    inputs: staying(dead, node.inputs[0]) ?? count(dims[1] * groups),
  };
}

/** Filters and kernels of a layer (OIHW) that stay, with the sums the others leave behind in bias and carrier. */
function narrowWeights(cut: Cut, place: Place, layer: Layer, rest: Rest): { values: Float32Array; dims: Oihw; bias: Float64Array } {
  const { dead } = cut, { graph, node } = place, { dims } = layer, [input] = node.inputs, numbers = dead.uniform.get(input);
  const weights = readWeight(graph, layer), window = dims[2] * dims[3], perGroup = rest.inputs.length / rest.groups;
  const values = new Float64Array(rest.filters.length * perGroup * window), bias = new Float64Array(rest.filters.length);
  const placeOf = new Int32Array(dims[1] * layer.groups).fill(-1), carrier = seesBorder(place) ? carrierOf(dead, input) : -1;
  rest.inputs.forEach((i, at) => { placeOf[i] = at % perGroup; });
  const owed = placeOf.map((at, i) => (at < 0 && isOwed(dead, input, i) ? 1 : 0));
  rest.filters.forEach((o, row) => {
    for (let i = 0; i < dims[1]; i++) {
      const pair = o * dims[1] + i, channel = inputChannel(layer, pair), at = placeOf[channel];
      if (at < 0 && !owed[channel]) continue;
      const to = at < 0 && carrier >= 0 ? placeOf[carrier] : at, share = at < 0 && to >= 0 ? numbers![channel] / numbers![carrier] : 1;
      for (let k = 0; k < window; k++) {
        const weight = weights[pair * window + k];
        if (to < 0) bias[row] += weight * numbers![channel];
        else values[(row * perGroup + to) * window + k] += weight * share;
      }
    }
  });
  return { values: Float32Array.from(values), dims: [rest.filters.length, perGroup, dims[2], dims[3]], bias };
}

/** The dimensions of a stored weight of these OIHW dimensions. */
function storedDims(layer: Layer, [filters, inputs]: Oihw, groups: number, window: Shape): number[] {
  return layer.orientation === 'oihw' ? [filters, inputs, ...window] : [inputs * groups, filters / groups, ...window];
}

const weighted: Rule = (cut, place) => {
  const { graph, node } = place, layer = layerOf(graph, node)!, { dead } = cut;
  if (!staying(dead, node.inputs[0]) && !staying(dead, node.outputs[0])) return node;
  const rest = restOf(dead, layer), { values, dims, bias } = narrowWeights(cut, place, layer, rest);
  const [x, w, b, residual] = node.inputs, old = b ? numbersOf(graph.constants.get(b)!) : undefined;
  const small: Layer = { ...layer, dims, groups: rest.groups };
  const stored = storedDims(layer, dims, rest.groups, graph.constants.get(w)!.dims.slice(2));
  const weight = put(cut, w, new Tensor('float32', fromOihw(values, small), stored));
  const sums = new Tensor('float32', Float32Array.from(bias, (sum, row) => sum + (old?.[rest.filters[row]] ?? 0)), [bias.length]);
  const added = b ? put(cut, b, sums) : bias.some((sum) => sum !== 0) ? put(cut, `${node.name}.bias`, sums) : '';
  const attrs = node.attrs.group === undefined ? node.attrs : { ...node.attrs, group: rest.groups };
  return { ...node, inputs: trimmed([x, weight, added, residual]), attrs };
};

const rules: Readonly<Record<Passage, Rule>> = {
  weighted, channelwise, elementwise, regroup, concat: (_cut, { node }) => node, mixing: (_cut, { node }) => node,
};

/** The graph without its dead channels. */
function narrowed(context: Context, dead: Dead): Graph {
  const { graph } = context, readers = new Map<string, number>();
  for (const name of [...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.map((output) => output.name)]) {
    readers.set(name, (readers.get(name) ?? 0) + 1);
  }
  const cut: Cut = { dead, constants: new Map(graph.constants), readers, fresh: freshNames(graph) };
  const nodes = graph.nodes.map((node) => {
    const place = { ...context, node };
    return rules[passageOf(place)](cut, place);
  });
  const used = new Set([...nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.map(({ name }) => name)]);
  return { ...graph, nodes, constants: new Map([...cut.constants].filter(([name]) => used.has(name))) };
}

/**
 * Takes channels out that no output depends on, and channels that are one number whatever the network is fed, which goes into the biases
 * of the layers that read it. Layers, sums and activations between them become smaller; no node goes, and every weight keeps its name.
 */
export const dead: Pass = (graph, types) => {
  const context = { graph, types };
  if (!mayBeDead(context)) return graph;
  const found = deadIn(context);
  return [...found.drop.values()].some((flags) => flags.includes(1)) ? narrowed(context, found) : graph;
};
