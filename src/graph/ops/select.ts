import { expect, fail, lookUp } from '../../expect.ts';
import { allocate, sizeOf, stridesOf, Tensor, type Shape } from '../../tensor.ts';
import { grid, mapNumbers, steps, take } from './elements.ts';
import { at, axisOf, data, input, num, numbers, text, type Arg, type Call, type Op } from './op.ts';
import type { Typed } from '../graph.ts';

/** For every axis of the output, which place along the input's axis it reads; negative reads nothing. */
type Places = readonly ArrayLike<number>[];

const every = (length: number) => steps(length, 1);
const typedAs = (x: Arg, shape: Shape): Typed => ({ type: x.type, shape });

/** Reads `x` at `places`, one list an axis. */
function pick(x: Tensor, places: Places, outside?: Tensor): Tensor {
  const strides = stridesOf(x.dims);
  const scaled = places.map((axis, d) => mapNumbers(axis, (place) => (place < 0 ? -Infinity : place * strides[d])));
  return take(x, places.map((axis) => axis.length), grid(scaled), outside);
}

/** An operator that keeps, repeats or drops whole places along axes. `sizes` gives the output's lengths without listing the places. */
function picker(inputs: readonly [number, number], sizes: (call: Call) => number[], places: (call: Call) => Places, filler = -1): Op {
  return {
    inputs,
    infer: (call) => [typedAs(input(call, 0), sizes(call))],
    run: (call) => [pick(data(call, 0), places(call), call.inputs[filler] && data(call, filler))],
  };
}

/** One axis of a Slice, bounds counted from the front and clamped as ONNX says. */
export interface Cut { start: number; length: number; step: number }

/** Every axis of a `Slice` call. @throws BurinError `model` for lists of different lengths or a step of 0. */
export function cuts(call: Call): Cut[] {
  const { shape } = input(call, 0);
  const [starts, ends] = [numbers(call, 1) ?? [], numbers(call, 2) ?? []];
  const axes = numbers(call, 3) ?? [...starts.keys()];
  const strides = numbers(call, 4) ?? starts.map(() => 1);
  const fits = [ends, axes, strides].every((other) => other.length === starts.length) && strides.every((step) => step !== 0);
  expect(fits, {
    kind: 'model', where: at(call), needs: 'as many starts, ends, axes and nonzero steps',
    got: `[${starts}] [${ends}] [${axes}] [${strides}]`,
  });
  const all = shape.map((length): Cut => ({ start: 0, length, step: 1 }));
  axes.forEach((axis, i) => {
    const d = axisOf(call, axis, shape.length);
    const [n, step] = [shape[d], strides[i]];
    const [low, high] = step > 0 ? [0, n] : [-1, n - 1];
    const clamp = (place: number, floor: number) => Math.min(high, Math.max(floor, place < 0 ? place + n : place));
    const start = clamp(starts[i], 0);
    all[d] = { start, length: Math.max(0, Math.ceil((clamp(ends[i], low) - start) / step)), step };
  });
  return all;
}

/** Padding of a `Pad` call before and after every axis; negative numbers crop. */
export function padding(call: Call): { before: number; after: number }[] {
  const { shape } = input(call, 0);
  const pads = numbers(call, 1) ?? [];
  const axes = numbers(call, 3)?.map((axis) => axisOf(call, axis, shape.length)) ?? [...shape.keys()];
  expect(pads.length === 2 * axes.length, { kind: 'model', where: at(call), needs: `${2 * axes.length} pads`, got: `[${pads}]` });
  const all = shape.map(() => ({ before: 0, after: 0 }));
  axes.forEach((d, i) => { all[d] = { before: pads[i], after: pads[i + axes.length] }; });
  return all;
}

/** Which place of an axis of `n` a padded place reads. */
const borders: Readonly<Record<string, (place: number, n: number) => number>> = {
  constant: (place, n) => (place < n ? place : -1),
  edge: (place, n) => Math.min(n - 1, Math.max(0, place)),
  reflect: (place, n) => {
    const period = 2 * Math.max(1, n - 1);
    const turn = ((place % period) + period) % period;
    return n === 1 ? 0 : Math.min(turn, period - turn);
  },
  wrap: (place, n) => ((place % n) + n) % n,
};

function padSizes(call: Call): number[] {
  lookUp(borders, text(call, 'mode', 'constant'), `${at(call)} attribute mode`);
  return padding(call).map(({ before, after }, d) => {
    const length = before + input(call, 0).shape[d] + after;
    return length >= 0 ? length : fail({
      kind: 'shape', where: at(call), needs: 'pads that leave something', got: `length ${length} along axis ${d}`,
    });
  });
}

/** For every axis of a `Pad` call, the place of the input that each place of the output reads; negative for the filler. */
export function padPlaces(call: Call): Places {
  const border = borders[text(call, 'mode', 'constant')];
  const sizes = padSizes(call);
  return padding(call).map(({ before }, d) => every(sizes[d]).map((i) => border(i - before, input(call, 0).shape[d])));
}

