import { expect, fail } from '../../expect.ts';
import { numbersOf, sizeOf, type Shape, type Tensor } from '../../tensor.ts';
import { broadcast, like, mapNumbers, result, rows, spread } from './elements.ts';
import { at, axisOf, data, input, num, type Call, type Op, type Work } from './op.ts';
import type { Typed } from '../graph.ts';

/** ptflops counts two a value: one multiplication, one addition. */
function affineWork(call: Call): Work {
  return { macs: 0, inBounds: 0, ptflops: 2 * sizeOf(input(call, 0).shape) };
}

/** Inputs `from` to `to` are one number a channel. @throws BurinError `shape`. */
function needPerChannel(call: Call, from: number, to: number): void {
  const x = input(call, 0).shape;
  expect(x.length >= 2, { kind: 'shape', where: at(call), needs: 'an input of rank 2 or more', got: `[${x}]` });
  for (let i = from; i <= to; i++) {
    const { shape } = input(call, i);
    expect(shape.length === 1 && shape[0] === x[1], {
      kind: 'shape', where: at(call), needs: `input ${i} of [${x[1]}]`, got: `[${shape}]`,
    });
  }
}

function inferBatch(call: Call): Typed[] {
  expect(num(call, 'training_mode', 0) === 0 && !call.node.outputs[1], {
    kind: 'unsupported', where: at(call), needs: 'batch normalisation for inference, with one output', got: 'the training form',
    remedy: 'export the model for inference',
  });
  needPerChannel(call, 1, 4);
  return [like(call)];
}

/** scale·(x − mean)/√(var + epsilon) + bias, per channel. */
function runBatch(call: Call): Tensor[] {
  const [{ type, shape }] = inferBatch(call);
  const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((i) => numbersOf(data(call, i)));
  const epsilon = num(call, 'epsilon', 1e-5);
  const area = sizeOf(shape.slice(2));
  return [result(type, shape, mapNumbers(x, (v, i) => {
    const c = Math.floor(i / area) % shape[1];
    return (scale[c] * (v - mean[c])) / Math.sqrt(variance[c] + epsilon) + bias[c];
  }))];
}

/** x / (bias + alpha/size · Σ x²)^beta, the sum over `size` neighbouring channels (Krizhevsky et al. 2012, ONNX). */
function runLrn(call: Call): Tensor[] {
  const { type, shape } = like(call);
  const x = numbersOf(data(call, 0));
  const size = num(call, 'size');
  const [alpha, beta, bias] = [num(call, 'alpha', 1e-4), num(call, 'beta', 0.75), num(call, 'bias', 1)];
  const [channels, area] = [shape[1], sizeOf(shape.slice(2))];
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  return [result(type, shape, mapNumbers(x, (v, i) => {
    const c = Math.floor(i / area) % channels;
    let squares = 0;
    for (let n = Math.max(0, c - before); n <= Math.min(channels - 1, c + after); n++) squares += x[i + (n - c) * area] ** 2;
    return v / (bias + (alpha / size) * squares) ** beta;
  }))];
}

/** Mean and 1/√(variance + epsilon) of `x[start, end)`. */
function moments(x: ArrayLike<number>, start: number, end: number, epsilon: number): { mean: number; scale: number } {
  let [sum, squares] = [0, 0];
  for (let i = start; i < end; i++) sum += x[i];
  const mean = sum / (end - start);
  for (let i = start; i < end; i++) squares += (x[i] - mean) ** 2;
  return { mean, scale: 1 / Math.sqrt(squares / (end - start) + epsilon) };
}

/** The rows that LayerNormalization works on: everything from `axis` on is one row. */
function layerRows(call: Call): { x: Shape; inner: Shape; outer: Shape } {
  const x = input(call, 0).shape;
  const axis = axisOf(call, num(call, 'axis', -1), x.length);
  const [inner, outer] = [x.slice(axis), x.slice(0, axis)];
  for (const i of call.inputs[2] ? [1, 2] : [1]) {
    const fits = broadcast(call, [inner, input(call, i).shape]).join() === inner.join();
    expect(fits, { kind: 'shape', where: at(call), needs: `input ${i} to broadcast to [${inner}]`, got: `[${input(call, i).shape}]` });
  }
  return { x, inner, outer };
}

function inferLayer(call: Call): Typed[] {
  const { x, inner, outer } = layerRows(call);
  const perRow: Typed = { type: 'float32', shape: [...outer, ...inner.map(() => 1)] };
  return [{ ...like(call), shape: x }, perRow, perRow].slice(0, call.node.outputs.length);
}

