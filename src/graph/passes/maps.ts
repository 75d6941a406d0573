import { numbersOf, sizeOf, Tensor } from '../../tensor.ts';
import { axisOf, callOf, channelsOf, isConstant, shapeOf, type Place } from '../channels/index.ts';
import { layerOf, readWeight, type Layer } from '../layers.ts';
import { linksOf } from '../liveness.ts';
import { spread } from '../ops/elements.ts';
import { opOf } from '../ops/index.ts';
import { num, type Arg } from '../ops/op.ts';
import { convGeometry, spans, type ConvWindow } from '../ops/window.ts';
import { perChannel } from './scale.ts';
import { biasOf, onFloats, type Known, type Seen } from './uniform.ts';

// A padded window over a constant gives an image that is known before any input is: a map. Maps are followed through what takes each
// channel by itself, until a layer adds them up.

/** Elements of all maps of one value, and multiply-adds spent on them, beyond which they are not followed: 32 MiB, and 50 ms. */
const MOST_ELEMENTS = 2 ** 22, MOST_MACS = 2 ** 25;

/** Elements of one channel of a value [N, C, …]. */
export const areaOf = (place: Place, name: string): number => sizeOf(shapeOf(place, name).slice(2));

const followed = ({ options }: Seen, area: number, channels: number): boolean => options.maps && area * channels <= MOST_ELEMENTS;

/** Channel `c` of what is known of a value, as an image. */
export function planeOf({ numbers, maps }: Known, c: number, area: number): Float64Array | undefined {
  const map = maps.get(c);
  return map ?? (Number.isNaN(numbers[c]) ? undefined : new Float64Array(area).fill(numbers[c]));
}

/** Planes as numbers where they are, otherwise as maps. */
function sorted(numbers: Float64Array, planes: ReadonlyMap<number, Float64Array>): Known {
  const own = numbers.slice(), maps = new Map<number, Float64Array>();
  for (const [c, plane] of planes) {
    if (plane.every((value) => value === plane[0])) own[c] = plane[0];
    else if (plane.every(Number.isFinite)) maps.set(c, plane);
  }
  return { numbers: own, maps };
}

/** A convolution whose kernels are applied one by one to images that are known. */
export interface Kernels {
  readonly layer: Layer;
  readonly weights: Float32Array;
  readonly window: ConvWindow;
  readonly rows: readonly (readonly [number, number])[];
  readonly columns: readonly (readonly [number, number])[];
}

export function kernelsOf(place: Place): Kernels {
  const window = convGeometry(callOf(place)), layer = layerOf(place.graph, place.node)!;
  return { layer, weights: readWeight(place.graph, layer), window, rows: spans(window, 0), columns: spans(window, 1) };
}

/** Adds `weight` · the part of the image under tap (kh, kw) of the window. */
function addTap(to: Float64Array, { window: g, rows, columns }: Kernels, [kh, kw, weight]: readonly number[], image: Float64Array): void {
  const [top, bottom] = rows[kh], [left, right] = columns[kw], step = g.strides[1];
  for (let r = top; r < bottom; r++) {
    let from = (r * g.strides[0] - g.pads[0] + kh * g.dilations[0]) * g.in[1] + left * step - g.pads[1] + kw * g.dilations[1];
    for (let c = r * g.out[1] + left, end = r * g.out[1] + right; c < end; c++, from += step) to[c] += weight * image[from];
  }
}

/** Adds `weight` wherever tap (kh, kw) is on the image. */
function addSpan(to: Float64Array, { window: g, rows, columns }: Kernels, [kh, kw, weight]: readonly number[]): void {
  const [top, bottom] = rows[kh], [left, right] = columns[kw];
  for (let r = top; r < bottom; r++) for (let c = r * g.out[1] + left, end = r * g.out[1] + right; c < end; c++) to[c] += weight;
}

