import { numbersOf, sizeOf } from '../tensor.ts';
import type { Graph, Node, Typed } from './graph.ts';
import { layerOf, readWeight, type Layer } from './layers.ts';
import { unary } from './ops/unary.ts';

/** One byte a channel (axis 1; a value of lower rank is one channel), 1 = yes. */
export type Flags = Uint8Array;

/**
 * Which channels matter. `varies`: the channel depends on the network's inputs; one that does not is a constant, which can
 * be folded into the biases after it. `needed`: some output depends on the channel. Operators that are not in the table
 * below count as mixing all channels, so that nothing is called dead that is not.
 */
export interface Liveness {
  readonly varies: ReadonlyMap<string, Flags>;
  readonly needed: ReadonlyMap<string, Flags>;
}

export type Types = ReadonlyMap<string, Typed>;

export interface Context {
  readonly graph: Graph;
  readonly types: Types;
}

/** A node as the rules see it. */
export interface Place extends Context {
  readonly node: Node;
}

/** How channels pass through an operator. */
interface Rule {
  /** From the flags of the inputs, those of the first output. */
  readonly forward: (place: Place, inputs: readonly Flags[]) => Flags;
  /** From the flags of the first output, those of input `i`. */
  readonly backward: (place: Place, output: Flags, i: number) => Flags;
}

const ones = (length: number): Flags => new Uint8Array(length).fill(1);
const any = (flags: Flags): boolean => flags.includes(1);
export const shapeOf = ({ types }: Context, name: string): readonly number[] => types.get(name)?.shape ?? [];
export const channelsOf = (context: Context, name: string): number => shapeOf(context, name)[1] ?? 1;
const all = (context: Context, name: string, flag: boolean): Flags => new Uint8Array(channelsOf(context, name)).fill(flag ? 1 : 0);

/** Everything depends on everything. */
const mixing: Rule = {
  forward: (place, inputs) => all(place, place.node.outputs[0], inputs.some(any)),
  backward: (place, output, i) => all(place, place.node.inputs[i], any(output)),
};

/** The first input decides channel by channel; the others are constants. */
const channelwise: Rule = {
  forward: (_place, inputs) => inputs[0],
  backward: (_place, output) => output,
};

/** Element-wise with broadcasting: an input that has the output's channels is followed channel by channel, any other touches all. */
const elementwise: Rule = {
  forward: (place, inputs) => {
    const out = all(place, place.node.outputs[0], false);
    inputs.forEach((flags, i) => merge(out, aligned(place, i) ? flags : ones(out.length).fill(any(flags) ? 1 : 0)));
    return out;
  },
  backward: (place, output, i) => (aligned(place, i) ? output : mixing.backward(place, output, i)),
};

/** Whether input `i` has the output's rank and channels. */
export function aligned(place: Place, i: number): boolean {
  const [from, to] = [shapeOf(place, place.node.inputs[i]), shapeOf(place, place.node.outputs[0])];
  return from.length === to.length && from[1] === to[1];
}

function merge(into: Flags, from: Flags): void {
  for (let c = 0; c < into.length; c++) into[c] |= from[c];
}

/** A constant weight: channel i reaches filter o where their kernel is not all zero. A fused residual (input 3) is added. */
const weighted: Rule = {
  forward: (place, inputs) => {
    const links = linksOf(place), added = inputs.length > 2 && any(inputs[2]);
    const out = all(place, place.node.outputs[0], added);
    if (!added) for (let o = 0; o < out.length; o++) if (links.someInput(o, (i) => inputs[0][i] === 1)) out[o] = 1;
    if (inputs.length > 3) merge(out, inputs[3]);
    return out;
  },
  backward: (place, output, input) => {
    if (input === 3) return output;
    if (input !== 0) return mixing.backward(place, output, input);
    const links = linksOf(place), needed = all(place, place.node.inputs[0], false);
    for (let i = 0; i < needed.length; i++) if (links.someFilter(i, (o) => output[o] === 1)) needed[i] = 1;
    return needed;
  },
};

