import {
  axisOf, channelsIn, channelsOf, isComputed, isConstant, operandAxis, type Channels, type Passage, type Place,
} from '../../graph/channels/index.ts';
import { layerOf, type Layer } from '../../graph/layers.ts';
import { isPlain } from '../../graph/passes/uniform.ts';
import type { Sized } from './sizes.ts';

// Which channels of a network go together: a union-find over all (value, channel) places.

/** What a node has to do with a value: makes it with a filter each, reads it with a kernel each, has parameters for it, lets it pass. */
export type Side = 'out' | 'in' | 'param' | 'through';

/** Where channels touch a node. */
export interface Touch {
  readonly node: string;
  readonly op: string;
  readonly side: Side;
  /** The value whose channels it is about. */
  readonly value: string;
  /** Constants with something for each channel, and along which axis of the stored tensor. */
  readonly constants: readonly { readonly name: string; readonly axis: number }[];
}

/** The channels of a network in classes that go together. */
export interface Coupling {
  readonly channels: Channels;
  /** Where the channels of a value begin among all places. */
  readonly first: ReadonlyMap<string, number>;
  /** The class of a place: its lowest member. */
  readonly classOf: (place: number) => number;
  /** Why a class cannot shrink. */
  readonly fixed: ReadonlyMap<number, string>;
  readonly touches: readonly Touch[];
}

/** A union-find whose classes are known by their lowest member. */
interface Classes {
  readonly find: (place: number) => number;
  readonly join: (a: number, b: number) => void;
}

function classesOf(count: number): Classes {
  const parent = new Int32Array(count).map((_, i) => i);
  const find = (place: number): number => {
    while (parent[place] !== place) place = parent[place] = parent[parent[place]];
    return place;
  };
  return {
    find,
    join: (a, b) => {
      const [x, y] = [find(a), find(b)];
      parent[Math.max(x, y)] = Math.min(x, y);
    },
  };
}

/** A coupling while it is found. */
interface Draft {
  readonly channels: Channels;
  readonly first: Map<string, number>;
  readonly classes: Classes;
  /** By any place of a class. */
  readonly holds: Map<number, string>;
}

/** Couples the channels of a network at one size. */
export function couplingOf({ graph, types }: Pick<Sized, 'graph' | 'types'>): Coupling {
  const channels = channelsIn(graph, types), first = new Map<string, number>();
  let count = 0;
  for (const name of channels.axes.keys()) {
    first.set(name, count);
    count += channelsOf(channels, name);
  }
  const draft: Draft = { channels, first, classes: classesOf(count), holds: new Map() };
  for (const { name } of graph.inputs) hold(draft, name, 'an input of the network keeps its shape');
  for (const { name } of graph.outputs) hold(draft, name, 'an output of the network keeps its shape');
  for (const node of graph.nodes) rules[channels.passages.get(node)!.kind](draft, { ...channels, node }, channels.passages.get(node)!);
  joinShared(draft);
  const fixed = new Map<number, string>();
  for (const [place, why] of draft.holds) fixed.set(draft.classes.find(place), fixed.get(draft.classes.find(place)) ?? why);
  const touches = graph.nodes.flatMap((node) => touchesOf(channels, { ...channels, node }));
  return { channels, first, classOf: draft.classes.find, fixed, touches };
}

function hold({ channels, first, holds }: Draft, name: string, why: string): void {
  const start = first.get(name);
  if (start === undefined) return;
  for (let c = 0; c < channelsOf(channels, name); c++) if (!holds.has(start + c)) holds.set(start + c, why);
}

type Rule = (draft: Draft, place: Place, passage: Passage) => void;

const mixing: Rule = (draft, place) => {
  const { name, op, inputs, outputs } = place.node, computed = inputs.filter((input) => isComputed(place, input));
  for (const value of [...computed, ...outputs]) hold(draft, value, `'${name}' (${op}) mixes channels`);
};

const linked: Rule = (draft, { node }, { links }) => {
  for (const { input, output, from, to, spread } of links) {
    const [x, y] = [draft.first.get(node.inputs[input])!, draft.first.get(node.outputs[output])!];
    if (spread) hold(draft, node.inputs[input], `'${node.name}' (${node.op}) spreads it over all channels`);
    else for (let k = 0; k < from.length; k++) draft.classes.join(x + from[k], y + to[k]);
  }
};