const gatherAxis = (call: Call) => axisOf(call, num(call, 'axis', 0), input(call, 0).shape.length);

function gathered(call: Call): number[] {
  const { shape } = input(call, 0);
  const axis = gatherAxis(call);
  return [...shape.slice(0, axis), ...input(call, 1).shape, ...shape.slice(axis + 1)];
}

function runGather(call: Call): Tensor[] {
  const x = data(call, 0);
  const axis = gatherAxis(call);
  const n = x.dims[axis];
  const wanted = (numbers(call, 1) ?? []).map((place) => {
    expect(place >= -n && place < n, { kind: 'model', where: at(call), needs: `indices in [-${n}, ${n})`, got: String(place) });
    return place < 0 ? place + n : place;
  });
  const found = pick(x, x.dims.map((length, d) => (d === axis ? wanted : every(length))));
  return [new Tensor(x.type, found.data, gathered(call))];
}

function tiled(call: Call): number[] {
  const { shape } = input(call, 0);
  const repeats = numbers(call, 1) ?? [];
  const fits = repeats.length === shape.length && repeats.every((count) => count >= 0);
  expect(fits, { kind: 'model', where: at(call), needs: `${shape.length} repeats of 0 or more`, got: `[${repeats}]` });
  return shape.map((length, d) => length * repeats[d]);
}

const concatAxis = (call: Call) => axisOf(call, num(call, 'axis'), input(call, 0).shape.length);

function inferConcat(call: Call): Typed[] {
  const first = input(call, 0);
  const axis = concatAxis(call);
  const parts = call.inputs.map((_, i) => input(call, i));
  for (const { type, shape } of parts) {
    const sameRest = shape.length === first.shape.length && shape.every((length, d) => d === axis || length === first.shape[d]);
    const fits = type === first.type && sameRest;
    expect(fits, {
      kind: 'shape', where: at(call), needs: `parts of one type that differ along axis ${axis} only`, got: `${type} [${shape}]`,
    });
  }
  const length = parts.reduce((sum, { shape }) => sum + shape[axis], 0);
  return [typedAs(first, first.shape.map((own, d) => (d === axis ? length : own)))];
}

function runConcat(call: Call): Tensor[] {
  const [{ type, shape }] = inferConcat(call);
  const axis = concatAxis(call);
  const to = allocate(type, sizeOf(shape)) as Float32Array; // any of the arrays: elements are only moved
  const row = sizeOf(shape.slice(axis));
  let start = 0;
  call.inputs.forEach((_, i) => {
    const part = data(call, i);
    const block = sizeOf(part.dims.slice(axis));
    for (let place = start, from = 0; from < part.size; place += row, from += block) {
      to.set(part.data.subarray(from, from + block) as Float32Array, place);
    }
    start += block;
  });
  return [new Tensor(type, to, shape)];
}

const splitAxis = (call: Call) => axisOf(call, num(call, 'axis', 0), input(call, 0).shape.length);

/** Lengths of the parts: input 1, or equal ones with a shorter last (opset 18). */
export function splitSizes(call: Call): number[] {
  const length = input(call, 0).shape[splitAxis(call)];
  const count = num(call, 'num_outputs', call.node.outputs.length);
  const equal = Math.ceil(length / count);
  const sizes = numbers(call, 1) ?? Array.from({ length: count }, (_, i) => Math.min(equal, length - i * equal));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const fits = sizes.every((size) => size >= 0) && total === length && sizes.length === call.node.outputs.length;
  expect(fits, { kind: 'shape', where: at(call), needs: `${call.node.outputs.length} parts of ${length} together`, got: `[${sizes}]` });
  return sizes;
}

function inferSplit(call: Call): Typed[] {
  const x = input(call, 0);
  const axis = splitAxis(call);
  return splitSizes(call).map((size) => typedAs(x, x.shape.map((length, d) => (d === axis ? size : length))));
}

function runSplit(call: Call): Tensor[] {
  const x = data(call, 0);
  const axis = splitAxis(call);
  let start = 0;
  return splitSizes(call).map((size) => {
    const places = x.dims.map((length, d) => (d === axis ? steps(size, 1, start) : every(length)));
    start += size;
    return pick(x, places);
  });
}

export const select = {
  Slice: picker(
    [3, 5],
    (call) => cuts(call).map(({ length }) => length),
    (call) => cuts(call).map(({ start, length, step }) => steps(length, step, start)),
  ),
  Pad: picker([2, 4], padSizes, padPlaces, 2),
  Tile: picker([2, 2], tiled, (call) => tiled(call).map((length, d) => every(length).map((i) => i % input(call, 0).shape[d]))),
  Gather: { inputs: [2, 2], infer: (call) => [typedAs(input(call, 0), gathered(call))], run: runGather },
  Concat: { inputs: [1, Infinity], infer: inferConcat, run: runConcat },
  Split: { inputs: [1, 2], infer: inferSplit, run: runSplit },
} satisfies Record<string, Op>;
