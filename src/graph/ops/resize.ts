import { expect, fail, lookUp } from '../../expect.ts';
import { numbersOf, sizeOf, type Shape, type Tensor } from '../../tensor.ts';
import { result } from './elements.ts';
import { at, axisOf, data, input, list, num, numbers, text, type Call, type Op } from './op.ts';

/** One axis being resized. `scale` is out/in as the model asked for it, `from` and `to` its region of interest (0 and 1: all). */
export interface ResizeAxis {
  readonly size: number;
  readonly out: number;
  readonly scale: number;
  readonly from: number;
  readonly to: number;
}

/** Where output place `x` lies on the input axis: coordinate_transformation_mode of ONNX Resize. */
const coordinates: Readonly<Record<string, (x: number, a: ResizeAxis) => number>> = {
  half_pixel: (x, a) => (x + 0.5) / a.scale - 0.5,
  half_pixel_symmetric: (x, a) => {
    const adjustment = a.out / (a.scale * a.size);
    return (a.size / 2) * (1 - adjustment) + (x + 0.5) / a.scale - 0.5;
  },
  pytorch_half_pixel: (x, a) => (a.out > 1 ? (x + 0.5) / a.scale - 0.5 : 0),
  align_corners: (x, a) => (a.out > 1 ? (x * (a.size - 1)) / (a.out - 1) : 0),
  asymmetric: (x, a) => x / a.scale,
  tf_half_pixel_for_nn: (x, a) => (x + 0.5) / a.scale,
  tf_crop_and_resize: (x, a) =>
    (a.out > 1 ? a.from * (a.size - 1) + (x * (a.to - a.from) * (a.size - 1)) / (a.out - 1) : ((a.from + a.to) / 2) * (a.size - 1)),
};

const nearest: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** What one output place reads along an axis: places and weights; no place at all stands for the extrapolation value. */
export interface ResizeTap { readonly places: readonly number[]; readonly weights: readonly number[] }

/** Cubic convolution weights at distance 1 + t, t, 1 − t, 2 − t (Keys 1981), `a` the free coefficient. */
function cubicWeights(t: number, a: number): number[] {
  const near = (d: number) => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number) => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
}

/** Unclamped places and weights around coordinate `x`, by mode. */
const kernels: Readonly<Record<string, (x: number, call: Call) => ResizeTap>> = {
  nearest: (x, call) => {
    const round = lookUp(nearest, text(call, 'nearest_mode', 'round_prefer_floor'), `${at(call)} attribute nearest_mode`);
    return { places: [round(x)], weights: [1] };
  },
  linear: (x) => {
    const left = Math.floor(x);
    return { places: [left, left + 1], weights: [1 - (x - left), x - left] };
  },
  cubic: (x, call) => {
    const left = Math.floor(x);
    return { places: [left - 1, left, left + 1, left + 2], weights: cubicWeights(x - left, num(call, 'cubic_coeff_a', -0.75)) };
  },
};

/** Places beyond the border read the border; with exclude_outside they weigh nothing and the rest is scaled to 1. */
function clampTap(tap: ResizeTap, size: number, exclude: boolean): ResizeTap {
  const places = tap.places.map((place) => Math.min(size - 1, Math.max(0, place)));
  if (!exclude) return { places, weights: tap.weights };
  const weights = tap.weights.map((weight, i) => (places[i] === tap.places[i] ? weight : 0));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { places, weights: weights.map((weight) => weight / sum) };
}

/** What every output place of axis `a` reads, the border settled. @throws BurinError `argument` for an unknown mode. */
export function tapsOf(call: Call, a: ResizeAxis): ResizeTap[] {
  const mode = text(call, 'coordinate_transformation_mode', 'half_pixel');
  const coordinate = lookUp(coordinates, mode, `${at(call)} attribute coordinate_transformation_mode`);
  const kernel = lookUp(kernels, text(call, 'mode', 'nearest'), `${at(call)} attribute mode`);
  const exclude = num(call, 'exclude_outside', 0) !== 0;
  return Array.from({ length: a.out }, (_, i) => {
    const x = coordinate(i, a);
    if (mode === 'tf_crop_and_resize' && (x < 0 || x > a.size - 1)) return { places: [], weights: [] };
    return clampTap(kernel(x, call), a.size, exclude);
  });
}

/** A number for every axis: given for `axes` only, or for all of them. */
function perAxis(call: Call, values: readonly number[], axes: readonly number[], otherwise: readonly number[]): number[] {
  expect(values.length === axes.length, { kind: 'model', where: at(call), needs: `${axes.length} scales or sizes`, got: `[${values}]` });
  const all = [...otherwise];
  axes.forEach((d, i) => { all[d] = values[i]; });
  return all;
}

/** How keep_aspect_ratio_policy makes one scale of several. */
const policies: Readonly<Record<string, ((...scales: number[]) => number) | undefined>> = {
  stretch: undefined, not_larger: Math.min, not_smaller: Math.max,
};

