import { channelsOf, callOf, isComputed, type Channels, type Passage, type Place } from '../channels/index.ts';
import { layerOf, readWeight, type Layer } from '../layers.ts';
import { neededIn, type Flags } from '../liveness.ts';
import { convGeometry } from '../ops/window.ts';
import { editOf } from './edits.ts';
import { sharedIn, type Shared, type Use } from './shared.ts';
import { isPlain, knownIn, scaleOf, seesBorder, type Known, type KnowOptions } from './uniform.ts';
import { worklistOf } from './worklist.ts';
import { withoutZeroed } from './zeros.ts';

// A channel goes where nothing needs it, or where it is one known number or image that its readers can take into what they add. What is
// multiplied by a channel that is 0 everywhere is not needed: of squeeze and excitation the gate goes with the channel, and its branch.
// Operators tie channels of several values together (an addition has the same ones on both sides): what one cannot lose all keep.

export interface CutOptions extends KnowOptions {
  /** Constants that follow from sizes that are not fixed: what reads them as lengths may find the new ones by itself. */
  readonly following?: ReadonlySet<string>;
  /** Those of them that have to stay as they are. */
  readonly frozen?: ReadonlySet<string>;
  /** Values that have to stay whole. */
  readonly whole?: ReadonlySet<string>;
  /** Constants that stay one tensor however many nodes read them: they lose what all these lose. Others may become one for each node. */
  readonly single?: ReadonlySet<string>;
}

/** Channels that go, by value; a value without a row keeps all. `needed` and `known` as the graph stands before. */
export interface Dead {
  readonly drop: ReadonlyMap<string, Flags>;
  readonly needed: ReadonlyMap<string, Flags>;
  readonly known: ReadonlyMap<string, Known>;
  readonly options: CutOptions;
  /** Why channels stay that could have gone, by value and channel. */
  readonly kept: ReadonlyMap<string, ReadonlyMap<number, string>>;
}

interface State extends Dead {
  readonly drop: Map<string, Flags>;
  readonly kept: Map<string, Map<number, string>>;
  /** Told of each value that keeps a channel more. */
  readonly touched: (name: string) => void;
}

