import { numbersOf } from '../../tensor.ts';
import type { Graph, Node } from '../graph.ts';
import { layerOf } from '../layers.ts';
import { num, text } from '../ops/op.ts';
import { unary } from '../ops/unary.ts';
import {
  axisOf, callOf, channelsOf, isComputed, range, restIsConstant, shapeOf, straight,
  type Context, type Link, type Passage, type Place, type Reader, type Types,
} from './link.ts';
import { concat, depthToSpace, gather, pad, slice, spaceToDepth, split, transpose, view } from './moves.ts';

export * from './link.ts';

/** A graph with the channels of every value found: their axis, and how they pass through each node. */
export interface Channels extends Context {
  readonly passages: ReadonlyMap<Node, Passage>;
}

/** The first input decides channel by channel; the others are constants. */
const alike: Reader = (place) => {
  const [from, to] = [shapeOf(place, place.node.inputs[0]), shapeOf(place, place.node.outputs[0])];
  const axis = axisOf(place, place.node.inputs[0]);
  const kept = axis >= 0 && from.length === to.length && from[axis] === to[axis];
  return kept && restIsConstant(place) && !place.node.outputs[1] ? { axes: [axis], links: [straight(place)] } : undefined;
};

/** Operators that know an image by its place in [N, C, H, W]. */
const onImages: Reader = (place) => (axisOf(place, place.node.inputs[0]) === 1 ? alike(place) : undefined);

/** A scale of zero leaves nothing of its channel. */
const normalization: Reader = (place) => {
  const found = onImages(place), [, scale] = place.node.inputs;
  if (!found) return undefined;
  const blocked = Uint8Array.from(numbersOf(place.graph.constants.get(scale)!), (value) => (value === 0 ? 1 : 0));
  return { ...found, links: [{ ...found.links[0], blocked }] };
};

/** A policy that derives sizes from each other would see other channels. */
const resize: Reader = (place) => (text(callOf(place), 'keep_aspect_ratio_policy', 'stretch') === 'stretch' ? alike(place) : undefined);

/** Sums, means and extremes over other axes; the channels stay where they are, counted among those that are left. */
const reduce: Reader = (place) => {
  const { graph, node } = place, axes = graph.constants.get(node.inputs[1]), axis = axisOf(place, node.inputs[0]);
  const rank = shapeOf(place, node.inputs[0]).length;
  if (!axes || axes.size === 0 || axis < 0) return undefined;
  const gone = Array.from(numbersOf(axes), (d) => (d < 0 ? d + rank : d));
  if (gone.includes(axis)) return undefined;
  const before = num(callOf(place), 'keepdims', 1) ? 0 : gone.filter((d) => d < axis).length;
  return { axes: [axis - before], links: [straight(place)] };
};

/** Element-wise with broadcasting: an operand with the result's channels is followed one by one, one with a single channel reaches all. */
const elementwise: Reader = (place) => {
  const { node } = place, rank = shapeOf(place, node.outputs[0]).length;
  const computed = [...node.inputs.keys()].filter((i) => isComputed(place, node.inputs[i]));
  const shift = (i: number): number => rank - shapeOf(place, node.inputs[i]).length;
  const out = (i: number): number => axisOf(place, node.inputs[i]) + shift(i);
  const first = computed.find((i) => axisOf(place, node.inputs[i]) >= 0
    && channelsOf(place, node.inputs[i]) === shapeOf(place, node.outputs[0])[out(i)]);
  if (first === undefined) return undefined;
  const axis = out(first), channels = shapeOf(place, node.outputs[0])[axis], links: Link[] = [];
  for (const i of computed) {
    const own = shapeOf(place, node.inputs[i])[axis - shift(i)] ?? 1;
    if (own !== 1 || channels === 1) {
      if (out(i) !== axis || own !== channels) return undefined;
      links.push(straight(place, i));
    } else if (channelsOf(place, node.inputs[i]) === 1) {
      links.push({ input: i, output: 0, from: new Int32Array(channels), to: range(channels), spread: true });
    } else return undefined;
  }
  return { axes: [axis], links };
};

interface Row {
  readonly read: Reader;
  readonly ops: readonly string[];
}

