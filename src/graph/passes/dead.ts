import { layerOf, readWeight, type Layer } from '../layers.ts';
import {
  aligned, channelsOf, livenessOf, offsetOf, passageOf, shapeOf, type Context, type Flags, type Passage, type Place,
} from '../liveness.ts';
import { isPlain, seesBorder, uniformsOf, type Uniform } from './uniform.ts';

// A channel goes where nothing needs it, or where it is one known number that its readers can take into their biases. Operators tie
// channels of several values together (an addition has the same ones on both sides): what one of them cannot lose all keep.

/** Channels that go, by value; a value without a row keeps all. `needed` and `uniform` as the graph stands before. */
export interface Dead {
  readonly drop: ReadonlyMap<string, Flags>;
  readonly needed: ReadonlyMap<string, Flags>;
  readonly uniform: ReadonlyMap<string, Uniform>;
}

interface State extends Dead {
  readonly drop: Map<string, Flags>;
  changed: boolean;
}

/** Whether some filter is all zeros or some input channel is read by none: without one there is nothing to follow. */
export function mayBeDead({ graph }: Context): boolean {
  return graph.nodes.some((node) => {
    const layer = layerOf(graph, node);
    if (!layer || layer.dims.includes(0)) return false;
    const weights = readWeight(graph, layer), [filters, inputs, ...window] = layer.dims;
    const area = window[0] * window[1], row = inputs * area, perGroup = filters / layer.groups;
    const zeros = (first: number): boolean => weights.subarray(first, first + row).every((weight) => weight === 0);
    const unread = (group: number, input: number): boolean => {
      for (let o = group * perGroup; o < (group + 1) * perGroup; o++) {
        for (let k = 0; k < area; k++) if (weights[o * row + input * area + k] !== 0) return false;
      }
      return true;
    };
    const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
    return count(filters).some((o) => zeros(o * row)) || count(layer.groups).some((g) => count(inputs).some((i) => unread(g, i)));
  });
}

/** What could go if no operator objected. Inputs and outputs of the graph keep everything. */
function candidates(context: Context, needed: Dead['needed'], uniform: Dead['uniform']): Map<string, Flags> {
  const ends = new Set(context.graph.outputs.map(({ name }) => name)), drop = new Map<string, Flags>();
  for (const name of context.graph.nodes.flatMap(({ outputs }) => outputs)) {
    if (name === '' || ends.has(name) || shapeOf(context, name).length < 2) continue;
    const read = needed.get(name), numbers = uniform.get(name)!;
    const flags = numbers.map((value, c) => (read?.[c] && Number.isNaN(value) ? 0 : 1));
    // No value is left without a channel.
    if (!flags.includes(0)) flags[0] = 0;
    drop.set(name, Uint8Array.from(flags));
  }
  return drop;
}

function keep(state: State, name: string, channel: number): void {
  const flags = state.drop.get(name);
  if (!flags?.[channel]) return;
  flags[channel] = 0;
  state.changed = true;
}

const gone = (state: Dead, name: string, channel: number): boolean => state.drop.get(name)?.[channel] === 1;

function keepAll(state: State, place: Place, name: string): void {
  for (let c = 0; c < channelsOf(place, name); c++) keep(state, name, c);
}

/** Keeps channel `a` of one value and `b` of another together. */
function tie(state: State, x: string, a: number, y: string, b: number): void {
  if (gone(state, x, a) === gone(state, y, b)) return;
  keep(state, x, a);
  keep(state, y, b);
}

function tieAll(state: State, place: Place, x: string, y: string): void {
  for (let c = 0; c < channelsOf(place, x); c++) tie(state, x, c, y, c);
}

type Rule = (state: State, place: Place) => void;

const isComputed = ({ graph }: Place, name: string): boolean => name !== '' && !graph.constants.has(name);

const mixing: Rule = (state, place) => {
  for (const name of [...place.node.inputs.filter((input) => isComputed(place, input)), ...place.node.outputs]) keepAll(state, place, name);
};

const channelwise: Rule = (state, place) => {
  const { node } = place;
  // Sizes for some axes only are not worth following.
  if (node.outputs.length > 1 || (node.op === 'Resize' && (node.inputs[1] || node.attrs.axes))) return mixing(state, place);
  tieAll(state, place, node.inputs[0], node.outputs[0]);
};

const elementwise: Rule = (state, place) => {
  const [out] = place.node.outputs, shape = shapeOf(place, out);
  for (const [i, name] of place.node.inputs.entries()) {
    if (!isComputed(place, name)) continue;
    const own = shapeOf(place, name), axis = 1 - (shape.length - own.length);
    if (aligned(place, i)) tieAll(state, place, name, out);
    else if (axis >= 0 && own[axis] !== 1) mixing(state, place);
    else keepAll(state, place, name);
  }
};

