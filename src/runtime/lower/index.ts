import { axisOf, input, num } from '../../graph/ops/op.ts';
import { reducedAxes } from '../../graph/ops/reduce.ts';
import { lowerConv, lowerConvTranspose } from './conv.ts';
import { lowerGemm, lowerLinear, lowerMatMul } from './linear.ts';
import type { Lower } from './lower.ts';
import { moves } from './move.ts';
import { pointwise } from './pointwise.ts';
import { axisCall, lowerAveragePool, lowerGlobalAverage, lowerGlobalMax, lowerMaxPool } from './window.ts';

/** Sums over neighbouring axes; anything else is left to the host. */
const lowerReduce = (kernel: string, mean: boolean): Lower => (ctx, op) => {
  const { shape, type } = input(op, 0), axes = [...reducedAxes(op)].sort((a, b) => a - b);
  const neighbours = axes.length > 0 && axes.every((axis, i) => axis === axes[0] + i);
  if (type !== 'float32' || !neighbours || shape.includes(0)) return undefined;
  return { kernel, build: () => axisCall(ctx, op, kernel, { from: axes[0], to: axes[0] + axes.length, mean }) };
};

const lowerSoftmax: Lower = (ctx, op) => {
  const { shape, type } = input(op, 0), axis = axisOf(op, num(op, 'axis', -1), shape.length);
  return type === 'float32'
    ? { kernel: 'f32_softmax', build: () => axisCall(ctx, op, 'f32_softmax', { from: axis, to: axis + 1 }) }
    : undefined;
};

/** How an operator becomes kernel calls. One that is not here, or whose row returns undefined, runs on the host. */
export const lowerings: Readonly<Record<string, Lower>> = {
  Conv: lowerConv,
  ConvTranspose: lowerConvTranspose,
  Linear: lowerLinear,
  MatMul: lowerMatMul,
  Gemm: lowerGemm,
  MaxPool: lowerMaxPool,
  AveragePool: lowerAveragePool,
  GlobalAveragePool: lowerGlobalAverage,
  GlobalMaxPool: lowerGlobalMax,
  ReduceMean: lowerReduce('f32_sum', true),
  ReduceSum: lowerReduce('f32_sum', false),
  ReduceMax: lowerReduce('f32_largest', false),
  Softmax: lowerSoftmax,
  ...pointwise,
  ...moves,
};

/** Operators that only rename dimensions: their output is their input's memory. */
export const aliases: ReadonlySet<string> = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Identity', 'Dropout']);
