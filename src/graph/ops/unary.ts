import { fail } from '../../expect.ts';
import { numbersOf, sizeOf, type DType, type Tensor } from '../../tensor.ts';
import { like, mapNumbers, result, rows } from './elements.ts';
import { at, data, input, num, numbers, text, type Call, type Op, type Work } from './op.ts';

type Scalar = (x: number) => number;
/** What makes the scalar function of one call: attributes and small inputs are read once. */
type Maker = (call: Call) => Scalar;

/** x with its even neighbour chosen at .5, as IEEE 754 and ONNX round. */
export function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/**
 * The error function by 2/√π · e^(−x²) · Σ 2ⁿx^(2n+1)/(2n+1)!! (Abramowitz & Stegun 7.1.6): every term is positive, so
 * nothing cancels. Beyond 6 it is 1 in f64.
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  let [term, sum] = [a, a];
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * a * a) / (2 * n + 1);
    sum += term;
  }
  return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
}

const sigmoid: Scalar = (x) => 1 / (1 + Math.exp(-x));
const softplus: Scalar = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const between = (x: number, low: number, high: number) => Math.min(high, Math.max(low, x));

const gelu = (call: Call): Scalar => {
  const form = text(call, 'approximate', 'none');
  if (form === 'none') return (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));
  if (form === 'tanh') return (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  return fail({ kind: 'model', where: `${at(call)} attribute approximate`, needs: 'none or tanh', got: form });
};

/** Functions between layers; ptflops counts one a value. Defaults are ONNX's. */
const activations = {
  Relu: () => (x) => Math.max(0, x),
  LeakyRelu: (call) => {
    const alpha = num(call, 'alpha', 0.01);
    return (x) => (x < 0 ? alpha * x : x);
  },
  ThresholdedRelu: (call) => {
    const alpha = num(call, 'alpha', 1);
    return (x) => (x <= alpha ? 0 : x);
  },
  Elu: (call) => {
    const alpha = num(call, 'alpha', 1);
    return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
  },
  Celu: (call) => {
    const alpha = num(call, 'alpha', 1);
    return (x) => (x < 0 ? alpha * Math.expm1(x / alpha) : x);
  },
  Selu: (call) => {
    const [alpha, gamma] = [num(call, 'alpha', 1.67326319217681884765625), num(call, 'gamma', 1.05070102214813232421875)];
    return (x) => gamma * (x < 0 ? alpha * Math.expm1(x) : x);
  },
  Sigmoid: () => sigmoid,
  HardSigmoid: (call) => {
    const [alpha, beta] = [num(call, 'alpha', 0.2), num(call, 'beta', 0.5)];
    return (x) => between(alpha * x + beta, 0, 1);
  },
  HardSwish: () => (x) => x * between(x / 6 + 0.5, 0, 1),
  Swish: (call) => {
    const alpha = num(call, 'alpha', 1);
    return (x) => x * sigmoid(alpha * x);
  },
  Mish: () => (x) => x * Math.tanh(softplus(x)),
  Gelu: gelu,
  Softplus: () => softplus,
  Softsign: () => (x) => x / (1 + Math.abs(x)),
  Tanh: () => Math.tanh,
  Clip: (call) => {
    const [low, high] = [numbers(call, 1)?.[0] ?? -Infinity, numbers(call, 2)?.[0] ?? Infinity];
    return (x) => between(x, low, high);
  },
} satisfies Record<string, Maker>;

/** Plain arithmetic, free in ptflops. */
const functions = {
  Exp: Math.exp, Log: Math.log, Sqrt: Math.sqrt, Reciprocal: (x) => 1 / x, Neg: (x) => -x, Abs: Math.abs, Sign: Math.sign,
  Floor: Math.floor, Ceil: Math.ceil, Round: roundHalfEven, Erf: erf,
  Sin: Math.sin, Cos: Math.cos, Tan: Math.tan, Asin: Math.asin, Acos: Math.acos, Atan: Math.atan,
  Sinh: Math.sinh, Cosh: Math.cosh, Asinh: Math.asinh, Acosh: Math.acosh, Atanh: Math.atanh,
} satisfies Record<string, Scalar>;

/** Questions, answered in bool. */
const tests = {
  Not: (x) => (x === 0 ? 1 : 0),
  IsNaN: (x) => (Number.isNaN(x) ? 1 : 0),
} satisfies Record<string, Scalar>;

function apply(call: Call, f: Scalar, type: DType): Tensor[] {
  const x = data(call, 0);
  return [result(type, x.dims, mapNumbers(numbersOf(x), f))];
}

const activationWork = (call: Call): Work => ({ macs: 0, inBounds: 0, ptflops: sizeOf(input(call, 0).shape) });

/** Element types by ONNX's TensorProto number; float16 and bfloat16 are held as float32. */
const byNumber: Readonly<Record<number, DType>> = {
  1: 'float32', 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16', 6: 'int32', 7: 'int64', 9: 'bool', 10: 'float32', 11: 'float64',
  12: 'uint32', 13: 'uint64', 16: 'float32',
};

function castType(call: Call): DType {
  const to = num(call, 'to');
  return byNumber[to] ?? fail({
    kind: 'unsupported', where: `${at(call)} attribute to`, needs: `one of ${Object.keys(byNumber).join(', ')}`, got: String(to),
  });
}

function runCast(call: Call): Tensor[] {
  const type = castType(call);
  const x = data(call, 0);
  return x.type === type ? [x] : apply(call, (v) => v, type);
}

const same = (call: Call) => [like(call)];

export const unary = {
  ...rows(activations, (make: Maker, name): Op => ({
    inputs: name === 'Clip' ? [1, 3] : [1, 1],
    infer: same,
    run: (call) => apply(call, make(call), input(call, 0).type),
    work: activationWork,
  })),
  ...rows(functions, (f: Scalar): Op => ({ inputs: [1, 1], infer: same, run: (call) => apply(call, f, input(call, 0).type) })),
  ...rows(tests, (f: Scalar): Op => ({
    inputs: [1, 1], infer: (call) => [{ ...like(call), type: 'bool' }], run: (call) => apply(call, f, 'bool'),
  })),
  Identity: { inputs: [1, 1], infer: same, run: (call) => [data(call, 0)] },
  Dropout: { inputs: [1, 3], infer: same, run: (call) => [data(call, 0)] },
  Cast: { inputs: [1, 1], infer: (call) => [{ ...like(call), type: castType(call) }], run: runCast },
} satisfies Record<string, Op>;