/** Adds what kernel `pair` (of O · I/g) of a convolution makes of a known input channel, an image or one number. */
export function addKernel(to: Float64Array, kernels: Kernels, pair: number, image: Float64Array | number): void {
  const { weights, layer: { dims: [, , height, width] } } = kernels;
  for (let kh = 0, k = pair * height * width; kh < height; kh++) {
    for (let kw = 0; kw < width; kw++, k++) {
      if (weights[k] === 0) continue;
      if (typeof image === 'number') addSpan(to, kernels, [kh, kw, weights[k] * image]);
      else addTap(to, kernels, [kh, kw, weights[k]], image);
    }
  }
}

/** Multiply-adds of the filters of which all inputs are known. */
function costOf(seen: Seen, filters: readonly number[], area: number): number {
  const { dims } = layerOf(seen.graph, seen.node)!;
  return filters.length * dims[1] * dims[2] * dims[3] * area;
}

/** Filters of a convolution that are maps, beside those that are numbers. */
export function layerMaps(seen: Seen, numbers: Float64Array): Known {
  const { graph, node, passage, options } = seen, area = areaOf(seen, node.outputs[0]);
  if (node.op !== 'Conv' || !options.maps || !passage.reads) return { numbers, maps: new Map() };
  const layer = layerOf(graph, node)!, x = seen.known(node.inputs[0]), residual = node.inputs[3] ? knownOperand(seen, 3) : undefined;
  const links = linksOf(seen), isKnown = (known: Known, c: number): boolean => !Number.isNaN(known.numbers[c]) || known.maps.has(c);
  const filters = [...numbers.keys()].filter((o) =>
    Number.isNaN(numbers[o]) && (!residual || isKnown(residual, o)) && !links.someInput(o, (i) => !isKnown(x, i)));
  if (!followed(seen, area, filters.length) || costOf(seen, filters, area) > MOST_MACS) return { numbers, maps: new Map() };
  const kernels = kernelsOf(seen), bias = biasOf(seen, layer.dims[0]);
  const [low, high] = [num(callOf(seen), 'min', -Infinity), num(callOf(seen), 'max', Infinity)];
  return sorted(numbers, new Map(filters.map((o) => {
    const plane = residual ? planeOf(residual, o, area)!.slice() : new Float64Array(area);
    links.someInput(o, (i, pair) => {
      addKernel(plane, kernels, pair, x.maps.get(i) ?? x.numbers[i]);
      return false;
    });
    return [o, plane.map((value) => Math.min(high, Math.max(low, value + bias[o])))];
  })));
}

/** What is known of operand `i` of an element-wise node, or of what a layer adds, constants too, in the channels of the result. */
export function knownOperand(seen: Seen, i: number): Known {
  const { node, graph, passage } = seen, name = node.inputs[i], [out] = node.outputs, shape = shapeOf(seen, out);
  const channels = channelsOf(seen, out), tensor = graph.constants.get(name);
  if (!tensor) {
    const known = seen.known(name), link = passage.links.find(({ input }) => input === i);
    return link?.spread ? { numbers: new Float64Array(channels).fill(known.numbers[0]), maps: new Map() } : known;
  }
  const each = perChannel(tensor, shape, axisOf(seen, out));
  if (each) return { numbers: each, maps: new Map() };
  const none = { numbers: new Float64Array(channels).fill(NaN), maps: new Map() };
  const apart = tensor.dims.length === shape.length && tensor.dims[0] !== 1;
  if (tensor.type !== 'float32' || apart || !isImage(seen, out) || !followed(seen, areaOf(seen, out), channels)) return none;
  const area = areaOf(seen, out), all = spread(tensor, [1, ...shape.slice(1)]);
  const plane = (c: number): Float64Array => Float64Array.from({ length: area }, (_, k) => all[c * area + k]);
  return { ...none, maps: new Map(Array.from({ length: channels }, (_, c) => [c, plane(c)])) };
}