/** Whether some filter is all zeros or some input channel is read by none: without one there is nothing to follow. */
export function mayBeDead({ graph }: Pick<Channels, 'graph'>): boolean {
  return graph.nodes.some((node) => {
    const layer = layerOf(graph, node);
    if (!layer || layer.dims.includes(0)) return false;
    const weights = readWeight(graph, layer), [filters, inputs, ...window] = layer.dims;
    const area = window[0] * window[1], row = inputs * area, perGroup = filters / layer.groups;
    const zeros = (first: number): boolean => {
      for (let k = first; k < first + row; k++) if (weights[k] !== 0) return false;
      return true;
    };
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
function candidates(channels: Channels, state: State): void {
  const ends = new Set(channels.graph.outputs.map(({ name }) => name));
  for (const [name, { numbers, maps }] of state.known) {
    const read = state.needed.get(name), axis = channels.axes.get(name) ?? -1;
    if (ends.has(name) || axis < 0 || state.options.whole?.has(name)) continue;
    const flags = Uint8Array.from(numbers, (value, c) => (read?.[c] && Number.isNaN(value) && !maps.has(c) ? 0 : 1));
    state.drop.set(name, flags);
    if (flags.includes(0)) continue;
    flags[0] = 0;
    note(state, name, 0, 'the last channel of a value stays');
  }
}

function note(state: State, name: string, channel: number, why: string): void {
  const reasons = state.kept.get(name) ?? new Map<number, string>();
  state.kept.set(name, reasons.set(channel, reasons.get(channel) ?? why));
}

/** What a node does, or the reason it passes on. */
type Why = readonly [place: Place, text: string, passed?: string];

function keep(state: State, name: string, channel: number, [{ node }, text, passed]: Why): void {
  const flags = state.drop.get(name);
  if (!flags?.[channel]) return;
  flags[channel] = 0;
  state.touched(name);
  note(state, name, channel, passed ?? `'${node.name}' (${node.op}) ${text}`);
}

const gone = (state: Dead, name: string, channel: number): boolean => state.drop.get(name)?.[channel] === 1;

function keepAll(state: State, name: string, why: Why): void {
  const [place] = why;
  if (state.drop.get(name)?.includes(1)) for (let c = 0; c < channelsOf(place, name); c++) keep(state, name, c, why);
}

type Channel = readonly [value: string, channel: number];

/** Keeps a channel of one value and one of another together. */
function tie(state: State, place: Place, [x, a]: Channel, [y, b]: Channel): void {
  if (gone(state, x, a) === gone(state, y, b)) return;
  keep(state, x, a, [place, `ties it to a channel of '${y}' that stays`, state.kept.get(y)?.get(b)]);
  keep(state, y, b, [place, `ties it to a channel of '${x}' that stays`, state.kept.get(x)?.get(a)]);
}

type Rule = (state: State, place: Place, passage: Passage) => void;

const mixing: Rule = (state, place) => {
  const { inputs, outputs } = place.node;
  for (const name of [...inputs.filter((input) => isComputed(place, input)), ...outputs]) keepAll(state, name, [place, 'mixes channels']);
};

const isFrozen = ({ options }: Dead, name: string | undefined): boolean => name !== undefined && options.frozen?.has(name) === true;

const linked: Rule = (state, place, passage) => {
  const { node } = place;
  if (editOf(node.op).inputs(place).some((i) => isFrozen(state, node.inputs[i]))) return mixing(state, place, passage);
  for (const { input, output, from, to, spread } of passage.links) {
    const [x, y] = [node.inputs[input], node.outputs[output]];
    if (spread) keepAll(state, x, [place, 'spreads it over all channels']);
    else if (state.drop.has(x) || state.drop.has(y)) for (let k = 0; k < from.length; k++) tie(state, place, [x, from[k]], [y, to[k]]);
  }
};

/** Whether something other than zero goes with channel `i` of a layer's input: it has to be made up for. */
export function isOwed({ needed, known }: Dead, input: string, i: number): boolean {
  const { numbers, maps } = known.get(input)!;
  return needed.get(input)?.[i] === 1 && (maps.has(i) || (!Number.isNaN(numbers[i]) && numbers[i] !== 0));
}

/** The channels of a layer's input that go and are owed. */
export function owedTo(dead: Dead, { node: { inputs: [input] } }: Place): number[] {
  const flags = dead.drop.get(input);
  return flags ? [...flags.keys()].filter((i) => flags[i] === 1 && isOwed(dead, input, i)) : [];
}

/**
 * The channel that stands for all constant ones of a layer's input that go: at the border their sum is another, but it is a multiple of
 * any one of them at every place. The one that stays with the largest number; −1 where none stays.
 */
export function carrierOf(dead: Dead, input: string): number {
  const numbers = dead.known.get(input)?.numbers ?? new Float64Array();
  return numbers.reduce((best, value, i) => {
    const fits = !gone(dead, input, i) && value !== 0 && !Number.isNaN(value);
    return fits && (best < 0 || Math.abs(value) > Math.abs(numbers[best])) ? i : best;
  }, -1);
}

/** A number this many times smaller than another does not stand for it: products with it would lose digits. */
const MOST_SHARE = 16;
/** An element of a bias map, read from memory at every run and held in the file, against the nine multiply-adds of a 3x3 carrier. */
const MAP_PRICE = 9;
/** Elements of a bias map: 16 MiB. */
const MOST_MAP = 2 ** 22;

/** Whether a layer can add an image to what it makes. */
function takesMap(state: Dead, place: Place, layer: Layer): boolean {
  const { node } = place, added = node.inputs[3];
  if (!state.options.maps || node.op !== 'Conv' || (added && isComputed(place, added))) return false;
  const { out, batch } = convGeometry(callOf(place));
  return batch * layer.dims[0] * out[0] * out[1] <= MOST_MAP;
}

/** How a layer makes up for the channels it loses: in its bias, by one of them that stays, or by an image that it adds. */
export type Making = 'bias' | 'carrier' | 'map';

/** Whether the weight of a layer has to be the same for all that read it, whatever is owed to each. */
const isSingle = ({ options }: Dead, layer: Layer): boolean => options.single?.has(layer.weight) === true;

/** The cheapest way for what is owed now; undefined where there is none, and the maps (or all, of groups and shared weights) stay. */
export function makingOf(state: Dead, place: Place, layer: Layer): Making | undefined {
  const owed = owedInLiving(state, place, layer), maps = owed.filter((i) => state.known.get(place.node.inputs[0])!.maps.has(i)).length;
  if (!owed.length || (!maps && !seesBorder(place, state.options.open))) return 'bias';
  if (isSingle(state, layer)) return undefined;
  const taps = layer.dims[2] * layer.dims[3], carries = layer.groups === 1 && !maps;
  const saved = carries ? taps : (owed.length * taps) / layer.groups;
  if (saved > MAP_PRICE && takesMap(state, place, layer)) return 'map';
  return carries ? 'carrier' : undefined;
}

/** Owed channels of groups of which something stays. */
export function owedInLiving(state: Dead, place: Place, layer: Layer): number[] {
  const owed = owedTo(state, place);
  if (layer.groups === 1 || !owed.length) return owed;
  const gone_ = Array.from({ length: layer.groups }, (_, group) => isGroupGone(state, layer, group));
  return owed.filter((i) => !gone_[Math.floor(i / layer.dims[1])]);
}

const CARRIED = 'stands for the constant channels at the border of its padding', UNPAID = 'pads, and an image to add would cost more';

/** Keeps of what is owed what the layer cannot make up for. */
function settle(state: State, place: Place, layer: Layer): void {
  const [input] = place.node.inputs, making = makingOf(state, place, layer);
  if (making === undefined) {
    const { maps } = state.known.get(input)!, owed = owedInLiving(state, place, layer);
    const all = layer.groups > 1 || isSingle(state, layer);
    for (const i of owed) if (all || maps.has(i)) keep(state, input, i, [place, UNPAID]);
    return all ? undefined : settle(state, place, layer);
  }
  if (making !== 'carrier') return;
  const { numbers } = state.known.get(input)!, owed = owedTo(state, place), carrier = carrierOf(state, input);
  const largest = owed.reduce((a, b) => (Math.abs(numbers[b]) > Math.abs(numbers[a]) ? b : a));
  const weak = carrier < 0 || Math.abs(numbers[carrier]) * MOST_SHARE < Math.abs(numbers[largest]);
  if (weak) keep(state, input, largest, [place, CARRIED]);
}

/** Places `first` … `first + length` of a value. */
interface Span { readonly name: string; readonly first: number; readonly length: number }

function lost(state: Dead, { name, first, length }: Span): number {
  const flags = state.drop.get(name);
  let count = 0;
  for (let c = first; flags && c < first + length; c++) count += flags[c];
  return count;
}

/** The spans of input and output channels that a group joins. */
function spansOf({ node, dims, groups }: Layer, group: number): [Span, Span] {
  const perGroup = dims[0] / groups;
  return [
    { name: node.inputs[0], first: group * dims[1], length: dims[1] }, { name: node.outputs[0], first: group * perGroup, length: perGroup },
  ];
}

/** Whether nothing of a group stays. */
export const isGroupGone = (state: Dead, layer: Layer, group: number): boolean =>
  spansOf(layer, group).every((span) => lost(state, span) === span.length);

/** Groups go whole, or lose the same number of channels each. */
function evenGroups(state: State, place: Place, layer: Layer): void {
  const groups = Array.from({ length: layer.groups }, (_, group) => group).filter((group) => !isGroupGone(state, layer, group));
  for (const side of [0, 1] as const) {
    const spans = groups.map((group) => spansOf(layer, group)[side]);
    const most = spans.reduce((sofar, span) => Math.max(sofar, span.length - lost(state, span)), 1);
    for (const span of spans) {
      for (let c = span.first; span.length - lost(state, span) < most; c++) keep(state, span.name, c, [place, 'has groups of one size']);
    }
  }
}

const weighted: Rule = (state, place, passage) => {
  const { graph, node } = place, layer = layerOf(graph, node)!, [x, , , residual] = node.inputs, [y] = node.outputs;
  if (!isPlain(place) || node.inputs.some((name) => state.options.following?.has(name))) return mixing(state, place, passage);
  if (!passage.reads) keepAll(state, x, [place, 'reads across channels']);
  if (residual && isComputed(place, residual)) {
    for (let c = 0; c < channelsOf(place, y); c++) tie(state, place, [residual, c], [y, c]);
  }
  if (!state.drop.has(x) && layer.groups === 1) return;
  if (state.drop.has(x)) settle(state, place, layer);
  if (layer.groups > 1) evenGroups(state, place, layer);
};

const rules: Readonly<Record<Passage['kind'], Rule>> = { weighted, linked, mixing };

/** A constant that stays one tensor: its places go where they go for all that read it. */
function share(state: State, { name, uses, alike }: Shared): void {
  const [first, ...others] = uses, what = `shares '${name}' with nodes that read it `;
  const each = (use: Use, look: (channel: Channel, s: number, c: number) => void): void =>
    use.spans.forEach(({ value, first: from, length }, s) => { for (let c = 0; c < length; c++) look([value, from + c], s, c); });
  if (!alike) {
    for (const use of uses) each(use, ([value, c]) => keep(state, value, c, [use.place, `${what}otherwise`]));
    return;
  }
  for (const use of others) {
    each(use, ([y, b], s, c) => {
      const { value: x, first: from } = first.spans[s], a = from + c;
      if (gone(state, x, a) === gone(state, y, b)) return;
      keep(state, x, a, [first.place, `${what}for channels that stay`]);
      keep(state, y, b, [use.place, `${what}for channels that stay`]);
    });
  }
  if (first?.layer) oweAlike(state, uses, `${what}for other constants`);
}

/**
 * One weight for several layers pays for one bias. So what is owed them has to be the same number where they share that, or have none,
 * and may differ where each has one of its own already.
 */
function oweAlike(state: State, uses: readonly Use[], why: string): void {
  const [{ place: { node: { inputs: [, , bias = ''] } }, layer }] = uses;
  if (uses.every(({ ownBias }) => ownBias)) return;
  const oneBias = uses.every(({ place }) => (place.node.inputs[2] ?? '') === bias);
  const owes = ({ place: { node } }: Use, i: number): number => {
    const [x] = node.inputs, owed = gone(state, x, i) && isOwed(state, x, i);
    return owed ? scaleOf(node, 'alpha') * state.known.get(x)!.numbers[i] : 0;
  };
  for (let i = 0; i < layer!.dims[1] * layer!.groups; i++) {
    const [one, ...others] = uses.map((use) => owes(use, i));
    if (others.every((other) => other === one) && (oneBias || one === 0)) continue;
    for (const { place } of uses) keep(state, place.node.inputs[0], i, [place, why]);
  }
}

/** What holds channels together, to be looked at again when one of its values keeps more. */
interface Constraint { readonly values: Iterable<string>; readonly apply: (state: State) => void }

function constraintsIn(channels: Channels, { single = new Set() }: CutOptions): Constraint[] {
  const { graph, passages } = channels;
  const nodes = graph.nodes.map((node): Constraint => {
    const passage = passages.get(node)!, place = { ...channels, node };
    return { values: new Set([...node.inputs, ...node.outputs]), apply: (state) => rules[passage.kind](state, place, passage) };
  });
  const constants = sharedIn(channels, single).map((shared): Constraint => ({
    values: new Set(shared.uses.flatMap(({ spans }) => spans.map(({ value }) => value))), apply: (state) => share(state, shared),
  }));
  return [...nodes, ...constants];
}

/** By value, the constraints it is under, by number. */
function around(constraints: readonly Constraint[]): Map<string, number[]> {
  const found = new Map<string, number[]>();
  constraints.forEach(({ values }, i) => {
    for (const name of values) {
      const list = found.get(name);
      if (list) list.push(i);
      else found.set(name, [i]);
    }
  });
  return found;
}

/** The largest set of channels that can go. */
export function deadIn(channels: Channels, options: CutOptions): Dead {
  const constraints = constraintsIn(channels, options), near = around(constraints), open = worklistOf(constraints.length);
  const { known, seenAt } = knownIn(channels, options);
  const state: State = {
    drop: new Map(), needed: neededIn(withoutZeroed(channels, seenAt)), known, options, kept: new Map(),
    touched: (name) => near.get(name)!.forEach((i) => open.add(i)),
  };
  candidates(channels, state);
  for (let i = open.next(); i !== undefined; i = open.next()) constraints[i].apply(state);
  return state;
}
