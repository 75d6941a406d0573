import { expect } from '../../expect.ts';
import { numbersOf, sizeOf, type Tensor } from '../../tensor.ts';
import { result, rows } from './elements.ts';
import { at, data, input, num, type Call, type Op, type Work } from './op.ts';
import { poolGeometry, spatialShape, type Window } from './window.ts';
import type { Typed } from '../graph.ts';

/** ptflops counts pooling by the size of its input. */
function poolWork(call: Call): Work {
  return { macs: 0, inBounds: 0, ptflops: sizeOf(input(call, 0).shape) };
}

function inferPool(call: Call): Typed {
  const { type, shape } = input(call, 0);
  return { type, shape: spatialShape(poolGeometry(call), shape.length, shape[0], shape[1]) };
}

/** Calls `visit` once for every window: its output index, its plane, and the (unpadded) row and column of its first tap. */
function eachWindow(g: Window, planes: number, visit: (o: number, plane: number, top: number, left: number) => void): void {
  for (let plane = 0, o = 0; plane < planes; plane++) {
    for (let r = 0; r < g.out[0]; r++) {
      for (let c = 0; c < g.out[1]; c++) visit(o++, plane, r * g.strides[0] - g.pads[0], c * g.strides[1] - g.pads[1]);
    }
  }
}

/** Calls `visit` with the place inside a plane of every tap that lies on the image. */
function eachTap(g: Window, top: number, left: number, visit: (place: number) => void): void {
  for (let kh = 0; kh < g.kernel[0]; kh++) {
    const y = top + kh * g.dilations[0];
    if (y < 0 || y >= g.in[0]) continue;
    for (let kw = 0; kw < g.kernel[1]; kw++) {
      const x = left + kw * g.dilations[1];
      if (x >= 0 && x < g.in[1]) visit(y * g.in[1] + x);
    }
  }
}

/** Second output: where each maximum is in the whole input, counted row-major or (storage_order 1) column-major inside a plane. */
function indicesOf(call: Call, g: Window, places: Float64Array, planes: number): Float64Array {
  if (num(call, 'storage_order', 0) === 0) return places;
  const area = sizeOf(g.in);
  const perPlane = places.length / planes;
  return places.map((place, o) => {
    const start = Math.floor(o / perPlane) * area;
    const inside = place - start;
    return start + (inside % g.in[1]) * g.in[0] + Math.floor(inside / g.in[1]);
  });
}

function runMaxPool(call: Call): Tensor[] {
  const g = poolGeometry(call);
  const x = numbersOf(data(call, 0));
  const { type, shape } = inferPool(call);
  const planes = shape[0] * shape[1];
  const [best, places] = [new Float64Array(sizeOf(shape)).fill(-Infinity), new Float64Array(sizeOf(shape))];
  eachWindow(g, planes, (o, plane, top, left) => eachTap(g, top, left, (place) => {
    const from = plane * sizeOf(g.in) + place;
    if (!(x[from] > best[o] || Number.isNaN(x[from]))) return; // NaN wins and stays
    best[o] = x[from];
    places[o] = from;
  }));
  const values = result(type, shape, best);
  return call.node.outputs[1] ? [values, result('int64', shape, indicesOf(call, g, places, planes))] : [values];
}

/** Taps that count in an average which includes padding: those on the image or its pads, not beyond (where ceil_mode may reach). */
function paddedCount(g: Window, first: number, d: 0 | 1): number {
  let count = 0;
  for (let k = 0; k < g.kernel[d]; k++) if (first + k * g.dilations[d] < g.in[d] + g.pads[d + 2]) count++;
  return count;
}

function runAveragePool(call: Call): Tensor[] {
  const g = poolGeometry(call);
  const x = numbersOf(data(call, 0));
  const { type, shape } = inferPool(call);
  const padded = num(call, 'count_include_pad', 0) !== 0;
  const means = new Float64Array(sizeOf(shape));
  eachWindow(g, shape[0] * shape[1], (o, plane, top, left) => {
    let [sum, count] = [0, 0];
    eachTap(g, top, left, (place) => {
      sum += x[plane * sizeOf(g.in) + place];
      count++;
    });
    means[o] = sum / (padded ? paddedCount(g, top, 0) * paddedCount(g, left, 1) : count);
  });
  return [result(type, shape, means)];
}

function inferGlobal(call: Call): Typed[] {
  const { type, shape } = input(call, 0);
  expect(shape.length >= 3, { kind: 'shape', where: at(call), needs: 'an input of rank 3 or more', got: `[${shape}]` });
  return [{ type, shape: shape.map((length, d) => (d < 2 ? length : 1)) }];
}

interface Global { start: number; step: (sofar: number, x: number) => number; end: (sofar: number, count: number) => number }

const globals = {
  GlobalAveragePool: { start: 0, step: (sum, x) => sum + x, end: (sum, count) => sum / count },
  GlobalMaxPool: { start: -Infinity, step: Math.max, end: (max) => max },
} satisfies Record<string, Global>;

function runGlobal(call: Call, { start, step, end }: Global): Tensor[] {
  const [{ type, shape }] = inferGlobal(call);
  const x = numbersOf(data(call, 0));
  const all = new Float64Array(sizeOf(shape)).fill(start);
  const area = sizeOf(input(call, 0).shape.slice(2));
  for (let plane = 0; plane < all.length; plane++) {
    for (let i = plane * area; i < (plane + 1) * area; i++) all[plane] = step(all[plane], x[i]);
    all[plane] = end(all[plane], area);
  }
  return [result(type, shape, all)];
}

export const pool = {
  MaxPool: {
    inputs: [1, 1],
    infer: (call) => {
      const values = inferPool(call);
      return call.node.outputs[1] ? [values, { ...values, type: 'int64' }] : [values];
    },
    run: runMaxPool,
    work: poolWork,
  },
  AveragePool: { inputs: [1, 1], infer: (call) => [inferPool(call)], run: runAveragePool, work: poolWork },
  ...rows(globals, (row: Global): Op => ({ inputs: [1, 1], infer: inferGlobal, run: (call) => runGlobal(call, row), work: poolWork })),
} satisfies Record<string, Op>;