/** Which channels a layer's kernels that are not all zero join, counted over all groups. Both stop at the first that passes. */
export interface Links {
  /** Whether an input channel that filter `o` reads passes; `pair` is the number of their kernel. */
  readonly someInput: (o: number, test: (i: number, pair: number) => boolean) => boolean;
  /** Whether a filter that reads input channel `i` passes. */
  readonly someFilter: (i: number, test: (o: number) => boolean) => boolean;
}

export function linksOf({ graph, node }: Place): Links {
  const layer = layerOf(graph, node)!, weights = readWeight(graph, layer), [filters, inputs, height, width] = layer.dims;
  const window = height * width, perGroup = filters / layer.groups;
  const joined = (pair: number): boolean => {
    for (let k = pair * window, end = k + window; k < end; k++) if (weights[k] !== 0) return true;
    return false;
  };
  return {
    someInput: (o, test) => {
      const first = Math.floor(o / perGroup) * inputs;
      for (let i = 0, pair = o * inputs; i < inputs; i++, pair++) if (joined(pair) && test(first + i, pair)) return true;
      return false;
    },
    someFilter: (i, test) => {
      const first = Math.floor(i / inputs) * perGroup;
      for (let o = first; o < first + perGroup; o++) if (test(o) && joined(o * inputs + (i % inputs))) return true;
      return false;
    },
  };
}

/** The input channel, counted over all groups, of kernel `pair` of the O · I/g kernels. */
export function inputChannel({ dims, groups }: Layer, pair: number): number {
  const filter = Math.floor(pair / dims[1]);
  return Math.floor(filter / (dims[0] / groups)) * dims[1] + (pair % dims[1]);
}

/** Channels one after the other. */
const concat: Rule = {
  forward: (place, inputs) => {
    const out = all(place, place.node.outputs[0], false);
    inputs.forEach((flags, i) => out.set(flags, offsetOf(place, i)));
    return out;
  },
  backward: (place, output, i) => {
    const first = offsetOf(place, i);
    return output.slice(first, first + channelsOf(place, place.node.inputs[i]));
  },
};

/** The output channel at which input `i` of a concatenation begins. */
export function offsetOf(place: Place, i: number): number {
  return place.node.inputs.slice(0, i).reduce((sum, name) => sum + channelsOf(place, name), 0);
}

/** A new shape for the same elements in the same order, batch kept: one channel becomes several, or several become one. */
const regroup: Rule = {
  forward: (place, inputs) => stretch(inputs[0], channelsOf(place, place.node.outputs[0])),
  backward: (place, output) => stretch(output, channelsOf(place, place.node.inputs[0])),
};

function stretch(flags: Flags, length: number): Flags {
  const out = new Uint8Array(length);
  const most = Math.max(length, flags.length);
  for (let c = 0; c < most; c++) if (flags[Math.floor((c * flags.length) / most)]) out[Math.floor((c * length) / most)] = 1;
  return out;
}

/** Whether the rule holds for this very node; if not, the node is `mixing`. */
type Condition = (place: Place) => boolean;

const hasWeight: Condition = ({ graph, types, node }) => {
  const rank = types.get(node.inputs[0])?.shape.length;
  const layer = layerOf(graph, node);
  const linear = layer !== undefined && layer.dims[2] === 1 && node.op !== 'Conv' && node.op !== 'ConvTranspose';
  return layer !== undefined && !node.attrs.transA && (!linear || rank === 2);
};

const keepsChannels: Condition = (place) => {
  const { graph, node } = place;
  return aligned(place, 0) && node.inputs.slice(1).every((name) => name === '' || graph.constants.has(name));
};

const padsOnlyImages: Condition = (place) => {
  const pads = place.graph.constants.get(place.node.inputs[1]);
  const rank = shapeOf(place, place.node.outputs[0]).length;
  const whole = pads !== undefined && !place.node.inputs[3] && pads.size === 2 * rank;
  return whole && keepsChannels(place) && Number(pads.data[1]) === 0 && Number(pads.data[1 + rank]) === 0;
};

/** Sums, means and extremes over the image, whose channels stay where they are. */
const reducesImages: Condition = (place) => {
  const { graph, node } = place, axes = graph.constants.get(node.inputs[1]);
  const [from, to] = [shapeOf(place, node.inputs[0]), shapeOf(place, node.outputs[0])];
  const inside = (axis: number): boolean => (axis < 0 ? axis + from.length : axis) > 1;
  return axes !== undefined && axes.size > 0 && Array.from(numbersOf(axes)).every(inside) && from[1] === to[1];
};

