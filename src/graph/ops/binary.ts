import { expect } from '../../expect.ts';
import { sameShape, sizeOf, type DType, type Tensor } from '../../tensor.ts';
import { broadcast, mapNumbers, result, rows, spread } from './elements.ts';
import { at, data, input, num, type Call, type Op, type Work } from './op.ts';
import type { Typed } from '../graph.ts';

/** How two numbers become one, how a fold over several of them ends, and what type comes out. */
interface Fold {
  readonly inputs?: readonly [number, number];
  readonly step: (call: Call) => (a: number, b: number) => number;
  readonly end?: (call: Call) => (sofar: number) => number;
  readonly type?: DType;
  /** Whether the operands may differ in type; the result has the first one's. */
  readonly mixed?: boolean;
  readonly work?: (call: Call) => Work;
}

const several = [1, Infinity] as const;
const isFloat = (type: DType) => type === 'float32' || type === 'float64';

/** Whole types divide towards zero. */
const divide: Fold['step'] = (call) => (isFloat(input(call, 0).type) ? (a, b) => a / b : (a, b) => Math.trunc(a / b));

/** The sign follows the divisor (Python), or with fmod = 1 the dividend (C). */
const modulo: Fold['step'] = (call) => (num(call, 'fmod', 0) ? (a, b) => a % b : (a, b) => a - b * Math.floor(a / b));

const clampEnd: Fold['end'] = (call) => {
  const [low, high] = [num(call, 'min', -Infinity), num(call, 'max', Infinity)];
  return (sum) => Math.min(high, Math.max(low, sum));
};

const question = (f: (a: number, b: number) => boolean): Fold => ({ step: () => (a, b) => (f(a, b) ? 1 : 0), type: 'bool' });

const folds = {
  Add: { step: () => (a, b) => a + b, end: clampEnd },
  Sub: { step: () => (a, b) => a - b },
  Mul: { step: () => (a, b) => a * b },
  Div: { step: divide },
  Mod: { step: modulo },
  Pow: { step: () => (a, b) => a ** b, mixed: true },
  PRelu: {
    step: () => (x, slope) => (x < 0 ? slope * x : x),
    work: (call) => ({ macs: 0, inBounds: 0, ptflops: sizeOf(input(call, 0).shape) }),
  },
  Min: { inputs: several, step: () => Math.min },
  Max: { inputs: several, step: () => Math.max },
  Sum: { inputs: several, step: () => (a, b) => a + b },
  Mean: { inputs: several, step: () => (a, b) => a + b, end: (call) => (sum) => sum / call.inputs.length },
  Equal: question((a, b) => a === b),
  Greater: question((a, b) => a > b),
  GreaterOrEqual: question((a, b) => a >= b),
  Less: question((a, b) => a < b),
  LessOrEqual: question((a, b) => a <= b),
  And: question((a, b) => a !== 0 && b !== 0),
  Or: question((a, b) => a !== 0 || b !== 0),
  Xor: question((a, b) => (a !== 0) !== (b !== 0)),
} satisfies Record<string, Fold>;

function needOneType(call: Call, first: number): DType {
  const { type } = input(call, first);
  const types = call.inputs.slice(first).map((_, i) => input(call, first + i).type);
  expect(types.every((other) => other === type), { kind: 'dtype', where: at(call), needs: 'operands of one type', got: types.join(', ') });
  return type;
}

function infer(call: Call, fold: Fold): Typed[] {
  const type = fold.mixed ? input(call, 0).type : needOneType(call, 0);
  const shape = broadcast(call, call.inputs.map((_, i) => input(call, i).shape));
  return [{ type: fold.type ?? type, shape }];
}

function run(call: Call, fold: Fold): Tensor[] {
  const [{ type, shape }] = infer(call, fold);
  const step = fold.step(call);
  const end = fold.end?.(call);
  const out = new Float64Array(spread(data(call, 0), shape)); // a copy: in place from here
  for (let n = 1; n < call.inputs.length; n++) {
    const other = spread(data(call, n), shape);
    for (let i = 0; i < out.length; i++) out[i] = step(out[i], other[i]);
  }
  if (end) for (let i = 0; i < out.length; i++) out[i] = end(out[i]);
  return [result(type, shape, out)];
}

/** The slope of PRelu may not widen x. */
function inferPRelu(call: Call): Typed[] {
  const [out] = infer(call, folds.PRelu);
  expect(sameShape(out.shape, input(call, 0).shape), {
    kind: 'shape', where: at(call), needs: `a slope that broadcasts to [${input(call, 0).shape}]`, got: `[${input(call, 1).shape}]`,
  });
  return [out];
}

function inferWhere(call: Call): Typed[] {
  return [{ type: needOneType(call, 1), shape: broadcast(call, [0, 1, 2].map((i) => input(call, i).shape)) }];
}

function runWhere(call: Call): Tensor[] {
  const [{ type, shape }] = inferWhere(call);
  const [test, yes, no] = [0, 1, 2].map((i) => spread(data(call, i), shape));
  return [result(type, shape, mapNumbers(test, (t, i) => (t !== 0 ? yes[i] : no[i])))];
}

const table = rows(folds, (fold: Fold): Op => ({
  inputs: fold.inputs ?? [2, 2], infer: (call) => infer(call, fold), run: (call) => run(call, fold), work: fold.work,
}));

export const binary = {
  ...table,
  PRelu: { ...table.PRelu, infer: inferPRelu },
  Where: { inputs: [3, 3], infer: inferWhere, run: runWhere },
} satisfies Record<string, Op>;