const weighted: Rule = (draft, place, passage) => {
  const { graph, node } = place, layer = layerOf(graph, node)!, [x, , , residual] = node.inputs, [y] = node.outputs;
  if (!isPlain(place)) return mixing(draft, place, passage);
  if (!passage.reads) hold(draft, x, `'${node.name}' (${node.op}) reads across its channels`);
  const [input, output] = [draft.first.get(x)!, draft.first.get(y)!];
  if (residual && isComputed(place, residual)) {
    for (let c = 0; c < layer.dims[0]; c++) draft.classes.join(draft.first.get(residual)! + c, output + c);
  }
  if (layer.groups > 1) joinGroups(draft, layer, input, output);
};

/** Groups of one input or one output go whole (depthwise: in = out = groups); of others each loses the same offsets. */
function joinGroups({ classes }: Draft, { dims, groups }: Layer, input: number, output: number): void {
  const perGroup = dims[0] / groups, whole = dims[1] === 1 || perGroup === 1;
  for (let group = 0; group < groups; group++) {
    for (let i = 0; i < dims[1]; i++) classes.join(input + group * dims[1] + i, input + (whole ? group * dims[1] : i));
    for (let o = 0; o < perGroup; o++) {
      classes.join(output + group * perGroup + o, whole ? input + group * dims[1] : output + o);
    }
  }
}

const rules: Readonly<Record<Passage['kind'], Rule>> = { weighted, linked, mixing };

/** Layers that share a weight share what goes. */
function joinShared({ channels, first, classes }: Draft): void {
  const met = new Map<string, { x: number; y: number }>();
  for (const node of channels.graph.nodes) {
    const layer = layerOf(channels.graph, node), [x, y] = [first.get(node.inputs[0]), first.get(node.outputs[0])];
    if (!layer || x === undefined || y === undefined || channels.passages.get(node)!.kind !== 'weighted') continue;
    const other = met.get(layer.weight);
    met.set(layer.weight, other ?? { x, y });
    for (let o = 0; other && o < layer.dims[0]; o++) classes.join(other.y + o, y + o);
    const reads = channels.passages.get(node)!.reads;
    for (let i = 0; other && reads && i < layer.dims[1] * layer.groups; i++) classes.join(other.x + i, x + i);
  }
}

/** What channels meet at a node; a node that mixes is met by none that could go. */
function touchesOf(channels: Channels, place: Place): Touch[] {
  const { node } = place, { kind, reads } = channels.passages.get(node)!, { name, op, inputs, outputs } = node;
  if (kind === 'mixing') return [];
  if (kind === 'linked') {
    const constants = paramsOf(place);
    return outputs.map((value) => ({ node: name, op, side: constants.length ? 'param' : 'through', value, constants }));
  }
  const layer = layerOf(place.graph, node)!, straight = layer.orientation === 'oihw';
  const bias = inputs[2] ? place.graph.constants.get(inputs[2]) : undefined;
  const out: Touch = {
    node: name, op, side: 'out', value: outputs[0], constants: [
      { name: layer.weight, axis: straight ? 0 : 1 }, ...(bias && bias.size > 1 ? [{ name: inputs[2], axis: bias.dims.length - 1 }] : []),
    ],
  };
  const read: Touch = { node: name, op, side: 'in', value: inputs[0], constants: [{ name: layer.weight, axis: straight ? 1 : 0 }] };
  return reads ? [out, read] : [out];
}

const normalizations: Readonly<Record<string, readonly number[]>> = { BatchNormalization: [1, 2, 3, 4], InstanceNormalization: [1, 2] };
const arithmetic = new Set(['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Min', 'Max', 'Sum', 'Mean', 'PRelu']);

/** The constants of a node that have one element, or one part, a channel. */
function paramsOf(place: Place): { name: string; axis: number }[] {
  const { op, inputs, outputs } = place.node;
  if (Object.hasOwn(normalizations, op)) return normalizations[op].map((i) => ({ name: inputs[i], axis: 0 }));
  if (arithmetic.has(op)) {
    return inputs.flatMap((name) => {
      const axis = name && isConstant(place, name) ? operandAxis(place, name) : -1;
      return axis >= 0 ? [{ name, axis }] : [];
    });
  }
  return op === 'Concat' ? inputs.filter((name) => isConstant(place, name)).map((name) => ({ name, axis: axisOf(place, outputs[0]) })) : [];
}