const concat: Rule = (state, place) => {
  const [out] = place.node.outputs;
  place.node.inputs.forEach((name, i) => {
    for (let c = 0; c < channelsOf(place, name); c++) tie(state, name, c, out, offsetOf(place, i) + c);
  });
};

const regroup: Rule = (state, place) => {
  const { inputs: [x], outputs: [y] } = place.node, from = channelsOf(place, x), to = channelsOf(place, y), most = Math.max(from, to);
  for (let c = 0; c < most; c++) tie(state, x, Math.floor((c * from) / most), y, Math.floor((c * to) / most));
};

/** Whether a number other than zero goes with channel `i` of a layer's input: it has to be made up for. */
export function isOwed({ needed, uniform }: Dead, input: string, i: number): boolean {
  const value = uniform.get(input)?.[i];
  return value !== undefined && !Number.isNaN(value) && value !== 0 && needed.get(input)?.[i] === 1;
}

/**
 * The channel that stands for all constant ones of a layer's input that go: at the border their sum is another, but it is a multiple of
 * any one of them at every place. The one that stays with the largest number; −1 where none stays.
 */
export function carrierOf(dead: Dead, input: string): number {
  const numbers = dead.uniform.get(input) ?? new Float64Array();
  return numbers.reduce((best, value, i) => {
    const fits = !gone(dead, input, i) && value !== 0 && !Number.isNaN(value);
    return fits && (best < 0 || Math.abs(value) > Math.abs(numbers[best])) ? i : best;
  }, -1);
}

/** A number this many times smaller than another does not stand for it: products with it would lose digits. */
const MOST_SHARE = 16;

/** A layer of one group loses any filter and any input, but for one of the constants it reads where it pads. */
function oneGroup(state: State, place: Place): void {
  const [input] = place.node.inputs, numbers = state.uniform.get(input);
  if (!numbers || !seesBorder(place)) return;
  const owed = [...numbers.keys()].filter((i) => gone(state, input, i) && isOwed(state, input, i));
  if (!owed.length) return;
  const largest = owed.reduce((a, b) => (Math.abs(numbers[b]) > Math.abs(numbers[a]) ? b : a)), carrier = carrierOf(state, input);
  if (carrier < 0 || Math.abs(numbers[carrier]) * MOST_SHARE < Math.abs(numbers[largest])) keep(state, input, largest);
}

/** Places `first` … `first + length` of a value. */
interface Span { readonly name: string; readonly first: number; readonly length: number }

const lost = (state: Dead, { name, first, length }: Span): number =>
  (state.drop.get(name)?.subarray(first, first + length) ?? new Uint8Array()).reduce((sum, flag) => sum + flag, 0);

/** The spans of input and output channels that a group joins. */
export function spansOf({ node, dims, groups }: Layer, group: number): [Span, Span] {
  const perGroup = dims[0] / groups;
  return [
    { name: node.inputs[0], first: group * dims[1], length: dims[1] }, { name: node.outputs[0], first: group * perGroup, length: perGroup },
  ];
}

/** Whether nothing of a group stays. */
export const isGroupGone = (state: Dead, layer: Layer, group: number): boolean =>
  spansOf(layer, group).every((span) => lost(state, span) === span.length);

/** Groups go whole, or lose the same number of channels each. */
function manyGroups(state: State, place: Place, layer: Layer): void {
  const border = seesBorder(place), [input] = place.node.inputs;
  if (border) for (let i = 0; i < channelsOf(place, input); i++) if (isOwed(state, input, i)) keep(state, input, i);
  const groups = Array.from({ length: layer.groups }, (_, group) => group).filter((group) => !isGroupGone(state, layer, group));
  for (const side of [0, 1] as const) {
    const spans = groups.map((group) => spansOf(layer, group)[side]);
    const most = Math.max(1, ...spans.map((span) => span.length - lost(state, span)));
    for (const span of spans) {
      for (let c = span.first; span.length - lost(state, span) < most; c++) keep(state, span.name, c);
    }
  }
}

const weighted: Rule = (state, place) => {
  const { graph, node } = place, layer = layerOf(graph, node)!;
  if (!isPlain(place)) return mixing(state, place);
  if (node.inputs[3]) tieAll(state, place, node.inputs[3], node.outputs[0]);
  if (layer.groups > 1) manyGroups(state, place, layer);
  else oneGroup(state, place);
};

const rules: Readonly<Record<Passage, Rule>> = { weighted, channelwise, elementwise, concat, regroup, mixing };

/** The largest set of channels that can go. */
export function deadIn(context: Context): Dead {
  const { needed } = livenessOf(context.graph, context.types), uniform = uniformsOf(context);
  const state: State = { drop: candidates(context, needed, uniform), needed, uniform, changed: true };
  const places = context.graph.nodes.map((node) => ({ ...context, node })).map((place) => ({ place, rule: rules[passageOf(place)] }));
  while (state.changed) {
    state.changed = false;
    for (const { place, rule } of places) rule(state, place);
  }
  return state;
}
