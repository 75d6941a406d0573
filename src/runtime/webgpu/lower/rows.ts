import { axisOf, input, num, type Arg } from '../../../graph/ops/op.ts';
import { spread } from '../../../graph/ops/elements.ts';
import { reducedAxes } from '../../../graph/ops/reduce.ts';
import { numbersOf, sizeOf, stridesOf, type Shape } from '../../../tensor.ts';
import { copyDispatch } from './move.ts';
import {
  byRows, bySubgroups, fold, inOut, lone, outSize, rowShader, type Dispatch, type Lower, type Operation, type Place, type Query,
  type RowShaders,
} from './lower.ts';

// Operators that work along rows: x[outer × length × inner].

interface Row { readonly formula: string; readonly start: number; readonly mean?: boolean }
const folds: Readonly<Record<string, Row>> = {
  ReduceSum: { formula: 'sum', start: 0 },
  ReduceMean: { formula: 'sum', start: 0, mean: true },
  ReduceMax: { formula: 'max', start: -Infinity },
  ReduceMin: { formula: 'min', start: Infinity },
  ReduceProd: { formula: 'prod', start: 1 },
  ReduceL1: { formula: 'l1', start: 0 },
  ReduceL2: { formula: 'l2', start: 0 },
  ReduceSumSquare: { formula: 'sumsquare', start: 0 },
  ReduceLogSum: { formula: 'logsum', start: 0 },
  ReduceLogSumExp: { formula: 'logsumexp', start: 0 },
};

const shadersOf = ({ formula }: Row): RowShaders => [`f32_${formula}_rows`, `f32_${formula}_group`];
const pick = (shape: Shape, axes: readonly number[]): number[] => axes.map((d) => shape[d]);

/** Folds the axes `gone`: where they lie apart, a copy brings them together at the end first. */
const lowerFold = (row: Row, axesOf: (op: Operation) => readonly number[]): Lower => (query, op) => {
  const { shape, type } = input(op, 0), gone = [...axesOf(op)].sort((a, b) => a - b), shaders = shadersOf(row);
  if (type !== 'float32') return undefined;
  const from = gone[0] ?? shape.length, to = (gone.at(-1) ?? shape.length - 1) + 1;
  const kept = [...shape.keys()].filter((d) => !gone.includes(d));
  const apart = to - from !== gone.length, order = [...kept, ...gone], length = sizeOf(pick(shape, gone));
  const moved = pick(shape, order), walk = (strides: readonly number[]) => ({ offset: 0, strides });
  const walks = [walk(pick(stridesOf(shape), order)), walk(stridesOf(moved))] as const;
  if (apart && !copyDispatch(query, moved, walks, [])) return undefined;
  const inner = apart ? 1 : sizeOf(shape.slice(to));
  const job = { rows: sizeOf(pick(shape, kept)), length, inner, start: row.start, scale: row.mean ? 1 / length : 1 };
  const build = (place: Place): Dispatch[] => {
    const [x, y] = inOut(place, op), together = apart ? place.scratch[0] : x;
    const copies = apart ? copyDispatch(query, moved, walks, [x, together])! : [];
    return [...copies, ...byRows(query, shaders, { job, operands: [together, y] })];
  };
  return { kernel: rowShader(query, shaders, length), scratch: apart ? [sizeOf(shape) * 4] : [], build };
};

const image = (op: Operation): number[] => [...input(op, 0).shape.keys()].slice(2);

const lowerSoftmax = (name: string): Lower => (query, op) => {
  const { shape, type } = input(op, 0), axis = axisOf(op, num(op, 'axis', -1), shape.length), shaders = [name, `${name}_group`] as const;
  if (type !== 'float32') return undefined;
  const [outer, length, inner] = [sizeOf(shape.slice(0, axis)), shape[axis], sizeOf(shape.slice(axis + 1))];
  const job = { rows: length ? outer * inner : 0, length, inner };
  return {
    kernel: rowShader(query, shaders, length), build: (place) => byRows(query, shaders, { job, operands: inOut(place, op) }),
  };
};

const isFloat = (arg: Arg | undefined): boolean => arg?.type === 'float32';

const normalizing = ({ features }: Query): string => bySubgroups(features, 'f32_normalize_rows');

interface Rows { rows: number; length: number; channels: number; by_row: number; by_item: number }