const rows: readonly Row[] = [
  { read: alike, ops: [...Object.keys(unary), 'Tile'] },
  { read: onImages, ops: ['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool'] },
  { read: normalization, ops: ['BatchNormalization', 'InstanceNormalization'] },
  { read: resize, ops: ['Resize'] },
  { read: pad, ops: ['Pad'] },
  { read: reduce, ops: ['ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare'] },
  { read: elementwise, ops: ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Min', 'Max', 'Sum', 'Mean', 'PRelu'] },
  { read: concat, ops: ['Concat'] },
  { read: split, ops: ['Split'] },
  { read: slice, ops: ['Slice'] },
  { read: gather, ops: ['Gather'] },
  { read: transpose, ops: ['Transpose'] },
  { read: view, ops: ['Flatten', 'Reshape', 'Squeeze', 'Unsqueeze'] },
  { read: depthToSpace, ops: ['DepthToSpace'] },
  { read: spaceToDepth, ops: ['SpaceToDepth'] },
];

const readers: ReadonlyMap<string, Reader> = new Map(rows.flatMap(({ read, ops }) => ops.map((op) => [op, read] as const)));

/** Where a layer has its channels: images in the second axis, rows of a product in the last. */
const layerAxis = (node: Node, rank: number): number => (node.op === 'Conv' || node.op === 'ConvTranspose' ? 1 : rank - 1);

function weighted(place: Place): Passage | undefined {
  const { graph, node } = place, layer = layerOf(graph, node), [x] = node.inputs;
  const rank = shapeOf(place, node.outputs[0]).length, from = shapeOf(place, x).length;
  if (!layer || node.attrs.transA || rank < 2 || rank !== from) return undefined;
  if (node.inputs[3] && isComputed(place, node.inputs[3]) && axisOf(place, node.inputs[3]) !== layerAxis(node, rank)) return undefined;
  return { kind: 'weighted', axes: [layerAxis(node, rank)], links: [], reads: axisOf(place, x) === layerAxis(node, from) };
}

/** Where a node mixes, its result is taken to have its channels where the input has them. */
function mixing(place: Place): Passage {
  const [x = ''] = place.node.inputs, own = axisOf(place, x), rank = shapeOf(place, x).length;
  const axes = place.node.outputs.map((name) => {
    const length = shapeOf(place, name).length;
    return length === rank && own >= 0 ? own : Math.min(1, length - 1);
  });
  return { kind: 'mixing', axes, links: [], reads: false };
}

function passageOf(place: Place): Passage {
  const layer = weighted(place);
  if (layer) return layer;
  const read = readers.get(place.node.op)?.(place);
  return read ? { kind: 'linked', ...read, reads: false } : mixing(place);
}

/** Images come as NCHW, or as NHWC where a Transpose in front of the layers says so. */
function inputAxis(graph: Graph, types: Types, name: string): number {
  const rank = shapeOf({ types }, name).length, same = new Set([name]);
  for (const node of graph.nodes) {
    if (!node.inputs.some((input) => same.has(input)) || layerOf(graph, node)) continue;
    const perm = node.op === 'Transpose' ? node.attrs.perm as readonly number[] | undefined : undefined;
    if (perm && perm.length > 2) return perm[1];
    for (const output of node.outputs) if (shapeOf({ types }, output).length === rank) same.add(output);
  }
  return Math.min(1, rank - 1);
}

/** Finds the channels of a graph whose types are known. */
export function channelsIn(graph: Graph, types: Types): Channels {
  const axes = new Map(graph.inputs.map(({ name }) => [name, inputAxis(graph, types, name)]));
  const passages = new Map<Node, Passage>();
  for (const node of graph.nodes) {
    const passage = passageOf({ graph, types, axes, node });
    passages.set(node, passage);
    node.outputs.forEach((name, i) => { if (name !== '') axes.set(name, passage.axes[i] ?? -1); });
  }
  return { graph, types, axes, passages };
}

/** The names that nodes and outputs of a graph read, and how often. */
export function readersOf(graph: Graph): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of [...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.map((output) => output.name)]) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** Where the channels of a constant operand lie that broadcasts with a value of `place`; −1 where it has one for all. */
export function operandAxis(place: Place, name: string): number {
  const [out] = place.node.outputs, dims = place.graph.constants.get(name)!.dims;
  const axis = axisOf(place, out) - (shapeOf(place, out).length - dims.length);
  return axis >= 0 && dims[axis] === channelsOf(place, out) && dims[axis] > 1 ? axis : -1;
}

