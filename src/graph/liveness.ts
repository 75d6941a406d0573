import { channelsIn, channelsOf, isConstant, type Channels, type Context, type Passage, type Place, type Types } from './channels/index.ts';
import type { Graph } from './graph.ts';
import { layerOf, readWeight, type Layer } from './layers.ts';

export type { Types };

/** One byte a channel of a value, 1 = yes. */
export type Flags = Uint8Array;

/**
 * Which channels matter. `varies`: the channel depends on the network's inputs; one that does not is a constant, which can
 * be folded into the biases after it. `needed`: some output depends on the channel. Operators that are not in the table of
 * `channels/` count as mixing all channels, so that nothing is called dead that is not.
 */
export interface Liveness {
  readonly varies: ReadonlyMap<string, Flags>;
  readonly needed: ReadonlyMap<string, Flags>;
}

const ones = (length: number): Flags => new Uint8Array(length).fill(1);
const any = (flags: Flags): boolean => flags.includes(1);
const all = (context: Context, name: string, flag: boolean): Flags => new Uint8Array(channelsOf(context, name)).fill(flag ? 1 : 0);

function merge(into: Flags, from: Flags): void {
  for (let c = 0; c < into.length; c++) into[c] |= from[c];
}

/** How flags pass through a node of one kind. */
interface Rule {
  /** From the flags of the inputs, those of output `output`. */
  readonly forward: (place: Place, passage: Passage, inputs: readonly Flags[], output: number) => Flags;
  /** From the flags of the outputs, those of input `input`. */
  readonly backward: (place: Place, passage: Passage, outputs: readonly Flags[], input: number) => Flags;
}

/** Everything depends on everything. */
const mixing: Rule = {
  forward: (place, _passage, inputs, output) => all(place, place.node.outputs[output], inputs.some(any)),
  backward: (place, _passage, outputs, input) => all(place, place.node.inputs[input], outputs.some(any)),
};

const linked: Rule = {
  forward: (place, { links }, inputs, output) => {
    const flags = all(place, place.node.outputs[output], false);
    for (const link of links) {
      if (link.output !== output) continue;
      for (let k = 0; k < link.to.length; k++) if (!link.blocked?.[k]) flags[link.to[k]] |= inputs[link.input][link.from[k]];
    }
    return flags;
  },
  backward: (place, { links }, outputs, input) => {
    const flags = all(place, place.node.inputs[input], false);
    for (const link of links) {
      if (link.input !== input) continue;
      for (let k = 0; k < link.to.length; k++) if (!link.blocked?.[k]) flags[link.from[k]] |= outputs[link.output][link.to[k]];
    }
    return flags;
  },
};

/** A constant weight: channel i reaches filter o where their kernel is not all zero. A fused residual (input 3) is added. */
const weighted: Rule = {
  forward: (place, passage, inputs) => {
    const links = linksOf(place), added = inputs.length > 2 && any(inputs[2]), read = passage.reads ? inputs[0] : undefined;
    const out = all(place, place.node.outputs[0], added), some = any(inputs[0]);
    const varies = (i: number): boolean => (read ? read[i] === 1 : some);
    if (!added) for (let o = 0; o < out.length; o++) if (links.someInput(o, varies)) out[o] = 1;
    if (inputs.length > 3) merge(out, inputs[3]);
    return out;
  },
  backward: (place, passage, [output], input) => {
    if (input === 3) return output;
    if (input !== 0 || !passage.reads) return mixing.backward(place, passage, [output], input);
    const links = linksOf(place), needed = all(place, place.node.inputs[0], false);
    for (let i = 0; i < needed.length; i++) if (links.someFilter(i, (o) => output[o] === 1)) needed[i] = 1;
    return needed;
  },
};

const rules: Readonly<Record<Passage['kind'], Rule>> = { weighted, linked, mixing };

/** Which channels a layer's kernels that are not all zero join, counted over all groups. Both stop at the first that passes. */
export interface KernelLinks {
  /** Whether an input channel that filter `o` reads passes; `pair` is the number of their kernel. */
  readonly someInput: (o: number, test: (i: number, pair: number) => boolean) => boolean;
  /** Whether a filter that reads input channel `i` passes. */
  readonly someFilter: (i: number, test: (o: number) => boolean) => boolean;
}

export function linksOf({ graph, node }: Place): KernelLinks {
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

/** Which channels of a graph matter, given the types of its values. */
export function livenessOf(graph: Graph, types: Types): Liveness {
  const channels = channelsIn(graph, types);
  return { varies: forwards(channels), needed: neededIn(channels) };
}

function forwards(channels: Channels): Map<string, Flags> {
  const { graph, passages } = channels;
  const ends = new Set(graph.outputs.map(({ name }) => name));
  const varies = new Map<string, Flags>();
  for (const { name } of graph.inputs) varies.set(name, all(channels, name, true));
  for (const node of graph.nodes) {
    const place = { ...channels, node }, passage = passages.get(node)!;
    const inputs = node.inputs.map((name) => varies.get(name) ?? all(channels, name, false));
    node.outputs.forEach((name, i) => {
      const flags = rules[passage.kind].forward(place, passage, inputs, i);
      // The outputs of a network never shrink.
      varies.set(name, ends.has(name) ? ones(flags.length) : flags);
    });
  }
  return varies;
}

/** Which channels of each computed value some output depends on. */
export function neededIn(channels: Channels): Map<string, Flags> {
  const { graph, passages } = channels, needed = new Map<string, Flags>();
  const note = (name: string, flags: Flags): void => {
    const known = needed.get(name);
    if (known) merge(known, flags);
    else needed.set(name, flags.slice());
  };
  for (const { name } of graph.outputs) note(name, all(channels, name, true));
  for (const node of graph.nodes.toReversed()) {
    const place = { ...channels, node }, passage = passages.get(node)!;
    const outputs = node.outputs.map((name) => needed.get(name) ?? all(channels, name, false));
    node.inputs.forEach((name, i) => {
      if (name === '' || isConstant(channels, name)) return;
      note(name, rules[passage.kind].backward(place, passage, outputs, i));
    });
  }
  return needed;
}
