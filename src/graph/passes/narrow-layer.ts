import { numbersOf, sizeOf, Tensor, type Shape } from '../../tensor.ts';
import { range, shapeOf, type Place } from '../channels/index.ts';
import { fromOihw, readWeight, type Layer, type Oihw } from '../layers.ts';
import { inputChannel } from '../liveness.ts';
import { spread } from '../ops/elements.ts';
import { carrierOf, isGroupGone, makingOf, owedInLiving, type Dead } from './dead.ts';
import type { Staying } from './edits.ts';
import { addKernel, areaOf, kernelsOf } from './maps.ts';
import { biasOf, scaleOf } from './uniform.ts';

/** A layer without the channels that go. */
export interface SmallerLayer {
  readonly weight: Tensor;
  readonly groups: number;
  /** Of each filter, with what the lost channels added. */
  readonly bias: Float32Array;
  /** The image to add to the result, of its shape, where padding makes that of lost channels differ from place to place. */
  readonly map?: Tensor<Float32Array>;
}

/** What stays of a layer: its groups, and of each the channels on both sides, counted over all groups. */
interface Rest { readonly groups: number; readonly filters: readonly number[]; readonly inputs: readonly number[] }

function restOf(dead: Dead, layer: Layer, staying: Staying): Rest {
  const { dims, groups, node } = layer;
  const lives = Array.from(range(groups)).filter((group) => groups === 1 || !isGroupGone(dead, layer, group));
  const all = (length: number, name: string): readonly number[] =>
    (dead.drop.get(name)?.includes(1) ? staying(name) : Array.from(range(length)));
  return { groups: lives.length, filters: all(dims[0], node.outputs[0]), inputs: all(dims[1] * groups, node.inputs[0]) };
}

/** Where what a lost input channel contributes goes: into the bias (−1), or onto a channel that stays, times `share`. */
interface Heir { readonly to: number; readonly share: number }

/** The heirs of what is owed, by channel; those in a map have none. */
function heirsOf(dead: Dead, place: Place, layer: Layer, placeOf: Int32Array): Map<number, Heir> {
  const [input] = place.node.inputs, making = makingOf(dead, place, layer);
  const owed = owedInLiving(dead, place, layer), numbers = dead.known.get(input)?.numbers;
  if (making === 'map' || !numbers) return new Map();
  const carrier = making === 'carrier' ? carrierOf(dead, input) : -1;
  const heir = (i: number): Heir =>
    (carrier < 0 ? { to: -1, share: numbers[i] } : { to: placeOf[carrier], share: numbers[i] / numbers[carrier] });
  return new Map(owed.map((i) => [i, heir(i)]));
}

/** Filters and kernels of a layer (OIHW) that stay, with the sums the others leave behind in bias and carrier. */
function narrowWeights(dead: Dead, place: Place, layer: Layer, rest: Rest): { values: Float32Array; dims: Oihw; sums: Float64Array } {
  const weights = readWeight(place.graph, layer), { dims } = layer, window = dims[2] * dims[3];
  const perGroup = rest.inputs.length / rest.groups, values = new Float32Array(rest.filters.length * perGroup * window);
  const placeOf = new Int32Array(dims[1] * layer.groups).fill(-1), sums = new Float64Array(rest.filters.length);
  rest.inputs.forEach((i, at) => { placeOf[i] = at % perGroup; });
  const heirs = heirsOf(dead, place, layer, placeOf);
  const kept = placeOf.map((at) => (at >= 0 ? 1 : 0)), owing = [...heirs.keys()];
  rest.filters.forEach((o, row) => {
    const first = inputChannel(layer, o * dims[1]), start = o * dims[1] * window;
    for (let i = 0, from = start, to = row * perGroup * window; i < dims[1]; i++, from += window) {
      if (kept[first + i]) for (let k = 0; k < window; k++) values[to++] = weights[from + k];
    }
    const carried = new Float64Array(window);
    let to = -1;
    for (const channel of owing) {
      if (channel < first || channel >= first + dims[1]) continue;
      const { share, to: heir } = heirs.get(channel)!, from = start + (channel - first) * window;
      to = heir;
      for (let k = 0; k < window; k++) carried[k] += weights[from + k] * share;
    }
    if (to < 0) sums[row] = carried.reduce((sum, value) => sum + value, 0);
    else for (let k = 0; k < window; k++) values[(row * perGroup + to) * window + k] += carried[k];
  });
  return { values, dims: [rest.filters.length, perGroup, dims[2], dims[3]], sums };
}

