import { numbersOf, Tensor } from '../../tensor.ts';
import {
  axisOf, callOf, channelsOf, isComputed, isConstant, operandAxis, shapeOf, type Channels, type Link, type Passage, type Place,
} from '../channels/index.ts';
import type { Node } from '../graph.ts';
import { layerOf, readWeight } from '../layers.ts';
import { linksOf } from '../liveness.ts';
import { opOf } from '../ops/index.ts';
import { num, text, type Arg } from '../ops/op.ts';
import { padding } from '../ops/select.ts';
import { unary } from '../ops/unary.ts';
import { convGeometry, poolGeometry } from '../ops/window.ts';
import { evaluatedMaps, knownOperand, layerMaps, movedMaps, pooledMaps } from './maps.ts';
import { perChannel } from './scale.ts';
import { finiteIn, zeroedBy } from './zeros.ts';

/** What is known of the channels of a value, whatever the network is fed. */
export interface Known {
  /** One number a channel: what every element of it is; NaN where it is not known to be one number. */
  readonly numbers: Float64Array;
  /** Channels that are the same image for every input, though not one number: what padding makes of a constant. By channel. */
  readonly maps: ReadonlyMap<number, Float64Array>;
}

export interface KnowOptions {
  /** Whether images are followed: their size has to be known. */
  readonly maps: boolean;
  /** The sizes are an example of many. */
  readonly open: boolean;
}

/** A node with what its computed inputs are known to be. */
export interface Seen extends Place {
  readonly passage: Passage;
  readonly known: (name: string) => Known;
  /** Whether a value is taken to be finite, so that 0 times it is 0. */
  readonly finite: (name: string) => boolean;
  readonly options: KnowOptions;
}

type Rule = (seen: Seen) => Known;

const noMaps: ReadonlyMap<number, Float64Array> = new Map();
const justNumbers = (numbers: Float64Array): Known => ({ numbers, maps: noMaps });
const unknown = (length: number): Known => justNumbers(new Float64Array(length).fill(NaN));
const nothing: Rule = (seen) => unknown(channelsOf(seen, seen.node.outputs[0]));
const numbersIn = (seen: Seen, i: number): Float64Array => seen.known(seen.node.inputs[i]).numbers;

/** The same number in every channel, as long as one. */
const same: Rule = (seen) => justNumbers(numbersIn(seen, 0));

/** Whether a layer reads beyond its input, so that a constant channel gives another sum at the border. */
export function seesBorder(place: Place, open = false): boolean {
  if (place.node.op === 'ConvTranspose') return true;
  if (place.node.op !== 'Conv') return false;
  const { pads, kernel } = convGeometry(callOf(place));
  const fits = String(place.node.attrs.auto_pad ?? '').startsWith('SAME') && open && Math.max(...kernel) > 1;
  return fits || pads.some((pad) => pad > 0);
}

const layers = new Set(['Conv', 'ConvTranspose', 'Linear', 'Gemm', 'MatMul']);

/** Layers with constant parameters and nothing but a product, one bias an output, a residual and a clamp in them. */
export function isPlain(place: Place): boolean {
  const { graph, node } = place, bias = node.inputs[2], tensor = graph.constants.get(bias), filters = layerOf(graph, node)?.dims[0];
  const fits = !bias || (tensor !== undefined && (tensor.size === 1 || (tensor.size === filters && tensor.dims.at(-1) === filters)));
  return layers.has(node.op) && fits;
}

/** What a product is multiplied with, of `alpha` and `beta` of Gemm. */
export const scaleOf = (node: Node, name: 'alpha' | 'beta'): number =>
  (node.op === 'Gemm' ? (node.attrs[name] as number | undefined) ?? 1 : 1);

/** What a layer adds to each of its filters. */
export function biasOf({ graph, node }: Place, filters: number): Float64Array {
  const tensor = node.inputs[2] ? graph.constants.get(node.inputs[2]) : undefined, beta = scaleOf(node, 'beta');
  const numbers = tensor && numbersOf(tensor);
  return Float64Array.from({ length: filters }, (_, o) => (numbers ? beta * numbers[numbers.length === 1 ? 0 : o] : 0));
}

/** bias + Σ weight · constant + residual, clamped. */
const weighted: Rule = (seen) => {
  const { graph, node, passage, options } = seen, layer = layerOf(graph, node)!;
  if (!isPlain(seen)) return nothing(seen);
  const weights = readWeight(graph, layer), window = layer.dims[2] * layer.dims[3], border = seesBorder(seen, options.open);
  const x = passage.reads ? numbersIn(seen, 0) : undefined, links = linksOf(seen), bias = biasOf(seen, layer.dims[0]);
  const residual = node.inputs[3] ? knownOperand(seen, 3).numbers : undefined, alpha = scaleOf(node, 'alpha');
  const [low, high] = [num(callOf(seen), 'min', -Infinity), num(callOf(seen), 'max', Infinity)];
  const numbers = bias.map((own, o) => {
    let sum = own + (residual?.[o] ?? 0);
    links.someInput(o, (i, pair) => {
      const value = x ? x[i] : NaN;
      if (value === 0) return false;
      for (let k = pair * window; k < (pair + 1) * window; k++) sum += border ? NaN : alpha * weights[k] * value;
      return Number.isNaN(sum);
    });
    return Math.min(high, Math.max(low, sum));
  });
  return layerMaps(seen, numbers);
};