/** scale·(x − mean)/√(var + epsilon) + bias over the axes from `axis` on; further outputs: the means and 1/√(var + epsilon). */
function runLayer(call: Call): Tensor[] {
  const { inner, outer } = layerRows(call);
  const x = numbersOf(data(call, 0));
  const scale = spread(data(call, 1), inner);
  const bias = call.inputs[2] && spread(data(call, 2), inner);
  const [length, count] = [sizeOf(inner), sizeOf(outer)];
  const out = [new Float64Array(x.length), new Float64Array(count), new Float64Array(count)];
  for (let row = 0; row < count; row++) {
    const m = moments(x, row * length, (row + 1) * length, num(call, 'epsilon', 1e-5));
    for (let i = 0; i < length; i++) out[0][row * length + i] = scale[i] * (x[row * length + i] - m.mean) * m.scale + (bias ? bias[i] : 0);
    out[1][row] = m.mean;
    out[2][row] = m.scale;
  }
  return inferLayer(call).map(({ type, shape }, i) => result(type, shape, out[i]));
}

function inferInstance(call: Call): Typed[] {
  needPerChannel(call, 1, 2);
  return [like(call)];
}

/** scale·(x − mean)/√(var + epsilon) + bias, mean and variance of each plane of each image. */
function runInstance(call: Call): Tensor[] {
  const [{ type, shape }] = inferInstance(call);
  const [x, scale, bias] = [0, 1, 2].map((i) => numbersOf(data(call, i)));
  const area = sizeOf(shape.slice(2));
  const out = new Float64Array(x.length);
  for (let plane = 0; plane < shape[0] * shape[1]; plane++) {
    const m = moments(x, plane * area, (plane + 1) * area, num(call, 'epsilon', 1e-5));
    const c = plane % shape[1];
    for (let i = plane * area; i < (plane + 1) * area; i++) out[i] = scale[c] * (x[i] - m.mean) * m.scale + bias[c];
  }
  return [result(type, shape, out)];
}

/** From x − max and Σ exp(x − max) to the value. */
type SoftmaxEnd = (shifted: number, sum: number) => number;

const softmaxes = {
  Softmax: (shifted, sum) => Math.exp(shifted) / sum,
  LogSoftmax: (shifted, sum) => shifted - Math.log(sum),
} satisfies Record<string, SoftmaxEnd>;

/** Along `axis` alone (opset 13 on), the maximum subtracted first so that nothing overflows. */
function runSoftmax(call: Call, end: SoftmaxEnd): Tensor[] {
  const { type, shape } = like(call);
  const x = numbersOf(data(call, 0));
  const axis = axisOf(call, num(call, 'axis', -1), shape.length);
  const [length, step] = [shape[axis], sizeOf(shape.slice(axis + 1))];
  const out = new Float64Array(x.length);
  for (let row = 0; row < x.length / length; row++) {
    const start = Math.floor(row / step) * length * step + (row % step);
    let [max, sum] = [-Infinity, 0];
    for (let i = 0; i < length; i++) max = Math.max(max, x[start + i * step]);
    for (let i = 0; i < length; i++) sum += Math.exp(x[start + i * step] - max);
    for (let i = 0; i < length; i++) out[start + i * step] = end(x[start + i * step] - max, sum);
  }
  return [result(type, shape, out)];
}

function inferSoftmax(call: Call): Typed[] {
  const { shape } = input(call, 0);
  if (shape.length === 0) fail({ kind: 'shape', where: at(call), needs: 'an input of rank 1 or more', got: '[]' });
  axisOf(call, num(call, 'axis', -1), shape.length);
  return [like(call)];
}

function inferLrn(call: Call): Typed[] {
  const { shape } = input(call, 0);
  const size = num(call, 'size');
  expect(shape.length >= 2 && Number.isInteger(size) && size > 0, {
    kind: 'model', where: at(call), needs: 'an input of rank 2 or more and a positive size', got: `[${shape}] and ${size}`,
  });
  return [like(call)];
}

export const normalize = {
  BatchNormalization: { inputs: [5, 5], infer: inferBatch, run: runBatch, work: affineWork },
  LRN: { inputs: [1, 1], infer: inferLrn, run: runLrn },
  LayerNormalization: { inputs: [2, 3], infer: inferLayer, run: runLayer, work: affineWork },
  InstanceNormalization: { inputs: [3, 3], infer: inferInstance, run: runInstance, work: affineWork },
  ...rows(softmaxes, (end: SoftmaxEnd): Op => ({ inputs: [1, 1], infer: inferSoftmax, run: (call) => runSoftmax(call, end) })),
} satisfies Record<string, Op>;