const alongChannels: Condition = (place) => {
  const axis = Number(place.node.attrs.axis);
  const rank = shapeOf(place, place.node.outputs[0]).length;
  return rank > 1 && (axis === 1 || axis + rank === 1);
};

const keepsOrder: Condition = (place) => {
  const [from, to] = [shapeOf(place, place.node.inputs[0]), shapeOf(place, place.node.outputs[0])];
  if (from.length < 2 || to.length < 2 || from[0] !== to[0] || sizeOf(from) !== sizeOf(to)) return false;
  return from[1] > 0 && to[1] > 0 && (from[1] % to[1] === 0 || to[1] % from[1] === 0);
};

const rules = { weighted, channelwise, elementwise, concat, regroup, mixing } satisfies Record<string, Rule>;

/** How channels pass through an operator, in a word. */
export type Passage = keyof typeof rules;

interface Row {
  readonly passage: Passage;
  readonly when: Condition;
  readonly ops: readonly string[];
}

const rows: readonly Row[] = [
  { passage: 'weighted', when: hasWeight, ops: ['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'Linear'] },
  {
    passage: 'channelwise', when: keepsChannels, ops: [
      'BatchNormalization', 'InstanceNormalization', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'Resize',
      ...Object.keys(unary),
    ],
  },
  { passage: 'channelwise', when: padsOnlyImages, ops: ['Pad'] },
  { passage: 'channelwise', when: reducesImages, ops: ['ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin'] },
  { passage: 'elementwise', when: () => true, ops: ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Min', 'Max', 'Sum', 'PRelu'] },
  { passage: 'concat', when: alongChannels, ops: ['Concat'] },
  { passage: 'regroup', when: keepsOrder, ops: ['Flatten', 'Reshape', 'Squeeze', 'Unsqueeze'] },
];

/** How channels pass through this very node. */
export function passageOf(place: Place): Passage {
  const row = rows.find(({ ops }) => ops.includes(place.node.op));
  return row?.when(place) ? row.passage : 'mixing';
}

const ruleOf = (place: Place): Rule => rules[passageOf(place)];

/** Which channels of a graph matter, given the types of its values. */
export function livenessOf(graph: Graph, types: Types): Liveness {
  const context = { graph, types };
  const varies = forwards(context);
  return { varies, needed: backwards(context) };
}

function forwards(context: Context): Map<string, Flags> {
  const { graph } = context;
  const ends = new Set(graph.outputs.map(({ name }) => name));
  const varies = new Map<string, Flags>();
  for (const { name } of graph.inputs) varies.set(name, all(context, name, true));
  for (const node of graph.nodes) {
    const place = { ...context, node };
    const inputs = node.inputs.map((name) => varies.get(name) ?? all(context, name, false));
    node.outputs.forEach((name, i) => {
      const flags = i === 0 ? ruleOf(place).forward(place, inputs) : all(context, name, inputs.some(any));
      // The outputs of a network never shrink.
      varies.set(name, ends.has(name) ? ones(flags.length) : flags);
    });
  }
  return varies;
}

function backwards(context: Context): Map<string, Flags> {
  const { graph } = context;
  const needed = new Map<string, Flags>();
  const note = (name: string, flags: Flags): void => {
    const known = needed.get(name);
    if (known) merge(known, flags);
    else needed.set(name, flags.slice());
  };
  for (const { name } of graph.outputs) note(name, all(context, name, true));
  for (const node of graph.nodes.toReversed()) {
    const place = { ...context, node };
    const [output = all(context, node.outputs[0], false), ...others] = node.outputs.map((name) => needed.get(name));
    const rule = others.some((flags) => flags && any(flags)) ? undefined : ruleOf(place);
    node.inputs.forEach((name, i) => {
      if (name === '' || graph.constants.has(name)) return;
      note(name, rule ? rule.backward(place, output, i) : all(context, name, true));
    });
  }
  return needed;
}
