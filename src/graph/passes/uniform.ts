import { numbersOf, Tensor } from '../../tensor.ts';
import { layerOf, readWeight } from '../layers.ts';
import { aligned, channelsOf, linksOf, offsetOf, passageOf, shapeOf, type Context, type Passage, type Place } from '../liveness.ts';
import { opOf } from '../ops/index.ts';
import { num, text, type Arg, type Call } from '../ops/op.ts';
import { convGeometry, poolGeometry } from '../ops/window.ts';
import { perChannel } from './scale.ts';

/** One number a channel: what every element of it is, whatever the network is fed; NaN where it is not known to be one number. */
export type Uniform = Float64Array;

type Rule = (place: Place, inputs: readonly Uniform[]) => Uniform;

const unknown = (length: number): Uniform => new Float64Array(length).fill(NaN);
const nothing: Rule = (place) => unknown(channelsOf(place, place.node.outputs[0]));
const same: Rule = (_place, [x]) => x;

/** The node as its operator sees it. */
export function callOf({ graph, types, node }: Place): Call {
  return { node, inputs: node.inputs.map((name) => (name === '' ? undefined : { ...types.get(name)!, value: graph.constants.get(name) })) };
}

/** Whether a layer reads beyond its input, so that a constant channel gives another sum at the border. */
export function seesBorder(place: Place): boolean {
  if (place.node.op === 'ConvTranspose') return true;
  return place.node.op === 'Conv' && convGeometry(callOf(place)).pads.some((pad) => pad > 0);
}

/** Layers with constant parameters and nothing but a product, a bias, a residual and a clamp in them. */
export function isPlain({ graph, node }: Place): boolean {
  const bias = node.inputs[2];
  return ['Conv', 'ConvTranspose', 'Linear'].includes(node.op) && (!bias || graph.constants.has(bias));
}

/** bias + Σ weight · constant + residual, clamped. */
const weighted: Rule = (place, [x, , , added]) => {
  const { graph, node } = place, layer = layerOf(graph, node)!, residual = node.inputs[3] ? added : undefined;
  if (!isPlain(place)) return nothing(place, []);
  const bias = node.inputs[2] ? numbersOf(graph.constants.get(node.inputs[2])!) : [];
  const weights = readWeight(graph, layer), window = layer.dims[2] * layer.dims[3], border = seesBorder(place);
  const links = linksOf(place);
  const out = Float64Array.from({ length: layer.dims[0] }, (_, o) => {
    let sum = (bias[o] ?? 0) + (residual?.[o] ?? 0);
    links.someInput(o, (i, pair) => {
      if (x[i] === 0) return false;
      for (let k = pair * window; k < (pair + 1) * window; k++) sum += border ? NaN : weights[k] * x[i];
      return Number.isNaN(sum);
    });
    return sum;
  });
  const [low, high] = [num(callOf(place), 'min', -Infinity), num(callOf(place), 'max', Infinity)];
  return out.map((sum) => Math.min(high, Math.max(low, sum)));
};

/** A value of one number a channel, in the rank of `place`'s output. */
function asArg(place: Place, numbers: Float64Array): Arg {
  const shape = shapeOf(place, place.node.outputs[0]).map((_, d) => (d === 1 ? numbers.length : 1));
  return { type: 'float64', shape, value: new Tensor('float64', numbers, shape) };
}

/** Operators that take element by element are run on one element a channel; NaN stands for what is not known and spreads by itself. */
const evaluated: Rule = (place, inputs) => {
  const { graph, types, node } = place, out = shapeOf(place, node.outputs[0]), channels = channelsOf(place, node.outputs[0]);
  const floats = [...node.inputs, node.outputs[0]].every((name) => name === '' || types.get(name)?.type === 'float32');
  if (!floats || out.length < 2) return nothing(place, []);
  const args = node.inputs.map((name, i): Arg | undefined => {
    if (name === '') return undefined;
    const constant = graph.constants.get(name);
    if (constant) return asArg(place, perChannel(constant, out, 1) ?? unknown(channels));
    return asArg(place, aligned(place, i) ? inputs[i] : unknown(channels));
  });
  return Float64Array.from(numbersOf(opOf(node).run({ node, inputs: args })[0]));
};

/** Whether every window has a tap on the image. */
function meetsImage(place: Place): boolean {
  const { kernel, dilations, pads } = poolGeometry(callOf(place));
  return pads.every((pad) => pad === 0) || (dilations.every((step) => step === 1) && pads.every((pad, side) => pad < kernel[side % 2]));
}

const maxPool: Rule = (place, [x]) => (meetsImage(place) ? x : unknown(x.length));

/** The mean of equal numbers, unless zeros of the padding count as well. */
const averagePool: Rule = (place, [x]) => {
  const call = callOf(place), { pads } = poolGeometry(call);
  const apart = num(call, 'count_include_pad', 0) === 0 || (pads.every((pad) => pad === 0) && num(call, 'ceil_mode', 0) === 0);
  return apart && meetsImage(place) ? x : x.map((value) => (value === 0 && meetsImage(place) ? 0 : NaN));
};

/** Whatever is read from the image is the same; what lies beyond it only where it is filled with that number. */
const pad: Rule = (place, [x]) => {
  if (text(callOf(place), 'mode', 'constant') !== 'constant') return x;
  const filler = place.node.inputs[2] ? numbersOf(place.graph.constants.get(place.node.inputs[2])!)[0] : 0;
  return x.map((value) => (value === filler ? value : NaN));
};

const resize: Rule = (place, [x]) =>
  (text(callOf(place), 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize' ? unknown(x.length) : x);

/** Operators that keep channels apart but look at more than one element. */
const windows: Readonly<Record<string, Rule>> = {
  MaxPool: maxPool, AveragePool: averagePool, Pad: pad, Resize: resize,
  GlobalMaxPool: same, GlobalAveragePool: same, ReduceMean: same, ReduceMax: same, ReduceMin: same,
  ReduceSum: nothing, BatchNormalization: nothing, InstanceNormalization: nothing, IsNaN: nothing, Not: nothing,
};

const channelwise: Rule = (place, inputs) => (windows[place.node.op] ?? evaluated)(place, inputs);

const concat: Rule = (place, inputs) => {
  const out = nothing(place, []);
  inputs.forEach((numbers, i) => out.set(numbers, offsetOf(place, i)));
  return out;
};

/** One channel becomes several of its number, or several become one where their numbers are equal. */
const regroup: Rule = (place, [x]) => {
  const length = channelsOf(place, place.node.outputs[0]);
  return Float64Array.from({ length }, (_, c) => {
    const first = Math.floor((c * x.length) / length), end = Math.max(first + 1, ((c + 1) * x.length) / length);
    return x.subarray(first, end).every((value) => value === x[first]) ? x[first] : NaN;
  });
};

const rules: Readonly<Record<Passage, Rule>> = { weighted, channelwise, elementwise: evaluated, concat, regroup, mixing: nothing };

/** {@link Uniform} of every computed value, inputs of the graph included. */
export function uniformsOf(context: Context): Map<string, Uniform> {
  const { graph } = context, found = new Map<string, Uniform>();
  const of = (name: string): Uniform => found.get(name) ?? unknown(channelsOf(context, name));
  for (const node of graph.nodes) {
    const place = { ...context, node };
    node.outputs.forEach((name, i) => {
      const made = i === 0 ? rules[passageOf(place)](place, node.inputs.map(of)) : of(name);
      found.set(name, made.map((value) => (Number.isFinite(value) ? value : NaN)));
    });
  }
  return found;
}