function roiOf(call: Call, axes: readonly number[], rank: number): { from: number[]; to: number[] } {
  const roi = text(call, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize' ? numbers(call, 1) ?? [] : [];
  const [zeros, ones] = [new Array<number>(rank).fill(0), new Array<number>(rank).fill(1)];
  if (roi.length === 0) return { from: zeros, to: ones };
  return { from: perAxis(call, roi.slice(0, roi.length / 2), axes, zeros), to: perAxis(call, roi.slice(roi.length / 2), axes, ones) };
}

/**
 * Every axis of a `Resize` call: lengths, scale and region of interest, with axes and keep_aspect_ratio_policy settled.
 * @throws BurinError `model` for attributes that do not fit, `unsupported` for antialias.
 */
export function resizeAxes(call: Call): ResizeAxis[] {
  expect(num(call, 'antialias', 0) === 0, {
    kind: 'unsupported', where: at(call), needs: 'antialias = 0', got: String(call.node.attrs.antialias),
  });
  const { shape } = input(call, 0);
  const axes = list(call, 'axes', [...shape.keys()]).map((axis) => axisOf(call, axis, shape.length));
  const { from, to } = roiOf(call, axes, shape.length);
  const [scales, sizes] = [numbers(call, 2) ?? [], numbers(call, 3) ?? []];
  if ((scales.length > 0) === (sizes.length > 0)) fail({
    kind: 'model', where: at(call), needs: 'either scales or sizes', got: `[${scales}] and [${sizes}]`,
  });
  const all = scales.length > 0 ? byScales(call, perAxis(call, scales, axes, shape.map(() => 1)), from, to) : bySizes(call, sizes, axes);
  return all.map((axis, d) => {
    expect(Number.isInteger(axis.out) && axis.out >= 0 && (axis.out === 0 || (axis.size > 0 && axis.scale > 0)), {
      kind: 'model', where: at(call), needs: 'positive scales or sizes', got: `length ${axis.out} and scale ${axis.scale} along axis ${d}`,
    });
    return { ...axis, from: from[d], to: to[d] };
  });
}

type Sized = Pick<ResizeAxis, 'size' | 'out' | 'scale'>;

/** Lengths are ⌊in · region · scale⌋ in f32, as scales are f32: 0.7f · 10 is 7, not 6.9999999. */
function byScales(call: Call, scales: readonly number[], from: readonly number[], to: readonly number[]): Sized[] {
  return input(call, 0).shape.map((size, d) => {
    const out = Math.floor(Math.fround(size * (to[d] - from[d]) * scales[d]));
    return { size, scale: scales[d], out };
  });
}

function bySizes(call: Call, sizes: readonly number[], axes: readonly number[]): Sized[] {
  const { shape } = input(call, 0);
  const combine = lookUp(policies, text(call, 'keep_aspect_ratio_policy', 'stretch'), `${at(call)} attribute keep_aspect_ratio_policy`);
  const asked = perAxis(call, sizes, axes, shape);
  if (!combine) return shape.map((size, d) => ({ size, out: asked[d], scale: asked[d] / size }));
  const scale = combine(...axes.map((d) => asked[d] / shape[d]));
  return shape.map((size, d) => (axes.includes(d) ? { size, scale, out: Math.floor(scale * size + 0.5) } : { size, scale: 1, out: size }));
}

/** Resamples one axis; the others stay. */
function resample(x: ArrayLike<number>, shape: Shape, axis: number, taps: readonly ResizeTap[], outside: number): Float64Array {
  const [outer, inner] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
  const out = new Float64Array(outer * taps.length * inner);
  for (let o = 0, to = 0; o < outer; o++) {
    for (const { places, weights } of taps) {
      for (let i = 0; i < inner; i++) {
        let sum = places.length > 0 ? 0 : outside;
        for (let k = 0; k < places.length; k++) sum += weights[k] * x[(o * shape[axis] + places[k]) * inner + i];
        out[to++] = sum;
      }
    }
  }
  return out;
}

/** Every mode is separable: the axes that change are resampled one after the other, in f64. */
function run(call: Call): Tensor[] {
  const axes = resizeAxes(call);
  const shape = [...input(call, 0).shape];
  const outside = num(call, 'extrapolation_value', 0);
  let x: ArrayLike<number> = numbersOf(data(call, 0));
  axes.forEach((axis, d) => {
    if (axis.out === axis.size && axis.scale === 1 && axis.from === 0 && axis.to === 1) return;
    x = resample(x, shape, d, tapsOf(call, axis), outside);
    shape[d] = axis.out;
  });
  return [result(input(call, 0).type, shape, new Float64Array(x))];
}

export const resize = {
  Resize: { inputs: [1, 4], infer: (call) => [{ type: input(call, 0).type, shape: resizeAxes(call).map(({ out }) => out) }], run },
} satisfies Record<string, Op>;