/** Rows to mean 0 and variance 1, then scaled and shifted. */
function normalized(place: Place, op: Operation, rows: Rows, [scale, shift]: readonly [GPUBufferBinding, GPUBufferBinding]): Dispatch[] {
  if (rows.rows * rows.length === 0) return [];
  const [x, y] = inOut(place, op), job = { ...rows, epsilon: num(op, 'epsilon', 1e-5) };
  return [{ shader: normalizing(place), job, operands: [x, scale, shift, y], groups: fold(rows.rows, place.limits) }];
}

const lowerLayer: Lower = (query, op) => {
  const { shape } = input(op, 0), axis = axisOf(op, num(op, 'axis', -1), shape.length), inner = shape.slice(axis), length = sizeOf(inner);
  const known = op.inputs.slice(1).every((arg) => !arg || arg.value || sizeOf(arg.shape) === length);
  if (!op.inputs.every((arg) => !arg || isFloat(arg)) || !known || op.node.outputs.slice(1).some(Boolean)) return undefined;
  const whole = (place: Place, i: number): GPUBufferBinding => {
    const value = op.inputs[i]?.value;
    if (op.inputs[i] && !value) return place.value(op.node.inputs[i]);
    return place.upload(`${op.node.name}|row ${i}`, () => (value ? Float32Array.from(spread(value, inner)) : new Float32Array(length)));
  };
  const rows = { rows: sizeOf(shape.slice(0, axis)), length, channels: 1, by_row: 0, by_item: 1 };
  return { kernel: normalizing(query), build: (place) => normalized(place, op, rows, [whole(place, 1), whole(place, 2)]) };
};

const lowerInstance: Lower = (query, op) => {
  const { shape } = input(op, 0), [batch, channels] = shape;
  const rows = { rows: batch * channels, length: sizeOf(shape.slice(2)), channels, by_row: 1, by_item: 0 };
  if (!op.inputs.every(isFloat)) return undefined;
  return {
    kernel: normalizing(query),
    build: (place) => normalized(place, op, rows, [place.value(op.node.inputs[1]), place.value(op.node.inputs[2])]),
  };
};

/** Known statistics become one factor and one addend a channel, taken in f64. */
const lowerBatch: Lower = (query, op) => {
  const [scale, bias, mean, variance] = op.inputs.slice(1).map((arg) => arg?.value && numbersOf(arg.value));
  if (!isFloat(op.inputs[0]) || !scale || !bias || !mean || !variance) return undefined;
  const { shape } = input(op, 0), epsilon = num(op, 'epsilon', 1e-5), length = outSize(query, op);
  const factor = Float64Array.from(scale, (s, c) => s / Math.sqrt(variance[c] + epsilon));
  const build = (place: Place): Dispatch[] => {
    const [x, y] = inOut(place, op);
    const operands = [
      x, place.upload(`${op.node.name}|factor`, () => Float32Array.from(factor)),
      place.upload(`${op.node.name}|addend`, () => Float32Array.from(factor, (f, c) => bias[c] - mean[c] * f)), y,
    ];
    const job = { length, channels: shape[1], area: sizeOf(shape.slice(2)) };
    return lone(query, { shader: 'f32_affine', job, operands, invocations: length });
  };
  return { kernel: 'f32_affine', build };
};

const lowerLrn: Lower = (query, op) => {
  const { shape, type } = input(op, 0), size = num(op, 'size'), length = outSize(query, op);
  if (type !== 'float32') return undefined;
  const job = {
    length, channels: shape[1], area: sizeOf(shape.slice(2)), before: Math.floor((size - 1) / 2), after: Math.ceil((size - 1) / 2),
    alpha: num(op, 'alpha', 1e-4) / size, beta: num(op, 'beta', 0.75), bias: num(op, 'bias', 1),
  };
  return { kernel: 'f32_lrn', build: (place) => lone(query, { shader: 'f32_lrn', job, operands: inOut(place, op), invocations: length }) };
};

export const rows: Readonly<Record<string, Lower>> = {
  ...Object.fromEntries(Object.entries(folds).map(([name, row]) => [name, lowerFold(row, (op) => [...reducedAxes(op)])])),
  GlobalAveragePool: lowerFold(folds.ReduceMean, image),
  GlobalMaxPool: lowerFold(folds.ReduceMax, image),
  Softmax: lowerSoftmax('f32_softmax'),
  LogSoftmax: lowerSoftmax('f32_log_softmax'),
  LayerNormalization: lowerLayer,
  InstanceNormalization: lowerInstance,
  BatchNormalization: lowerBatch,
  LRN: lowerLrn,
};