/** Images of some channels as one argument [1, list, …]. */
function planesArg(seen: Seen, name: string, known: Known, list: readonly number[]): Arg {
  const spatial = shapeOf(seen, name).slice(2), area = sizeOf(spatial), planes = new Float64Array(list.length * area);
  list.forEach((c, at) => planes.set(planeOf(known, c, area)!, at * area));
  const shape = [1, list.length, ...spatial];
  return { type: 'float64', shape, value: new Tensor('float64', planes, shape) };
}

/** The channels of a result of [1, list, …], by number. */
const planesOf = (result: Tensor, list: readonly number[]): Map<number, Float64Array> => {
  const area = result.size / list.length, values = Float64Array.from(numbersOf(result));
  return new Map(list.map((c, at) => [c, values.subarray(at * area, (at + 1) * area)]));
};

/** Where channels of an image lie, and that there is an image. */
const isImage = (place: Place, name: string): boolean => shapeOf(place, name).length > 2 && axisOf(place, name) === 1;

/** An element-wise node run on the channels of which every operand is known and some is a map. */
export function evaluatedMaps(seen: Seen, numbers: Float64Array): Known {
  const { node, graph } = seen, [out] = node.outputs, shape = shapeOf(seen, out), area = areaOf(seen, out);
  const without = { numbers, maps: new Map<number, Float64Array>() };
  if (!seen.options.maps || !isImage(seen, out)) return without;
  const parameters = node.op === 'BatchNormalization' || node.op === 'Clip';
  const operands = node.inputs.map((name, i) => (name === '' || (parameters && i > 0) ? undefined : knownOperand(seen, i)));
  const fits = node.inputs.every((name, i) =>
    !operands[i] || isConstant(seen, name) || areaOf(seen, name) === area || operands[i].maps.size === 0);
  const list = [...numbers.keys()].filter((c) => Number.isNaN(numbers[c]) && operands.every((known) => !known || planeOf(known, c, 0)));
  if (!fits || !onFloats(seen) || !list.length || !followed(seen, area, list.length)) return without;
  const inputs = node.inputs.map((name, i): Arg | undefined => {
    const known = operands[i], tensor = graph.constants.get(name);
    if (known) return planesArg({ ...seen, types: new Map([[name, { type: 'float32', shape }]]) }, name, known, list);
    if (!tensor) return undefined;
    const picked = node.op === 'Clip' ? tensor : new Tensor('float64', Float64Array.from(list, (c) => numbersOf(tensor)[c]));
    return { type: picked.type, shape: picked.dims, value: picked };
  });
  return sorted(numbers, planesOf(opOf(node).run({ node, inputs })[0], list));
}

/** A pool run on the channels that are maps. */
export function pooledMaps(seen: Seen, numbers: Float64Array): Known {
  const { node } = seen, [x] = node.inputs, known = seen.known(x), list = [...known.maps.keys()];
  if (!list.length || !followed(seen, areaOf(seen, x), list.length)) return { numbers, maps: new Map() };
  const [result] = opOf(node).run({ node, inputs: [planesArg(seen, x, known, list)] });
  return sorted(numbers, planesOf(result, list));
}

const carrying = new Set(['Concat', 'Split', 'Slice']);

/** Maps that move along with their channels, where the image stays as it is. */
export function movedMaps(seen: Seen, numbers: Float64Array, output: number): Known {
  const { node, passage } = seen, maps = new Map<number, Float64Array>(), name = node.outputs[output];
  const still = (i: number): boolean => {
    const [from, to] = [shapeOf(seen, node.inputs[i]), shapeOf(seen, name)];
    return from.length === to.length && from.every((dim, d) => d === 1 || dim === to[d]);
  };
  if (carrying.has(node.op) && isImage(seen, name)) {
    for (const { input, output: to_, from, to } of passage.links) {
      const known = seen.known(node.inputs[input]);
      if (to_ !== output || known.maps.size === 0 || !still(input)) continue;
      to.forEach((c, k) => { if (known.maps.has(from[k])) maps.set(c, known.maps.get(from[k])!); });
    }
  }
  return { numbers, maps };
}