/** A value of one number a channel, in the rank of `place`'s output. */
function asArg(place: Place, numbers: Float64Array): Arg {
  const [out] = place.node.outputs, axis = axisOf(place, out);
  const shape = shapeOf(place, out).map((_, d) => (d === axis ? numbers.length : 1));
  return { type: 'float64', shape, value: new Tensor('float64', numbers, shape) };
}

/** What operand `i` is, channel by channel of the result. */
export function operand(seen: Seen, i: number): Float64Array {
  const { node, graph, passage } = seen, name = node.inputs[i], [out] = node.outputs, channels = channelsOf(seen, out);
  const constant = graph.constants.get(name);
  if (constant) {
    const each = perChannel(constant, shapeOf(seen, out), axisOf(seen, out)), axis = each ? -1 : operandAxis(seen, name);
    return each ?? (axis >= 0 ? numbersAlong(constant, axis) : new Float64Array(channels).fill(NaN));
  }
  const { numbers } = seen.known(name), link = passage.links.find(({ input }) => input === i);
  return link?.spread ? new Float64Array(channels).fill(numbers[0]) : numbers;
}

/** Whether a node computes floats of floats. */
export const onFloats = ({ types, node }: Place): boolean =>
  [...node.inputs, node.outputs[0]].every((name) => name === '' || types.get(name)?.type === 'float32');

/** Operators that take element by element are run on one element a channel; NaN stands for what is not known and spreads by itself. */
const evaluated: Rule = (seen) => {
  const { node } = seen;
  if (!onFloats(seen)) return nothing(seen);
  const parameters = node.op === 'BatchNormalization', call = callOf(seen);
  const args = node.inputs.map((name, i): Arg | undefined => {
    if (name === '') return undefined;
    return parameters && i > 0 ? call.inputs[i] : asArg(seen, operand(seen, i));
  });
  const numbers = Float64Array.from(numbersOf(opOf(node).run({ node, inputs: args })[0]));
  const { blocked } = seen.passage.links[0];
  const shift = blocked && numbersOf(call.inputs[2]!.value!);
  if (shift) for (let c = 0; c < numbers.length; c++) if (blocked[c]) numbers[c] = shift[c];
  zeroedBy(seen)?.forEach((i, c) => { if (i >= 0) numbers[c] = 0; });
  return evaluatedMaps(seen, numbers);
};

/** A channel scaled by zero is its shift, whatever it was, and so is one that is zero. */
const instance: Rule = (seen) => {
  const { blocked } = seen.passage.links[0], shift = numbersOf(callOf(seen).inputs[2]!.value!), x = numbersIn(seen, 0);
  return justNumbers(Float64Array.from(shift, (value, c) => (blocked?.[c] || x[c] === 0 ? value : NaN)));
};

/** However many zeros are added. */
const zeros: Rule = (seen) => justNumbers(numbersIn(seen, 0).map((value) => (value === 0 ? 0 : NaN)));

/** Whether every window has a tap on the image. */
function meetsImage(place: Place): boolean {
  const { kernel, dilations, pads } = poolGeometry(callOf(place));
  return pads.every((pad) => pad === 0) || (dilations.every((step) => step === 1) && pads.every((pad, side) => pad < kernel[side % 2]));
}

const maxPool: Rule = (seen) => (meetsImage(seen) ? pooledMaps(seen, numbersIn(seen, 0)) : nothing(seen));

/** The mean of equal numbers, unless zeros of the padding count as well. */
const averagePool: Rule = (seen) => {
  const call = callOf(seen), { pads } = poolGeometry(call), x = numbersIn(seen, 0);
  const apart = num(call, 'count_include_pad', 0) === 0 || (pads.every((pad) => pad === 0) && num(call, 'ceil_mode', 0) === 0);
  return pooledMaps(seen, apart && meetsImage(seen) ? x : x.map((value) => (value === 0 && meetsImage(seen) ? 0 : NaN)));
};

const globalPool: Rule = (seen) => pooledMaps(seen, numbersIn(seen, 0));

