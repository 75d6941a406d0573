import { expect } from '../../expect.ts';
import { numbersOf, sameShape, sizeOf, type Tensor } from '../../tensor.ts';
import { result } from './elements.ts';
import { at, data, input, num, type Call, type Op, type Work } from './op.ts';
import {
  convGeometry, convTransposeGeometry, spans, spatialShape, tapsInside, transposed, type ConvWindow,
} from './window.ts';

/** The fused end of Conv, ConvTranspose and Linear: adds the residual (input 3), then clamps to attributes min and max. In place. */
export function finish(call: Call, sums: Float64Array): Float64Array {
  const low = num(call, 'min', -Infinity);
  const high = num(call, 'max', Infinity);
  const residual = call.inputs[3] && numbersOf(data(call, 3));
  for (let i = 0; i < sums.length; i++) {
    const sum = residual ? sums[i] + residual[i] : sums[i];
    sums[i] = Math.min(high, Math.max(low, sum));
  }
  return sums;
}

/** @throws BurinError `shape` when a residual (input 3) is there and is not of the output's shape. */
export function checkResidual(call: Call, shape: readonly number[]): void {
  const residual = call.inputs[3]?.shape;
  expect(!residual || sameShape(residual, shape), {
    kind: 'shape', where: at(call), needs: `a residual of [${shape}]`, got: `[${residual}]`,
  });
}

/** A strided plane: element (r, c) is at `start + r·row + c·col`. */
interface Plane { start: number; row: number; col: number }

/** to(r, c) += weight · from(r, c) over rows × cols. */
function addScaled(to: Float64Array, t: Plane, from: ArrayLike<number>, f: Plane, weight: number, rows: number, cols: number): void {
  if (t.row === cols * t.col && f.row === cols * f.col) { // whole planes are one long row
    cols *= rows;
    rows = 1;
  }
  for (let r = 0; r < rows; r++) {
    let i = t.start + r * t.row;
    let j = f.start + r * f.row;
    for (let c = 0; c < cols; c++, i += t.col, j += f.col) to[i] += weight * from[j];
  }
}

/** One tap of the window: the rows and columns it covers on the side that steps one by one, and where they lie on either side. */
interface Tap { index: number; rows: number; cols: number; dense: Plane; strided: Plane }

function tapsOf(g: ConvWindow): Tap[] {
  const taps: Tap[] = [];
  const [down, across] = [spans(g, 0), spans(g, 1)];
  down.forEach(([top, bottom], kh) => across.forEach(([left, right], kw) => {
    const y = top * g.strides[0] - g.pads[0] + kh * g.dilations[0];
    const x = left * g.strides[1] - g.pads[1] + kw * g.dilations[1];
    taps.push({
      index: kh * g.kernel[1] + kw, rows: bottom - top, cols: right - left,
      dense: { start: top * g.out[1] + left, row: g.out[1], col: 1 },
      strided: { start: y * g.in[1] + x, row: g.strides[0] * g.in[1], col: g.strides[1] },
    });
  }));
  return taps;
}

/** Which weight kernel joins input channel `i` of a group (counted inside it) and filter `o` (counted over all groups). */
type KernelAt = (o: number, i: number) => number;

/** The sides of a {@link Tap} that are written and read: they tell the direction of a convolution. */
interface Sides { to: 'dense' | 'strided'; from: 'dense' | 'strided' }

/** Sums of a convolution in either direction, bias included. */
function sums(call: Call, g: ConvWindow, { taps, sides, kernelAt }: { taps: Tap[]; sides: Sides; kernelAt: KernelAt }): Float64Array {
  const [x, w] = [numbersOf(data(call, 0)), numbersOf(data(call, 1))];
  const bias = call.inputs[2] && numbersOf(data(call, 2));
  const [area, imageArea, kernelArea] = [sizeOf(g.out), sizeOf(g.in), sizeOf(g.kernel)];
  const [inGroup, outGroup] = [g.inputs / g.group, g.filters / g.group];
  const all = new Float64Array(g.batch * g.filters * area);
  for (let plane = 0; plane < g.batch * g.filters; plane++) {
    const o = plane % g.filters;
    const image = Math.floor(plane / g.filters) * g.inputs + Math.floor(o / outGroup) * inGroup;
    const to = all.subarray(plane * area, (plane + 1) * area);
    if (bias) to.fill(bias[o]);
    for (let i = 0; i < inGroup; i++) {
      const kernel = kernelAt(o, i) * kernelArea;
      for (const tap of taps) {
        const source = tap[sides.from];
        const from = { start: source.start + (image + i) * imageArea, row: source.row, col: source.col };
        addScaled(to, tap[sides.to], x, from, w[kernel + tap.index], tap.rows, tap.cols);
      }
    }
  }
  return all;
}

function runConv(call: Call): Tensor[] {
  const g = convGeometry(call);
  const inGroup = g.inputs / g.group;
  const all = sums(call, g, { taps: tapsOf(g), sides: { to: 'dense', from: 'strided' }, kernelAt: (o, i) => o * inGroup + i });
  return inferConv(call).map(({ type, shape }) => result(type, shape, finish(call, all)));
}

function runConvTranspose(call: Call): Tensor[] {
  const g = convTransposeGeometry(call);
  const [inGroup, outGroup] = [g.inputs / g.group, g.filters / g.group];
  const kernelAt: KernelAt = (o, i) => (Math.floor(o / outGroup) * inGroup + i) * outGroup + (o % outGroup);
  const all = sums(call, g, { taps: tapsOf(transposed(g)), sides: { to: 'strided', from: 'dense' }, kernelAt });
  return inferConvTranspose(call).map(({ type, shape }) => result(type, shape, finish(call, all)));
}

function inferConv(call: Call) {
  const g = convGeometry(call);
  const { type, shape } = input(call, 0);
  const out = spatialShape(g, shape.length, g.batch, g.filters);
  checkResidual(call, out);
  return [{ type, shape: out }];
}

function inferConvTranspose(call: Call) {
  const g = convTransposeGeometry(call);
  const { type, shape } = input(call, 0);
  return [{ type, shape: spatialShape(g, shape.length, g.batch, g.filters) }];
}

/** Work of `g` as seen from the side that steps one by one: the output of Conv, the input of ConvTranspose. */
function workOf(call: Call, stepping: ConvWindow, outputs: number): Work {
  const channelPairs = stepping.batch * stepping.filters * (stepping.inputs / stepping.group);
  const macs = channelPairs * sizeOf(stepping.out) * sizeOf(stepping.kernel);
  return { macs, inBounds: channelPairs * tapsInside(stepping), ptflops: macs + (call.inputs[2] ? outputs : 0) };
}

export const conv = {
  Conv: {
    inputs: [2, 4],
    infer: inferConv,
    run: runConv,
    work: (call) => workOf(call, convGeometry(call), sizeOf(inferConv(call)[0].shape)),
  },
  ConvTranspose: {
    inputs: [2, 3],
    infer: inferConvTranspose,
    run: runConvTranspose,
    work: (call) => workOf(call, transposed(convTransposeGeometry(call)), sizeOf(inferConvTranspose(call)[0].shape)),
  },
} satisfies Record<string, Op>;
