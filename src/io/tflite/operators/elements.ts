import { expect } from '../../../expect.ts';
import { typeOf } from '../data.ts';
import { byte, float } from '../flat.ts';
import {
  constantNumbers, emit, has, inner, inputDims, longList, operand, outputTensor, permuted, scalar, type Site, type Step,
} from '../draft.ts';
import { clip, fused, type Rewrite } from './common.ts';

const unary = (...steps: Step[]): Rewrite => (site) => emit(site, operand(site, 0), steps);

/** A binary operator; `fusedId` is the field of its fused activation, where it has one. */
const binary = (op: string, fusedId?: number): Rewrite => (site) => {
  const activation = fusedId === undefined ? [] : fused(site, fusedId);
  emit(site, operand(site, 0), [{ op, more: [operand(site, 1)] }, ...activation]);
};

const withItself = (op: string): Rewrite => (site) => emit(site, operand(site, 0), [{ op, more: [operand(site, 0)] }]);

function squaredDifference(site: Site): void {
  const difference = inner(site, { op: 'Sub', more: [operand(site, 1)] }, operand(site, 0));
  emit(site, difference, [{ op: 'Mul', more: [difference] }]);
}

/** x / max(√Σx², 1e-6) along the last dimension, the epsilon of TensorFlow Lite. */
function l2Normalization(site: Site): void {
  const x = operand(site, 0);
  const last = longList(site, [inputDims(site, 0).length - 1]);
  const square = inner(site, { op: 'Mul', more: [x] }, x);
  const sum = inner(site, { op: 'ReduceSum', more: [last], attrs: { keepdims: 1 } }, square);
  const norm = inner(site, { op: 'Max', more: [scalar(site, 1e-6)] }, inner(site, { op: 'Sqrt' }, sum));
  emit(site, x, [{ op: 'Div', more: [norm] }, ...fused(site, 0)]);
}

function softmax(site: Site): void {
  const { beta } = site.options({ beta: [0, float(1)] });
  const scale: Step[] = beta === 1 ? [] : [{ op: 'Mul', more: [scalar(site, beta)] }];
  const x = scale.reduce((value, step) => inner(site, step, value), operand(site, 0));
  emit(site, x, [{ op: 'Softmax', attrs: { axis: -1 } }]);
}

function leakyRelu(site: Site): void {
  emit(site, operand(site, 0), [{ op: 'LeakyRelu', attrs: { alpha: site.options({ alpha: [0, float()] }).alpha } }]);
}

/** ONNX's numbers for element types (TensorProto.DataType). */
const onnxTypes: Readonly<Record<string, number>> = {
  float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, bool: 9, float64: 11, uint32: 12, uint64: 13,
};

export function castTo(type: string): Step {
  return { op: 'Cast', attrs: { to: onnxTypes[type] } };
}

function cast(site: Site): void {
  emit(site, operand(site, 0), [castTo(typeOf(outputTensor(site, 0)))]);
}

const reduce = (op: string): Rewrite => (site) => {
  const keepdims = site.options({ keep: [0, byte()] }).keep ? 1 : 0;
  const axes = constantNumbers(site, 1);
  const steps = axes.length === 0 ? [] : [{ op, more: [longList(site, axes)], attrs: { keepdims } }];
  emit(site, operand(site, 0), steps);
};

/** out[…, n] = Σ x[…, k] · w[n, k] + b[n]; the input is flattened to rows of k unless it keeps its dimensions. */
function fullyConnected(site: Site): void {
  const options = site.options({ fused: [0, byte()], format: [1, byte()], keep: [2, byte()] });
  expect(options.format === 0, { kind: 'unsupported', where: site.where, needs: 'weights in the default format', got: 'shuffled weights' });
  const [, k] = inputDims(site, 1, 2);
  const dims = inputDims(site, 0);
  const bias = has(site, 2) ? [operand(site, 2)] : [];
  if (options.keep && dims.length > 2) {
    const add = bias.map((b): Step => ({ op: 'Add', more: [b] }));
    return emit(site, operand(site, 0), [{ op: 'MatMul', more: [permuted(site, 1, [1, 0])] }, ...add, ...fused(site, 0)]);
  }
  const rows: Step = { op: 'Reshape', more: [longList(site, [-1, k])] };
  const x = dims.length === 2 && dims[1] === k ? operand(site, 0) : inner(site, rows, operand(site, 0));
  emit(site, x, [{ op: 'Gemm', more: [operand(site, 1), ...bias], attrs: { transB: 1 } }, ...fused(site, 0)]);
}

function batchMatMul(site: Site): void {
  const { first, second } = site.options({ first: [0, byte()], second: [1, byte()] });
  const side = (i: number, flip: number): string => {
    const rank = inputDims(site, i).length;
    const order = Array.from({ length: rank }, (_, d) => d);
    return flip && rank > 1 ? permuted(site, i, [...order.slice(0, -2), rank - 1, rank - 2]) : operand(site, i);
  };
  emit(site, side(0, first), [{ op: 'MatMul', more: [side(1, second)] }]);
}

/** Operators that work element by element or along an axis, in the file's own layout. */
export const elements = {
  ADD: binary('Add', 0), SUB: binary('Sub', 0), MUL: binary('Mul', 0), DIV: binary('Div', 0),
  POW: binary('Pow'), MAXIMUM: binary('Max'), MINIMUM: binary('Min'), SQUARED_DIFFERENCE: squaredDifference,
  LOGISTIC: unary({ op: 'Sigmoid' }), TANH: unary({ op: 'Tanh' }), RELU: unary({ op: 'Relu' }),
  RELU6: (site) => emit(site, operand(site, 0), [clip(site, 0, 6)]),
  RELU_N1_TO_1: (site) => emit(site, operand(site, 0), [clip(site, -1, 1)]),
  PRELU: binary('PRelu'), LEAKY_RELU: leakyRelu, ELU: unary({ op: 'Elu' }), HARD_SWISH: unary({ op: 'HardSwish' }),
  EXP: unary({ op: 'Exp' }), LOG: unary({ op: 'Log' }), SQRT: unary({ op: 'Sqrt' }), RSQRT: unary({ op: 'Sqrt' }, { op: 'Reciprocal' }),
  SQUARE: withItself('Mul'), NEG: unary({ op: 'Neg' }), ABS: unary({ op: 'Abs' }), FLOOR: unary({ op: 'Floor' }),
  CAST: cast, SOFTMAX: softmax, L2_NORMALIZATION: l2Normalization,
  MEAN: reduce('ReduceMean'), SUM: reduce('ReduceSum'), REDUCE_MAX: reduce('ReduceMax'), REDUCE_MIN: reduce('ReduceMin'),
  FULLY_CONNECTED: fullyConnected, BATCH_MATMUL: batchMatMul,
} satisfies Readonly<Record<string, Rewrite>>;