const resize: Rule = (seen) =>
  (text(callOf(seen), 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize' ? nothing(seen) : same(seen));

/** One number for each channel of a constant along an axis, NaN where its elements differ. */
function numbersAlong(tensor: Tensor, axis: number): Float64Array {
  const data = numbersOf(tensor), length = tensor.dims[axis], inner = tensor.dims.slice(axis + 1).reduce((n, dim) => n * dim, 1);
  const out = new Float64Array(length);
  for (let i = 0; i < data.length; i++) {
    const c = Math.floor(i / inner) % length;
    if (i < length * inner && i % inner === 0) out[c] = data[i];
    else if (data[i] !== out[c]) out[c] = NaN;
  }
  return out;
}

/** Constant parts of a concatenation as if they were linked. */
function constantParts(seen: Seen): { numbers: Float64Array; first: number }[] {
  const { node, graph } = seen, axis = axisOf(seen, node.outputs[0]);
  if (node.op !== 'Concat') return [];
  const along = num(callOf(seen), 'axis'), apart = (along < 0 ? along + shapeOf(seen, node.outputs[0]).length : along) === axis;
  let first = 0;
  return node.inputs.flatMap((name) => {
    const tensor = graph.constants.get(name), start = first;
    if (apart) first += shapeOf(seen, name)[axis];
    return tensor ? [{ numbers: numbersAlong(tensor, axis), first: start }] : [];
  });
}

/** Elements that only change places: a channel is one number where all that it is made of are that number. */
function moved(seen: Seen, output: number): Known {
  const { node, passage } = seen, numbers = new Float64Array(channelsOf(seen, node.outputs[output])).fill(NaN);
  const met = new Uint8Array(numbers.length);
  const meet = (c: number, value: number): void => {
    numbers[c] = met[c] && numbers[c] !== value ? NaN : value;
    met[c] = 1;
  };
  for (const { input, from, to } of passage.links.filter((link) => link.output === output)) {
    const x = numbersIn(seen, input);
    for (let k = 0; k < to.length; k++) meet(to[k], x[from[k]]);
  }
  for (const part of constantParts(seen)) part.numbers.forEach((value, c) => meet(part.first + c, value));
  return movedMaps(seen, numbers, output);
}

/** Whatever is read from the image is the same; what lies beyond it only where it is filled with that number. */
const pad: Rule = (seen) => {
  const { node, graph, passage } = seen, [y] = node.outputs, axis = axisOf(seen, y), all = numbersIn(seen, 0);
  const numbers = new Float64Array(channelsOf(seen, y)), value = node.inputs[2] ? graph.constants.get(node.inputs[2]) : undefined;
  if (text(callOf(seen), 'mode', 'constant') !== 'constant') return justNumbers(all);
  if (isComputed(seen, node.inputs[2] ?? '')) return nothing(seen);
  const filler = value ? numbersOf(value)[0] : 0;
  const wide = padding(callOf(seen)).some(({ before, after }, d) => d !== axis && (before > 0 || after > 0));
  numbers.fill(filler);
  const [{ from, to }] = passage.links as readonly Link[];
  for (let k = 0; k < to.length; k++) numbers[to[k]] = !wide || all[from[k]] === filler ? all[from[k]] : NaN;
  return justNumbers(numbers);
};

/** Operators that keep channels apart but look at more than one element, and those of which nothing is known. */
const windows: Readonly<Record<string, Rule>> = {
  MaxPool: maxPool, AveragePool: averagePool, Pad: pad, Resize: resize, Tile: same,
  GlobalMaxPool: globalPool, GlobalAveragePool: globalPool, ReduceMean: same, ReduceMax: same, ReduceMin: same,
  ReduceSum: zeros, ReduceL1: zeros, ReduceL2: zeros, ReduceSumSquare: zeros, InstanceNormalization: instance,
};

/** Operators that take one element of each operand. */
export const elementwise: ReadonlySet<string> = new Set([
  ...Object.keys(unary), 'BatchNormalization', 'Add', 'Sub', 'Mul', 'Div', 'Pow', 'Min', 'Max', 'Sum', 'Mean', 'PRelu',
]);

function linked(seen: Seen, output: number): Known {
  const { op } = seen.node;
  if (Object.hasOwn(windows, op)) return windows[op](seen);
  return elementwise.has(op) ? evaluated(seen) : moved(seen, output);
}

const kinds: Readonly<Record<Passage['kind'], (seen: Seen, output: number) => Known>> = {
  weighted, linked, mixing: (seen, output) => unknown(channelsOf(seen, seen.node.outputs[output])),
};

/** What is known of every computed value, and how nodes look with it. */
export interface Knowledge {
  readonly known: ReadonlyMap<string, Known>;
  readonly seenAt: (node: Node) => Seen;
}

export function knownIn(channels: Channels, options: KnowOptions): Knowledge {
  const found = new Map<string, Known>();
  let tame: ReadonlySet<string> | undefined;
  const known = (name: string): Known => found.get(name) ?? unknown(channelsOf(channels, name));
  const finite = (name: string): boolean => (tame ??= finiteIn(channels)).has(name);
  const seenAt = (node: Node): Seen => ({ ...channels, node, passage: channels.passages.get(node)!, known, finite, options });
  for (const node of channels.graph.nodes) {
    const seen = seenAt(node);
    node.outputs.forEach((name, i) => {
      if (name === '' || isConstant(channels, name)) return;
      const { numbers, maps } = kinds[seen.passage.kind](seen, i);
      found.set(name, { numbers: numbers.map((value) => (Number.isFinite(value) ? value : NaN)), maps });
    });
  }
  return { known: found, seenAt };
}