/** What the lost channels add to each place of each filter that stays, and what was added before. */
function mapOf(dead: Dead, place: Place, layer: Layer, rest: Rest): Tensor<Float32Array> {
  const { graph, node } = place, [x, , , residual] = node.inputs, [y] = node.outputs, shape = shapeOf(place, y), area = areaOf(place, y);
  const kernels = kernelsOf(place), { numbers, maps } = dead.known.get(x)!, owed = new Set(owedInLiving(dead, place, layer));
  const before = residual ? spread(graph.constants.get(residual)!, shape) : undefined;
  const dims = [shape[0], rest.filters.length, ...shape.slice(2)], data = new Float32Array(sizeOf(dims));
  rest.filters.forEach((o, row) => {
    const plane = new Float64Array(area);
    for (let i = 0, pair = o * layer.dims[1]; i < layer.dims[1]; i++, pair++) {
      const channel = inputChannel(layer, pair);
      if (owed.has(channel)) addKernel(plane, kernels, pair, maps.get(channel) ?? numbers[channel]);
    }
    for (let image = 0; image < shape[0]; image++) {
      const to = (image * rest.filters.length + row) * area, from = (image * shape[1] + o) * area;
      for (let k = 0; k < area; k++) data[to + k] = plane[k] + (before ? before[from + k] : 0);
    }
  });
  return new Tensor('float32', data, dims);
}

/** The constant that is added to a result, for the filters that stay. */
function residualOf(place: Place, rest: Rest): Tensor<Float32Array> | undefined {
  const { graph, node } = place, tensor = node.inputs[3] ? graph.constants.get(node.inputs[3]) : undefined;
  if (!tensor) return undefined;
  const shape = shapeOf(place, node.outputs[0]), axis = node.op === 'Conv' ? 1 : shape.length - 1;
  const inner = sizeOf(shape.slice(axis + 1)), outer = sizeOf(shape.slice(0, axis));
  const data = new Float32Array(outer * rest.filters.length * inner), from = numbersOf(tensor);
  for (let image = 0, at = 0; image < outer; image++) {
    for (const o of rest.filters) for (let k = 0; k < inner; k++) data[at++] = from[(image * shape[axis] + o) * inner + k];
  }
  return new Tensor('float32', data, shape.map((dim, d) => (d === axis ? rest.filters.length : dim)));
}

/** The dimensions of a stored weight of these OIHW dimensions. */
function storedDims(layer: Layer, [filters, inputs]: Oihw, groups: number, window: Shape): number[] {
  return layer.orientation === 'oihw' ? [filters, inputs, ...window] : [inputs * groups, filters / groups, ...window];
}

/** The layer with the channels that stay, and what it adds for the others. */
export function smallerLayer(dead: Dead, place: Place, layer: Layer, staying: Staying): SmallerLayer {
  const rest = restOf(dead, layer, staying), { values, dims, sums } = narrowWeights(dead, place, layer, rest);
  const stored = storedDims(layer, dims, rest.groups, place.graph.constants.get(layer.weight)!.dims.slice(2));
  const old = biasOf(place, layer.dims[0]), alpha = scaleOf(place.node, 'alpha');
  return {
    weight: new Tensor('float32', fromOihw(values, { ...layer, dims, groups: rest.groups }), stored),
    groups: rest.groups,
    bias: Float32Array.from(sums, (sum, row) => alpha * sum + old[rest.filters[row]]),
    map: makingOf(dead, place, layer) === 'map' ? mapOf(dead, place, layer, rest) : residualOf(place, rest),
  };
}
